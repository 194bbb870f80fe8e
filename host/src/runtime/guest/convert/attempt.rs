//! Entries of the trail.

use crate::{
    chat::{
        failure::NO_ANSWER,
        seconds::nanoseconds,
        trail::{Attempt, Outcome},
    },
    runtime::guest::{
        bindings::arcllm::llm::types as wit,
        convert::{error::reason_out, response::usage_out},
    },
};

/// The extension of an attempt with what the provider says that is left of its limits.
const ALLOWANCES: &str = "arcllm.allowances";

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
        first_event: attempt.first_event.map(nanoseconds),
        outcome,
        reason: attempt.reason.as_ref().map(reason_out),
        retry_after: attempt.retry_after.map(nanoseconds),
        should_retry: attempt.should_retry,
        request_id: attempt.request_id.clone(),
        usage: attempt.usage.as_ref().map(usage_out),
        extensions: extensions_out(attempt),
    }
}

fn extensions_out(attempt: &Attempt) -> wit::Extensions {
    let no_answer = attempt.no_answer.then(|| (NO_ANSWER.to_owned(), "true".to_owned()));
    let allowances =
        (!attempt.allowances.is_empty()).then(|| serde_json::to_string(&attempt.allowances).ok()).flatten();
    no_answer.into_iter().chain(allowances.map(|allowances| (ALLOWANCES.to_owned(), allowances))).collect()
}
