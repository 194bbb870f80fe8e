//! The calls of one instance, seen from outside: which wait, which make progress, and when the instance is done.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use slab::Slab;
use tokio::{sync::oneshot, time::Instant};

use crate::{
    chat::request::Request,
    runtime::{
        guest::hop::Hop,
        instance::error::{InstanceError, ServeResult},
        limits::policy::InstancePolicy,
    },
};

/// How long a guest may continue a call that nobody waits for.
const LINGER: Duration = Duration::from_millis(500);

/// A call at a module, until an instance begins with it.
pub(crate) struct Job {
    pub(crate) request: Arc<Request>,
    pub(crate) hop: Arc<Hop>,
    /// Where its answer goes.
    pub(crate) reply: oneshot::Sender<ServeResult>,
    /// Bytes of content that the guest copies.
    pub(crate) content: usize,
    /// Whether it must not share an instance: the instance that it shared before has ended.
    pub(crate) alone: bool,
}

impl Job {
    /// Whether its caller is gone.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }
}

/// The calls of an instance.
pub(crate) struct Calls {
    policy: InstancePolicy,
    /// Calls that it has taken and not begun with.
    waiting: VecDeque<Job>,
    /// Calls that it has begun with.
    entries: Slab<CallEntry>,
    /// Bytes of content of all its calls.
    content: usize,
    /// How many more calls it takes.
    left: u64,
    /// Whether it takes no more calls. It still serves those that it has.
    closed: bool,
    /// When it was first seen without a call.
    idle: Option<Instant>,
}

/// A call that the instance has begun with.
struct CallEntry {
    hop: Arc<Hop>,
    /// Absent once the call has an answer, from the guest or in its stead.
    reply: Option<oneshot::Sender<ServeResult>>,
    content: usize,
    last_check: LastCheck,
}

/// How a call stood at the last check.
#[derive(Clone, Copy)]
enum LastCheck {
    /// There was no check, or the call waited for the host.
    None,
    /// Its progress, and since when it is the same.
    Step(u32, Instant),
    /// Nobody waited for it, since then.
    Unawaited(Instant),
}

impl CallEntry {
    /// Whether somebody waits for the answer, or reads what the module writes of it, or the module watches how it ends or notes that.
    fn is_awaited(&self) -> bool {
        let is_wanted = self.reply.as_ref().is_some_and(|reply| !reply.is_closed());
        is_wanted || self.hop.is_read() || self.hop.is_watching() || self.hop.noting.goes_on()
    }

    /// Answers in the guest's stead.
    fn answer(&mut self, failed: InstanceError) {
        match (self.reply.take(), self.hop.writing()) {
            // The caller may be gone.
            (Some(reply), _) => drop(reply.send(Err(failed))),
            (None, Some(writing)) => {
                writing.settle(Some(failed.for_caller(&self.hop.place.module, self.hop.inner.provider())))
            }
            (None, None) => {}
        }
    }
}

/// The reply of an instance that is asked to take a call.
pub(crate) enum Admission {
    /// It takes the call. With `last`, it takes no other for now.
    Seat { last: bool },
    /// It takes no calls for now.
    Closed(Job),
    /// It may take other calls, but not this one now.
    Unfit(Job),
}

/// A call that the guest begins with next.
pub(crate) struct NextCall {
    pub(crate) request: Arc<Request>,
    pub(crate) hop: Arc<Hop>,
    pub(crate) key: usize,
}

/// How an instance stands after a call has ended.
pub(crate) struct Departure {
    /// Whether the instance takes calls again, and did not before.
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
    pub(crate) fn take(&mut self, job: Job) -> Admission {
        if self.closed || self.is_full() {
            return Admission::Closed(job);
        }
        let fits = !job.alone && self.content.saturating_add(job.content) <= self.policy.content;
        if !fits && !self.is_idle() {
            return Admission::Unfit(job);
        }
        self.left = self.left.saturating_sub(1);
        self.closed = self.left == 0 || job.alone;
        self.idle = None;
        self.content = self.content.saturating_add(job.content);
        self.waiting.push_back(job);
        Admission::Seat { last: self.closed || self.is_full() }
    }

