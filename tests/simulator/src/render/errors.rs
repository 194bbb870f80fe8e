//! Errors, and the faults that make an answer one.

use serde_json::{Value, json};

use super::object::set;
use super::{Asked, anthropic, openai, responses};
use crate::event::Event;
use crate::fault::Fault;
use crate::format::Format;
use crate::reply::{Content, Reply};

/// The body of an error.
pub(super) fn body(status: u16, message: &str, asked: &Asked<'_>) -> Value {
    match asked.format {
        Format::Anthropic => anthropic::error(status, message, asked),
        Format::OpenAi | Format::Responses => openai::error(status, message),
    }
}

/// The error that a fault sends: that of the reply, or else that of an overloaded provider.
pub(super) fn of_fault(reply: &Reply, asked: &Asked<'_>) -> Value {
    let overloaded = match asked.format {
        Format::Anthropic => 529,
        Format::OpenAi | Format::Responses => 503,
    };
    let status = reply.status.filter(|status| *status >= 400).unwrap_or(overloaded);
    let message = match &reply.content {
        Content::Error(message) => message,
        Content::Usual | Content::Answer(_) | Content::Body { .. } | Content::Stream(_) => usual_message(status),
    };
    let mut error = match asked.format {
        Format::Anthropic | Format::OpenAi => body(status, message, asked),
        Format::Responses => responses::failed(asked, status, message),
    };
    let kind = if asked.format == Format::Responses { "code" } else { "type" };
    match (reply.fault, error.get_mut("error")) {
        (Some(Fault::ErrorAsText), _) => return json!({"error": message}),
        (Some(Fault::UnknownErrorIn200), Some(error)) => set(error, kind, "simulated_failure"),
        _ => {}
    }
    error
}

/// The same error as an event.
pub(super) fn event(reply: &Reply, asked: &Asked<'_>) -> Event {
    let error = of_fault(reply, asked);
    match asked.format {
        // Servers that send a text as the error do not name the event.
        _ if reply.fault == Some(Fault::ErrorAsText) => Event::unnamed(error),
        Format::Anthropic => Event::named("error", error),
        Format::OpenAi => Event::unnamed(error),
        Format::Responses => Event::named("error", responses::error_event(error.get("error").unwrap_or(&error))),
    }
}

pub(super) fn usual_message(status: u16) -> &'static str {
    match status {
        400 => "the request is invalid (simulated)",
        401 => "the API key is invalid (simulated)",
        403 => "the API key may not do this (simulated)",
        404 => "there is no such model (simulated)",
        413 => "the request is too large (simulated)",
        429 => "too many requests (simulated)",
        500 => "internal error (simulated)",
        502 | 503 => "the service is unavailable (simulated)",
        504 => "the request took too long (simulated)",
        529 => "the service is overloaded (simulated)",
        _ => "the request failed (simulated)",
    }
}
