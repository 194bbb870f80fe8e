//! What one module keeps in memory.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::state::state_store::{StateError, Stored};

/// The most things that a module keeps.
pub(crate) const THINGS: usize = 100_000;

/// How many locks the things of a module are spread over.
const SHARDS: usize = 16;

/// What something is. Things of different kinds are apart, also under the same key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Value,
    Tokens,
    Leases,
}

impl Kind {
    fn of(self, key: &str) -> String {
        let kind = match self {
            Kind::Value => 'v',
            Kind::Tokens => 't',
            Kind::Leases => 'l',
        };
        format!("{kind}{key}")
    }
}

/// Something that is kept. Times are those of [`since_start`].
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) content: Content,
    /// When it ends, if it does.
    pub(crate) ends: Option<Duration>,
}

#[derive(Debug)]
pub(crate) enum Content {
    Value(Vec<u8>),
    /// A bucket. It ends when it is full.
    Tokens,
    /// The numbers of leases, and when each ends.
    Leases(Vec<(u64, Duration)>),
}

impl Kept {
    /// Leases, which end with the last of them.
    pub(crate) fn of_leases(leases: Vec<(u64, Duration)>) -> Self {
        let ends = leases.iter().map(|(_, ends)| *ends).max();
        Self { content: Content::Leases(leases), ends }
    }

    pub(crate) fn value(&self) -> &[u8] {
        if let Content::Value(value) = &self.content { value } else { &[] }
    }

    pub(crate) fn leases(&self) -> &[(u64, Duration)] {
        if let Content::Leases(leases) = &self.content { leases } else { &[] }
    }

    fn len(&self) -> usize {
        match &self.content {
            Content::Value(value) => value.len(),
            Content::Tokens => size_of::<Duration>(),
            Content::Leases(leases) => size_of_val(&**leases),
        }
    }

    fn is_over(&self, now: Duration) -> bool {
        self.ends.is_some_and(|ends| ends <= now)
    }
}

/// What one module keeps. Several locks, so that calls seldom wait for one another.
#[derive(Default)]
pub(crate) struct Values {
    pub(crate) shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
    pub(crate) count: AtomicUsize,
    pub(crate) bytes: AtomicUsize,
    pub(crate) next_lease: AtomicU64,
}

/// Some of what a module keeps.
#[derive(Default)]
pub(crate) struct Shard {
    pub(crate) things: HashMap<String, Kept>,
    /// At how many things those that have ended are looked for.
    sweep_at: usize,
}

impl Values {
    /// Locks what these keys mean.
    pub(crate) fn open<'a>(&self, most: usize, keys: impl IntoIterator<Item = (Kind, &'a str)>) -> Open<'_> {
        let mut shards: Vec<usize> = keys.into_iter().map(|(kind, key)| self.shard_of(&kind.of(key))).collect();
        // In one order, so that two never wait for each other.
        shards.sort_unstable();
        shards.dedup();
        let lock = |at: usize| Some((at, self.shards.get(at)?.lock().unwrap_or_else(PoisonError::into_inner)));
        let shards = shards.into_iter().filter_map(lock).collect();
        Open { values: self, most, shards, now: since_start() }
    }

    fn shard_of(&self, name: &str) -> usize {
        usize::try_from(self.hasher.hash_one(name)).unwrap_or_default() % SHARDS
    }

    /// Forgets what has ended in a shard.
    fn sweep(&self, shard: &mut Shard, now: Duration) {
        shard.things.retain(|name, kept| {
            let is_over = kept.is_over(now);
            if is_over {
                self.count.fetch_sub(1, Ordering::Relaxed);
                self.bytes.fetch_sub(name.len() - 1 + kept.len(), Ordering::Relaxed);
            }
            !is_over
        });
        shard.sweep_at = (shard.things.len() * 2).max(64);
    }
}

/// How a change moves the counts.
#[derive(Default)]
struct Change {
    bytes: usize,
    freed: usize,
    new: usize,
}

/// What a module keeps, locked for one operation.
pub(crate) struct Open<'a> {
    values: &'a Values,
    most: usize,
    shards: Vec<(usize, MutexGuard<'a, Shard>)>,
    pub(crate) now: Duration,
}

