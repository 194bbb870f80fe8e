//! What a module keeps, on behalf of a call: within the limits of the host, and until shortly after the call is over.

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;

use crate::{
    runtime::guest::hop::Hop,
    state::{
        operation::{Added, Bucket, CounterAddition, Leased, Life, Taken},
        state_store::{self, ModuleState},
    },
};

/// The most bytes of a key.
const KEY: usize = 512;
/// The most bytes of a value.
const VALUE: usize = 1 << 20;
/// The most keys of one operation.
const KEYS: usize = 64;

/// A result as a module gets it.
pub(crate) type Stored<T> = Result<T, String>;

/// What a module keeps, and the call that asks; no call outside of calls.
pub(crate) struct KeptState {
    pub(crate) state: Arc<dyn ModuleState>,
    pub(crate) hop: Option<Arc<Hop>>,
}

impl KeptState {
    pub(crate) async fn get(&self, keys: Vec<String>) -> Stored<Vec<Option<Vec<u8>>>> {
        check_keys(keys.iter().map(String::as_str))?;
        self.within(self.state.get(&keys)).await
    }

    pub(crate) async fn set(&self, key: String, value: Vec<u8>, life: Life) -> Stored<()> {
        check_key(&key)?;
        check_value(&value)?;
        self.within(self.state.set(&key, value, life)).await
    }

    pub(crate) async fn delete(&self, key: String) -> Stored<()> {
        check_key(&key)?;
        self.within(self.state.delete(&key)).await
    }

    pub(crate) async fn increment(&self, key: String, delta: i64) -> Stored<i64> {
        let added = self.add(vec![CounterAddition { key, delta, most: None, life: Life::Forever }]).await?;
        Ok(added.sums.first().map_or(0, |sum| sum.value))
    }

    pub(crate) async fn compare_and_swap(
        &self,
        key: String,
        current: Option<Vec<u8>>,
        new: Option<Vec<u8>>,
    ) -> Stored<bool> {
        check_key(&key)?;
        check_value(new.as_deref().unwrap_or_default())?;
        self.within(self.state.compare_and_swap(&key, current, new)).await
    }

    pub(crate) async fn add(&self, additions: Vec<CounterAddition>) -> Stored<Added> {
        check_keys(additions.iter().map(|addition| &*addition.key))?;
        self.within(self.state.add(&additions)).await
    }

    pub(crate) async fn take(&self, buckets: Vec<Bucket>, wait: Duration) -> Stored<Taken> {
        check_keys(buckets.iter().map(|bucket| &*bucket.key))?;
        for Bucket { key, per_second, burst, cost } in &buckets {
            for (what, number) in [("per-second", per_second), ("burst", burst)] {
                if !(number.is_finite() && *number > 0.0) {
                    return Err(format!("{what} of the bucket `{key}` is {number}, and must be above zero"));
                }
            }
            if !cost.is_finite() {
                return Err(format!("cost of the bucket `{key}` is {cost}, and must be a number"));
            }
        }
        self.within(self.state.take(&buckets, wait)).await
    }

    pub(crate) async fn lease(&self, key: String, most: u32, lasts: Duration) -> Stored<Leased> {
        check_key(&key)?;
        if most == 0 || lasts.is_zero() {
            return Err(format!("a lease of `{key}` for {most} holders and {lasts:?} can never be held"));
        }
        self.within(self.state.lease(&key, most, lasts)).await
    }

    pub(crate) async fn release(&self, key: String, lease: u64) -> Stored<()> {
        check_key(&key)?;
        self.within(self.state.release(&key, lease)).await
    }

    /// Waits for the store. What is done for a call that is over has a while: a lease that it holds would else outlive it.
    async fn within<T>(&self, doing: BoxFuture<'_, state_store::Stored<T>>) -> Stored<T> {
        let Some(hop) = &self.hop else { return doing.await.map_err(|error| error.message) };
        let (_waiting, _operation) = (hop.progress.wait(), hop.noting.begin());
        tokio::select! {
            biased;
            done = doing => done.map_err(|error| error.message),
            () = hop.may_note_no_more() => Err("the call is over".to_owned()),
        }
    }
}

fn check_keys<'a>(keys: impl ExactSizeIterator<Item = &'a str>) -> Stored<()> {
    match keys.len() {
        len if len > KEYS => Err(format!("{len} keys at once are more than {KEYS}")),
        _ => keys.into_iter().try_for_each(check_key),
    }
}

fn check_key(key: &str) -> Stored<()> {
    match key.len() {
        len if len > KEY => Err(format!("a key of {len} bytes is longer than {KEY}")),
        _ => Ok(()),
    }
}

fn check_value(value: &[u8]) -> Stored<()> {
    match value.len() {
        len if len > VALUE => Err(format!("a value of {len} bytes is longer than {VALUE}")),
        _ => Ok(()),
    }
}
