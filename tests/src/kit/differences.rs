//! Compares what happened with what a scenario expects.

use std::time::Duration;

use arcllm::{Attempt, Error, ErrorKind, Response};
use serde_json::Value;
use tokio::time::Instant;

use super::{
    file::ANY,
    inner::{Asked, last_text},
    may::May,
    scenario::{Bounds, Expect},
    words::{all_bounds, all_quoted, all_seconds, bounds, in_order, json, quoted, seconds},
};

/// What came of one run of a scenario.
pub(super) struct Outcome {
    /// When the call began.
    pub(super) began: Instant,
    /// How long it took.
    pub(super) took: Duration,
    /// The requests that providers were sent.
    pub(super) asked: Vec<Asked>,
    pub(super) result: Result<Response, Error>,
}

impl Outcome {
    fn trail(&self) -> &[Attempt] {
        match &self.result {
            Ok(response) => &response.trail,
            Err(error) => &error.trail,
        }
    }

    fn since_began(&self, at: Instant) -> f64 {
        at.saturating_duration_since(self.began).as_secs_f64()
    }
}

/// Returns how a run differs from what the scenario expects, in sentences.
pub(super) fn differences(expect: &Expect, outcome: &Outcome, may: May) -> Vec<String> {
    let mut found = Vec::new();
    found.extend(asked(expect, outcome, may));
    found.extend(times(expect, outcome));
    found.extend(cancelled(expect, outcome));
    found.extend(ending(expect, &outcome.result, may));
    found.extend(contents(expect, outcome, may));
    found
}

fn is_named(expected: &str, provider: &str) -> bool {
    expected == ANY || expected == provider
}

/// A scenario that leaves open which provider is asked leaves open as well whether a module asks more of them that may.
fn asked(expect: &Expect, outcome: &Outcome, may: May) -> Vec<String> {
    let mut found = Vec::new();
    let asked: Vec<String> = outcome.asked.iter().map(|asked| asked.provider.clone()).collect();
    let is_open = may.ask_more() && expect.asked.iter().any(|provider| provider == ANY);
    let is_long_enough = asked.len() == expect.asked.len() || is_open && asked.len() > expect.asked.len();
    if !is_long_enough || !expect.asked.iter().zip(&asked).all(|(expected, asked)| is_named(expected, asked)) {
        found.push(format!("It asked {}. It should have asked {}.", in_order(&asked), in_order(&expect.asked)));
    }
    let mut tried: Vec<&str> = outcome.trail().iter().map(|attempt| attempt.provider.as_str()).collect();
    let mut sent: Vec<&str> = asked.iter().map(String::as_str).collect();
    if tried != sent {
        // Requests that began at the same time stand in any order.
        tried.sort_unstable();
        sent.sort_unstable();
    }
    if tried != sent {
        let tried: Vec<String> = outcome.trail().iter().map(|attempt| attempt.provider.clone()).collect();
        found.push(format!("The trail has {}, but it asked {}.", in_order(&tried), in_order(&asked)));
    }
    found
}

fn times(expect: &Expect, outcome: &Outcome) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(expected) = &expect.waited {
        let waited: Vec<f64> = outcome.trail().iter().map(|attempt| attempt.waited.as_secs_f64()).collect();
        if !all_hold(expected, &waited) {
            let (waited, expected) = (all_seconds(&waited), all_bounds(expected));
            found.push(format!("Before its requests it waited {waited}. It should have waited {expected}."));
        }
    }
    if let Some(expected) = &expect.asked_at {
        let at: Vec<f64> = outcome.asked.iter().map(|asked| outcome.since_began(asked.at)).collect();
        if !all_hold(expected, &at) {
            let (at, expected) = (all_seconds(&at), all_bounds(expected));
            found.push(format!("It asked at {at} of the call. It should have asked at {expected}."));
        }
    }
    if let Some(expected) = expect.took
        && !expected.hold(outcome.took.as_secs_f64())
    {
        let took = seconds(outcome.took.as_secs_f64());
        found.push(format!("The call took {took}. It should have taken {}.", bounds(expected)));
    }
    found
}

fn all_hold(expected: &[Bounds], times: &[f64]) -> bool {
    expected.len() == times.len() && expected.iter().zip(times).all(|(bounds, time)| bounds.hold(*time))
}