impl Open<'_> {
    /// What has this key, if it has not ended.
    pub(crate) fn find(&self, kind: Kind, key: &str) -> Option<&Kept> {
        let name = kind.of(key);
        let at = self.values.shard_of(&name);
        let (_, shard) = self.shards.iter().find(|(shard, _)| *shard == at)?;
        shard.things.get(&name).filter(|kept| !kept.is_over(self.now))
    }

    /// Forgets what has this key.
    pub(crate) fn remove(&mut self, kind: Kind, key: &str) {
        let name = kind.of(key);
        let at = self.values.shard_of(&name);
        let shard = self.shards.iter_mut().find(|(shard, _)| *shard == at);
        if let Some(kept) = shard.and_then(|(_, shard)| shard.things.remove(&name)) {
            self.values.count.fetch_sub(1, Ordering::Relaxed);
            self.values.bytes.fetch_sub(key.len() + kept.len(), Ordering::Relaxed);
        }
    }

    /// Keeps all of this, or nothing of it if the module would then keep too much.
    pub(crate) fn put(&mut self, kind: Kind, things: Vec<(&str, Kept)>) -> Stored<()> {
        if self.reserve(self.change(kind, &things)).is_err() {
            self.sweep_all();
            self.reserve(self.change(kind, &things))?;
        }
        for (key, kept) in things {
            let name = kind.of(key);
            let at = self.values.shard_of(&name);
            if let Some((_, shard)) = self.shards.iter_mut().find(|(shard, _)| *shard == at) {
                shard.things.insert(name, kept);
                if shard.things.len() > shard.sweep_at {
                    self.values.sweep(shard, self.now);
                }
            }
        }
        Ok(())
    }

    /// What keeping this changes.
    fn change(&self, kind: Kind, things: &[(&str, Kept)]) -> Change {
        let mut change = Change::default();
        for (at, (key, kept)) in things.iter().enumerate() {
            // The last one of a key is what stays.
            if things.iter().skip(at + 1).any(|(later, _)| later == key) {
                continue;
            }
            change.bytes += kept.len();
            match self.len_of(kind, key) {
                Some(before) => change.freed += before,
                None => {
                    change.bytes += key.len();
                    change.new += 1;
                }
            }
        }
        change
    }

    /// The bytes of what has this key, whether it has ended or not.
    fn len_of(&self, kind: Kind, key: &str) -> Option<usize> {
        let name = kind.of(key);
        let at = self.values.shard_of(&name);
        let (_, shard) = self.shards.iter().find(|(shard, _)| *shard == at)?;
        shard.things.get(&name).map(Kept::len)
    }

    /// Counts a change, unless the module would then keep too much. Counted over all shards without a lock for all of them.
    fn reserve(&self, Change { bytes, freed, new }: Change) -> Stored<()> {
        let Values { count, bytes: kept, .. } = self.values;
        let sum = kept.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if bytes > freed && sum - freed > self.most {
            kept.fetch_sub(bytes, Ordering::Relaxed);
            let most = self.most >> 20;
            let problem =
                format!("the values of the module would have more than {most} MiB together, which is the most");
            return Err(StateError::new(problem));
        }
        if new > 0 && count.fetch_add(new, Ordering::Relaxed) + new > THINGS {
            count.fetch_sub(new, Ordering::Relaxed);
            kept.fetch_sub(bytes, Ordering::Relaxed);
            return Err(StateError::new(format!("the module keeps {THINGS} values already, which is the most")));
        }
        kept.fetch_sub(freed, Ordering::Relaxed);
        Ok(())
    }

    /// Forgets what has ended, in all shards that nobody else uses now.
    fn sweep_all(&mut self) {
        for (at, shard) in self.values.shards.iter().enumerate() {
            match self.shards.iter_mut().find(|(held, _)| *held == at) {
                Some((_, held)) => self.values.sweep(held, self.now),
                None => {
                    if let Ok(mut shard) = shard.try_lock() {
                        self.values.sweep(&mut shard, self.now);
                    }
                }
            }
        }
    }
}

/// The time since an hour before the process began to keep things, by tokio's clock. A clock that is paused stands at a time
/// before that beginning, and would not pass for a while if it were counted from there.
fn since_start() -> Duration {
    static START: OnceLock<std::time::Instant> = OnceLock::new();
    let start = *START.get_or_init(|| {
        let now = std::time::Instant::now();
        now.checked_sub(Duration::from_secs(3600)).unwrap_or(now)
    });
    Instant::now().saturating_duration_since(Instant::from_std(start))
}
