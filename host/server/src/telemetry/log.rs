//! The log: one line for each request, never with content.

use std::{
    borrow::Cow,
    fmt::{self, Write as _},
    time::{Duration, SystemTime},
};

use arcllm::{Attempt, Outcome, RequestLog, plain, rfc3339};
use serde_json::{Map, Value, json};

use crate::{
    gateway::caller::{Ending, Told},
    telemetry::background::Output,
};

/// The longest word of a line, in characters.
const LONGEST_WORD: usize = 200;

/// The most attempts of a call that a line tells of.
const MOST_FAILED: usize = 8;

/// The longest cause of an error in a line, in characters.
const LONGEST_CAUSE: usize = 500;

/// A request that has ended.
#[derive(Debug)]
pub(crate) struct Line<'a> {
    pub(crate) at: SystemTime,
    pub(crate) took: Duration,
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    /// The name of the client's key.
    pub(crate) key: Option<&'a str>,
    pub(crate) status: u16,
    /// The name of the request, which its client has too.
    pub(crate) id: Option<&'a str>,
    /// The field of the request that is wrong.
    pub(crate) param: Option<&'a str>,
    pub(crate) told: &'a Told,
    /// In the currency of the prices, where they are known.
    pub(crate) cost: Option<f64>,
}

/// Adds a line to the log, which goes to standard output.
pub(crate) fn write(form: RequestLog, line: &Line<'_>) {
    match form {
        RequestLog::Human => Output::Standard.add(&line.human()),
        RequestLog::Json => Output::Standard.add(&line.json()),
        _ => {}
    }
}

