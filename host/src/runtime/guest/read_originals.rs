//! The provider's own events of an answer that a module reads, for the answer that it writes.

#![expect(unreachable_pub, reason = "bindgen! re-exports the handle that holds a turn from a private module")]

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;

/// The most bytes that wait for the module to write. A module that holds back more writes the answer without them.
const MOST_WAITING: usize = 8 << 20;

/// The events that a module has read of the provider's answer and that nobody has taken.
///
/// They go with the answer that the module writes. So they must be those of one answer: if a module reads two side by side, it is
/// not known which of them it hands on, and none are kept.
#[derive(Default)]
pub(crate) struct ReadOriginals(Mutex<State>);

#[derive(Default)]
struct State {
    waiting: VecDeque<Bytes>,
    bytes: usize,
    /// How many answers the module has begun to read. The events of the last one are kept.
    turns: u64,
    /// How many of them it may still read.
    open: u64,
    /// Whether no more are kept.
    is_closed: bool,
}

impl State {
    fn close(&mut self) {
        self.is_closed = true;
        self.waiting = VecDeque::new();
    }
}

impl ReadOriginals {
    /// Begins to read an answer. What waits of an earlier one is dropped: the module has not handed it on.
    pub(crate) fn begin(self: Arc<Self>) -> ReadingTurn {
        let mut state = self.state();
        if state.open > 0 {
            state.close();
        }
        state.waiting.clear();
        state.bytes = 0;
        state.open += 1;
        state.turns += 1;
        let number = state.turns;
        drop(state);
        ReadingTurn(Keeper { originals: self, number })
    }

    /// Takes what was read since the last call.
    pub(crate) fn take(&self) -> VecDeque<Bytes> {
        let mut state = self.state();
        state.bytes = 0;
        std::mem::take(&mut state.waiting)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps the events of one answer.
#[derive(Clone)]
pub(crate) struct Keeper {
    originals: Arc<ReadOriginals>,
    number: u64,
}

impl Keeper {
    /// Keeps an event that the module reads.
    pub(crate) fn keep(&self, event: Bytes) {
        let mut state = self.originals.state();
        if state.is_closed || state.turns != self.number {
            return;
        }
        state.bytes += event.len();
        state.waiting.push_back(event);
        if state.bytes > MOST_WAITING {
            state.close();
        }
    }
}

/// The time in which a module may read an answer.
pub struct ReadingTurn(Keeper);

impl ReadingTurn {
    /// Keeps the events of the answer.
    pub(crate) fn keeper(&self) -> Keeper {
        self.0.clone()
    }
}

impl Drop for ReadingTurn {
    fn drop(&mut self) {
        self.0.originals.state().open -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keep(turn: &ReadingTurn, event: &'static str) {
        turn.keeper().keep(Bytes::from_static(event.as_bytes()));
    }

    #[test]
    fn they_are_those_of_the_answer_that_is_read() {
        let originals = Arc::<ReadOriginals>::default();
        let first = originals.clone().begin();
        keep(&first, "a");
        assert_eq!(originals.take(), ["a"]);
        assert!(originals.take().is_empty());
        keep(&first, "b");
        drop(first);
        let second = originals.clone().begin();
        keep(&second, "c");
        assert_eq!(originals.take(), ["c"], "the module has given up the first answer");
    }

    #[test]
    fn none_are_kept_of_answers_that_are_read_side_by_side() {
        let originals = Arc::<ReadOriginals>::default();
        let first = originals.clone().begin();
        keep(&first, "a");
        let second = originals.clone().begin();
        keep(&first, "b");
        keep(&second, "c");
        assert!(originals.take().is_empty());
    }

    #[test]
    fn a_module_that_holds_back_much_writes_without_them() {
        let originals = Arc::<ReadOriginals>::default();
        let turn = originals.clone().begin();
        turn.keeper().keep(vec![b' '; MOST_WAITING].into());
        turn.keeper().keep(Bytes::from_static(b"x"));
        turn.keeper().keep(Bytes::from_static(b"y"));
        assert!(originals.take().is_empty());
    }
}
