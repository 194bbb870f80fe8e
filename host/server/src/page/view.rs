//! The calls as the page reads them.

use std::time::{Duration, UNIX_EPOCH};

use arcllm::{Attempt, Usage, plain};
use serde_json::{Value, json};

use crate::{
    gateway::{caller::Ending, keys::Holder},
    page::{call_record::CallRecord, cost, recent_calls::NewCalls},
};

/// The longest name that is shown, in characters.
const LONGEST_NAME: usize = 200;

/// These calls, with what they cost. A key for some models sees its own calls.
pub(crate) fn calls(new: &NewCalls, running: u64, holder: Option<&Holder>) -> Value {
    let limited = holder.filter(|holder| holder.patterns().is_some());
    let is_seen = |call: &CallRecord| limited.is_none_or(|holder| call.key.as_ref() == Some(&holder.name));
    let calls = new.calls.iter().filter(|(_, call)| is_seen(call));
    let calls = calls.map(|([thread, place], record)| call(&format!("{thread}-{place}"), record));
    json!({ "running": running, "cursor": new.cursor, "calls": calls.collect::<Vec<_>>() })
}

fn call(id: &str, call: &CallRecord) -> Value {
    let (outcome, provider, model, usage) = match &call.ending {
        Ending::Answered { provider, model, usage } => ("answered", Some(provider), Some(model), Some(usage)),
        Ending::Failed(kind) => (*kind, None, None, None),
        Ending::Left => ("left", None, None, None),
    };
    json!({
        "id": id,
        "at": call.at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64(),
        "took_seconds": call.took.as_secs_f64(),
        "key": call.key.as_deref().map(name),
        "asked": name(&call.asked),
        "streamed": call.streamed,
        "outcome": outcome,
        "status": call.status,
        "provider": provider.map(|provider| name(provider)),
        "model": model.map(|model| name(model)),
        "attempts": call.attempts,
        "waited_seconds": call.trail.iter().map(|attempt| attempt.waited).sum::<Duration>().as_secs_f64(),
        "first_event_seconds": call.trail.last().and_then(first_event).map(|time| time.as_secs_f64()),
        "tokens": usage.map(tokens),
        "cost": cost::of_call(&call.trail),
        "trail": call.trail.iter().map(attempt).collect::<Vec<_>>(),
    })
}

fn first_event(attempt: &Attempt) -> Option<Duration> {
    Some(attempt.started_after + attempt.first_event?)
}

fn attempt(attempt: &Attempt) -> Value {
    json!({
        "provider": name(&attempt.provider),
        "model": name(&attempt.model),
        "outcome": attempt.outcome.as_str(),
        "status": attempt.status,
        "reason": attempt.reason.as_ref().map(|reason| name(reason.as_str())),
        "waited_seconds": attempt.waited.as_secs_f64(),
        "waited_by": attempt.waited_by.as_deref().map(name),
        "loaded_by": attempt.loaded_by.as_deref().map(name),
        "retry_after_seconds": attempt.retry_after.map(|hint| hint.as_secs_f64()),
        "started_after_seconds": attempt.started_after.as_secs_f64(),
        "took_seconds": attempt.took.as_secs_f64(),
        "first_event_seconds": attempt.first_event.map(|time| time.as_secs_f64()),
        "tokens": attempt.usage.as_ref().map(tokens),
    })
}

fn tokens(usage: &Usage) -> Value {
    json!({
        "input": usage.input_tokens,
        "output": usage.output_tokens,
        "cache_read": usage.cache_read_tokens,
        "cache_write": usage.cache_write_tokens,
        "reasoning": usage.reasoning_tokens,
    })
}

fn name(text: &str) -> String {
    plain::line(text, LONGEST_NAME).into_owned()
}
