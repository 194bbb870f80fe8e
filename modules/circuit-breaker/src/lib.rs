//! Stops asking a provider that is down, and looks from time to time whether it is back: for all models and instances together.
//!
//! [`Policy`] decides when a circuit opens and closes. This file connects it to the host.

mod policy;
mod settings;

use arcllm_module::{
    Behavior, Description, Error, Module, Request, Response,
    clock::unix_time,
    inner, log,
    state::{self, Update},
};

pub use policy::{Circuit, Pass, Policy, Sign};
pub use settings::Settings;

/// The module.
pub struct CircuitBreaker {
    policy: Policy,
}

impl Module for CircuitBreaker {
    type Config = Settings;

    fn describe() -> Description {
        Description::new("circuit-breaker", env!("CARGO_PKG_VERSION"), "breaker").behavior(&[Behavior::AnswersItself])
    }

    fn new(settings: Settings) -> Self {
        Self { policy: Policy::new(settings) }
    }

    async fn invoke(&self, request: Request) -> Result<Response, Error> {
        let provider = request.provider();
        let pass = match self.pass(&provider).await {
            Ok((Pass::Refused(wait), _)) => return Err(down(&request, &provider, wait)),
            Ok(pass) => Some(pass),
            Err(problem) => {
                warn(&provider, &problem);
                None
            }
        };
        let before = request.attempt_count();
        let outcome = inner::invoke(request.clone()).await;
        let sign = match &outcome {
            Ok(_) => Sign::Alive,
            // The error comes from a module inside of this one: the provider was not asked.
            Err(_) if request.attempt_count() == before => Sign::None,
            Err(error) => self.policy.sign(error),
        };
        // There is nothing to note about a provider that was up and still is.
        if let Some((pass, is_known)) = pass
            && (is_known || sign == Sign::Failed)
            && let Err(problem) = self.note(&provider, pass, sign).await
        {
            warn(&provider, &problem);
        }
        outcome
    }
}

impl CircuitBreaker {
    /// Decides whether the call asks. Also returns whether anything is kept about the provider.
    async fn pass(&self, provider: &str) -> Result<(Pass, bool), String> {
        // About most providers nothing is kept, so one read is enough.
        let kept = state::get(provider.to_owned()).await?;
        let Some(circuit) = read(kept.as_deref()) else { return Ok((Pass::Ask, false)) };
        match self.policy.pass(Some(&circuit), unix_time()) {
            (pass, None) => Ok((pass, true)),
            _ => {
                state::update(provider, |kept| match self.policy.pass(read(kept).as_ref(), unix_time()) {
                    (pass, Some(circuit)) => (write(Some(&circuit)), (pass, true)),
                    (pass, None) => (Update::Keep, (pass, true)),
                })
                .await
            }
        }
    }

    /// Notes how a call ended.
    async fn note(&self, provider: &str, pass: Pass, sign: Sign) -> Result<(), String> {
        state::update(provider, |kept| {
            let before = read(kept);
            let after = self.policy.ended(before.as_ref(), pass, sign, unix_time());
            (if before == after { Update::Keep } else { write(after.as_ref()) }, ())
        })
        .await
    }
}

/// Reads a circuit. A value that cannot be read counts as none: the next failure replaces it.
fn read(kept: Option<&[u8]>) -> Option<Circuit> {
    serde_json::from_slice(kept?).ok()
}

fn write(circuit: Option<&Circuit>) -> Update {
    // Numbers always become JSON, so this removes nothing by mistake.
    circuit.and_then(|circuit| serde_json::to_vec(circuit).ok()).map_or(Update::Remove, Update::Set)
}

/// Warns that the state failed. The provider is then asked, as it would be without the module.
fn warn(provider: &str, problem: &str) {
    log::log(log::Level::Warn, "circuit-breaker", &format!("{provider} is asked although it may be down: {problem}"));
}

fn down(request: &Request, provider: &str, wait: u64) -> Error {
    let seconds = wait as f64 / 1e9;
    let message =
        format!("the module circuit-breaker lets the next call through in {seconds:.1} s, since {provider} is down");
    Error::refused(request, "circuit-breaker", 503, wait, message)
}

arcllm_module::export!(CircuitBreaker);

#[cfg(test)]
mod tests {
    use arcllm_module::{
        Count, Seconds, clock,
        testing::{World, api, text},
    };

    use super::*;

    fn module() -> CircuitBreaker {
        CircuitBreaker::new(Settings {
            failures: Count::new(2),
            open_seconds: Seconds::new(10.0),
            ..Settings::default()
        })
    }

    #[test]
    fn a_provider_that_is_down_is_not_asked_until_it_is_back() {
        let world = World::new().answers([Err(api(529)), Err(api(529)), Err(api(529)), Ok(text("back"))]);
        let ask = || world.run(module().invoke(world.request("Hi"))).map(|answer| answer.parts().text());
        let status = |outcome| match outcome {
            Err(Error::Api(error)) => (error.status, error.retry_after),
            _ => panic!("no error"),
        };
        assert_eq!(status(ask()), (529, None));
        assert_eq!(status(ask()), (529, None));
        assert_eq!(status(ask()), (503, Some(10_000_000_000)));
        world.run(clock::wait_for(10_000_000_000));
        assert_eq!(status(ask()), (529, None));
        assert_eq!(status(ask()), (503, Some(10_000_000_000)));
        world.run(clock::wait_for(10_000_000_000));
        assert_eq!(ask().unwrap(), "back");
        assert_eq!(world.value("inner"), None);
        assert_eq!(world.asked().len(), 4);
    }

    #[test]
    fn nothing_is_kept_about_a_provider_that_is_up() {
        let world = World::new().answers([Ok(text("well")), Err(api(429))]);
        world.run(module().invoke(world.request("Hi"))).unwrap();
        assert!(world.run(module().invoke(world.request("Hi"))).is_err());
        assert_eq!(world.value("inner"), None);
    }
}
