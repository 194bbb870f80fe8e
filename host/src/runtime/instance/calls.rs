//! The calls of one instance, seen from outside: who waits for them, whether they get on, and when the instance is done.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use slab::Slab;
use tokio::{sync::oneshot, time::Instant};

use crate::{
    chat::request::Request,
    runtime::{
        guest::hop::Hop,
        instance::error::{InstanceError, Served},
        limits::policy::InstancePolicy,
    },
};

/// How long a guest may go on with a call that nobody waits for.
const LINGER: Duration = Duration::from_millis(500);

/// A call that no instance has begun with.
pub(crate) struct Job {
    pub(crate) request: Arc<Request>,
    pub(crate) hop: Arc<Hop>,
    /// Where its answer goes.
    pub(crate) reply: oneshot::Sender<Served>,
    /// Bytes of content that the guest copies.
    pub(crate) content: usize,
    /// Whether it must not share an instance: the one that it shared before has ended.
    pub(crate) alone: bool,
}

impl Job {
    /// Whether nobody waits for it any more.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }
}

/// The calls of an instance.
pub(crate) struct Calls {
    policy: InstancePolicy,
    /// Those that it has taken and not begun with.
    waiting: VecDeque<Job>,
    /// Those that it has begun with.
    entries: Slab<CallEntry>,
    /// Bytes of content of all of them.
    content: usize,
    /// How many more it takes.
    left: u64,
    /// Whether it takes no more, though it serves those that it has.
    closed: bool,
    /// Since when it was seen that there is none.
    idle: Option<Instant>,
}

/// A call that the instance has begun with.
struct CallEntry {
    hop: Arc<Hop>,
    /// Absent once it was answered in the guest's stead.
    reply: Option<oneshot::Sender<Served>>,
    content: usize,
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

impl CallEntry {
    /// Whether somebody waits for the answer, or reads what is written of it.
    fn is_awaited(&self) -> bool {
        self.reply.as_ref().is_some_and(|reply| !reply.is_closed()) || self.hop.is_read()
    }

    /// Answers in the guest's stead.
    fn answer(&mut self, failed: InstanceError) {
        match (self.reply.take(), self.hop.writing()) {
            // Nobody may be waiting any more.
            (Some(reply), _) => drop(reply.send(Err(failed))),
            (None, Some(writing)) => {
                writing.settle(Some(failed.for_caller(&self.hop.place.module, self.hop.inner.provider())))
            }
            (None, None) => {}
        }
    }
}

/// What came of asking an instance to take a call.
pub(crate) enum Taken {
    /// It did; `last` tells that it takes no other for now.
    Seat { last: bool },
    /// It takes none for now.
    Closed(Job),
    /// It takes others, but not this one, or not now.
    Unfit(Job),
}

/// A call that the guest is to begin with.
pub(crate) struct NextCall {
    pub(crate) request: Arc<Request>,
    pub(crate) hop: Arc<Hop>,
    pub(crate) key: usize,
}

/// A call that has ended.
pub(crate) struct Left {
    /// Whether the instance took none before, and does now.
    pub(crate) reopened: bool,
    /// Whether it has no call.
    pub(crate) is_idle: bool,
    /// Whether the instance is done.
    pub(crate) is_over: bool,
}

impl Calls {
    pub(crate) fn new(policy: InstancePolicy) -> Self {
        let (waiting, entries) = (VecDeque::new(), Slab::new());
        Self { policy, waiting, entries, content: 0, left: policy.retire_after_calls, closed: false, idle: None }
    }

    /// Takes this call, if there is room for it.
    pub(crate) fn take(&mut self, job: Job) -> Taken {
        if self.closed || self.is_full() {
            return Taken::Closed(job);
        }
        let fits = !job.alone && self.content.saturating_add(job.content) <= self.policy.content;
        if !fits && !self.is_idle() {
            return Taken::Unfit(job);
        }
        self.left = self.left.saturating_sub(1);
        self.closed = self.left == 0 || job.alone;
        self.idle = None;
        self.content = self.content.saturating_add(job.content);
        self.waiting.push_back(job);
        Taken::Seat { last: self.closed || self.is_full() }
    }

