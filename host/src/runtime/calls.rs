//! The calls of one instance, seen from outside: who waits for them, whether they get on, and when the instance is done.

use std::{sync::Arc, time::Duration};

use slab::Slab;
use tokio::{sync::oneshot, time::Instant};

use super::{
    failed::{Failed, Outcome},
    handles::Hop,
};

/// How long a guest may go on with a call that nobody waits for.
const LINGER: Duration = Duration::from_millis(500);

/// When an instance is given up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    /// How many calls share it.
    pub(super) most: u32,
    /// How many calls it serves in all.
    pub(super) calls: u64,
    /// For how long it stays without a call.
    pub(super) idle: Duration,
    /// For how long a call may make no progress.
    pub(super) stall: Duration,
}

/// The calls of an instance.
pub(super) struct Calls {
    terms: Terms,
    entries: Slab<Entry>,
    /// How many more it takes.
    left: u64,
    /// Whether it takes no more, though it serves those that it has.
    closed: bool,
    /// Since when it was seen that there is none.
    idle: Option<Instant>,
}

/// One call of an instance.
struct Entry {
    hop: Arc<Hop>,
    /// Absent once it was answered in the guest's stead.
    reply: Option<oneshot::Sender<Outcome>>,
    seen: Seen,
}

/// A call, when it was last looked at.
#[derive(Clone, Copy)]
enum Seen {
    /// It was not, or it waited for the host.
    Nowhere,
    /// Its progress was this, since then.
    At(u32, Instant),
    /// Nobody waited for it, since then.
    Unawaited(Instant),
}

impl Entry {
    /// Whether somebody waits for the answer, or reads what is written of it.
    fn is_awaited(&self) -> bool {
        self.reply.as_ref().is_some_and(|reply| !reply.is_closed()) || self.hop.is_read()
    }

    /// Answers in the guest's stead.
    fn answer(&mut self, failed: Failed) {
        match (self.reply.take(), self.hop.writing()) {
            // Nobody may be waiting any more.
            (Some(reply), _) => drop(reply.send(Err(failed))),
            (None, Some(writing)) => writing.settle(Some(failed.error(&self.hop.place))),
            (None, None) => {}
        }
    }
}

/// What came of asking an instance to take a call.
pub(super) enum Taken {
    /// It did; `last` tells that it takes no other for now.
    Seat { key: usize, last: bool },
    /// It takes none; the reply is given back.
    Refused(oneshot::Sender<Outcome>),
}

/// A call that has ended.
pub(super) struct Left {
    /// Whether the instance took none before, and does now.
    pub(super) reopened: bool,
    /// Whether the instance is done.
    pub(super) is_over: bool,
}

impl Calls {
    pub(super) fn new(terms: Terms) -> Self {
        Self { terms, entries: Slab::new(), left: terms.calls, closed: false, idle: None }
    }

    /// A seat for this call, unless all are taken or the instance takes no more.
    pub(super) fn take(&mut self, hop: &Arc<Hop>, reply: oneshot::Sender<Outcome>) -> Taken {
        if self.closed || self.is_full() {
            return Taken::Refused(reply);
        }
        self.left = self.left.saturating_sub(1);
        self.closed = self.left == 0;
        self.idle = None;
        let key = self.entries.insert(Entry { hop: hop.clone(), reply: Some(reply), seen: Seen::Nowhere });
        Taken::Seat { key, last: self.closed || self.is_full() }
    }

    /// Where the answer of the call with this seat goes, if anybody waits for it.
    pub(super) fn reply(&mut self, key: usize) -> Option<oneshot::Sender<Outcome>> {
        self.entries.get_mut(key)?.reply.take()
    }

    /// Takes the call with this seat out.
    pub(super) fn leave(&mut self, key: usize) -> Left {
        let was_full = self.is_full();
        self.entries.try_remove(key);
        Left { reopened: was_full && !self.closed, is_over: self.is_over() }
    }

    /// Takes no more calls.
    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    /// Whether the instance takes no more, and nobody waits for those that it has.
    pub(super) fn is_over(&self) -> bool {
        self.closed && !self.entries.iter().any(|(_, entry)| entry.is_awaited())
    }

    /// Answers calls that make no progress, and closes the instance when it is idle or goes on with what nobody waits for.
    pub(super) fn look_after(&mut self, now: Instant) {
        for (_, entry) in &mut self.entries {
            let (since, longest) = match (entry.is_awaited(), entry.hop.progress(), entry.seen) {
                // All that it asks for is refused: it should have returned.
                (false, _, Seen::Unawaited(since)) => (since, LINGER),
                (false, _, _) => {
                    entry.seen = Seen::Unawaited(now);
                    continue;
                }
                (true, Some(at), Seen::At(before, since)) if at == before => (since, self.terms.stall),
                (true, at, _) => {
                    entry.seen = at.map_or(Seen::Nowhere, |at| Seen::At(at, now));
                    continue;
                }
            };
            if now.duration_since(since) >= longest {
                self.closed = true;
                entry.answer(Failed::stalled());
            }
        }
        let is_idle = self.entries.is_empty() && now.duration_since(*self.idle.get_or_insert(now)) >= self.terms.idle;
        self.closed |= is_idle;
    }

    /// Closes the instance and answers whatever is left in its stead.
    pub(super) fn end(&mut self, why: &Failed) {
        self.closed = true;
        let shared = self.entries.iter().filter(|(_, entry)| entry.is_awaited()).count();
        for mut entry in self.entries.drain() {
            let failed = why.for_call(&entry.hop, shared);
            entry.answer(failed);
        }
    }

    fn is_full(&self) -> bool {
        self.entries.len() >= usize::try_from(self.terms.most).unwrap_or(usize::MAX)
    }
}
