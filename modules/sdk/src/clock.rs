//! Clocks and waits. Waits are of the monotonic clock, as is [`now`]; [`unix_time`] is of the wall clock.

use std::{error, fmt, pin::pin, time::Duration};

#[cfg(target_family = "wasm")]
use crate::bindings::wasi::clocks::monotonic_clock as host;
#[cfg(not(target_family = "wasm"))]
use crate::testing::imports::clock as host;
use crate::{
    Request,
    race::{Raced, race},
    wall_clock,
};

/// Returns the time since the instance began.
pub fn now() -> Duration {
    Duration::from_nanos(host::now())
}

/// Waits this long. The instance serves its other calls meanwhile. When the call is over, the wait ends at once.
pub async fn wait_for(time: Duration) {
    host::wait_for(nanoseconds(time)).await;
}

/// Waits this long, as [`wait_for`] does. Returns whether it did, and the call is not over: ask that in a loop.
pub async fn waited(time: Duration) -> bool {
    let began = now();
    wait_for(time).await;
    now().saturating_sub(began) >= time / 2
}

/// Waits until [`now`] is this time.
pub async fn wait_until(when: Duration) {
    host::wait_until(nanoseconds(when)).await;
}

/// Waits for a future, but no longer than this. A future that is given by value is dropped when the time is up, which cancels
/// what it asked. Give a pinned `&mut` future to wait for it again later:
///
/// ```
/// use std::{pin::pin, time::Duration};
///
/// use arcllm_module::{Error, Request, Response, clock, inner, log};
///
/// async fn invoke(request: Request) -> Result<Response, Error> {
///     let mut asking = pin!(inner::invoke(request));
///     match clock::timeout(Duration::from_secs(1), asking.as_mut()).await {
///         Ok(answer) => answer,
///         Err(_) => {
///             log::log(log::Level::Info, "patient", "it takes longer than a second");
///             asking.await
///         }
///     }
/// }
/// # use arcllm_module::testing::World;
/// # let world = World::new().answers_after(Duration::from_secs(3));
/// # world.run(invoke(world.request("Hi"))).unwrap();
/// # assert_eq!((world.logged().len(), world.now().as_secs()), (1, 3));
/// ```
///
/// # Errors
///
/// [`Elapsed`] if the time is up first.
pub async fn timeout<T>(time: Duration, future: impl Future<Output = T>) -> Result<T, Elapsed> {
    match race(pin!(future), pin!(wait_for(time))).await {
        Raced::One(result) => Ok(result),
        Raced::Other(()) => Err(Elapsed),
    }
}

/// The time of a [`timeout`] is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the time is up")
    }
}

impl error::Error for Elapsed {}

impl Request {
    /// Returns the time until the caller's deadline; none if there is no deadline.
    pub fn time_left(&self) -> Option<Duration> {
        self.remaining().map(Duration::from_nanos)
    }
}

/// Returns the time since 1970 by the wall clock.
///
/// Other instances and other processes read the same clock, so these times can be kept in [`state`](crate::state). It may
/// go back.
pub fn unix_time() -> Duration {
    let now = wall_clock::now();
    Duration::new(u64::try_from(now.seconds).unwrap_or_default(), now.nanoseconds)
}

/// Converts seconds. Saturates; what is below zero, or no number, is zero.
pub fn seconds(seconds: f64) -> Duration {
    Duration::from_nanos((seconds * 1e9) as u64)
}

/// Returns a duration in nanoseconds, as the WIT has durations: at most `u64::MAX`.
pub fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
