//! How many instances run, of all modules together: the engine has room for so many.

use std::sync::atomic::{AtomicU32, Ordering};

use super::engine::INSTANCES;

/// Left for loads, which start an instance to look at it.
const FOR_LOADS: u32 = 64;

/// Left for built-in modules, so that strangers do not take it from them.
const FOR_BUILT_INS: u32 = 64;

static RUNNING: AtomicU32 = AtomicU32::new(0);

/// Room for one instance, until it is dropped.
pub(super) struct Room(&'static AtomicU32);

impl Room {
    /// Room for one more, if there is.
    pub(super) fn take(is_built_in: bool) -> Option<Self> {
        Self::of(&RUNNING, is_built_in)
    }

    fn of(running: &'static AtomicU32, is_built_in: bool) -> Option<Self> {
        let most = INSTANCES - FOR_LOADS - if is_built_in { 0 } else { FOR_BUILT_INS };
        let room = Self(running);
        // Given back if it is not there.
        (running.fetch_add(1, Ordering::Relaxed) < most).then_some(room)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_leave_room_for_built_in_modules_and_for_loads() {
        static RUNNING: AtomicU32 = AtomicU32::new(0);
        let mut rooms: Vec<_> = std::iter::from_fn(|| Room::of(&RUNNING, false)).collect();
        assert_eq!(rooms.len(), 896);
        rooms.extend(std::iter::from_fn(|| Room::of(&RUNNING, true)));
        assert_eq!(rooms.len(), 960);
        rooms.truncate(900);
        assert!(Room::of(&RUNNING, false).is_none());
        assert!(Room::of(&RUNNING, true).is_some());
        drop(rooms);
        assert_eq!(RUNNING.load(Ordering::Relaxed), 0);
    }
}
