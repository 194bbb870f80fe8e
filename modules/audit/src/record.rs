//! The records of a call.

use std::time::Duration;

use arcllm_module::{
    Error, Request, clock, cost, journal,
    random::get_insecure_random_u64,
    types::{ApiError, Attempt, Failure, Outcome, RequestSize, StopReason, Usage},
};
use serde_json::{Map, Value, json};

use crate::settings::Settings;

/// The most attempts of a record. The first ones are left out.
const ATTEMPTS: usize = 100;

/// The most labels of a record.
const LABELS: usize = 100;

/// The most bytes of a text that comes from outside, as JSON. With these a record always fits the journal.
const LONG: usize = 1024;

/// The same of a name.
const SHORT: usize = 200;

/// A call that is recorded.
pub(crate) struct Call {
    request: Request,
    /// What both of its records have in common.
    id: String,
    /// The time by the monotonic clock.
    began: Duration,
    /// The length of the trail before the call.
    before: u32,
    /// The most bytes of content; absent if there is none in records.
    content: Option<u32>,
}

/// How a call ended.
pub(crate) enum Ended<'a> {
    /// With an answer of this provider and model.
    Answered { provider: &'a str, model: &'a str, usage: &'a Usage, stop_reason: Option<&'a StopReason> },
    /// With an error.
    Failed(&'a Error),
    /// It was not sent: its beginning could not be recorded.
    Refused,
}

impl Call {
    /// Begins to record a call.
    pub(crate) fn begin(request: &Request, settings: &Settings) -> Self {
        let id = format!("{:016x}{:016x}", get_insecure_random_u64(), get_insecure_random_u64());
        let content = settings.content.then(|| settings.content_kb.get().saturating_mul(1024));
        Self { request: request.clone(), id, began: clock::now(), before: request.attempt_count(), content }
    }

    /// Appends a record of it, with what is asked if that is set.
    pub(crate) async fn append(&self, record: String) -> Result<(), String> {
        match self.content {
            Some(most) => journal::append_with_request(record, &self.request, most).await,
            None => journal::append(record).await,
        }
    }

    /// Returns the record of its beginning.
    pub(crate) fn begun(&self) -> String {
        Value::Object(self.asked("begin")).to_string()
    }

    /// Returns the record of its end.
    pub(crate) fn ended(&self, ended: &Ended<'_>) -> String {
        let attempts = self.request.attempts(self.before);
        let mut record = self.asked("end");
        let left_out = attempts.len().saturating_sub(ATTEMPTS);
        record.insert("attempts".into(), attempts.iter().skip(left_out).map(attempt).collect());
        if left_out > 0 {
            record.insert("attempts_left_out".into(), left_out.into());
        }
        record.extend(self.outcome(ended));
        let usage = match ended {
            Ended::Answered { usage, .. } => Some(*usage),
            Ended::Failed(_) | Ended::Refused => None,
        };
        record.insert("cost".into(), json!(self.cost(&attempts, usage)));
        record.insert("seconds".into(), json!(seconds(clock::now().saturating_sub(self.began))));
        Value::Object(record).to_string()
    }

    /// Who asked what.
    fn asked(&self, event: &str) -> Map<String, Value> {
        let (request, options) = (&self.request, self.request.options());
        let labels: Map<String, Value> = options
            .labels
            .into_iter()
            .take(LABELS)
            .map(|(key, value)| (cut(key, SHORT), cut(value, LONG).into()))
            .collect();
        let asked = json!({
            "event": event,
            "call": self.id,
            "labels": labels,
            "user": options.user.map(|user| cut(user, LONG)),
            "provider": request.provider(),
            "model": cut(request.model(), LONG),
            "digest": request.digest(),
            "size": size(&request.size()),
            "streamed": request.streamed(),
        });
        match asked {
            Value::Object(record) => record,
            _ => Map::new(),
        }
    }

    fn outcome(&self, ended: &Ended<'_>) -> Map<String, Value> {
        let outcome = match ended {
            Ended::Answered { provider, model, usage, stop_reason } => json!({
                "outcome": "ok",
                "answered_by": { "provider": provider, "model": cut((*model).to_owned(), LONG) },
                "stop_reason": stop_reason.map(stop_word),
                "cached": usage.extensions.iter().any(|(key, value)| key == "arcllm.cached" && value == "true"),
                "usage": tokens(usage),
            }),
            Ended::Failed(error) => {
                let (status, reason, message) = match error {
                    Error::Api(ApiError { status, reason, message, .. }) => (Some(status), Some(reason), Some(message)),
                    Error::Connection(Failure { message, .. })
                    | Error::Timeout(Failure { message, .. })
                    | Error::Parse(Failure { message, .. })
                    | Error::Config(Failure { message, .. })
                    | Error::Module(Failure { message, .. })
                    | Error::Other(Failure { message, .. }) => (None, None, Some(message)),
                    Error::Cancelled | Error::DeadlineExceeded => (None, None, None),
                };
                // A provider may repeat in it what was asked.
                let message = message.filter(|_| self.content.is_some()).map(|message| cut(message.clone(), LONG));
                json!({
                    "outcome": error.kind(),
                    "status": status,
                    "reason": reason.map(|reason| cut(reason.as_str().to_owned(), SHORT)),
                    "refused_by": refused_by(error),
                    "message": message,
                })
            }
            Ended::Refused => json!({ "outcome": "refused" }),
        };
        match outcome {
            Value::Object(outcome) => outcome,
            _ => Map::new(),
        }
    }

