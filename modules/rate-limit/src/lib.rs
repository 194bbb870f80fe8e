//! Delays calls, so that a provider gets no more requests than it allows, from all models and instances together.
//!
//! [`Policy`] has the limits. This file connects it to the host.

mod policy;
mod settings;

use std::time::Duration;

use arcllm_module::{Behavior, Cost, Description, Error, Module, Request, Response, Target, Turn, clock, inner, log};

pub use policy::Policy;
pub use settings::{ProviderLimit, Settings};

/// The module.
pub struct RateLimit {
    policy: Policy,
}

impl Module for RateLimit {
    type Config = Settings;

    fn describe() -> Description {
        Description::new("rate-limit", env!("CARGO_PKG_VERSION"), "limiter").behavior(&[Behavior::AnswersItself])
    }

    fn new(settings: Settings) -> Self {
        Self { policy: Policy::new(settings) }
    }

    async fn invoke(&self, request: Request) -> Result<Response, Error> {
        let provider = request.provider();
        match self.policy.limiter(&provider).take(&provider, request.time_left()).await {
            Ok(Turn::After(Duration::ZERO)) => {}
            Ok(Turn::After(wait)) => clock::wait_for(wait).await,
            Ok(Turn::TooLate(wait)) => return Err(too_many(&request, &provider, wait)),
            // Without its state the module lets calls through: an answer matters more than the limit.
            Err(problem) => {
                log::log(log::Level::Warn, "rate-limit", &format!("{provider} is asked without a limit: {problem}"))
            }
        }
        inner::invoke(request).await
    }

    fn worst_case(&self, inner: &Target, _: &[Target]) -> Cost {
        Cost { waiting: inner.most.waiting.saturating_add(clock::nanoseconds(self.policy.max_wait())), ..inner.most }
    }
}

fn too_many(request: &Request, provider: &str, wait: Duration) -> Error {
    let seconds = wait.as_secs_f64();
    let message = format!("the module rate-limit has no place for {provider} in the next {seconds:.1} s");
    Error::refused(request, "rate-limit", 429, clock::nanoseconds(wait), message)
}

arcllm_module::export!(RateLimit);

#[cfg(test)]
mod tests {
    use arcllm_module::{Amount, Count, testing::World};

    use super::*;

    fn module(requests_per_minute: f64, burst: u32, max_wait_seconds: f64) -> RateLimit {
        let (burst, max_wait_seconds) = (Count::new(burst), Amount::new(max_wait_seconds));
        RateLimit::new(Settings { requests_per_minute, burst, max_wait_seconds, ..Settings::default() })
    }

    #[test]
    fn calls_go_in_turn_whichever_instance_has_them() {
        let world = World::new();
        for _ in 0..5 {
            world.run(module(60.0, 2, 60.0).invoke(world.request("Hi"))).unwrap();
        }
        let at: Vec<u64> = world.asked().iter().map(|asked| asked.at.as_secs()).collect();
        assert_eq!(at, [0, 0, 1, 2, 3]);
    }

    #[test]
    fn a_call_that_would_wait_too_long_fails_with_the_wait() {
        let world = World::new().deadline(Duration::from_millis(500));
        world.run(module(60.0, 1, 60.0).invoke(world.request("Hi"))).unwrap();
        let outcome = world.run(module(60.0, 1, 60.0).invoke(world.request("Hi")));
        let Err(Error::Api(error)) = outcome else { panic!("no error") };
        assert_eq!((error.status, error.retry_after, world.asked().len()), (429, Some(1_000_000_000), 1));
    }

    /// With many calls at once and a slow store, no call goes without a limit, and none tries for long.
    #[test]
    fn calls_that_come_at_once_to_a_slow_store_are_limited_all_the_same() {
        const CALLS: usize = 1500;
        let world = World::new().state_after(Duration::from_millis(1));
        let module = module(600.0, 10, 5.0);
        let outcomes = world.run_all((0..CALLS).map(|_| module.invoke(world.request("Hi"))));
        // The burst, and one call each tenth of a second for as long as a call may wait.
        let answered = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        assert!((60..=61).contains(&answered), "{answered} calls were let through");
        let asked: Vec<u64> = world.asked().iter().map(|asked| asked.at.as_millis() as u64).collect();
        let at_once = asked.iter().filter(|at| **at < 100).count();
        assert_eq!(at_once, 10, "{asked:?}");
        assert!(asked.iter().skip(10).zip(asked.iter().skip(11)).all(|(one, next)| next - one >= 99), "{asked:?}");
        assert!(world.logged().is_empty(), "{:?}", world.logged());
        let operations = world.state_operations();
        assert!(operations <= 6 * CALLS, "{operations} operations for {CALLS} calls");
        // Calls that came too late hold nobody up.
        world.run(clock::wait_for(Duration::from_secs(5)));
        world.run(module.invoke(world.request("Hi"))).unwrap();
    }
}
