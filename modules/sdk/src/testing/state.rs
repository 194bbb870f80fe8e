//! What a module keeps in a world, as `arcllm:llm/state` offers it.

pub use crate::bindings::arcllm::llm::state_types::{Added, Addition, Bucket, Leased, Life, Sum, Taken};
use crate::testing::{
    executor,
    kept::{Kept, Value},
};

const SECOND: u64 = 1_000_000_000;

/// Waits until the store has come to this operation, and carries it out. Fails if the store does.
async fn in_store<T>(operation: impl FnOnce(&mut Kept, u64) -> Result<T, String>) -> Result<T, String> {
    let world = executor::current();
    let takes = {
        let mut inside = world.0.borrow_mut();
        inside.operations += 1;
        inside.state_takes
    };
    executor::sleep(&world, takes).await;
    let mut inside = world.0.borrow_mut();
    if let Some(problem) = &inside.state_problem {
        return Err(problem.clone());
    }
    let now = inside.now;
    operation(&mut inside.kept, now)
}

/// Returns the value of this key.
pub async fn get(key: String) -> Result<Option<Vec<u8>>, String> {
    Ok(get_many(vec![key]).await?.into_iter().next().flatten())
}

/// Returns the values of these keys, in their order.
pub async fn get_many(keys: Vec<String>) -> Result<Vec<Option<Vec<u8>>>, String> {
    in_store(|kept, now| Ok(keys.iter().map(|key| kept.value(key, now).map(<[u8]>::to_vec)).collect())).await
}

/// Sets the value of this key.
pub async fn set(key: String, value: Vec<u8>) -> Result<(), String> {
    set_for(key, value, Life::Forever).await
}

/// Sets the value of this key for a time.
pub async fn set_for(key: String, value: Vec<u8>, life: Life) -> Result<(), String> {
    in_store(|kept, now| {
        kept.values.insert(key, Value { value, ends: end(life, now) });
        Ok(())
    })
    .await
}

/// Removes what is under this key.
pub async fn delete(key: String) -> Result<(), String> {
    in_store(|kept, _| {
        kept.values.remove(&key);
        kept.buckets.remove(&key);
        kept.leases.remove(&key);
        Ok(())
    })
    .await
}

/// Adds to the whole number under this key, and returns the sum.
pub async fn increment(key: String, delta: i64) -> Result<i64, String> {
    let added = add(vec![Addition { key, delta, most: None, life: Life::Forever }]).await?;
    Ok(added.sums.first().map_or(0, |sum| sum.value))
}

/// Sets the value to `new` if it is `current`, and returns whether it was.
pub async fn compare_and_swap(key: String, current: Option<Vec<u8>>, new: Option<Vec<u8>>) -> Result<bool, String> {
    in_store(|kept, now| {
        if kept.value(&key, now) != current.as_deref() {
            return Ok(false);
        }
        match new {
            Some(value) => drop(kept.values.insert(key, Value { value, ends: None })),
            None => drop(kept.values.remove(&key)),
        }
        Ok(true)
    })
    .await
}

/// Adds to several counters, or to none of them if one would pass its `most`.
pub async fn add(additions: Vec<Addition>) -> Result<Added, String> {
    in_store(|kept, now| {
        let mut values = kept.values.clone();
        let mut refused = None;
        for (at, addition) in (0..).zip(&additions) {
            let begun = values.get(&addition.key).filter(|begun| !begun.is_over(now)).cloned();
            let ends = begun.as_ref().map_or_else(|| end(addition.life, now), |begun| begun.ends);
            let number = begun.map_or(Ok(0), |begun| number(&begun.value))?.saturating_add(addition.delta);
            if addition.delta > 0 && addition.most.is_some_and(|most| number > most) {
                refused = refused.or(Some(at));
            }
            values.insert(addition.key.clone(), Value { value: number.to_string().into_bytes(), ends });
        }
        if refused.is_none() {
            kept.values = values;
        }
        let sum = |addition: &Addition| {
            let counter = kept.find(&addition.key, now);
            let ends_in = counter.and_then(|kept| kept.ends).map(|ends| ends - now);
            Ok(Sum { value: counter.map_or(Ok(0), |kept| number(&kept.value))?, ends_in })
        };
        let sums = additions.iter().map(sum).collect::<Result<_, String>>()?;
        Ok(Added { refused, sums })
    })
    .await
}

/// Takes tokens from several buckets, or from none of them if it would take longer than `wait` nanoseconds.
pub async fn take(buckets: Vec<Bucket>, wait: u64) -> Result<Taken, String> {
    in_store(|kept, now| {
        let before = kept.buckets.clone();
        let mut latest = (0, 0);
        for (at, bucket) in (0..).zip(&buckets) {
            let full_at = kept.buckets.get(&bucket.key).copied().unwrap_or_default().max(now);
            let tokens = |number: f64| number / bucket.per_second * SECOND as f64;
            let full_in = (full_at - now) as f64;
            // A cast of a float saturates, also at zero.
            let wait = (full_in + tokens(bucket.cost.min(bucket.burst)) - tokens(bucket.burst)).round() as u64;
            if bucket.cost > 0.0 && wait > latest.1 {
                latest = (at, wait);
            }
            let full_in = (full_in + tokens(bucket.cost)).round() as u64;
            kept.buckets.insert(bucket.key.clone(), now.saturating_add(full_in));
        }
        let refused = (latest.1 > wait).then_some(latest.0);
        if refused.is_some() {
            kept.buckets = before;
        }
        Ok(Taken { refused, wait: latest.1 })
    })
    .await
}

/// Takes a lease of this key, of which at most so many are held at once, for so many nanoseconds.
pub async fn lease(key: String, most: u32, lasts: u64) -> Result<Leased, String> {
    in_store(|kept, now| {
        let leases = kept.leases.entry(key).or_default();
        leases.retain(|(_, ends)| *ends > now);
        if leases.len() >= usize::try_from(most).unwrap_or(usize::MAX) {
            return Ok(Leased::Held(leases.iter().map(|(_, ends)| ends - now).min().unwrap_or(lasts)));
        }
        kept.next_lease += 1;
        leases.push((kept.next_lease, now.saturating_add(lasts)));
        Ok(Leased::Granted(kept.next_lease))
    })
    .await
}

/// Gives a lease back.
pub async fn release(key: String, lease: u64) -> Result<(), String> {
    in_store(|kept, _| {
        if let Some(leases) = kept.leases.get_mut(&key) {
            leases.retain(|(other, _)| *other != lease);
        }
        Ok(())
    })
    .await
}

fn number(value: &[u8]) -> Result<i64, String> {
    let number = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
    number.ok_or_else(|| "the value is not a whole number".to_owned())
}

/// Returns when a life ends that begins now. A world begins at the start of 1970.
fn end(life: Life, now: u64) -> Option<u64> {
    let next = |seconds: u64| Some((now / (seconds * SECOND) + 1) * seconds * SECOND);
    match life {
        Life::Forever => None,
        Life::Time(time) => Some(now.saturating_add(time)),
        Life::Minute => next(60),
        Life::Hour => next(3_600),
        Life::Day => next(86_400),
        // No test of a module spans a month that is shorter.
        Life::Month => next(31 * 86_400),
    }
}
