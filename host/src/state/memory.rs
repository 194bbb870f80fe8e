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

    /// Its bytes.
    pub(crate) fn len(&self) -> usize {
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
    /// Locks what these keys mean. Each is then known by its place among them.
    pub(crate) fn open<'a>(&self, most: usize, keys: impl IntoIterator<Item = (Kind, &'a str)>) -> Open<'_> {
        let name = |(kind, key): (Kind, &str)| {
            let name = kind.of(key);
            Name { shard: self.shard_of(&name), name }
        };
        let names: Vec<Name> = keys.into_iter().map(name).collect();
        let mut wanted = [false; SHARDS];
        for name in &names {
            wanted.get_mut(name.shard).into_iter().for_each(|wanted| *wanted = true);
        }
        // In one order, so that two never wait for each other.
        let mut shards = self.shards.iter().zip(wanted).map(|(shard, wanted)| wanted.then(|| lock(shard)));
        let shards = std::array::from_fn(|_| shards.next().flatten());
        Open { values: self, most, names, shards, now: since_start() }
    }

    fn shard_of(&self, name: &str) -> usize {
        usize::try_from(self.hasher.hash_one(name)).unwrap_or_default() % SHARDS
    }

    /// Forgets what has ended in a shard.
    fn sweep(&self, shard: &mut Shard, now: Duration) {
        shard.things.retain(|name, kept| {
            let is_over = kept.is_over(now);
            if is_over {
                self.forgotten(name, kept);
            }
            !is_over
        });
        shard.sweep_at = (shard.things.len() * 2).max(64);
    }

    fn forgotten(&self, name: &str, kept: &Kept) {
        self.count.fetch_sub(1, Ordering::Relaxed);
        // The first letter of a name is its kind.
        self.bytes.fetch_sub(name.len() - 1 + kept.len(), Ordering::Relaxed);
    }
}

/// How a change moves the counts.
#[derive(Default)]
struct Change {
    bytes: usize,
    freed: usize,
    new: usize,
}

/// Something that may be kept.
#[derive(PartialEq, Eq)]
struct Name {
    shard: usize,
    name: String,
}

/// What a module keeps, locked for one operation. Things are told by the place of their key in the operation.
pub(crate) struct Open<'a> {
    values: &'a Values,
    most: usize,
    names: Vec<Name>,
    /// Those of the keys.
    shards: [Option<MutexGuard<'a, Shard>>; SHARDS],
    pub(crate) now: Duration,
}

impl Open<'_> {
    /// Whether two keys are the same.
    pub(crate) fn are_same(&self, one: usize, other: usize) -> bool {
        one == other || self.names.get(one) == self.names.get(other)
    }

    /// What has this key, if it has not ended.
    pub(crate) fn find(&self, at: usize) -> Option<&Kept> {
        self.kept(at).filter(|kept| !kept.is_over(self.now))
    }

    /// What has this key, whether it has ended or not.
    fn kept(&self, at: usize) -> Option<&Kept> {
        let Name { shard, name } = self.names.get(at)?;
        self.shards.get(*shard)?.as_ref()?.things.get(name)
    }

    /// Forgets what has this key.
    pub(crate) fn remove(&mut self, at: usize) {
        let Self { values, names, shards, .. } = self;
        let Some(Name { shard, name }) = names.get(at) else { return };
        let shard = shards.get_mut(*shard).and_then(Option::as_mut);
        if let Some(kept) = shard.and_then(|shard| shard.things.remove(name)) {
            values.forgotten(name, &kept);
        }
    }

    /// Keeps all of this, or nothing of it if the module would then keep too much. Of a key that is there twice, the last stays.
    pub(crate) fn put(&mut self, things: Vec<(usize, Kept)>) -> Stored<()> {
        if self.reserve(self.change(&things)).is_err() {
            self.sweep_all();
            self.reserve(self.change(&things))?;
        }
        let Self { values, names, shards, now, .. } = self;
        for (at, kept) in things {
            let Some(Name { shard, name }) = names.get(at) else { continue };
            let Some(shard) = shards.get_mut(*shard).and_then(Option::as_mut) else { continue };
            match shard.things.get_mut(name) {
                Some(before) => *before = kept,
                None => drop(shard.things.insert(name.clone(), kept)),
            }
        }
        // After all of it: what has ended and is replaced was counted as freed above.
        for shard in shards.iter_mut().flatten() {
            if shard.things.len() > shard.sweep_at {
                values.sweep(shard, *now);
            }
        }
        Ok(())
    }

    /// What keeping this changes.
    fn change(&self, things: &[(usize, Kept)]) -> Change {
        let mut change = Change::default();
        for (index, (at, kept)) in things.iter().enumerate() {
            if things.iter().skip(index + 1).any(|(later, _)| self.are_same(*later, *at)) {
                continue;
            }
            change.bytes += kept.len();
            match self.kept(*at) {
                Some(before) => change.freed += before.len(),
                None => {
                    change.bytes += self.names.get(*at).map_or(0, |name| name.name.len() - 1);
                    change.new += 1;
                }
            }
        }
        change
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
        for (shard, held) in self.values.shards.iter().zip(&mut self.shards) {
            match held {
                Some(held) => self.values.sweep(held, self.now),
                None => {
                    if let Ok(mut shard) = shard.try_lock() {
                        self.values.sweep(&mut shard, self.now);
                    }
                }
            }
        }
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
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
