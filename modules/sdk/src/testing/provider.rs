//! Asks the scripted providers of a world.

use std::time::Duration;

use crate::{
    allowance::ALLOWANCES,
    testing::{
        executor,
        script::{Answer, Asked, MODEL},
        world::World,
    },
    types::{ApiError, Attempt, Error, Failure, Outcome, RequestParts, ResponseParts},
};

/// The error about a provider that the world does not have.
pub(crate) fn unknown(provider: &str) -> Error {
    Error::Config(Failure::new(provider, format!("this world has no provider `{provider}`")))
}

/// Asks a provider, and adds to the trail.
pub(crate) async fn ask(world: &World, provider: &str, parts: &RequestParts) -> Answer {
    let (asking, takes) = Asking::begin(world, provider, parts);
    executor::sleep(world, takes).await;
    let script = world.0.borrow_mut().providers.get_mut(provider).and_then(|provider| provider.script.take());
    let answer = match script {
        Some(mut script) => {
            let answer = script(parts);
            if let Some(provider) = world.0.borrow_mut().providers.get_mut(provider) {
                provider.script.get_or_insert(script);
            }
            answer
        }
        None => Err(unknown(provider)),
    };
    asking.end(answer)
}

/// A request under way. If it is dropped, the module no longer waits for the answer.
struct Asking {
    world: World,
    provider: String,
    /// Its number among all requests.
    number: usize,
    started: u64,
    waited: u64,
    is_over: bool,
}

impl Asking {
    /// Begins to ask. Also returns how many nanoseconds the answer takes.
    fn begin(world: &World, provider: &str, parts: &RequestParts) -> (Self, u64) {
        let mut inside = world.0.borrow_mut();
        let (at, parts) = (Duration::from_nanos(inside.now), parts.clone());
        inside.asked.push(Asked { at, provider: provider.into(), parts, cancelled: None });
        let takes = inside.providers.get(provider).and_then(|provider| provider.takes).unwrap_or(inside.takes);
        let (number, started, waited) = (inside.asked.len() - 1, inside.now, std::mem::take(&mut inside.waited));
        let provider = provider.to_owned();
        (Self { world: world.clone(), provider, number, started, waited, is_over: false }, takes)
    }

    /// The answer has come.
    fn end(mut self, mut answer: Answer) -> Answer {
        match &mut answer {
            Ok(parts) => self.provider.clone_into(&mut parts.provider),
            Err(Error::Api(error)) => self.provider.clone_into(&mut error.provider),
            Err(_) => {}
        }
        self.is_over = true;
        self.add_to_trail(&answer);
        answer
    }

    fn add_to_trail(&self, answer: &Answer) {
        let mut inside = self.world.0.borrow_mut();
        let (reason, retry_after, should_retry) = match answer {
            Err(Error::Api(error)) => (Some(error.reason.clone()), error.retry_after, error.should_retry),
            _ => (None, None, None),
        };
        let extensions = match answer {
            Err(Error::Parse(failure)) => failure.extensions.clone(),
            Ok(ResponseParts { extensions, .. }) | Err(Error::Api(ApiError { extensions, .. })) => {
                extensions.iter().filter(|(key, _)| key == ALLOWANCES).cloned().collect()
            }
            Err(_) => Vec::new(),
        };
        let attempt = Attempt {
            provider: self.provider.clone(),
            model: MODEL.to_owned(),
            asked_by: "module".to_owned(),
            started_after: self.started,
            took: inside.now.saturating_sub(self.started),
            waited: self.waited,
            waited_by: if self.waited > 0 { "module".to_owned() } else { String::new() },
            first_event: None,
            outcome: outcome(answer),
            reason,
            retry_after,
            should_retry,
            request_id: None,
            usage: answer.as_ref().ok().map(|parts| parts.usage.clone()),
            extensions,
        };
        inside.trail.push(attempt);
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        // A test may fail while it looks into the world.
        if let Ok(mut inside) = self.world.0.try_borrow_mut() {
            let now = Duration::from_nanos(inside.now);
            if let Some(asked) = inside.asked.get_mut(self.number) {
                asked.cancelled = Some(now);
            }
            drop(inside);
            self.add_to_trail(&Err(Error::Cancelled));
        }
    }
}

fn outcome(answer: &Answer) -> Outcome {
    match answer {
        Ok(_) => Outcome::Ok,
        Err(Error::Api(error)) => Outcome::Api(error.status),
        Err(Error::Connection(_)) => Outcome::Connection,
        Err(Error::Timeout(_)) => Outcome::Timeout,
        Err(Error::Parse(_)) => Outcome::Parse,
        Err(Error::Module(_)) => Outcome::Module,
        Err(Error::Cancelled) => Outcome::Cancelled,
        Err(Error::DeadlineExceeded) => Outcome::DeadlineExceeded,
        Err(Error::Config(_) | Error::Other(_)) => Outcome::Other("other".to_owned()),
    }
}
