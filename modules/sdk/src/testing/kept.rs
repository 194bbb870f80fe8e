//! What a world keeps for its module.

use std::collections::BTreeMap;

/// What is kept, by key. Times are nanoseconds of the world.
#[derive(Default)]
pub(crate) struct Kept {
    pub(crate) values: BTreeMap<String, Value>,
    /// When each bucket is full.
    pub(crate) buckets: BTreeMap<String, u64>,
    /// The numbers of leases, and when each ends.
    pub(crate) leases: BTreeMap<String, Vec<(u64, u64)>>,
    pub(crate) next_lease: u64,
}

/// A value.
#[derive(Clone)]
pub(crate) struct Value {
    pub(crate) value: Vec<u8>,
    /// When it ends, if it does.
    pub(crate) ends: Option<u64>,
}

impl Kept {
    /// Returns the value of this key, if it has not ended.
    pub(crate) fn value(&self, key: &str, now: u64) -> Option<&[u8]> {
        self.find(key, now).map(|kept| &*kept.value)
    }

    pub(crate) fn find(&self, key: &str, now: u64) -> Option<&Value> {
        self.values.get(key).filter(|kept| !kept.is_over(now))
    }
}

impl Value {
    pub(crate) fn is_over(&self, now: u64) -> bool {
        self.ends.is_some_and(|ends| ends <= now)
    }
}
