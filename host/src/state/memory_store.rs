//! A store in the memory of the process.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError, atomic::Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures::future::{BoxFuture, ready};

use crate::state::{
    counter,
    memory::{Content, Kept, Kind, Open, Values},
    operation::{Added, Bucket, CounterAddition, Leased, Life, Sum, Taken},
    state_store::{ModuleState, StateError, StateStore, Stored},
    tokens,
};

/// The most bytes that a module keeps, keys included.
pub(crate) const BYTES: usize = 64 << 20;

/// Tells the time of day.
type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// Keeps things in memory: of each module at most 100,000, which have 64 MiB together, or what its grant says, keys included.
/// Clones share them. Times pass by tokio's clock, so hosts on paused times of their own need a store each.
#[derive(Clone)]
pub struct MemoryStore {
    modules: Arc<Mutex<HashMap<String, Arc<Values>>>>,
    clock: Clock,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::with_clock(SystemTime::now)
    }
}

impl MemoryStore {
    /// An empty store that tells by this clock when minutes, hours, days and months end.
    pub fn with_clock(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self { modules: Arc::default(), clock: Arc::new(now) }
    }

    /// The one that all hosts of the process share unless they are given another.
    pub(crate) fn of_process() -> Self {
        static STORE: OnceLock<MemoryStore> = OnceLock::new();
        STORE.get_or_init(Self::default).clone()
    }

    fn room(&self, module: &str, most: usize) -> Arc<dyn ModuleState> {
        let mut modules = self.modules.lock().unwrap_or_else(PoisonError::into_inner);
        // Of a module that keeps nothing and has no instance there is nothing to remember.
        modules.retain(|_, values| Arc::strong_count(values) > 1 || values.count.load(Ordering::Relaxed) > 0);
        let values = modules.entry(module.to_owned()).or_default().clone();
        Arc::new(Room { values, most, clock: self.clock.clone() })
    }
}

impl StateStore for MemoryStore {
    fn open(&self, module: &str) -> Arc<dyn ModuleState> {
        self.room(module, BYTES)
    }

    fn open_within(&self, module: &str, max_bytes: usize) -> Option<Arc<dyn ModuleState>> {
        Some(self.room(module, max_bytes))
    }
}

/// What one module keeps, and the most bytes that it may have.
struct Room {
    values: Arc<Values>,
    most: usize,
    clock: Clock,
}

impl Room {
    fn open<'a>(&self, keys: impl IntoIterator<Item = (Kind, &'a str)>) -> Open<'_> {
        self.values.open(self.most, keys)
    }

    fn ends_in(&self, life: Life) -> Option<Duration> {
        life.ends_in((self.clock)().duration_since(UNIX_EPOCH).unwrap_or_default())
    }

    /// Adds, or tells the index of what would pass its most.
    fn add_all(&self, additions: &[CounterAddition]) -> Stored<Added> {
        let mut open = self.open(additions.iter().map(|addition| (Kind::Value, &*addition.key)));
        let mut changed: Vec<(usize, Kept)> = Vec::with_capacity(additions.len());
        let mut refused = None;
        for (at, addition) in additions.iter().enumerate() {
            let number = |kept: &Kept| counter::read(kept.value()).ok_or_else(|| StateError::no_number(&addition.key));
            let (before, ends) = match latest(&open, &changed, at) {
                Some(kept) => (number(kept)?, kept.ends),
                None => (0, self.ends_in(addition.life).map(|time| open.now.saturating_add(time))),
            };
            let sum = before.saturating_add(addition.delta);
            if addition.delta > 0 && addition.most.is_some_and(|most| sum > most) {
                refused = refused.or(Some(at));
            }
            changed.push((at, Kept { content: Content::Value(counter::write(sum)), ends }));
        }
        if refused.is_none() {
            open.put(changed)?;
        }
        let sum = |at| {
            let kept = open.find(at);
            let ends_in = kept.and_then(|kept| kept.ends).map(|ends| ends.saturating_sub(open.now));
            Sum { value: kept.and_then(|kept| counter::read(kept.value())).unwrap_or_default(), ends_in }
        };
        Ok(Added { refused, sums: (0..additions.len()).map(sum).collect() })
    }

    fn take_all(&self, buckets: &[Bucket], most_wait: Duration) -> Stored<Taken> {
        let mut open = self.open(buckets.iter().map(|bucket| (Kind::Tokens, &*bucket.key)));
        let mut changed: Vec<(usize, Kept)> = Vec::with_capacity(buckets.len());
        let mut longest = (0, Duration::ZERO);
        for (at, bucket) in buckets.iter().enumerate() {
            let full_at = latest(&open, &changed, at).and_then(|kept| kept.ends);
            let (full_in, wait) = tokens::take(full_at.unwrap_or_default().saturating_sub(open.now), bucket);
            if wait > longest.1 {
                longest = (at, wait);
            }
            changed.push((at, Kept { content: Content::Tokens, ends: Some(open.now.saturating_add(full_in)) }));
        }
        let (at, wait) = longest;
        let refused = (wait > most_wait).then_some(at);
        if refused.is_none() {
            open.put(changed)?;
        }
        Ok(Taken { refused, wait })
    }

    fn take_lease(&self, key: &str, most: u32, lasts: Duration) -> Stored<Leased> {
        let mut open = self.open([(Kind::Leases, key)]);
        let now = open.now;
        let mut leases = open.find(0).map(Kept::leases).unwrap_or_default().to_vec();
        leases.retain(|(_, ends)| *ends > now);
        if leases.len() >= usize::try_from(most).unwrap_or(usize::MAX) {
            let first = leases.iter().map(|(_, ends)| *ends).min().unwrap_or(now + lasts);
            return Ok(Leased::Held(first.saturating_sub(now)));
        }
        let lease = self.values.next_lease.fetch_add(1, Ordering::Relaxed);
        leases.push((lease, now.saturating_add(lasts)));
        open.put(vec![(0, Kept::of_leases(leases))])?;
        Ok(Leased::Granted(lease))
    }

    fn release_lease(&self, key: &str, lease: u64) -> Stored<()> {
        let mut open = self.open([(Kind::Leases, key)]);
        let Some(kept) = open.find(0) else { return Ok(()) };
        let others: Vec<_> = kept.leases().iter().filter(|(other, _)| *other != lease).copied().collect();
        match others.is_empty() {
            true => open.remove(0),
            false => open.put(vec![(0, Kept::of_leases(others))])?,
        }
        Ok(())
    }
}

