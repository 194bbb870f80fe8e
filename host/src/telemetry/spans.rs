//! Spans: one for an invoke, one for each module that it passes and one for each attempt. Each is inside of its
//! asker's.

use std::borrow::Cow;

use serde::Serialize;
use tracing::{field::Empty, info_span};

use crate::{
    chat::{
        error::{Error, ErrorKind},
        plain::{self, WORD},
        request::Request,
        response::Response,
    },
    telemetry::{
        scope::Scope,
        trace::{Trace, TraceParent},
    },
};

/// The operation, in the words of the conventions.
const OPERATION: &str = "chat";

/// The span of an invoke, inside of the caller's. It has the messages if `content` is set.
pub(crate) fn invoke_span(provider: &str, model: &str, request: &Request, content: bool) -> Scope {
    let span = Scope::from(info_span!(
        target: "arcllm",
        "invoke",
        "otel.name" = format_args!("{OPERATION} {model}"),
        "gen_ai.operation.name" = OPERATION,
        "gen_ai.provider.name" = provider,
        "gen_ai.request.model" = model,
        "gen_ai.request.max_tokens" = request.options.max_tokens.map(number),
        "gen_ai.request.temperature" = request.options.temperature,
        "gen_ai.request.top_p" = request.options.top_p,
        "gen_ai.request.seed" = request.options.seed,
        "gen_ai.response.id" = Empty,
        "gen_ai.response.model" = Empty,
        "gen_ai.response.finish_reasons" = Empty,
        "gen_ai.usage.input_tokens" = Empty,
        "gen_ai.usage.output_tokens" = Empty,
        "gen_ai.input.messages" = Empty,
        "gen_ai.output.messages" = Empty,
        "arcllm.response.provider" = Empty,
        "arcllm.attempts" = Empty,
        "trace_id" = Empty,
        "error.type" = Empty,
    ));
    if content && !span.is_disabled() {
        span.record("gen_ai.input.messages", json(&request.messages));
    }
    span
}

/// Records the trace that providers are told of.
pub(crate) fn invoke_traced(span: &Scope, trace: &Trace) {
    if !span.is_disabled() {
        span.record("trace_id", &*trace.id());
    }
}

/// Records how an invoke ended.
pub(crate) fn invoke_ended(span: &Scope, result: Result<&Response, &Error>, content: bool) {
    if span.is_disabled() {
        return;
    }
    match result {
        Ok(response) => {
            answered(span, response);
            span.record("gen_ai.response.finish_reasons", &*word(response.stop_reason.as_str()));
            span.record("gen_ai.usage.input_tokens", number(response.usage.input_tokens));
            span.record("gen_ai.usage.output_tokens", number(response.usage.output_tokens));
            span.record("arcllm.response.provider", &*word(&response.provider));
            span.record("arcllm.attempts", number(response.trail.len()));
            if content {
                span.record("gen_ai.output.messages", json(&[response.message()]));
            }
        }
        Err(error) => {
            span.record("error.type", error.kind.as_str());
            span.record("arcllm.attempts", number(error.trail.len()));
        }
    }
}

/// The span of a hop: a call at one module.
pub(crate) fn module_span(parent: &Scope, module: &str) -> Scope {
    Scope::from(info_span!(
        target: "arcllm",
        parent: parent.id(),
        "module",
        "otel.name" = format_args!("module {module}"),
        "arcllm.module" = module,
        "error.type" = Empty,
    ))
}

/// Records how a hop ended.
pub(crate) fn module_ended<T>(span: &Scope, result: &Result<T, ErrorKind>) {
    if let Err(error) = result {
        span.record("error.type", error.as_str());
    }
}

/// The span of one attempt.
pub(crate) fn attempt_span(parent: &Scope, provider: &str, model: &str, asked_by: Option<&str>) -> Scope {
    Scope::from(info_span!(
        target: "arcllm",
        parent: parent.id(),
        "attempt",
        "otel.name" = format_args!("{OPERATION} {model}"),
        "otel.kind" = "client",
        "gen_ai.operation.name" = OPERATION,
        "gen_ai.provider.name" = provider,
        "gen_ai.request.model" = model,
        "gen_ai.response.id" = Empty,
        "gen_ai.response.model" = Empty,
        "gen_ai.usage.input_tokens" = Empty,
        "gen_ai.usage.output_tokens" = Empty,
        "http.response.status_code" = Empty,
        "arcllm.asked_by" = asked_by,
        "trace_id" = Empty,
        "span_id" = Empty,
        "error.type" = Empty,
    ))
}

/// Records the trace that the provider is told of the attempt.
pub(crate) fn attempt_traced(span: &Scope, attempt: &TraceParent) {
    if !span.is_disabled() {
        span.record("trace_id", &*attempt.trace_id());
        span.record("span_id", &*attempt.span_id());
    }
}

/// Records how an attempt ended.
pub(crate) fn attempt_ended(span: &Scope, result: Result<&Response, &ErrorKind>) {
    if span.is_disabled() {
        return;
    }
    match result {
        Ok(response) => {
            answered(span, response);
            span.record("gen_ai.usage.input_tokens", number(response.usage.input_tokens));
            span.record("gen_ai.usage.output_tokens", number(response.usage.output_tokens));
        }
        Err(error) => {
            span.record("error.type", error.as_str());
            if let ErrorKind::Api(api) = error {
                span.record("http.response.status_code", number(api.status));
            }
        }
    }
}

/// Records who answered. The words are the provider's or a module's, so they are cleaned.
fn answered(span: &Scope, response: &Response) {
    span.record("gen_ai.response.id", response.request_id.as_deref().map(word).as_deref());
    span.record("gen_ai.response.model", &*word(&response.model));
}

/// A number as OpenTelemetry has it: signed. Others would be exported as text.
fn number(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

fn word(text: &str) -> Cow<'_, str> {
    plain::line(text, WORD)
}

fn json(value: &impl Serialize) -> String {
    // Messages always convert to JSON, so the default is never used.
    let json = serde_json::to_string(value).unwrap_or_default();
    plain::json(&json).into_owned()
}
