//! Why a request has no answer: the status and the words, before a format writes them.

use std::{sync::Arc, time::Duration};

use arcllm::{ApiError, Attempt, ConfigError, Error, ErrorKind, ErrorReason, Extensions, Note, Outcome};
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::Value;

/// The longest time that clients are told to wait, in seconds. Claude Code gives up at once where it is longer.
const LONGEST_WAIT: u64 = 40;

/// The field of a request that is wrong. Beside the answer, for the log.
#[derive(Debug, Clone)]
pub(crate) struct WrongField(pub(crate) Arc<str>);

/// The names of fields that a log may have. Names within metadata, schemas and arguments are content.
const LOGGED: [&str; 57] = [
    "arguments",
    "audio",
    "body",
    "cache_control",
    "call_id",
    "content",
    "custom",
    "data",
    "effort",
    "file",
    "file_data",
    "format",
    "function",
    "function_call",
    "functions",
    "id",
    "image_url",
    "include",
    "input",
    "input_schema",
    "instructions",
    "json_schema",
    "max_completion_tokens",
    "max_output_tokens",
    "max_tokens",
    "media_type",
    "messages",
    "metadata",
    "model",
    "n",
    "name",
    "output",
    "parallel_tool_calls",
    "parameters",
    "previous_response_id",
    "reasoning",
    "reasoning_effort",
    "refusal",
    "response_format",
    "role",
    "schema",
    "seed",
    "source",
    "stop",
    "stream",
    "stream_options",
    "summary",
    "system",
    "temperature",
    "text",
    "thinking",
    "tool_call_id",
    "tool_calls",
    "tool_choice",
    "tool_use_id",
    "tools",
    "type",
];

impl WrongField {
    /// This place, as far as a log may have it.
    fn of(place: &str) -> Option<Self> {
        let is_logged = |part: &&str| LOGGED.contains(&part.split_once('[').map_or(*part, |(name, _)| name));
        let logged: Vec<&str> = place.split('.').take_while(is_logged).collect();
        (!logged.is_empty()).then(|| Self(logged.join(".").into()))
    }
}

/// Why a request has no answer.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    /// What to say.
    pub(crate) message: String,
    /// The place in the request that is wrong, such as `messages[0].role`.
    pub(crate) param: Option<String>,
    /// What a provider means by its error.
    pub(crate) reason: Option<ErrorReason>,
    /// When to ask again.
    pub(crate) retry_after: Option<Duration>,
    /// Whether to ask again; `None` leaves it to the client.
    pub(crate) should_retry: Option<bool>,
    /// The provider's name for the request that failed, for its support, or else the gateway's.
    pub(crate) request_id: Option<String>,
    /// The provider's own words for its error, such as `openai.error-code`.
    pub(crate) words: Extensions,
    /// What was tried.
    pub(crate) trail: Vec<Attempt>,
    /// What modules remarked.
    pub(crate) notes: Vec<Note>,
}

/// A provider's own words for its error. A client of the same vendor's formats is told them.
#[derive(Debug, Default)]
pub(crate) struct OwnWords<'a> {
    pub(crate) kind: Option<&'a Value>,
    pub(crate) code: Option<&'a Value>,
    pub(crate) param: Option<&'a Value>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            param: None,
            reason: None,
            retry_after: None,
            should_retry: None,
            request_id: None,
            words: Extensions::new(),
            trail: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// A request that is wrong at this place.
    pub(crate) fn bad_field(param: impl Into<String>, message: impl Into<String>) -> Self {
        let param = param.into();
        let message = format!("{param}: {}", message.into());
        Self { param: Some(param), ..Self::new(StatusCode::BAD_REQUEST, message) }
    }

    /// The model that a client named cannot be loaded. Files and their lines are not for clients.
    pub(crate) fn of_load(error: &ConfigError) -> Self {
        if error.is_unknown_model() {
            let problem = Self::new(StatusCode::NOT_FOUND, without_file(error));
            return Self { param: Some("model".to_owned()), should_retry: Some(false), ..problem };
        }
        tracing::error!(target: "arcllm::serve", "{error}");
        let message = "the configuration of the gateway has an error; its log says which";
        Self { should_retry: Some(false), ..Self::new(StatusCode::INTERNAL_SERVER_ERROR, message) }
    }

    /// The words of a provider of this vendor's formats, as far as there are any.
    pub(crate) fn own_words(&self, vendor: &str) -> OwnWords<'_> {
        let word = |name: &str| self.words.get(&format!("{vendor}.error-{name}"));
        OwnWords { kind: word("type"), code: word("code"), param: word("param") }
    }

    /// The JSON of the error with the further fields of a provider of this vendor's formats, in the places where they stood.
    pub(crate) fn with_further_fields(&self, vendor: &str, mut json: Value) -> Value {
        if let Some(fields) = self.words.get(&format!("{vendor}.error-fields")) {
            add_missing(&mut json, fields);
        }
        json
    }

    /// Whole seconds to wait, at least one, if that helps.
    pub(crate) fn wait_seconds(&self) -> Option<u64> {
        let is_limit = self.status == StatusCode::TOO_MANY_REQUESTS;
        let wait = self.retry_after.or_else(|| is_limit.then_some(Duration::from_secs(1)))?;
        Some((wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).clamp(1, LONGEST_WAIT))
    }

    /// Adds the headers that tell whether and when to ask again, and what the log tells.
    pub(crate) fn mark(&self, response: &mut Response) {
        if let Some(field) = self.param.as_deref().and_then(WrongField::of) {
            response.extensions_mut().insert(field);
        }
        self.hint(response.headers_mut());
    }

    fn hint(&self, headers: &mut HeaderMap) {
        if let Some(seconds) = self.wait_seconds() {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if let Some(should_retry) = self.should_retry {
            let value = if should_retry { "true" } else { "false" };
            headers.insert("x-should-retry", HeaderValue::from_static(value));
        }
    }
}

