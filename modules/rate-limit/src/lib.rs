//! Delays calls, so that a provider gets no more requests and tokens than it allows, from all models and instances together.
//!
//! [`Policy`] has the limits, [`Turn`] is what a call has taken of them. This file connects them to the host.

mod learned;
mod owed;
mod policy;
mod settings;
mod turn;

use std::time::Duration;

use arcllm_module::{
    Behavior, Cost, Description, Error, Module, OnStoreFailure, Request, Response, Target, clock, endings, inner, log,
};

pub use learned::{Pause, pause_after};
pub use owed::Owed;
pub use policy::{Limited, Policy};
pub use settings::{Limit, Settings};
pub use turn::{NoTurn, Turn};

/// The hint of a call that is refused since the store fails.
const STORE_WAIT: Duration = Duration::from_secs(1);

/// The module.
pub struct RateLimit {
    policy: Policy,
    owed: Owed,
}

impl Module for RateLimit {
    type Config = Settings;

    fn describe() -> Description {
        Description::new("rate-limit", env!("CARGO_PKG_VERSION"), "limiter").behavior(&[Behavior::AnswersItself])
    }

    fn new(settings: Settings) -> Self {
        Self { policy: Policy::new(settings), owed: Owed::default() }
    }

    async fn invoke(&self, request: Request) -> Result<Response, Error> {
        let before = request.attempt_count();
        self.owed.settle();
        let turn = match Turn::take(&self.policy, &request, &self.owed).await {
            Ok(turn) => turn,
            Err(NoTurn::TooLate { what, wait, is_learned }) => {
                return Err(too_many(&request, &what, wait, is_learned));
            }
            Err(NoTurn::Over) => return Err(Error::Cancelled),
            Err(NoTurn::Failed(problem)) if self.policy.settings.on_store_failure == OnStoreFailure::Refuse => {
                return Err(unknown(&request, &problem));
            }
            // An answer matters more than the limit. The host warns of a store that fails.
            Err(NoTurn::Failed(problem)) => {
                let provider = request.provider();
                log::log(log::Level::Debug, "rate-limit", &format!("{provider} is asked without a limit: {problem}"));
                return inner::invoke(request).await;
            }
        };
        match inner::invoke(request.clone()).await {
            Ok(response) => {
                // The headers of a streamed answer are there at its beginning.
                if turn.learns()
                    && let Some(pause) = turn.learned(&request.attempts(before))
                {
                    endings::background(pause);
                }
                if turn.has_more_to_do() {
                    endings::after(&response, async move |ended| match ended {
                        Ok(ending) => turn.answered(&ending.usage).await,
                        Err(error) => turn.failed(&error, &request.attempts(before)).await,
                    });
                }
                Ok(response)
            }
            Err(error) => {
                let failed = error.clone();
                endings::background(async move {
                    let attempts = request.attempts(before);
                    // The next call needs the pause.
                    if let Some(pause) = turn.learned(&attempts) {
                        pause.await;
                    }
                    turn.failed(&failed, &attempts).await;
                });
                Err(error)
            }
        }
    }

    fn worst_case(&self, inner: &Target, _: &[Target]) -> Cost {
        Cost { waiting: inner.most.waiting.saturating_add(clock::nanoseconds(self.policy.max_wait())), ..inner.most }
    }
}

fn too_many(request: &Request, what: &str, wait: Duration, is_learned: bool) -> Error {
    let seconds = wait.as_secs_f64();
    let why = if is_learned { ", since the provider says that a limit is used up" } else { "" };
    let message = format!("the module rate-limit has no place for {what} in the next {seconds:.1} s{why}");
    Error::refused(request, "rate-limit", 429, clock::nanoseconds(wait), message)
}

fn unknown(request: &Request, problem: &str) -> Error {
    let message = format!(
        "the module rate-limit does not know whether {} has a place, since the store of its state failed: {problem}; with \
         on_store_failure = \"allow\" it would be asked",
        request.provider()
    );
    Error::refused(request, "rate-limit", 503, clock::nanoseconds(STORE_WAIT), message)
}

arcllm_module::export!(RateLimit);

#[cfg(test)]
mod tests;