impl Line<'_> {
    fn human(&self) -> String {
        let mut text = format!("{} {} {} {}", rfc3339(self.at), self.status, self.method, word(self.path));
        let mut add = |what: fmt::Arguments<'_>| text.write_fmt(what).unwrap_or_default();
        if let Some(key) = self.key {
            add(format_args!(" key={}", word(key)));
        }
        if let Some(asked) = &self.told.asked {
            add(format_args!(" model={}", quoted(asked)));
        }
        match &self.told.ending {
            Some(Ending::Answered { provider, model, usage }) => {
                let (input, output) = (usage.input_tokens, usage.output_tokens);
                add(format_args!(" by={} tokens={input}+{output}", quoted(&format!("{provider}/{model}"))));
            }
            Some(Ending::Failed(kind)) => {
                add(format_args!(" error={kind}"));
                if let Some(cause) = &self.told.cause {
                    add(format_args!(" cause={:?}", plain::line(cause, LONGEST_CAUSE)));
                }
            }
            Some(Ending::Left) => add(format_args!(" error=client-left")),
            None => {}
        }
        if let Some(reason) = &self.told.reason {
            add(format_args!(" reason={}", quoted(reason.as_str())));
        }
        if let Some(module) = &self.told.refused_by {
            add(format_args!(" refused_by={}", quoted(module)));
        }
        if let Some(param) = self.param {
            add(format_args!(" param={}", quoted(param)));
        }
        if self.told.ending.is_some() {
            add(format_args!(" attempts={}", self.told.trail.len()));
        }
        let failed: Vec<String> = self.failed().map(|attempt| quoted(&told_of(attempt)).into_owned()).collect();
        if !failed.is_empty() {
            add(format_args!(" failed={}", failed.join(",")));
        }
        let waited = self.waited();
        if !waited.is_zero() {
            add(format_args!(" waited={:.1}ms", waited.as_secs_f64() * 1e3));
        }
        if let Some(cost) = self.cost {
            add(format_args!(" cost={cost:.6}"));
        }
        if let Some(id) = self.id {
            add(format_args!(" id={}", quoted(id)));
        }
        add(format_args!(" {:.1} ms", self.took.as_secs_f64() * 1e3));
        text
    }

    /// The attempts that had no answer, without those that nobody waited for any more.
    fn failed(&self) -> impl Iterator<Item = &Attempt> {
        let is_failed = |attempt: &&Attempt| !matches!(attempt.outcome, Outcome::Ok | Outcome::Cancelled);
        self.told.trail.iter().filter(is_failed).take(MOST_FAILED)
    }

    /// How long modules slept before attempts.
    fn waited(&self) -> Duration {
        self.told.trail.iter().map(|attempt| attempt.waited).sum()
    }

    fn json(&self) -> String {
        let mut line = Map::new();
        let mut set = |name: &str, value: Value| line.insert(name.to_owned(), value);
        set("time", json!(rfc3339(self.at)));
        set("method", json!(self.method));
        set("path", json!(self.path));
        set("status", json!(self.status));
        set("ms", json!((self.took.as_secs_f64() * 1e6).round() / 1e3));
        set("key", json!(self.key));
        set("id", json!(self.id));
        if let Some(param) = self.param {
            set("param", json!(cut(param, LONGEST_WORD)));
        }
        if let Some(asked) = &self.told.asked {
            set("model", json!(cut(asked, LONGEST_WORD)));
            set("streamed", json!(self.told.streamed));
            set("attempts", json!(self.told.trail.len()));
            set("waited_ms", json!((self.waited().as_secs_f64() * 1e6).round() / 1e3));
        }
        let failed: Vec<Value> = self.failed().map(failed_json).collect();
        if !failed.is_empty() {
            set("failed", failed.into());
        }
        if let Some(reason) = &self.told.reason {
            set("reason", json!(cut(reason.as_str(), LONGEST_WORD)));
        }
        if let Some(module) = &self.told.refused_by {
            set("refused_by", json!(cut(module, LONGEST_WORD)));
        }
        if let Some(cost) = self.cost {
            set("cost", json!(cost));
        }
        match &self.told.ending {
            Some(Ending::Answered { provider, model, usage }) => {
                set("answered_by", json!({"provider": cut(provider, LONGEST_WORD), "model": cut(model, LONGEST_WORD)}));
                set("input_tokens", json!(usage.input_tokens));
                set("output_tokens", json!(usage.output_tokens));
            }
            Some(Ending::Failed(kind)) => {
                set("error", json!(kind));
                if let Some(cause) = &self.told.cause {
                    set("cause", json!(cut(cause, LONGEST_CAUSE)));
                }
            }
            Some(Ending::Left) => drop(set("error", json!("client-left"))),
            None => {}
        }
        plain::json(&Value::Object(line).to_string()).into_owned()
    }
}

/// Who had no answer, and why: `openai:429`.
fn told_of(attempt: &Attempt) -> String {
    match attempt.status {
        Some(status) => format!("{}:{status}", attempt.provider),
        None => format!("{}:{}", attempt.provider, attempt.outcome.as_str()),
    }
}

fn failed_json(attempt: &Attempt) -> Value {
    let reason = attempt.reason.as_ref().map(|reason| cut(reason.as_str(), LONGEST_WORD));
    json!({
        "provider": cut(&attempt.provider, LONGEST_WORD),
        "model": cut(&attempt.model, LONGEST_WORD),
        "error": attempt.outcome.as_str(),
        "status": attempt.status,
        "reason": reason,
    })
}

/// A word for people, in quotes where its end would else be unclear.
fn quoted(text: &str) -> Cow<'_, str> {
    let word = word(text);
    let is_clear = !word.is_empty() && !word.contains([' ', '"', '=', '\\']) && !word.contains(char::is_whitespace);
    if is_clear { word } else { format!("{word:?}").into() }
}

fn word(text: &str) -> Cow<'_, str> {
    plain::line(text, LONGEST_WORD)
}