fn cancelled(expect: &Expect, outcome: &Outcome) -> Option<String> {
    let expected = expect.cancelled.as_ref()?;
    let cancelled: Vec<(&str, f64)> = outcome
        .asked
        .iter()
        .filter_map(|asked| Some((asked.provider.as_str(), outcome.since_began(asked.cancelled?))))
        .collect();
    let holds = expected.len() == cancelled.len()
        && expected.iter().zip(&cancelled).all(|(expected, (provider, at))| {
            is_named(&expected.provider, provider) && expected.at.is_none_or(|bounds| bounds.hold(*at))
        });
    if holds {
        return None;
    }
    let cancelled: Vec<String> =
        cancelled.iter().map(|(provider, at)| format!("{provider} at {}", seconds(*at))).collect();
    let expected = expected.iter().map(|expected| match expected.at {
        Some(at) => format!("{} at {}", expected.provider, bounds(at)),
        None => expected.provider.clone(),
    });
    let (none, expected) = ("none".to_owned(), expected.collect::<Vec<_>>());
    let list = |all: Vec<String>| if all.is_empty() { none.clone() } else { all.join(", ") };
    Some(format!("Cancelled requests: {}. There should be: {}.", list(cancelled), list(expected)))
}

/// A scenario that leaves open which provider is asked leaves open as well whether a module goes on with an answer that breaks off.
fn ending(expect: &Expect, result: &Result<Response, Error>, may: May) -> Option<String> {
    let goes_on = may.go_on() && expect.asked.iter().any(|provider| provider == ANY);
    let holds = match (result, &expect.answered_by, &expect.error) {
        (Ok(response), Some(provider), None) => expect.status.is_none() && is_named(provider, &response.provider),
        (Ok(_), None, Some(_)) => goes_on,
        (Err(error), None, Some(kind)) => error.kind.as_str() == kind && status(error) == expect.status,
        _ => false,
    };
    if holds {
        return None;
    }
    let ended = match result {
        Ok(response) => format!("The call ended with an answer of {}.", response.provider),
        Err(error) => {
            format!("The call failed with the error `{}`: {}.", error.kind.as_str(), quoted(&error.to_string()))
        }
    };
    let expected = match (&expect.answered_by, &expect.error, expect.status) {
        (Some(_), _, Some(_)) => "The scenario has both `answered_by` and `status`: remove one.".to_owned(),
        (Some(provider), None, None) => format!("It should have ended with an answer of {provider}."),
        (None, Some(kind), Some(status)) => {
            format!("It should have failed with the error `{kind}` and the status {status}.")
        }
        (None, Some(kind), None) => format!("It should have failed with the error `{kind}`, without a status."),
        (Some(_), Some(_), None) => "The scenario has both `answered_by` and `error`: remove one.".to_owned(),
        (None, None, _) => "The scenario does not say how it should end: add `answered_by` or `error`.".to_owned(),
    };
    Some(format!("{ended} {expected}"))
}

fn status(error: &Error) -> Option<u16> {
    match &error.kind {
        ErrorKind::Api(api) => Some(api.status),
        _ => None,
    }
}

/// How the texts to providers and to the caller differ from what is expected. In a scenario for any module, an answer may be
/// another from a module that may change it.
fn contents(expect: &Expect, outcome: &Outcome, may: May) -> Vec<String> {
    let mut found = Vec::new();
    let is_for_any = expect.answered_by.as_deref() == Some(ANY);
    let sent: Vec<String> = outcome.asked.iter().map(|asked| last_text(&asked.request)).collect();
    if let Some(expected) = expect.sent.as_ref().filter(|expected| **expected != sent) {
        let (sent, expected) = (all_quoted(&sent), all_quoted(expected));
        found.push(format!("Providers were sent {sent}. They should have been sent {expected}."));
    }
    let answer = outcome.result.as_ref().ok();
    let text = answer.and_then(Response::text);
    if let Some(expected) = expect.text.as_ref().filter(|expected| text.as_ref() != Some(*expected)) {
        let said =
            text.map_or_else(|| "There is no text.".to_owned(), |text| format!("The answer is {}.", quoted(&text)));
        found.push(format!("{said} It should be {}.", quoted(expected)));
    }
    if let Some(expected) = expect.tool_arguments.as_ref().filter(|_| !(is_for_any && may.differ())) {
        let called = answer.and_then(|answer| answer.tool_calls().next());
        let arguments = called.map(|call| Value::Object(call.arguments.clone()));
        if arguments.as_ref() != Some(expected) {
            let called = arguments.map_or_else(
                || "No tool was called.".to_owned(),
                |arguments| format!("The tool was called with {}.", json(&arguments)),
            );
            found.push(format!("{called} It should have been called with {}.", json(expected)));
        }
    }
    if let Some(expected) = &expect.message {
        let message = outcome.result.as_ref().err().map(ToString::to_string);
        if !message.as_ref().is_some_and(|message| message.contains(expected.as_str())) {
            let said = message.map_or_else(
                || "There is no error.".to_owned(),
                |message| format!("The error says {}.", quoted(&message)),
            );
            found.push(format!("{said} It should say {}.", quoted(expected)));
        }
    }
    found
}
