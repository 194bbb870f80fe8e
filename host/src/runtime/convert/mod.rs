//! The types of the library and those of the WIT, each made of the other.
//!
//! A conversation is converted only where a module reads it or writes one of its own; forwarding converts nothing.

mod attempt;
mod content;
mod error;
mod event;
#[cfg(any(test, fuzzing))]
mod fuzzing;
mod price;
mod request;
mod response;
mod size;
mod weight;

use std::time::Duration;

use serde_json::Value;

use super::bindings::arcllm::llm::types as wit;
use crate::message::Extensions;

pub(crate) use attempt::attempt_out;
pub(crate) use error::{error_in, error_out};
pub(crate) use event::{event_in, event_out};
#[cfg(any(test, fuzzing))]
pub(crate) use fuzzing::lift;
pub(crate) use price::price_out;
pub(crate) use request::{request_in, request_out};
pub(crate) use response::{nothing_yet, response_in, response_out, usage_out};
pub(crate) use size::{size_of_request, size_of_response};
pub(crate) use weight::{weight_of_event, weight_of_request, weight_of_response};

/// Nanoseconds, as in the WIT; saturates after 584 years.
pub(crate) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// JSON from a module that may be none: kept as text then.
fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

fn extensions_out(extensions: &Extensions) -> wit::Extensions {
    extensions.iter().map(|(key, value)| (key.clone(), value.to_string())).collect()
}

fn extensions_in(extensions: wit::Extensions) -> Extensions {
    extensions.into_iter().map(|(key, value)| (key, json(&value))).collect()
}

#[cfg(test)]
mod tests;
