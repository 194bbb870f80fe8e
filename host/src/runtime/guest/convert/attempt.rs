//! Entries of the trail.

use crate::{
    chat::{
        seconds::nanoseconds,
        trail::{Attempt, Outcome},
    },
    runtime::guest::bindings::arcllm::llm::types as wit,
};

pub(crate) fn attempt_out(attempt: &Attempt) -> wit::Attempt {
    let outcome = match attempt.outcome {
        Outcome::Ok => wit::Outcome::Ok,
        Outcome::Api => wit::Outcome::Api(attempt.status.unwrap_or_default()),
        Outcome::Connection => wit::Outcome::Connection,
        Outcome::Timeout => wit::Outcome::Timeout,
        Outcome::Parse => wit::Outcome::Parse,
        Outcome::Config => wit::Outcome::Other("config".to_owned()),
        Outcome::Module => wit::Outcome::Module,
        Outcome::Cancelled => wit::Outcome::Cancelled,
        Outcome::DeadlineExceeded => wit::Outcome::DeadlineExceeded,
    };
    wit::Attempt {
        provider: attempt.provider.clone(),
        model: attempt.model.clone(),
        asked_by: attempt.asked_by.clone().unwrap_or_default(),
        started_after: nanoseconds(attempt.started_after),
        took: nanoseconds(attempt.took),
        waited: nanoseconds(attempt.waited),
        waited_by: attempt.waited_by.clone().unwrap_or_default(),
        outcome,
        retry_after: attempt.retry_after.map(nanoseconds),
        should_retry: attempt.should_retry,
        extensions: Vec::new(),
    }
}
