//! What the tests of this folder share: calls, and instances of a built-in module around an inner that waits.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::Semaphore;

use crate::{
    call::{
        branch::Branch,
        cancel::Cancel,
        clock,
        invoke::Invoke,
        stop::{AnswerFuture, Call, Stop},
        upstream::Upstream,
    },
    chat::{config_error::ConfigError, error::ErrorKind, request::Request},
    config::{compile_cache::CompileCache, digest::digest, known_model::KnownModel, sandbox::Sandbox},
    runtime::{
        guest::{
            component::CompiledComponent,
            engine::WasmRuntime,
            hop::Hop,
            may_add::MayAdd,
            place::{ModelLoader, Place},
        },
        instance::{error::ServeResult, instance::Instance, pool::Pool},
        limits::policy::InstancePolicy,
    },
    state::memory_store::MemoryStore,
    telemetry::{meters::own_time, scope::Scope},
};

/// The inner of the module. It counts who asks, and fails when the test lets it.
pub(crate) struct Inner {
    asked: AtomicUsize,
    open: Semaphore,
}

impl Inner {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { asked: AtomicUsize::new(0), open: Semaphore::new(0) })
    }

    pub(crate) async fn wait_until_asked(&self, times: usize) {
        while self.asked.load(Ordering::SeqCst) < times {
            tokio::task::yield_now().await;
        }
    }

    /// Lets `times` calls end.
    pub(crate) fn answer(&self, times: usize) {
        self.open.add_permits(times);
    }
}

impl Stop for Inner {
    fn provider(&self) -> &str {
        "a"
    }

    fn model(&self) -> &str {
        "m"
    }

    fn validate_config(&self) -> Result<(), ConfigError> {
        Ok(())
    }

    fn around(&self, end: Arc<dyn Stop>) -> Arc<dyn Stop> {
        end
    }

    fn invoke(self: Arc<Self>, _: Call) -> AnswerFuture {
        Box::pin(async move {
            self.asked.fetch_add(1, Ordering::SeqCst);
            self.open.acquire().await.unwrap().forget();
            // An error that retry passes on.
            Err(ErrorKind::Cancelled)
        })
    }
}

/// Loads nothing.
struct NoOthers;

impl ModelLoader for NoOthers {
    fn load(&self, _: &str) -> Result<Arc<Upstream>, ConfigError> {
        Err(ConfigError::new("no other model"))
    }

    fn facts(&self, _: &str) -> Option<KnownModel> {
        None
    }

    fn list(&self) -> Arc<[KnownModel]> {
        Arc::default()
    }
}

/// A call at a module around `inner`.
pub(crate) fn hop(inner: Arc<dyn Stop>) -> Arc<Hop> {
    let module: Arc<str> = "retry".into();
    let (own_time, loader) = (own_time(&module), Arc::new(NoOthers));
    let place =
        Place { module, loader, own_time, may_add: MayAdd::of(None), journal: Arc::default(), clock: clock::system() };
    let invoke = Invoke::start(std::time::Duration::from_secs(600), 32, 0, 0, false);
    let branch = Branch { invoke, cancel: Cancel::default(), span: Scope::default(), line: None };
    Arc::new(Hop::new(Arc::new(place), inner, branch, false))
}

/// A pool of retry, where `calls` share an instance.
pub(crate) async fn pool(sandbox: &Sandbox, calls: u32) -> Arc<Pool> {
    let wasm = arcllm_builtin::find("retry").unwrap().wasm;
    let runtime = WasmRuntime::get(sandbox.limits.stack_kb, &CompileCache::User).unwrap();
    let compiled = CompiledComponent::get(runtime, wasm, digest(wasm), true).unwrap();
    let policy = InstancePolicy::new(sandbox, calls, u64::MAX, true);
    let state = Arc::new(MemoryStore::of_process());
    let mut first = Instance::start("retry".into(), &compiled, policy, &*state).await.unwrap();
    first.configure("{}".to_owned()).await.unwrap().unwrap();
    Pool::new("retry".into(), compiled, "{}".to_owned(), policy, state, first)
}

/// Lets the pool serve a call around `inner`.
pub(crate) fn call(pool: &Arc<Pool>, inner: &Arc<Inner>) -> tokio::task::JoinHandle<ServeResult> {
    let (pool, hop) = (pool.clone(), hop(inner.clone()));
    tokio::spawn(async move { pool.serve(Arc::new(Request::default()), hop, 0, false).await })
}