/// A text for JSON, which has escapes of its own.
fn cut(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use arcllm::{ApiError, ErrorKind, ErrorReason, Response, Usage};

    use super::*;
    use crate::gateway::caller::Caller;

    fn line<'a>(told: &'a Told, key: Option<&'a str>) -> Line<'a> {
        let (at, took) = (UNIX_EPOCH + Duration::from_millis(1_790_000_000_123), Duration::from_micros(1500));
        let (method, path, id) = ("POST", "/v1/messages", Some("req"));
        Line { at, took, method, path, key, status: 200, id, param: None, told, cost: None }
    }

    #[test]
    fn a_line_tells_who_asked_what_and_who_answered() {
        let caller = Caller::default();
        let mut response = Response::new(Vec::new()).with_provider("sim", "tiny");
        response.usage = Usage::new(3, 5);
        caller.note("fa\u{1b}\nst", true).answered(&response);
        let told = caller.told();
        let priced = Line { cost: Some(0.25), ..line(&told, None) };
        assert!(priced.human().contains(" cost=0.250000 ") && priced.json().contains("\"cost\":0.25"));
        let human = line(&told, Some("team")).human();
        assert!(human.starts_with("2026-09-21T14:13:20.123Z 200 POST /v1/messages key=team model=\"fa"), "{human}");
        assert!(human.ends_with("st\" by=sim/tiny tokens=3+5 attempts=0 id=req 1.5 ms"), "{human}");
        let json = line(&told, None).json();
        assert!(!human.contains('\u{1b}') && !json.contains('\u{1b}'), "nothing that a terminal obeys");
        let json: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["model"], json!("fa\u{1b}\nst"));
        assert_eq!(json["answered_by"], json!({"provider": "sim", "model": "tiny"}));
        assert_eq!((&json["ms"], &json["key"], &json["streamed"]), (&json!(1.5), &Value::Null, &json!(true)));
        assert_eq!((&json["input_tokens"], &json["attempts"]), (&json!(3), &json!(0)));
    }

    #[test]
    fn a_request_that_asks_no_model_has_a_short_line() {
        let human = line(&Told::default(), None).human();
        assert_eq!(human, "2026-09-21T14:13:20.123Z 200 POST /v1/messages id=req 1.5 ms");
        let wrong = Line { param: Some("messages[0].role"), status: 400, ..line(&Told::default(), None) }.human();
        assert_eq!(wrong, "2026-09-21T14:13:20.123Z 400 POST /v1/messages param=messages[0].role id=req 1.5 ms");
    }

    #[test]
    fn a_line_tells_who_had_no_answer_and_why() {
        let mut refused = Attempt::new("a", "m", Outcome::Api);
        (refused.status, refused.reason) = (Some(401), Some(ErrorReason::Authentication));
        let mut silent = Attempt::new("b", "m", Outcome::Timeout);
        silent.waited = Duration::from_millis(1500);
        let trail = vec![refused, silent, Attempt::new("c", "m", Outcome::Ok)];
        let told = Told { asked: Some("fast".to_owned()), trail, ..Told::default() };
        let human = line(&told, None).human();
        assert!(human.contains(" failed=a:401,b:timeout waited=1500.0ms "), "{human}");
        let json: Value = serde_json::from_str(&line(&told, None).json()).unwrap();
        let first = json!({"provider": "a", "model": "m", "error": "api", "status": 401, "reason": "authentication"});
        assert_eq!((&json["failed"][0], &json["failed"][1]["error"]), (&first, &json!("timeout")));
        assert_eq!((&json["waited_ms"], &json["id"]), (&json!(1500.0), &json!("req")));
    }

    #[test]
    fn a_line_tells_which_module_refused_a_call() {
        let mut error = ApiError::new(429, "used up");
        error.reason = ErrorReason::Quota;
        error.extensions.insert("arcllm.refused-by".to_owned(), "budget".into());
        let caller = Caller::default();
        caller.note("fast", false).failed(&ErrorKind::Api(error).into());
        let told = caller.told();
        let human = line(&told, None).human();
        assert!(human.contains(" error=api reason=quota refused_by=budget attempts=0 "), "{human}");
        let json: Value = serde_json::from_str(&line(&told, None).json()).unwrap();
        assert_eq!((&json["reason"], &json["refused_by"]), (&json!("quota"), &json!("budget")));
    }
}
