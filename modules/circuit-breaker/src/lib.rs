//! Stops asking a provider that is down, and looks from time to time whether it is back: for all models and instances together.
//!
//! [`Policy`] decides when a circuit opens and closes. This file connects it to the host.

mod policy;
mod settings;

use std::rc::Rc;

use arcllm_module::{
    Behavior, Description, Error, Module, Request, Response, clock, endings, inner, log,
    state::{self, Update},
};

pub use policy::{Circuit, Pass, Policy, Sign};
pub use settings::Settings;

/// The module.
pub struct CircuitBreaker {
    /// Shared with the calls whose answers are still read.
    policy: Rc<Policy>,
}

impl Module for CircuitBreaker {
    type Config = Settings;

    fn describe() -> Description {
        Description::new("circuit-breaker", env!("CARGO_PKG_VERSION"), "breaker").behavior(&[Behavior::AnswersItself])
    }

    fn new(settings: Settings) -> Self {
        Self { policy: Rc::new(Policy::new(settings)) }
    }

    async fn invoke(&self, request: Request) -> Result<Response, Error> {
        let provider = request.provider();
        let pass = match pass(&self.policy, &provider).await {
            Ok((Pass::Refused(wait), _)) => return Err(down(&request, &provider, wait)),
            Ok(pass) => Some(pass),
            Err(problem) => {
                warn(&provider, &problem);
                None
            }
        };
        let call = Call { policy: self.policy.clone(), provider, pass };
        let before = request.attempt_count();
        match inner::invoke(request.clone()).await {
            Ok(response) => {
                call.answered(&response).await;
                Ok(response)
            }
            Err(error) => {
                // If there was no attempt, the error comes from a module inside of this one.
                let was_asked = request.attempt_count() > before;
                call.ended(if was_asked { call.policy.sign(&error) } else { Sign::None }).await;
                Err(error)
            }
        }
    }
}

/// A call that asks a provider.
struct Call {
    policy: Rc<Policy>,
    provider: String,
    /// What it may do, and whether anything is kept about the provider. Absent if the state failed.
    pass: Option<(Pass, bool)>,
}

impl Call {
    /// Notes how this answer ends. The events of a streamed one do not pass through the module.
    async fn answered(self, response: &Response) {
        if response.is_whole() {
            return self.ended(Sign::Alive).await;
        }
        endings::after(response, async move |ended| {
            let sign = ended.map_or_else(|error| self.policy.sign(&error), |_| Sign::Alive);
            self.ended(sign).await;
        });
    }

    /// Notes what the end of the call shows.
    async fn ended(&self, sign: Sign) {
        // There is nothing to note about a provider that was up and still is.
        if let Some((pass, is_known)) = self.pass
            && (is_known || sign == Sign::Failed)
            && let Err(problem) = note(&self.policy, &self.provider, pass, sign).await
        {
            warn(&self.provider, &problem);
        }
    }
}

/// Decides whether a call asks. Also returns whether anything is kept about the provider.
async fn pass(policy: &Policy, provider: &str) -> Result<(Pass, bool), String> {
    // About most providers nothing is kept, so one read is enough.
    let kept = state::get(provider.to_owned()).await?;
    let Some(circuit) = read(kept.as_deref()) else { return Ok((Pass::Ask, false)) };
    match policy.pass(Some(&circuit), now()) {
        (pass, None) => Ok((pass, true)),
        _ => {
            state::update(provider, |kept| match policy.pass(read(kept).as_ref(), now()) {
                (pass, Some(circuit)) => (write(Some(&circuit)), (pass, true)),
                (pass, None) => (Update::Keep, (pass, true)),
            })
            .await
        }
    }
}

/// Notes how a call ended.
async fn note(policy: &Policy, provider: &str, pass: Pass, sign: Sign) -> Result<(), String> {
    state::update(provider, |kept| {
        let before = read(kept);
        let after = policy.ended(before.as_ref(), pass, sign, now());
        (if before == after { Update::Keep } else { write(after.as_ref()) }, ())
    })
    .await
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

/// The time since 1970 in nanoseconds, as the store keeps it.
fn now() -> u64 {
    clock::nanoseconds(clock::unix_time())
}

arcllm_module::export!(CircuitBreaker);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use arcllm_module::{
        Count, Seconds, clock, stream,
        testing::{World, api, text},
        types::Failure,
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
        world.run(clock::wait_for(Duration::from_secs(10)));
        assert_eq!(status(ask()), (529, None));
        assert_eq!(status(ask()), (503, Some(10_000_000_000)));
        world.run(clock::wait_for(Duration::from_secs(10)));
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

    /// An answer that ends after this time, and what is kept about its provider half a second before and then.
    fn streamed(world: &World, seconds: u64, end: Result<(), Error>) -> [Option<Circuit>; 2] {
        let (module, request) = (module(), world.request("Hi"));
        let kept = || read(world.value("inner").as_deref());
        world.run(async {
            let pass = pass(&module.policy, "inner").await.unwrap();
            assert!(!matches!(pass.0, Pass::Refused(_)), "{pass:?}");
            let call = Call { policy: module.policy.clone(), provider: "inner".to_owned(), pass: Some(pass) };
            let (response, writer) = stream::write(&request);
            call.answered(&response).await;
            clock::wait_for(Duration::from_secs(seconds) - Duration::from_millis(500)).await;
            let before = kept();
            match end {
                Ok(()) => writer.write(vec![stream::Event::End(text("well"))]).await.unwrap(),
                Err(error) => writer.fail(&error),
            }
            clock::wait_for(Duration::from_millis(500)).await;
            [before, kept()]
        })
    }

    #[test]
    fn a_streamed_answer_counts_when_it_has_ended() {
        let world = World::new();
        let broken = || Err(Error::Connection(Failure::new("inner", "it broke off")));
        assert!(matches!(streamed(&world, 2, broken()), [None, Some(Circuit::Closed { failures: 1, .. })]));
        // The reader went away.
        assert!(matches!(streamed(&world, 2, Err(Error::Cancelled)), [_, Some(Circuit::Closed { failures: 1, .. })]));
        assert!(matches!(streamed(&world, 2, broken()), [_, Some(Circuit::Open { .. })]));
        world.run(clock::wait_for(Duration::from_secs(10)));
        // The probe is one until its answer has ended, and other calls are refused.
        let [looking, after] = streamed(&world, 5, Ok(()));
        assert!(matches!(&looking, Some(Circuit::Open { probes, .. }) if probes.len() == 1), "{looking:?}");
        assert_eq!(after, None);
    }

    /// Otherwise a provider whose answers take longer than `open_seconds` would never be asked again.
    #[test]
    fn a_long_answer_to_a_probe_closes_the_circuit() {
        let world = World::new().answers([Err(api(503)), Err(api(503))]);
        for _ in 0..2 {
            assert!(world.run(module().invoke(world.request("Hi"))).is_err());
        }
        world.run(clock::wait_for(Duration::from_secs(10)));
        assert_eq!(streamed(&world, 25, Ok(()))[1], None);
    }
}