/// What has this key now that this was changed.
fn latest<'a>(open: &'a Open<'_>, changed: &'a [(usize, Kept)], at: usize) -> Option<&'a Kept> {
    let begun = changed.iter().rev().find(|(other, _)| open.are_same(*other, at));
    begun.map(|(_, kept)| kept).or_else(|| open.find(at))
}

impl ModuleState for Room {
    fn get<'a>(&'a self, keys: &'a [String]) -> BoxFuture<'a, Stored<Vec<Option<Vec<u8>>>>> {
        let open = self.open(keys.iter().map(|key| (Kind::Value, &**key)));
        let value = |at| open.find(at).map(|kept| kept.value().to_vec());
        Box::pin(ready(Ok((0..keys.len()).map(value).collect())))
    }

    fn set<'a>(&'a self, key: &'a str, value: Vec<u8>, life: Life) -> BoxFuture<'a, Stored<()>> {
        let mut open = self.open([(Kind::Value, key)]);
        let ends = self.ends_in(life).map(|time| open.now.saturating_add(time));
        Box::pin(ready(open.put(vec![(0, Kept { content: Content::Value(value), ends })])))
    }

    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Stored<()>> {
        let kinds = [Kind::Value, Kind::Tokens, Kind::Leases];
        let mut open = self.open(kinds.map(|kind| (kind, key)));
        (0..kinds.len()).for_each(|at| open.remove(at));
        Box::pin(ready(Ok(())))
    }

    fn compare_and_swap<'a>(
        &'a self,
        key: &'a str,
        current: Option<Vec<u8>>,
        new: Option<Vec<u8>>,
    ) -> BoxFuture<'a, Stored<bool>> {
        let mut open = self.open([(Kind::Value, key)]);
        let is_current = open.find(0).map(Kept::value) == current.as_deref();
        let done = match new {
            _ if !is_current => Ok(()),
            Some(new) => open.put(vec![(0, Kept { content: Content::Value(new), ends: None })]),
            None => {
                open.remove(0);
                Ok(())
            }
        };
        Box::pin(ready(done.map(|()| is_current)))
    }

    fn add<'a>(&'a self, additions: &'a [CounterAddition]) -> BoxFuture<'a, Stored<Added>> {
        Box::pin(ready(self.add_all(additions)))
    }

    fn take<'a>(&'a self, buckets: &'a [Bucket], wait: Duration) -> BoxFuture<'a, Stored<Taken>> {
        Box::pin(ready(self.take_all(buckets, wait)))
    }

    fn lease<'a>(&'a self, key: &'a str, most: u32, lasts: Duration) -> BoxFuture<'a, Stored<Leased>> {
        Box::pin(ready(self.take_lease(key, most, lasts)))
    }

    fn release<'a>(&'a self, key: &'a str, lease: u64) -> BoxFuture<'a, Stored<()>> {
        Box::pin(ready(self.release_lease(key, lease)))
    }
}

#[cfg(test)]
mod tests;
