//! Asks other models, in the order of a chain, when one fails.
//!
//! [`Policy`] decides after which errors and answers another model is asked, [`Round`] which one. This file connects them to the
//! host.

mod policy;
mod round;
mod settings;

use arcllm_module::{Behavior, Cost, Description, Error, Module, Request, Response, Target, endings, inner};

pub use policy::{Answer, Next, Policy};
pub use round::{Identity, Known, Round};
pub use settings::{ReasonWord, Settings};

/// The module.
pub struct Fallback {
    policy: Policy,
}

impl Module for Fallback {
    type Config = Settings;

    fn describe() -> Description {
        const BEHAVIOR: &[Behavior] = &[Behavior::AsksOthers, Behavior::ChangesRequests, Behavior::HoldsAnswersBack];
        Description::new("fallback", env!("CARGO_PKG_VERSION"), "fallback").behavior(BEHAVIOR)
    }

    fn new(settings: Settings) -> Self {
        Self { policy: Policy::new(settings) }
    }

    async fn invoke(&self, request: Request) -> Result<Response, Error> {
        let mut outcome = self.judged(inner::invoke(request.clone()).await).await;
        let mut next = self.next(&outcome);
        if next == Next::Return {
            return outcome;
        }
        let known = |name: &str| request.facts(name).map(Known::from);
        let mut round = self.policy.round(request.provider(), request.model());
        let mut kept = None;
        while next != Next::Return {
            if next == Next::Larger {
                round.did_not_fit(known);
            }
            let Some(target) = round.next(known) else { break };
            kept = outcome.ok().or(kept);
            outcome = self.judged(target.ask(&request).await).await;
            next = self.next(&outcome);
        }
        // An answer is worth more than an error, also one that counts as a failure.
        outcome.or_else(|error| kept.ok_or(error))
    }

    fn worst_case(&self, inner: &Target, others: &[Target]) -> Cost {
        self.policy.worst_case(inner, others)
    }
}

impl Fallback {
    /// Waits until an answer shows what is to be judged, if anything is: a streamed one until its first text.
    async fn judged(&self, outcome: Result<Response, Error>) -> Result<Response, Error> {
        match outcome {
            Ok(response) if self.policy.judges_answers() && !response.is_whole() => endings::begun(response).await,
            outcome => outcome,
        }
    }

    fn next(&self, outcome: &Result<Response, Error>) -> Next {
        match outcome {
            Ok(_) if !self.policy.judges_answers() => Next::Return,
            Ok(response) => {
                let said = response.size().map(|size| (size.text_bytes, size.tool_calls));
                self.policy.after_answer(&Answer { stop: response.stop_reason(), said })
            }
            Err(error) => self.policy.after_error(error),
        }
    }
}

arcllm_module::export!(Fallback);

#[cfg(test)]
mod tests;
