//! Clocks. Times and durations are nanoseconds, as in the WIT.
//!
//! [`now`] and [`wait_for`] are of the monotonic clock, [`unix_time`] is of the wall clock.

#[cfg(target_family = "wasm")]
pub use crate::bindings::wasi::clocks::monotonic_clock::*;
#[cfg(not(target_family = "wasm"))]
pub use crate::testing::imports::clock::*;

use crate::wall_clock;

/// Returns the nanoseconds since 1970 by the wall clock.
///
/// Other instances and other processes read the same clock, so these times can be kept in [`state`](crate::state). It may
/// go back.
pub fn unix_time() -> u64 {
    let now = wall_clock::now();
    u64::try_from(now.seconds).unwrap_or_default().saturating_mul(1_000_000_000).saturating_add(now.nanoseconds.into())
}

/// Converts seconds to nanoseconds. Saturates; what is below zero, or no number, is zero.
pub fn nanoseconds(seconds: f64) -> u64 {
    (seconds * 1e9) as u64
}