    /// The next call that the guest is to begin with.
    pub(crate) fn start(&mut self) -> Option<NextCall> {
        let Job { request, hop, reply, content, .. } = self.waiting.pop_front()?;
        let entry = CallEntry { hop: hop.clone(), reply: Some(reply), content, seen: Seen::Nowhere };
        Some(NextCall { request, hop, key: self.entries.insert(entry) })
    }

    /// Gives back the calls that the guest has not begun with. Tells whether it takes calls again.
    pub(crate) fn give_back(&mut self) -> (VecDeque<Job>, bool) {
        let was_full = self.is_full();
        let given = std::mem::take(&mut self.waiting);
        self.content = given.iter().fold(self.content, |content, job| content.saturating_sub(job.content));
        (given, was_full && !self.is_full() && !self.closed)
    }

    /// Where the answer of this call goes, if anybody waits for it.
    pub(crate) fn reply(&mut self, key: usize) -> Option<oneshot::Sender<Served>> {
        self.entries.get_mut(key)?.reply.take()
    }

    /// Takes this call out.
    pub(crate) fn leave(&mut self, key: usize) -> Left {
        let was_full = self.is_full();
        if let Some(entry) = self.entries.try_remove(key) {
            self.content = self.content.saturating_sub(entry.content);
        }
        Left { reopened: was_full && !self.closed, is_idle: self.is_idle(), is_over: self.is_over() }
    }

    /// Takes no more calls.
    pub(crate) fn close(&mut self) {
        self.closed = true;
    }

    /// Takes no more calls if it has none. Tells whether it did that now.
    pub(crate) fn close_if_idle(&mut self) -> bool {
        let closes = !self.closed && self.is_idle();
        self.closed |= closes;
        closes
    }

    /// Whether it takes no more calls.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether the instance takes no more, and nobody waits for those that it has.
    pub(crate) fn is_over(&self) -> bool {
        self.closed && self.waiting.is_empty() && !self.entries.iter().any(|(_, entry)| entry.is_awaited())
    }

    /// Answers calls that make no progress, and closes the instance when it is idle or goes on with what nobody waits for.
    pub(crate) fn look_after(&mut self, now: Instant) {
        for (_, entry) in &mut self.entries {
            let (since, longest) = match (entry.is_awaited(), entry.hop.progress.steps(), entry.seen) {
                // All that it asks for is refused: it should have returned.
                (false, _, Seen::Unawaited(since)) => (since, LINGER),
                (false, _, _) => {
                    entry.seen = Seen::Unawaited(now);
                    continue;
                }
                (true, Some(at), Seen::At(before, since)) if at == before => (since, self.policy.limits.stall),
                (true, at, _) => {
                    entry.seen = at.map_or(Seen::Nowhere, |at| Seen::At(at, now));
                    continue;
                }
            };
            if now.duration_since(since) >= longest {
                self.closed = true;
                entry.answer(InstanceError::stalled());
            }
        }
        let is_idle =
            self.is_idle() && now.duration_since(*self.idle.get_or_insert(now)) >= self.policy.retire_after_idle;
        self.closed |= is_idle;
    }

    /// Closes the instance, answers what it has begun with in its stead, and gives back the rest.
    pub(crate) fn end(&mut self, why: &InstanceError) -> VecDeque<Job> {
        self.closed = true;
        let shared = self.entries.iter().filter(|(_, entry)| entry.is_awaited()).count();
        for mut entry in self.entries.drain() {
            let failed = why.for_call(&entry.hop, shared);
            entry.answer(failed);
        }
        self.give_back().0
    }

    fn is_idle(&self) -> bool {
        self.entries.is_empty() && self.waiting.is_empty()
    }

    fn is_full(&self) -> bool {
        let calls = self.entries.len().saturating_add(self.waiting.len());
        calls >= usize::try_from(self.policy.calls).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests;
