//! The clock that counts computing, and the turns of guests that compute for long.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{
        Arc, Mutex, OnceLock, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, Thread},
    time::Duration,
};

use tokio::{
    runtime::{Handle, Id},
    sync::Semaphore,
};
use wasmtime::Engine;

/// How often a computing guest yields to the other tasks of its thread. It is the unit that computing is counted in.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// The clock stops when no guest has run for this many ticks.
const IDLE_TICKS: u32 = 10;

static TICKS: AtomicU64 = AtomicU64::new(0);

/// Whether a guest has run since the last tick.
static RAN: AtomicBool = AtomicBool::new(false);

/// Whether the clock has stopped.
static STOPPED: AtomicBool = AtomicBool::new(false);

static CLOCK: OnceLock<Thread> = OnceLock::new();

/// Starts the clock, which advances the epoch of every engine. It stops while no guest runs.
pub(crate) fn start(engines: impl Fn(&mut dyn FnMut(&Engine)) + Send + 'static) -> std::io::Result<()> {
    let ticking = thread::Builder::new().name("arcllm-epoch".to_owned()).spawn(move || {
        let mut idle = 0;
        loop {
            thread::sleep(TICK);
            TICKS.fetch_add(1, Ordering::Relaxed);
            engines(&mut Engine::increment_epoch);
            idle = if RAN.swap(false, Ordering::SeqCst) { 0 } else { idle + 1 };
            if idle >= IDLE_TICKS {
                wait_for_a_guest();
                idle = 0;
            }
        }
    })?;
    CLOCK.get_or_init(|| ticking.thread().clone());
    Ok(())
}

fn wait_for_a_guest() {
    // In this order: a guest first notes that it runs and then checks whether the clock has stopped.
    STOPPED.store(true, Ordering::SeqCst);
    while !RAN.load(Ordering::SeqCst) {
        thread::park();
    }
    STOPPED.store(false, Ordering::SeqCst);
}

/// Restarts the clock if it has stopped. Costs one load if another guest has run since the last tick.
fn guest_runs() {
    if RAN.load(Ordering::Relaxed) {
        return;
    }
    RAN.store(true, Ordering::SeqCst);
    if STOPPED.load(Ordering::SeqCst)
        && let Some(clock) = CLOCK.get()
    {
        clock.unpark();
    }
}

/// A number that changes at every tick.
pub(crate) fn ticks() -> u64 {
    TICKS.load(Ordering::Relaxed)
}

/// The turns of guests that compute for long: one for each thread of the runtime.
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

/// Counts the computing of one instance. Ticks that pass while its event loop sleeps do not count.
#[derive(Default)]
pub(crate) struct CpuClock {
    since: AtomicU64,
    /// Whether a computing guest has yielded, in this run of the loop.
    yielded: AtomicBool,
    /// Whether a computing guest had yielded in the last run of the loop.
    computing: AtomicBool,
    /// Whether a guest waits in a way that blocks its instance.
    blocked: AtomicBool,
}

impl CpuClock {
    /// Runs the event loop once.
    pub(crate) fn run<T>(&self, act: impl FnOnce() -> T) -> T {
        guest_runs();
        self.since.store(ticks(), Ordering::Relaxed);
        self.yielded.store(false, Ordering::Relaxed);
        let done = act();
        self.computing.store(self.yielded.load(Ordering::Relaxed), Ordering::Relaxed);
        done
    }

    /// Runs a future of an instance to its end.
    pub(crate) async fn watch<F: Future>(&self, doing: F) -> F::Output {
        let mut doing = pin!(doing);
        poll_fn(|context| self.run(|| doing.as_mut().poll(context))).await
    }

    /// Whether a guest has computed for a tick or longer, and goes on.
    pub(crate) fn is_computing(&self) -> bool {
        self.computing.load(Ordering::Relaxed)
    }

    /// Whether a guest blocks its instance.
    pub(crate) fn is_blocked(&self) -> bool {
        self.blocked.load(Ordering::Relaxed)
    }

    /// Notes that a guest blocks its instance, until the returned value is dropped.
    pub(crate) fn blocked(&self) -> BlockGuard<'_> {
        self.blocked.store(true, Ordering::Relaxed);
        BlockGuard(self)
    }

    /// Notes that a computing guest yields.
    pub(crate) fn yields(&self) {
        self.yielded.store(true, Ordering::Relaxed);
    }

    /// The ticks since the loop began to run, or since the last call of this.
    pub(crate) fn ticks(&self) -> u64 {
        let now = ticks();
        now.saturating_sub(self.since.swap(now, Ordering::Relaxed))
    }
}

/// Notes the end of a blocking wait when it is dropped.
pub(crate) struct BlockGuard<'a>(&'a CpuClock);

impl Drop for BlockGuard<'_> {
    fn drop(&mut self) {
        self.0.blocked.store(false, Ordering::Relaxed);
    }
}
