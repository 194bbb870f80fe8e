//! The arithmetic of buckets, which `redis/take.lua` has too.

use std::time::Duration;

use crate::state::operation::Bucket;

/// Beyond this no bucket is in debt: about 31 years, up to which a Redis counts microseconds since 1970 exactly.
const FURTHEST: Duration = Duration::from_secs(1_000_000_000);

/// Takes the tokens from a bucket that will be full in `full_in`. Returns when it will be full then, and the time until it has
/// what is taken.
pub(crate) fn take(full_in: Duration, bucket: &Bucket) -> (Duration, Duration) {
    let seconds = full_in.as_secs_f64();
    let (taken, to_have) = (bucket.cost / bucket.per_second, bucket.cost.min(bucket.burst) / bucket.per_second);
    let wait = if bucket.cost > 0.0 { seconds + to_have - bucket.burst / bucket.per_second } else { 0.0 };
    (duration(seconds + taken), duration(wait))
}

/// These seconds, to the microsecond, since a Redis counts these.
fn duration(seconds: f64) -> Duration {
    let micros = (seconds.clamp(0.0, FURTHEST.as_secs_f64()) * 1e6).round();
    Duration::from_micros(micros as u64)
}
