//! The attempts of an invoke, while they are made.

use std::sync::Arc;

use tokio::time::Instant;

use crate::{
    call::line::Line,
    chat::{
        allowance::Allowances,
        trail::{Attempt, Outcome},
    },
};

/// The attempts of an invoke. Each is in it from its beginning.
#[derive(Default)]
pub(crate) struct AttemptLog(Vec<Entry>);

struct Entry {
    attempt: Attempt,
    /// When it began. Absent once it has ended.
    since: Option<Instant>,
    /// The calls that led to it. Absent if the caller asked.
    line: Option<Arc<Line>>,
}

impl AttemptLog {
    /// How many attempts have begun.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Adds an attempt that begins now. Returns its index.
    pub(crate) fn start(&mut self, attempt: Attempt, line: Option<Arc<Line>>) -> usize {
        let index = self.0.len();
        if index == 0 {
            // Most invokes make one attempt, and many may be under way.
            self.0.reserve_exact(1);
        }
        self.0.push(Entry { attempt, since: Some(Instant::now()), line });
        index
    }

    /// Notes that the answer of an attempt has begun to come, or that the call ends with it after all.
    pub(crate) fn commit(&mut self, index: usize) {
        if let Some(entry) = self.0.get_mut(index) {
            entry.attempt.outcome = Outcome::Ok;
            entry.attempt.first_event = entry.since.map(|since| since.elapsed());
        }
    }

    /// Notes what the provider says that is left of its limits.
    pub(crate) fn allow(&mut self, index: usize, allowances: &Allowances) {
        if let Some(entry) = self.0.get_mut(index) {
            entry.attempt.allowances.clone_from(allowances);
        }
    }

    /// Ends an attempt, and lets `complete` fill in how. Returns it, or `None` if it had ended.
    pub(crate) fn end(&mut self, index: usize, complete: impl FnOnce(&mut Attempt)) -> Option<&Attempt> {
        let entry = self.0.get_mut(index)?;
        entry.attempt.took = entry.since.take()?.elapsed();
        complete(&mut entry.attempt);
        Some(&entry.attempt)
    }

    /// How many attempts were made for this call of a module.
    pub(crate) fn count_of(&self, call: &Arc<Line>) -> usize {
        self.0.iter().filter(|entry| entry.is_of(call)).count()
    }

    /// The attempts that were made for this call of a module, from number `since` on. Those under way are shown as ending now,
    /// with this outcome.
    pub(crate) fn of(&self, call: &Arc<Line>, since: usize, cut_short: Outcome) -> Vec<Attempt> {
        let own = self.0.iter().filter(|entry| entry.is_of(call));
        own.skip(since).map(|entry| entry.snapshot(cut_short)).collect()
    }

    /// All attempts so far. Those under way are shown as ending now, with this outcome.
    pub(crate) fn all(&self, cut_short: Outcome) -> Vec<Attempt> {
        self.0.iter().map(|entry| entry.snapshot(cut_short)).collect()
    }

    /// Takes all attempts, if nobody needs them any more. Copies them if not: those under way still need their entries, and a
    /// module that watches how the answer ends still asks for those of its call.
    pub(crate) fn take(&mut self, cut_short: Outcome) -> Vec<Attempt> {
        if self.0.iter().any(|entry| entry.since.is_some() || entry.line.is_some()) {
            return self.all(cut_short);
        }
        std::mem::take(&mut self.0).into_iter().map(|entry| entry.attempt).collect()
    }
}

impl Entry {
    fn is_of(&self, call: &Arc<Line>) -> bool {
        self.line.as_ref().is_some_and(|line| line.has(call))
    }

    fn snapshot(&self, cut_short: Outcome) -> Attempt {
        let Some(begun) = self.since else { return self.attempt.clone() };
        // A committed attempt counts as a success.
        let outcome = if self.attempt.outcome == Outcome::Ok { Outcome::Ok } else { cut_short };
        Attempt { took: begun.elapsed(), outcome, ..self.attempt.clone() }
    }
}
