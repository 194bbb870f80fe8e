//! Stops asking a provider that is down, and looks from time to time whether it is back: for all models and instances together.
//!
//! [`Policy`] decides when a circuit opens, and [`Circuit`] keeps it. This file connects them to the host.

mod circuit;
mod policy;
mod settings;

use std::rc::Rc;

use arcllm_module::{Behavior, Description, Error, Module, OnStoreFailure, Request, Response, endings, inner, log};

pub use circuit::{Circuit, Pass};
pub use policy::{Cooldown, Counts, Policy, Sign};
pub use settings::Settings;

/// The hint of a call that is refused since the store fails, in nanoseconds.
const STORE_WAIT: u64 = 1_000_000_000;

/// The module.
pub struct CircuitBreaker {
    /// Shared with the calls whose answers are still read.
    policy: Rc<Policy>,
    on_store_failure: OnStoreFailure,
}

impl Module for CircuitBreaker {
    type Config = Settings;

    fn describe() -> Description {
        Description::new("circuit-breaker", env!("CARGO_PKG_VERSION"), "breaker").behavior(&[Behavior::AnswersItself])
    }

    fn new(settings: Settings) -> Self {
        let on_store_failure = settings.on_store_failure;
        Self { policy: Rc::new(Policy::new(settings)), on_store_failure }
    }

    async fn invoke(&self, request: Request) -> Result<Response, Error> {
        let provider = request.provider();
        let circuit = Circuit::new(&provider, &request.model());
        let pass = match circuit.pass(&self.policy).await {
            Ok(Pass::Refused { wait, cooldown }) => return Err(down(&request, &provider, wait, cooldown)),
            Ok(pass) => Some(pass),
            Err(problem) if self.on_store_failure == OnStoreFailure::Refuse => {
                return Err(unknown(&request, &provider, &problem));
            }
            Err(problem) => {
                tell(&provider, &problem);
                None
            }
        };
        let call = Call { policy: self.policy.clone(), provider, circuit, pass };
        let before = request.attempt_count();
        match inner::invoke(request.clone()).await {
            Ok(response) => {
                call.answered(&response);
                Ok(response)
            }
            Err(error) => {
                // If there was no attempt, the error comes from a module inside of this one.
                let failed = (request.attempt_count() > before).then(|| error.clone());
                if call.is_awaited(failed.as_ref()) {
                    call.over(failed).await;
                } else {
                    endings::background(async move { call.over(failed).await });
                }
                Err(error)
            }
        }
    }
}

/// A call that asks a provider.
struct Call {
    policy: Rc<Policy>,
    provider: String,
    circuit: Circuit,
    /// What it may do. Absent if the state failed.
    pass: Option<Pass>,
}

impl Call {
    /// Notes how this answer ends. The events of a streamed one do not pass through the module.
    fn answered(self, response: &Response) {
        if response.is_whole() && !self.notes(Sign::Alive) {
            return;
        }
        endings::after(response, async move |ended| match ended {
            Ok(_) => self.ended(Sign::Alive).await,
            Err(error) => self.failed(&error).await,
        });
    }

    /// Whether the caller waits until this error is noted: if the circuit opens by it, the next call must see that.
    fn is_awaited(&self, failed: Option<&Error>) -> bool {
        let fails = failed.is_some_and(|error| self.policy.sign(error) == Sign::Failed);
        fails && self.pass.as_ref().is_some_and(|pass| self.circuit.may_open(&self.policy, pass))
    }

    /// Notes what the end without an answer shows: by an error of the provider, or by none if it was not asked.
    async fn over(&self, failed: Option<Error>) {
        match failed {
            Some(error) => self.failed(&error).await,
            None => self.ended(Sign::None).await,
        }
    }

    /// Notes what an error of the provider shows.
    async fn failed(&self, error: &Error) {
        // First, since the next call needs it.
        if self.pass.is_some()
            && let Some(cooldown) = self.policy.cooldown(error)
            && let Err(problem) = self.circuit.cool(cooldown).await
        {
            tell(&self.provider, &problem);
        }
        self.ended(self.policy.sign(error)).await;
    }

    /// Notes what the end of the call shows.
    async fn ended(&self, sign: Sign) {
        if let Some(pass) = &self.pass
            && self.notes(sign)
            && let Err(problem) = self.circuit.ended(&self.policy, pass, sign).await
        {
            tell(&self.provider, &problem);
        }
    }

    /// Whether there is something to note. There is nothing about a provider that was up and still is.
    fn notes(&self, sign: Sign) -> bool {
        self.pass.as_ref().is_some_and(|pass| self.circuit.notes(&self.policy, pass, sign))
    }
}

/// Tells that the state failed. The provider is then asked, as it would be without the module. The host warns of a store that fails.
fn tell(provider: &str, problem: &str) {
    log::log(log::Level::Debug, "circuit-breaker", &format!("{provider} is asked although it may be down: {problem}"));
}

fn down(request: &Request, provider: &str, wait: u64, cooldown: Option<u16>) -> Error {
    let seconds = wait as f64 / 1e9;
    let why = match cooldown {
        Some(404) => format!("{provider} answered with the status 404 for {}", request.model()),
        Some(status) => format!("{provider} answered with the status {status}"),
        None => format!("{provider} is down"),
    };
    let message = format!("the module circuit-breaker lets the next call through in {seconds:.1} s, since {why}");
    Error::refused(request, "circuit-breaker", cooldown.unwrap_or(503), wait, message)
}

fn unknown(request: &Request, provider: &str, problem: &str) -> Error {
    let message = format!(
        "the module circuit-breaker does not know whether {provider} is up, since the store of its state failed: {problem}; \
         with on_store_failure = \"allow\" it would be asked"
    );
    Error::refused(request, "circuit-breaker", 503, STORE_WAIT, message)
}

arcllm_module::export!(CircuitBreaker);

#[cfg(test)]
mod tests;
