//! How many instances the process has room for, and how much memory they take, over all modules.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError, Weak,
    atomic::{AtomicU32, AtomicUsize, Ordering},
};

use crate::runtime::limits::limit::Limit;

/// The most instances of all modules together. Each costs a process some 5 µs at its first load, for the guard pages of
/// two stacks: one for the running guest, and one for a guest that waits on its stack.
pub(crate) const INSTANCES: u32 = 1024;

/// Left for loads, which start an instance to ask it what it is.
const FOR_LOADS: u32 = 64;

/// Left for built-in modules, so that other modules cannot take all.
const FOR_BUILT_INS: u32 = 64;

/// Running instances.
static RUNNING: AtomicU32 = AtomicU32::new(0);

/// Bytes that instances have taken: their memory, and the host's memory for what they make.
static MEMORY: AtomicUsize = AtomicUsize::new(0);

/// All pools. Each may give up an idle instance.
static ALL: Mutex<Vec<Weak<dyn Tenant>>> = Mutex::new(Vec::new());

/// The pools whose calls wait for capacity.
static WAITING: Mutex<Vec<Weak<dyn Tenant>>> = Mutex::new(Vec::new());

/// How many pools wait.
static WAITING_COUNT: AtomicUsize = AtomicUsize::new(0);

/// A pool, as a sharer of the capacity of the process.
pub(crate) trait Tenant: Send + Sync {
    /// Ends an instance that has no call. Returns whether there was one.
    fn give_up_idle(&self) -> bool;

    /// Serves waiting calls, as far as there is capacity.
    fn serve_waiting(self: Arc<Self>);
}

/// The right to run one instance, until it is dropped.
pub(crate) struct Permit(());

/// Why no other instance may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Obstacle {
    /// The limit that is reached.
    pub(crate) limit: Limit,
    /// Whether the end of a running instance removes it.
    pub(crate) passes: bool,
}

impl Permit {
    /// A permit for another instance, where all instances together may take `memory` bytes. The `first` instance of a
    /// pool may exceed that: the calls that use the memory may be waiting for it.
    pub(crate) fn take(is_first: bool, is_built_in: bool, memory: usize) -> Option<Self> {
        let fits = match is_first {
            true => take_one(&RUNNING, INSTANCES),
            false => MEMORY.load(Ordering::Relaxed) < memory && take_one(&RUNNING, most(is_built_in)),
        };
        fits.then(|| Self(()))
    }
}

/// What prevents another instance, if anything does.
pub(crate) fn obstacle(is_built_in: bool, memory: usize) -> Option<Obstacle> {
    let running = RUNNING.load(Ordering::Relaxed);
    if MEMORY.load(Ordering::Relaxed) >= memory {
        return Some(Obstacle { limit: Limit::ModulesMemory, passes: running > 0 });
    }
    (running >= most(is_built_in)).then_some(Obstacle { limit: Limit::Running, passes: true })
}

/// How many instances may run when the next is built in or not.
fn most(is_built_in: bool) -> u32 {
    INSTANCES - FOR_LOADS - if is_built_in { 0 } else { FOR_BUILT_INS }
}

fn take_one(running: &AtomicU32, most: u32) -> bool {
    let one_more = |now| (now < most).then_some(now + 1);
    running.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
}

impl Drop for Permit {
    fn drop(&mut self) {
        RUNNING.fetch_sub(1, Ordering::SeqCst);
        if is_wanted() {
            let waiting = std::mem::take(&mut *lock(&WAITING));
            WAITING_COUNT.fetch_sub(waiting.len(), Ordering::SeqCst);
            waiting.iter().filter_map(Weak::upgrade).for_each(|pool| pool.serve_waiting());
        }
    }
}

/// Counts memory that an instance has taken.
pub(crate) fn took(bytes: usize) {
    MEMORY.fetch_add(bytes, Ordering::Relaxed);
}

/// Counts memory that an instance has given back.
pub(crate) fn gave_back(bytes: usize) {
    MEMORY.fetch_sub(bytes, Ordering::Relaxed);
}

/// How many instances run, and how many megabytes they take.
pub(crate) fn taken() -> (u32, usize) {
    (RUNNING.load(Ordering::Relaxed), MEMORY.load(Ordering::Relaxed) >> 20)
}

/// Adds a pool that may have idle instances.
pub(crate) fn add(pool: Weak<dyn Tenant>) {
    let mut all = lock(&ALL);
    all.retain(|pool| pool.strong_count() > 0);
    all.push(pool);
}

/// Registers a pool that needs capacity: it is told when there is some. Ends an idle instance of any pool.
pub(crate) fn want(pool: Weak<dyn Tenant>) {
    {
        let mut waiting = lock(&WAITING);
        if !waiting.iter().any(|waits| waits.ptr_eq(&pool)) {
            waiting.push(pool);
            WAITING_COUNT.fetch_add(1, Ordering::SeqCst);
        }
    }
    let all = lock(&ALL).clone();
    let _ = all.iter().filter_map(Weak::upgrade).any(|pool| pool.give_up_idle());
}

/// Whether calls wait for capacity.
pub(crate) fn is_wanted() -> bool {
    WAITING_COUNT.load(Ordering::SeqCst) > 0
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_modules_leave_room_for_built_in_modules_and_for_loads() {
        let running = AtomicU32::new(0);
        assert_eq!(std::iter::from_fn(|| take_one(&running, most(false)).then_some(())).count(), 896);
        assert_eq!(std::iter::from_fn(|| take_one(&running, most(true)).then_some(())).count(), 64);
        assert_eq!(running.load(Ordering::Relaxed), 960);
        running.store(900, Ordering::Relaxed);
        assert!(!take_one(&running, most(false)));
        assert!(take_one(&running, most(true)));
    }
}
