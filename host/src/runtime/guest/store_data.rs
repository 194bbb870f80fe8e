//! The data of one instance: its handles, limits and calls.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::time::Instant;
use wasmtime::{
    AsContextMut, StoreContextMut,
    component::{GuestTaskId, HasData, ResourceTable},
};
use wasmtime_wasi::{HostMonotonicClock, WasiCtx, WasiCtxView, WasiView};

use crate::{
    chat::plain::{self, SENTENCE},
    runtime::{
        guest::{
            hop::Hop,
            output::{GuestOutput, OutputName},
        },
        limits::{cpu_clock::CpuClock, limit::Limit, log_rate::LogRate, memory::MemoryLimiter, policy::InstancePolicy},
    },
    state::state_store::ModuleState,
};

/// The data of an instance's store.
pub(crate) struct StoreData {
    /// The module's name, for its log messages.
    pub(crate) module: Arc<str>,
    pub(crate) table: ResourceTable,
    pub(crate) policy: InstancePolicy,
    pub(crate) memory: MemoryLimiter,
    pub(crate) log_rate: LogRate,
    pub(crate) cpu: Arc<CpuClock>,
    /// The calls being served, by guest task. Imports without a handle find their call here.
    pub(crate) calls: BTreeMap<GuestTaskId, Arc<Hop>>,
    /// The call that exceeded a limit, if it is known.
    pub(crate) culprit: Option<Arc<Hop>>,
    /// The last message of the level `critical`: why the guest ends, if it does. The SDK logs panics so.
    last_words: Option<String>,
    /// What the guest writes to standard error.
    stderr: GuestOutput,
    /// The values that the module keeps, if it has the grant.
    pub(crate) state: Arc<dyn ModuleState>,
    /// The most content of an answer that the guest may read, and the limit that says so. Absent if it reads none.
    pub(crate) most_content: Option<(usize, Limit)>,
    /// Whether the module appends to the journal. Then the end of an answer waits until the module has noted it.
    pub(crate) keeps_journal: bool,
    clock: MonotonicClock,
    wasi: WasiCtx,
}

impl StoreData {
    pub(crate) fn new(module: Arc<str>, policy: InstancePolicy, state: Arc<dyn ModuleState>) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(policy.handles());
        // The files, sockets and environment of WASI 0.2 are empty.
        let clock = MonotonicClock(Instant::now());
        let output = |name| GuestOutput::new(module.clone(), name, policy.limits);
        let stderr = output(OutputName::Stderr);
        let mut wasi = WasiCtx::builder();
        wasi.monotonic_clock(clock).stdout(output(OutputName::Stdout)).stderr(stderr.clone());
        Self {
            module,
            table,
            memory: MemoryLimiter::new(&policy),
            log_rate: LogRate::new(),
            cpu: Arc::default(),
            policy,
            calls: BTreeMap::new(),
            culprit: None,
            last_words: None,
            stderr,
            state,
            most_content: None,
            keeps_journal: false,
            clock,
            wasi: wasi.build(),
        }
    }

    /// Keeps a message of the level `critical`: if the guest ends now, it says why.
    pub(crate) fn keep_last_words(&mut self, message: &str) {
        self.last_words = Some(plain::line(message, SENTENCE).into_owned());
    }

    /// What the guest said last, if it said anything. The error of a trap adds it to `cause`, or is it.
    pub(crate) fn last_words(&mut self, cause: impl FnOnce() -> String) -> String {
        match (self.last_words.take(), self.stderr.last_lines()) {
            (Some(words), _) => words,
            (None, Some(lines)) => format!("{}; it wrote last:\n{lines}", cause()),
            (None, None) => cause(),
        }
    }

    /// Forgets what the guest said, which was about calls that have ended.
    pub(crate) fn forget_last_words(&mut self) {
        self.last_words = None;
        self.stderr.forget();
    }

    /// The monotonic clock that the module sees.
    pub(crate) fn monotonic_clock(&self) -> Duration {
        self.clock.elapsed()
    }
}

impl WasiView for StoreData {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// What the monotonic clock shows when an instance starts. Go refuses a clock at zero, and a program may subtract from it.
const ORIGIN: Duration = Duration::from_secs(24 * 60 * 60);

/// Tokio's clock, from the start of the instance. It is virtual when tokio's is paused.
#[derive(Clone, Copy)]
struct MonotonicClock(Instant);

impl MonotonicClock {
    fn elapsed(self) -> Duration {
        ORIGIN.saturating_add(self.0.elapsed())
    }
}

impl HostMonotonicClock for MonotonicClock {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        crate::chat::seconds::nanoseconds(self.elapsed())
    }
}

/// How imports reach the store's data.
pub(crate) struct Imports;

impl HasData for Imports {
    type Data<'a> = &'a mut StoreData;
}

/// The call on whose behalf the guest calls the host. `None` outside of calls.
pub(crate) fn current_hop(mut store: StoreContextMut<'_, StoreData>) -> wasmtime::Result<Option<Arc<Hop>>> {
    // Youngest first. The entry that the worker made is the oldest.
    let tasks: Vec<GuestTaskId> = store.as_context_mut().async_call_stack()?.collect();
    let state = store.data();
    Ok(tasks.iter().rev().find_map(|task| state.calls.get(task).cloned()))
}
