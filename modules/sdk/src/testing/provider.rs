//! Asks the scripted providers of a world.

use std::time::Duration;

use crate::{
    testing::{
        executor,
        script::{Answer, Asked, MODEL},
        world::World,
    },
    types::{Attempt, Error, Failure, Outcome, RequestParts},
};

/// The error about a provider that the world does not have.
pub(crate) fn unknown(provider: &str) -> Error {
    Error::Config(Failure::new(provider, format!("this world has no provider `{provider}`")))
}

/// Asks a provider, and adds to the trail.
pub(crate) async fn ask(world: &World, provider: &str, parts: &RequestParts) -> Answer {
    let (started, takes, waited) = {
        let mut inside = world.0.borrow_mut();
        let asked = Asked { at: Duration::from_nanos(inside.now), provider: provider.into(), parts: parts.clone() };
        inside.asked.push(asked);
        (inside.now, inside.takes, std::mem::take(&mut inside.waited))
    };
    executor::sleep(world, takes).await;
    // Taken out while it runs, because it may borrow the world itself.
    let script = world.0.borrow_mut().providers.remove(provider);
    let Some(mut script) = script else { return Err(unknown(provider)) };
    let mut answer = script(parts);
    let mut inside = world.0.borrow_mut();
    inside.providers.insert(provider.to_owned(), script);
    match &mut answer {
        Ok(parts) => provider.clone_into(&mut parts.provider),
        Err(Error::Api(error)) => provider.clone_into(&mut error.provider),
        Err(_) => {}
    }
    let (reason, retry_after, should_retry) = match &answer {
        Err(Error::Api(error)) => (Some(error.reason.clone()), error.retry_after, error.should_retry),
        _ => (None, None, None),
    };
    let extensions = match &answer {
        Err(Error::Parse(failure)) => failure.extensions.clone(),
        _ => Vec::new(),
    };
    let attempt = Attempt {
        provider: provider.to_owned(),
        model: MODEL.to_owned(),
        asked_by: "module".to_owned(),
        started_after: started,
        took: inside.now.saturating_sub(started),
        waited,
        waited_by: if waited > 0 { "module".to_owned() } else { String::new() },
        first_event: None,
        outcome: outcome(&answer),
        reason,
        retry_after,
        should_retry,
        request_id: None,
        usage: answer.as_ref().ok().map(|parts| parts.usage.clone()),
        extensions,
    };
    inside.trail.push(attempt);
    answer
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