    /// Takes out the call that the guest begins with next.
    pub(crate) fn start(&mut self) -> Option<NextCall> {
        let Job { request, hop, reply, content, .. } = self.waiting.pop_front()?;
        let entry = CallEntry { hop: hop.clone(), reply: Some(reply), content, last_check: LastCheck::None };
        Some(NextCall { request, hop, key: self.entries.insert(entry) })
    }

    /// Gives back the calls that the guest has not begun with. Returns whether the instance takes calls again.
    pub(crate) fn give_back(&mut self) -> (VecDeque<Job>, bool) {
        let was_full = self.is_full();
        let given = std::mem::take(&mut self.waiting);
        self.content = given.iter().fold(self.content, |content, job| content.saturating_sub(job.content));
        (given, was_full && !self.is_full() && !self.closed)
    }

    /// Takes the sender of this call's answer, if nobody has answered it.
    pub(crate) fn reply(&mut self, key: usize) -> Option<oneshot::Sender<ServeResult>> {
        self.entries.get_mut(key)?.reply.take()
    }

    /// Removes a call that has ended.
    pub(crate) fn leave(&mut self, key: usize) -> Departure {
        let was_full = self.is_full();
        if let Some(entry) = self.entries.try_remove(key) {
            self.content = self.content.saturating_sub(entry.content);
        }
        Departure { reopened: was_full && !self.closed, is_idle: self.is_idle(), is_over: self.is_over() }
    }

    /// Stops taking calls.
    pub(crate) fn close(&mut self) {
        self.closed = true;
    }

    /// Stops taking calls if it has none. Returns whether it did.
    pub(crate) fn close_if_idle(&mut self) -> bool {
        let closes = !self.closed && self.is_idle();
        self.closed |= closes;
        closes
    }

    /// Whether it takes no more calls.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether the instance takes no more calls, and nobody waits for those that it has.
    pub(crate) fn is_over(&self) -> bool {
        self.closed && self.waiting.is_empty() && !self.entries.iter().any(|(_, entry)| entry.is_awaited())
    }

    /// Answers calls that make no progress. Closes the instance if it is idle, or if its guest continues a call that
    /// nobody waits for.
    pub(crate) fn look_after(&mut self, now: Instant) {
        for (_, entry) in &mut self.entries {
            let (since, longest) = match (entry.is_awaited(), entry.hop.progress.steps(), entry.last_check) {
                // All its imports fail, so it should have returned.
                (false, _, LastCheck::Unawaited(since)) => (since, LINGER),
                (false, _, _) => {
                    entry.last_check = LastCheck::Unawaited(now);
                    continue;
                }
                (true, Some(at), LastCheck::Step(before, since)) if at == before => (since, self.policy.limits.stall),
                (true, at, _) => {
                    entry.last_check = at.map_or(LastCheck::None, |at| LastCheck::Step(at, now));
                    continue;
                }
            };
            if now.duration_since(since) >= longest {
                self.closed = true;
                entry.answer(InstanceError::stalled(&self.policy));
            }
        }
        let is_idle =
            self.is_idle() && now.duration_since(*self.idle.get_or_insert(now)) >= self.policy.retire_after_idle;
        self.closed |= is_idle;
    }

    /// Closes the instance, answers the calls that it has begun with, and gives back the others.
    pub(crate) fn end(&mut self, why: &InstanceError) -> VecDeque<Job> {
        self.closed = true;
        let shared = self.entries.iter().filter(|(_, entry)| entry.is_awaited()).count();
        for mut entry in self.entries.drain() {
            let failed = why.for_call(&entry.hop, shared);
            entry.answer(failed);
        }
        self.give_back().0
    }

    /// Whether it has no call.
    pub(crate) fn is_idle(&self) -> bool {
        self.entries.is_empty() && self.waiting.is_empty()
    }

    fn is_full(&self) -> bool {
        let calls = self.entries.len().saturating_add(self.waiting.len());
        calls >= usize::try_from(self.policy.calls).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests;
