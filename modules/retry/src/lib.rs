//! Asks again after failures that may pass: rate limits, overload, broken connections, timeouts, pages in place of answers.
//!
//! [`Policy`] decides what is tried again and when, [`Budget`] how often in total. This file connects them to the host.

mod budget;
mod policy;
mod settings;

use std::time::Duration;

use arcllm_module::{Behavior, Cost, Description, Error, Module, Request, Response, Target, clock, inner, random};

pub use budget::{Budget, Earned};
pub use policy::{Ending, Policy, WaitRange};
pub use settings::{RetryableKind, Settings};

/// The module.
pub struct Retry {
    policy: Policy,
    budget: Budget,
}

impl Module for Retry {
    type Config = Settings;

    fn describe() -> Description {
        Description::new("retry", env!("CARGO_PKG_VERSION"), "retry").behavior(&[Behavior::AsksAgain])
    }

    fn new(settings: Settings) -> Self {
        Self { policy: Policy::new(&settings), budget: Budget::new(&settings) }
    }

    async fn invoke(&self, request: Request) -> Result<Response, Error> {
        let mut retries = 0;
        loop {
            let before = request.attempt_count();
            let outcome = inner::invoke(request.clone()).await;
            if retries == 0 {
                self.budget.earn();
            }
            let error = match outcome {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            let round: Vec<_> = request.attempts(before).iter().map(Ending::of_attempt).collect();
            let wait = self
                .policy
                .again(&Ending::of_error(&error), &round, retries)
                .and_then(|range| range.draw(random::get_insecure_random_u64(), request.remaining()));
            let Some(wait) = wait else { return Err(error) };
            if !self.budget.take().await {
                return Err(error);
            }
            clock::wait_for(Duration::from_nanos(wait)).await;
            retries += 1;
        }
    }

    fn worst_case(&self, inner: &Target, _: &[Target]) -> Cost {
        self.policy.worst_case(inner.most)
    }
}

#[cfg(feature = "component")]
arcllm_module::export!(Retry);