    /// What all attempts cost together; absent if a price is not known.
    fn cost(&self, attempts: &[Attempt], answered: Option<&Usage>) -> Option<f64> {
        attempts.iter().try_fold(0.0, |sum, attempt| {
            let is_answer = matches!(attempt.outcome, Outcome::Ok);
            // An attempt that told of no tokens is taken to have cost nothing, unless it is the one that answered.
            let Some(usage) = attempt.usage.as_ref().or(answered.filter(|_| is_answer)) else { return Some(sum) };
            let price = self.request.facts(&format!("{}/{}", attempt.provider, attempt.model))?.price?;
            Some(sum + cost(usage, &price))
        })
    }
}

/// The module that refused the call, so that no provider was asked for it.
fn refused_by(error: &Error) -> Option<Value> {
    let Error::Api(ApiError { extensions, .. }) = error else { return None };
    let (_, name) = extensions.iter().find(|(key, _)| key == "arcllm.refused-by")?;
    serde_json::from_str::<String>(name).ok().map(|name| cut(name, SHORT).into())
}

fn attempt(attempt: &Attempt) -> Value {
    let (outcome, status) = match &attempt.outcome {
        Outcome::Ok => ("ok", None),
        Outcome::Api(status) => ("api", Some(*status)),
        Outcome::Connection => ("connection", None),
        Outcome::Timeout => ("timeout", None),
        Outcome::Parse => ("parse", None),
        Outcome::Module => ("module", None),
        Outcome::Cancelled => ("cancelled", None),
        Outcome::DeadlineExceeded => ("deadline_exceeded", None),
        Outcome::Other(word) => (word.as_str(), None),
    };
    json!({
        "provider": attempt.provider,
        "model": cut(attempt.model.clone(), SHORT),
        "asked_by": attempt.asked_by,
        "outcome": outcome,
        "status": status,
        "reason": attempt.reason.as_ref().map(|reason| cut(reason.as_str().to_owned(), SHORT)),
        "request_id": attempt.request_id.clone().map(|id| cut(id, SHORT)),
        "started_seconds": seconds(Duration::from_nanos(attempt.started_after)),
        "took_seconds": seconds(Duration::from_nanos(attempt.took)),
        "waited_seconds": seconds(Duration::from_nanos(attempt.waited)),
        "usage": attempt.usage.as_ref().map(tokens),
    })
}

fn tokens(usage: &Usage) -> Value {
    json!({
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "cache_read_tokens": usage.cache_read_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
    })
}

fn size(size: &RequestSize) -> Value {
    json!({
        "messages": size.messages,
        "text_bytes": size.text_bytes,
        "images": size.images,
        "documents": size.documents,
        "recordings": size.recordings,
        "tools": size.tools,
        "estimated_tokens": size.estimated_tokens,
    })
}

fn stop_word(reason: &StopReason) -> String {
    match reason {
        StopReason::EndTurn => "end_turn".to_owned(),
        StopReason::MaxTokens => "max_tokens".to_owned(),
        StopReason::StopSequence => "stop_sequence".to_owned(),
        StopReason::ToolUse => "tool_use".to_owned(),
        StopReason::Refusal => "refusal".to_owned(),
        StopReason::PauseTurn => "pause_turn".to_owned(),
        StopReason::ContentFilter => "content_filter".to_owned(),
        StopReason::Other(word) => cut(word.clone(), SHORT),
    }
}

/// To the microsecond, which is what a record needs.
fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e6
}

/// Cuts a text that comes from outside, so that it has at most so many bytes as JSON.
fn cut(mut text: String, most: usize) -> String {
    let mut length = 0_usize;
    let too_long = text.char_indices().find(|(_, letter)| {
        length += match letter {
            '"' | '\\' => 2,
            // Most of them are written as `\u001f`.
            letter if *letter < ' ' => 6,
            letter => letter.len_utf8(),
        };
        length > most
    });
    if let Some((at, _)) = too_long {
        text.truncate(at);
    }
    text
}
