//! One running copy of a module, with a store, limits and settings of its own.
//! [`Worker`](crate::runtime::instance::worker::Worker) is the pool's view of it.

use std::sync::Arc;

use wasmtime::{
    AsContextMut, Store,
    component::{Access, Accessor, ComponentNamedList, Lift, TypedFunc, TypedFuncCallConcurrent},
};

use crate::{
    chat::config_error::ConfigError,
    config::grant::JOURNAL,
    runtime::{
        guest::{
            bindings::exports::arcllm::llm::module::{ConfigError as Refusal, Cost, Description, Target},
            component::{CompiledComponent, Streams},
            cpu_limit::{self, START},
            exports::Exports,
            hop::Hop,
            store_data::StoreData,
        },
        instance::error::InstanceError,
        limits::{cpu_clock::CpuClock, limit::Limit, policy::InstancePolicy},
    },
    state::state_store::StateStore,
};

/// An instance: a store and the exports of the component in it.
pub(crate) struct Instance {
    pub(crate) store: Store<StoreData>,
    pub(crate) exports: Arc<Exports>,
}

impl Instance {
    /// Instantiates a module.
    pub(crate) async fn start(
        module: Arc<str>,
        compiled: &CompiledComponent,
        policy: InstancePolicy,
        store: &dyn StateStore,
    ) -> Result<Self, String> {
        let kept = match policy.state {
            None => store.open(&module),
            Some(most) => store.open_within(&module, most).ok_or_else(|| {
                let problem = "its grant `state` has a max_mb, and the state store of this program has no such limit";
                format!("{problem}\n  help: allow \"state\" without max_mb")
            })?,
        };
        let mut state = StoreData::new(module, policy, kept);
        state.most_content = (compiled.streams != Streams::Forwards).then(|| policy.content_of_call());
        state.keeps_journal = compiled.asks_for().any(|grant| grant == JOURNAL);
        let mut store = Store::new(compiled.exports.pre.engine(), state);
        store.limiter(|state| &mut state.memory);
        store.set_hostcall_fuel(policy.hostcall());
        // The guest's own handles, with those of calls under way.
        store.set_max_component_handles(policy.handles());
        cpu_limit::limit(&mut store);
        let clock = store.data().cpu.clone();
        let starting = within(&clock, compiled.exports.instantiate(&mut store)).await;
        let exports = starting.map_err(|failed| failed.reason(store.data_mut()))?;
        Ok(Self { store, exports: Arc::new(exports) })
    }

    /// `module.describe`.
    pub(crate) async fn describe(&mut self) -> Result<Description, String> {
        let exports = self.exports.clone();
        let run = async |store: &Accessor<StoreData>| exports.module.call_describe(store).await;
        let clock = self.store.data().cpu.clone();
        let ran = within(&clock, async { self.store.run_concurrent(run).await? }).await;
        ran.map_err(|failed| failed.reason(self.store.data_mut()))
    }

    /// `module.configure`. The inner result has the settings that the module refuses.
    pub(crate) async fn configure(&mut self, settings: String) -> Result<Result<(), Vec<Refusal>>, String> {
        let exports = self.exports.clone();
        let run = async |store: &Accessor<StoreData>| exports.module.call_configure(store, settings).await;
        let clock = self.store.data().cpu.clone();
        let ran = within(&clock, async { self.store.run_concurrent(run).await? }).await;
        ran.map_err(|failed| failed.reason(self.store.data_mut()))
    }

    /// `module.worst-case`.
    pub(crate) async fn worst_case(&mut self, inner: Target, others: Vec<Target>) -> Result<Cost, String> {
        let exports = self.exports.clone();
        let run = async |store: &Accessor<StoreData>| exports.module.call_worst_case(store, inner, others).await;
        let clock = self.store.data().cpu.clone();
        let ran = within(&clock, async { self.store.run_concurrent(run).await? }).await;
        ran.map_err(|failed| failed.reason(self.store.data_mut()))
    }
}

/// What a module answers when it is asked directly, not through a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Probe {
    /// Its `llm-provider.name`.
    pub name: String,
    /// Its `llm-provider.validate-config`.
    pub validate_config: Result<(), ConfigError>,
}

impl Instance {
    /// Asks the module's own `name` and `validate-config`, on behalf of this call.
    pub(crate) async fn probe(&mut self, hop: Arc<Hop>) -> Result<Probe, String> {
        let exports = self.exports.clone();
        let run = async |store: &Accessor<StoreData>| {
            let (name, validate_config) = (exports.name, exports.validate_config);
            let call = store.with(|store| begin(store, name, &hop))?;
            let (name,) = name.finish_call_concurrent(store, call).await?;
            let call = store.with(|store| begin(store, validate_config, &hop))?;
            let (validate_config,) = validate_config.finish_call_concurrent(store, call).await?;
            let validate_config = validate_config.map_err(ConfigError::new);
            Ok::<_, wasmtime::Error>(Probe { name, validate_config })
        };
        let clock = self.store.data().cpu.clone();
        let ran = within(&clock, async { self.store.run_concurrent(run).await? }).await;
        ran.map_err(|failed| failed.reason(self.store.data_mut()))
    }
}

/// Starts a function without parameters, and notes on behalf of which call.
fn begin<R: ComponentNamedList + Lift + Send + Sync + 'static>(
    mut store: Access<'_, StoreData>,
    function: TypedFunc<(), R>,
    hop: &Arc<Hop>,
) -> wasmtime::Result<TypedFuncCallConcurrent<StoreData, (), R>> {
    let call = function.start_call_concurrent(store.as_context_mut(), ())?;
    store.data_mut().calls.insert(call.task(), hop.clone());
    Ok(call)
}

/// Waits for what an instance does outside of calls, at most [`START`].
async fn within<T>(clock: &CpuClock, doing: impl Future<Output = wasmtime::Result<T>>) -> Result<T, Failed> {
    match tokio::time::timeout(START, clock.watch(doing)).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(Failed::Trap(error)),
        Err(_) => Err(Failed::Silent),
    }
}

/// How an instance failed outside of calls.
enum Failed {
    Trap(wasmtime::Error),
    Silent,
}

impl Failed {
    /// Why it failed, for a person to read.
    fn reason(self, state: &mut StoreData) -> String {
        let seconds = START.as_secs();
        match self {
            Failed::Trap(error) if Limit::of(&error) == Some(Limit::Cpu) => {
                format!("it computed for longer than {seconds} s")
            }
            Failed::Trap(error) => InstanceError::trap(&error, None, state).reason,
            Failed::Silent => format!("it did not answer within {seconds} s"),
        }
    }
}
