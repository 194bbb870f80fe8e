//! How much room there is for instances, of all modules of the process together.

use std::sync::{
    Mutex, PoisonError, Weak,
    atomic::{AtomicU32, AtomicUsize, Ordering},
};

use crate::runtime::{guest::engine::INSTANCES, instance::pool::Instances, limits::limits::Limit};

/// Left for loads, which start an instance to look at it.
const FOR_LOADS: u32 = 64;

/// Left for built-in modules, so that strangers do not take it from them.
const FOR_BUILT_INS: u32 = 64;

/// Instances that run.
static RUNNING: AtomicU32 = AtomicU32::new(0);

/// Bytes that instances have taken: memory of their own, and of the host's for what they make.
static MEMORY: AtomicUsize = AtomicUsize::new(0);

/// Those that have instances, to be asked for one that is idle.
static ALL: Mutex<Vec<Weak<Instances>>> = Mutex::new(Vec::new());

/// Those whose calls wait for room.
static WANTING: Mutex<Vec<Weak<Instances>>> = Mutex::new(Vec::new());

/// How many they are.
static WANTED: AtomicUsize = AtomicUsize::new(0);

/// Room for one instance, until it is dropped.
pub(crate) struct Room(());

/// Why there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoRoom {
    /// What would have to be larger.
    pub(crate) limit: Limit,
    /// Whether an instance runs whose end would make room.
    pub(crate) passes: bool,
}

impl Room {
    /// Room for one more instance, where instances may take so many bytes of memory in all. The `first` of a pool may be
    /// more than that: the calls that fill the room may be waiting for the very one that it is to serve.
    pub(crate) fn take(is_first: bool, is_built_in: bool, memory: usize) -> Option<Self> {
        let fits = match is_first {
            true => take_one(&RUNNING, INSTANCES),
            false => MEMORY.load(Ordering::Relaxed) < memory && take_one(&RUNNING, most(is_built_in)),
        };
        fits.then(|| Self(()))
    }
}

/// Why there is no room for one more, if there is none.
pub(crate) fn obstacle(is_built_in: bool, memory: usize) -> Option<NoRoom> {
    let running = RUNNING.load(Ordering::Relaxed);
    if MEMORY.load(Ordering::Relaxed) >= memory {
        return Some(NoRoom { limit: Limit::ModulesMemory, passes: running > 0 });
    }
    (running >= most(is_built_in)).then_some(NoRoom { limit: Limit::Running, passes: true })
}

/// How many instances may run of these and of those that are trusted less.
fn most(is_built_in: bool) -> u32 {
    INSTANCES - FOR_LOADS - if is_built_in { 0 } else { FOR_BUILT_INS }
}

fn take_one(running: &AtomicU32, most: u32) -> bool {
    let one_more = |now| (now < most).then_some(now + 1);
    running.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
}

impl Drop for Room {
    fn drop(&mut self) {
        RUNNING.fetch_sub(1, Ordering::SeqCst);
        if is_wanted() {
            let wanting = std::mem::take(&mut *lock(&WANTING));
            WANTED.fetch_sub(wanting.len(), Ordering::SeqCst);
            wanting.iter().filter_map(Weak::upgrade).for_each(|instances| instances.serve_waiting());
        }
    }
}

/// Takes note of memory that an instance has taken.
pub(crate) fn took(bytes: usize) {
    MEMORY.fetch_add(bytes, Ordering::Relaxed);
}

/// Takes note of memory that an instance has given back.
pub(crate) fn gave_back(bytes: usize) {
    MEMORY.fetch_sub(bytes, Ordering::Relaxed);
}

/// How many instances run, and how many megabytes they have taken.
pub(crate) fn taken() -> (u32, usize) {
    (RUNNING.load(Ordering::Relaxed), MEMORY.load(Ordering::Relaxed) >> 20)
}

/// Takes note of some that may have idle instances.
pub(crate) fn enter(instances: Weak<Instances>) {
    let mut all = lock(&ALL);
    all.retain(|instances| instances.strong_count() > 0);
    all.push(instances);
}

/// Calls of these wait for room: they are told when there is some. An idle instance is given up for them, if there is one.
pub(crate) fn want(instances: Weak<Instances>) {
    {
        let mut wanting = lock(&WANTING);
        if !wanting.iter().any(|wants| wants.ptr_eq(&instances)) {
            wanting.push(instances);
            WANTED.fetch_add(1, Ordering::SeqCst);
        }
    }
    let all = lock(&ALL).clone();
    let _ = all.iter().filter_map(Weak::upgrade).any(|instances| instances.give_up_idle());
}

/// Whether calls wait for room.
pub(crate) fn is_wanted() -> bool {
    WANTED.load(Ordering::SeqCst) > 0
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_leave_room_for_built_in_modules_and_for_loads() {
        let running = AtomicU32::new(0);
        assert_eq!(std::iter::from_fn(|| take_one(&running, most(false)).then_some(())).count(), 896);
        assert_eq!(std::iter::from_fn(|| take_one(&running, most(true)).then_some(())).count(), 64);
        assert_eq!(running.load(Ordering::Relaxed), 960);
        running.store(900, Ordering::Relaxed);
        assert!(!take_one(&running, most(false)));
        assert!(take_one(&running, most(true)));
    }
}
