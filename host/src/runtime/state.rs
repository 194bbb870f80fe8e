//! What one instance has: its handles, its limits, and the calls it is serving.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rand_core::TryRng;
use tokio::time::Instant;
use wasmtime::{
    AsContextMut, StoreContextMut,
    component::{GuestTaskId, HasData, ResourceTable},
};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtx, WasiCtxView, WasiView};

use super::{
    cpu::Meter,
    handles::Hop,
    limits::{Caps, Growth, Limit},
    log_rate::LogRate,
};
use crate::state_store::Bucket;

/// The data of an instance's store.
pub(crate) struct State {
    /// The module's name, for its log messages.
    pub(crate) module: Arc<str>,
    pub(crate) table: ResourceTable,
    pub(crate) caps: Caps,
    pub(crate) growth: Growth,
    pub(crate) log_rate: LogRate,
    pub(crate) meter: Arc<Meter>,
    /// The calls being served, by the guest task that serves them: how an import that carries no handle finds its call.
    pub(crate) calls: BTreeMap<GuestTaskId, Arc<Hop>>,
    /// The call that went past a limit, where that is known.
    pub(crate) culprit: Option<Arc<Hop>>,
    /// What the module keeps, if it may.
    pub(crate) bucket: Arc<dyn Bucket>,
    /// The most content of an answer that the guest is handed, if it looks into answers, and the limit that says so.
    pub(crate) most_content: Option<(usize, Limit)>,
    /// Whose turn it is, where calls are served one at a time.
    pub(crate) turn: Turn,
    wasi: WasiCtx,
}

/// The call of an instance that serves one at a time: whose random numbers those of WASI 0.2 are.
#[derive(Clone, Default)]
pub(crate) struct Turn(Arc<Mutex<Weak<Hop>>>);

impl Turn {
    /// It is this call's.
    pub(crate) fn is_of(&self, hop: &Arc<Hop>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(hop);
    }

    fn random(&self) -> u64 {
        let hop = self.0.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
        hop.map_or(0, |hop| hop.invoke.random())
    }
}

impl TryRng for Turn {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        // The upper half is as random as the lower one.
        Ok(u32::try_from(self.random() >> 32).unwrap_or_default())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.random())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(8) {
            let random = self.random().to_le_bytes();
            chunk.iter_mut().zip(random).for_each(|(byte, random)| *byte = random);
        }
        Ok(())
    }
}

impl State {
    pub(crate) fn new(module: Arc<str>, caps: Caps, bucket: Arc<dyn Bucket>) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(caps.handles());
        // Nothing is inherited, nothing is open: what WASI 0.2 has of files, sockets and environment is empty.
        let turn = Turn::default();
        let mut wasi = WasiCtx::builder();
        wasi.monotonic_clock(Clock(Instant::now())).wall_clock(WallClock).insecure_random(turn.clone());
        Self {
            module,
            table,
            growth: Growth::new(&caps),
            log_rate: LogRate::new(),
            meter: Arc::default(),
            caps,
            calls: BTreeMap::new(),
            culprit: None,
            bucket,
            most_content: None,
            turn,
            wasi: wasi.build(),
        }
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// Tokio's clock for WASI 0.2, so that it is virtual where tokio's is paused.
struct Clock(Instant);

impl HostMonotonicClock for Clock {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        super::convert::nanoseconds(self.0.elapsed())
    }
}

/// Likewise the wall clock.
struct WallClock;

impl HostWallClock for WallClock {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(1)
    }

    fn now(&self) -> Duration {
        wall_clock().duration_since(UNIX_EPOCH).unwrap_or_default()
    }
}

/// How the imports reach the state.
pub(crate) struct Imports;

impl HasData for Imports {
    type Data<'a> = &'a mut State;
}

/// The call on whose behalf the guest is calling the host just now; none outside of calls.
pub(crate) fn current_hop(mut store: StoreContextMut<'_, State>) -> wasmtime::Result<Option<Arc<Hop>>> {
    // Youngest first; the entry made by the worker is the oldest.
    let tasks: Vec<GuestTaskId> = store.as_context_mut().async_call_stack()?.collect();
    let state = store.data();
    Ok(tasks.iter().rev().find_map(|task| state.calls.get(task).cloned()))
}

/// When the clocks that modules see were first asked, by either clock.
fn origin() -> &'static (Instant, SystemTime) {
    static ORIGIN: std::sync::OnceLock<(Instant, SystemTime)> = std::sync::OnceLock::new();
    ORIGIN.get_or_init(|| (Instant::now(), SystemTime::now()))
}

/// What the monotonic clock began with. Above zero, since a runtime whose time is virtual may be behind another one in which
/// the clock was first asked.
const BEGINNING: Duration = Duration::from_secs(10 * 365 * 86_400);

/// The monotonic clock that modules see.
pub(crate) fn since_origin() -> Duration {
    let (since, _) = origin();
    let now = Instant::now();
    (BEGINNING + now.saturating_duration_since(*since)).saturating_sub(since.saturating_duration_since(now))
}

/// The wall clock that modules see: the system's, or where time is virtual one that goes with it.
pub(crate) fn wall_clock() -> SystemTime {
    let (_, began) = origin();
    // Tokio does not tell. A clock that stands still while it is read twice is virtual, or too coarse to tell it from one
    // that is.
    match Instant::now() == Instant::now() {
        true => *began + since_origin() - BEGINNING,
        false => SystemTime::now(),
    }
}