/// Adds the fields that an object does not have, also to the objects in it.
fn add_missing(to: &mut Value, fields: &Value) {
    let (Some(to), Some(fields)) = (to.as_object_mut(), fields.as_object()) else { return };
    for (name, value) in fields {
        match to.get_mut(name) {
            Some(there) => add_missing(there, value),
            None => drop(to.insert(name.clone(), value.clone())),
        }
    }
}

impl From<&Error> for Problem {
    fn from(error: &Error) -> Self {
        let mut problem = match &error.kind {
            ErrorKind::Api(api) => Problem {
                reason: Some(api.reason.clone()),
                retry_after: api.retry_after,
                should_retry: api.should_retry,
                request_id: api.request_id.clone(),
                words: api.extensions.clone(),
                ..Problem::new(status_of(api.status), said(api, error))
            },
            ErrorKind::Config(config) => Problem::of_load(config),
            kind => Problem::new(status_of_kind(kind), in_words(kind)),
        };
        if let (ErrorKind::Usage(_), Some(failed)) = (&error.kind, error.trail.iter().rev().find_map(failed)) {
            // One model has failed, and another cannot be asked this. The request is not wrong.
            let (provider, status) = failed;
            problem.status = status;
            problem.message =
                format!("the provider `{provider}` has failed, and another cannot be asked: {}", problem.message);
        }
        if error.kind.is_overload() {
            problem.retry_after = Some(Duration::from_secs(1));
        }
        problem.trail.clone_from(&error.trail);
        problem.notes.clone_from(&error.notes);
        problem
    }
}

/// The provider of an attempt that has failed there, and the status for it.
fn failed(attempt: &Attempt) -> Option<(&str, StatusCode)> {
    let status = match attempt.outcome {
        Outcome::Api => status_of(attempt.status.unwrap_or_default()),
        Outcome::Connection | Outcome::Parse => StatusCode::BAD_GATEWAY,
        Outcome::Timeout => StatusCode::GATEWAY_TIMEOUT,
        _ => return None,
    };
    Some((&attempt.provider, status))
}

/// What the provider says. The head of the answer names the provider.
fn said(api: &ApiError, error: &Error) -> String {
    let is_refused_by_module = api.extensions.contains_key("arcllm.refused-by");
    match api.extensions.get("arcllm.said").and_then(Value::as_str) {
        Some(said) => said.to_owned(),
        None if is_refused_by_module || api.message.is_empty() => error.to_string(),
        None => api.message.clone(),
    }
}

/// What a client is told of an error that is not a provider's. Addresses and settings are the operator's: the log has them.
fn in_words(kind: &ErrorKind) -> String {
    let provider = kind.provider().map(|provider| format!(" `{provider}`")).unwrap_or_default();
    match kind {
        ErrorKind::Connection(_) => {
            format!("the connection to the provider{provider} failed, or broke before the answer was whole")
        }
        ErrorKind::Timeout(_) => format!("the provider{provider} did not answer in time"),
        // A module has read it, and says what does not fit.
        ErrorKind::Parse(failure) if failure.extensions.contains_key("arcllm.checked-by") => kind.to_string(),
        ErrorKind::Parse(_) => format!("the answer of the provider{provider} is unreadable"),
        // Nobody else cancels a call whose client is there.
        ErrorKind::Cancelled => "the gateway stops before the answer is whole".to_owned(),
        ErrorKind::DeadlineExceeded => "the call has taken longer than this gateway lets calls take".to_owned(),
        // What the operator could set is not the client's to know.
        ErrorKind::Usage(failure) => failure.message.replace(", or set host.repair_history = true", ""),
        ErrorKind::Module(failure) => match failure.extensions.get("module").and_then(Value::as_str) {
            Some(module) if kind.is_overload() => {
                format!("the module `{module}` has no room for the call at the moment")
            }
            Some(module) => format!("the module `{module}` failed"),
            // A module has made the error itself.
            None => kind.to_string(),
        },
        kind => kind.to_string(),
    }
}

/// The status that a client gets for this one of a provider. An error that came with a status of success is a bad answer.
fn status_of(status: u16) -> StatusCode {
    let status = StatusCode::from_u16(status).ok();
    status.filter(|status| status.is_client_error() || status.is_server_error()).unwrap_or(StatusCode::BAD_GATEWAY)
}

/// The status for an error that is not a provider's.
fn status_of_kind(kind: &ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::Connection(_) | ErrorKind::Parse(_) => StatusCode::BAD_GATEWAY,
        ErrorKind::Timeout(_) | ErrorKind::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        ErrorKind::Usage(_) => StatusCode::BAD_REQUEST,
        ErrorKind::Cancelled => StatusCode::SERVICE_UNAVAILABLE,
        kind if kind.is_overload() => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The problem and the way out, without file and line.
fn without_file(error: &ConfigError) -> String {
    match &error.help {
        Some(help) => format!("{}; {help}", error.problem),
        None => error.problem.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Clients make up the names within metadata, arguments and schemas.
    #[test]
    fn a_log_has_no_names_that_a_client_makes_up() {
        for (place, logged) in [
            ("messages[0].content[1].text", Some("messages[0].content[1].text")),
            ("messages[0].content[0].input.jane@example.com.diagnosis", Some("messages[0].content[0].input")),
            ("metadata.jane", Some("metadata")),
            ("tools[2].function.parameters.properties.iban", Some("tools[2].function.parameters")),
            ("jane", None),
            ("", None),
        ] {
            let field = WrongField::of(place);
            assert_eq!(field.as_ref().map(|field| &*field.0), logged, "{place}");
        }
    }
}
