//! How long a call computes: ticks of a clock that fall into the time that its guest runs.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::{
    runtime::{Handle, Id},
    sync::Semaphore,
};
use wasmtime::{AsContextMut, Engine, Result, Store, StoreContextMut, UpdateDeadline};

use crate::runtime::{
    guest::state::{State, current_hop},
    limits::limits::Limit,
};

/// How often a guest that computes yields to the other tasks of its thread, and the unit in which its time is counted.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// The most that an instance may compute outside of calls: to start and to read its settings.
const START: Duration = Duration::from_secs(30);

static TICKS: AtomicU64 = AtomicU64::new(0);

/// Advances the clock, and that of every engine, for as long as the process lives.
pub(crate) fn start_clock(engines: impl Fn(&mut dyn FnMut(&Engine)) + Send + 'static) -> std::io::Result<()> {
    let ticking = thread::Builder::new().name("arcllm-epoch".to_owned()).spawn(move || {
        loop {
            thread::sleep(TICK);
            TICKS.fetch_add(1, Ordering::Relaxed);
            engines(&mut Engine::increment_epoch);
        }
    });
    ticking.map(drop)
}

/// A number that changes at every tick.
pub(crate) fn ticks() -> u64 {
    TICKS.load(Ordering::Relaxed)
}

/// As many turns to compute for long as a runtime has threads.
pub(crate) fn turns(runtime: &Handle) -> Arc<Semaphore> {
    static TURNS: Mutex<Vec<(Id, Weak<Semaphore>)>> = Mutex::new(Vec::new());
    let mut all = TURNS.lock().unwrap_or_else(PoisonError::into_inner);
    all.retain(|(_, turns)| turns.strong_count() > 0);
    let known = all.iter().find(|(id, _)| *id == runtime.id()).and_then(|(_, turns)| turns.upgrade());
    known.unwrap_or_else(|| {
        let turns = Arc::new(Semaphore::new(runtime.metrics().num_workers()));
        all.push((runtime.id(), Arc::downgrade(&turns)));
        turns
    })
}

/// When an instance's event loop began to run, so that ticks which passed while it slept are not counted.
#[derive(Default)]
pub(crate) struct Meter {
    since: AtomicU64,
    /// Whether a guest has yielded while it computed since the loop began to run.
    yielded: AtomicBool,
    /// Whether one had when the loop last stopped.
    computing: AtomicBool,
}

impl Meter {
    /// Runs what an instance does once, and notes when.
    pub(crate) fn run<T>(&self, act: impl FnOnce() -> T) -> T {
        self.since.store(ticks(), Ordering::Relaxed);
        self.yielded.store(false, Ordering::Relaxed);
        let done = act();
        self.computing.store(self.yielded.load(Ordering::Relaxed), Ordering::Relaxed);
        done
    }

    /// Runs what an instance does, and notes when it runs.
    pub(crate) async fn watch<F: Future>(&self, doing: F) -> F::Output {
        let mut doing = pin!(doing);
        poll_fn(|context| self.run(|| doing.as_mut().poll(context))).await
    }

    /// Whether a guest has been computing since the last tick or longer, and goes on.
    pub(crate) fn is_computing(&self) -> bool {
        self.computing.load(Ordering::Relaxed)
    }

    /// The ticks since it began, or since they were last asked for.
    fn ticks(&self) -> u64 {
        let now = ticks();
        now.saturating_sub(self.since.swap(now, Ordering::Relaxed))
    }
}

/// Has the guests of this store yield at every tick, and end when they have used up their time.
pub(crate) fn limit(store: &mut Store<State>) {
    let budget = |time: Duration| u64::try_from(time.as_nanos().div_ceil(TICK.as_nanos())).unwrap_or(u64::MAX);
    let of_call = budget(store.data().caps.limits.cpu);
    let meter: Arc<Meter> = store.data().meter.clone();
    let mut outside = budget(START);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |mut store: StoreContextMut<'_, State>| -> Result<UpdateDeadline> {
        let ticks = meter.ticks();
        if ticks == 0 {
            // They all passed before the guest ran.
            return Ok(UpdateDeadline::Continue(1));
        }
        match current_hop(store.as_context_mut())? {
            Some(hop) if hop.computed(ticks) > of_call => {
                store.data_mut().culprit = Some(hop);
                Err(Limit::Cpu.into())
            }
            Some(_) => {
                meter.yielded.store(true, Ordering::Relaxed);
                Ok(UpdateDeadline::Yield(1))
            }
            None => {
                outside = outside.checked_sub(ticks).ok_or(Limit::Cpu)?;
                Ok(UpdateDeadline::Yield(1))
            }
        }
    });
}
