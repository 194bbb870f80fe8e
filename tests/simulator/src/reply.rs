//! One reply of a script, built by a chain of calls.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::answer::{Answer, ToolCall, Usage};
use crate::event_stream::Piece;
use crate::fault::Fault;
use crate::place::Place;
use crate::streaming::Streaming;

/// What the simulator does with one request (or with several, see [`Reply::times`]).
///
/// A reply starts with one of the functions without `self`. Each method changes one thing:
///
/// ```
/// use arcllm_simulator::{Fault, Reply};
/// use std::time::Duration;
///
/// let overloaded = Reply::status(529).header("retry-after", "2").times(3);
/// let slow = Reply::text("At last").delay(Duration::from_millis(50));
/// let cut_off = Reply::text("Never whole").with_fault(Fault::Truncate);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    pub(crate) status: Option<u16>,
    pub(crate) headers: Vec<(String, Vec<String>)>,
    pub(crate) content: Content,
    pub(crate) delay: Duration,
    pub(crate) body_delay: Duration,
    pub(crate) times: u32,
    pub(crate) fault: Option<Fault>,
    pub(crate) fault_at: Option<Place>,
    pub(crate) streaming: Streaming,
}

/// What a reply's body says.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) enum Content {
    /// What belongs to the status: an error from 400 on, else an answer.
    #[default]
    Usual,
    Answer(Answer),
    /// The message of an error.
    Error(String),
    /// Bytes to be sent as they are.
    Body {
        content_type: String,
        bytes: Vec<u8>,
    },
    /// A stream to be sent as it is. It can be large, and replies are copied.
    Stream(Arc<[Piece]>),
}

impl Default for Reply {
    /// A good answer.
    fn default() -> Reply {
        Reply {
            status: None,
            headers: Vec::new(),
            content: Content::Usual,
            delay: Duration::ZERO,
            body_delay: Duration::ZERO,
            times: 1,
            fault: None,
            fault_at: None,
            streaming: Streaming::default(),
        }
    }
}

impl Reply {
    /// The usual reply for an HTTP status: an error from 400 on, else a good answer.
    pub fn status(status: u16) -> Reply {
        Reply::default().with_status(status)
    }

    /// A good answer with this text.
    pub fn text(text: impl Into<String>) -> Reply {
        Reply::default().with_text(text)
    }

    /// An error with this status and message, in the format of the request.
    pub fn error(status: u16, message: impl Into<String>) -> Reply {
        Reply::status(status).with_content(Content::Error(message.into()))
    }

    /// A fault. What it sends of a reply is that of a good answer.
    pub fn fault(fault: Fault) -> Reply {
        Reply::default().with_fault(fault)
    }

    /// A body that is sent unchanged, for a request in any format.
    pub fn body(content_type: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Reply {
        Reply::default().with_content(Content::Body { content_type: content_type.into(), bytes: bytes.into() })
    }

    /// A JSON body that is sent unchanged, for a request in any format.
    pub fn json(value: &Value) -> Reply {
        Reply::body("application/json", value.to_string())
    }

    /// Sets the HTTP status: 200 to 599. A good answer can have a status other than 200.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Reply {
        self.status = Some(status);
        self
    }

    /// Adds a header. The first value for a name replaces the default value; more calls give it more values. A
    /// `content-length` or `transfer-encoding` that the script sets is sent unchanged, and the connection is closed
    /// after the reply, since it may be wrong.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Reply {
        let name = name.into();
        match self.headers.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(&name)) {
            Some((_, values)) => values.push(value.into()),
            None => self.headers.push((name, vec![value.into()])),
        }
        self
    }

    /// Leaves out a header that is sent by default.
    #[must_use]
    pub fn without_header(mut self, name: impl Into<String>) -> Reply {
        let name = name.into();
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(&name));
        self.headers.push((name, Vec::new()));
        self
    }

    /// Waits before the head, or before the fault.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Reply {
        self.delay = delay;
        self
    }

    /// Waits between the head and the body, or the first event of a stream.
    #[must_use]
    pub fn body_delay(mut self, delay: Duration) -> Reply {
        self.body_delay = delay;
        self
    }

    /// Serves this many requests, at least one.
    #[must_use]
    pub fn times(mut self, times: u32) -> Reply {
        self.times = times;
        self
    }

    /// Adds a fault.
    #[must_use]
    pub fn with_fault(mut self, fault: Fault) -> Reply {
        self.fault = Some(fault);
        self
    }

    /// Sets the text of the answer.
    #[must_use]
    pub fn with_text(self, text: impl Into<String>) -> Reply {
        self.answering(|answer| answer.text = Some(text.into()))
    }

    /// Sets what the model thought before it answered. OpenAI's format has no signature, so it is left out there.
    #[must_use]
    pub fn thinking(self, text: impl Into<String>, signature: impl Into<String>) -> Reply {
        self.answering(|answer| {
            answer.thinking = Some(text.into());
            answer.signature = Some(signature.into());
        })
    }

    /// Adds a tool call to the answer.
    #[must_use]
    pub fn tool_call(self, id: impl Into<String>, name: impl Into<String>, arguments: Value) -> Reply {
        let call = ToolCall { id: Some(id.into()), name: name.into(), arguments };
        self.answering(|answer| answer.tool_calls.push(call))
    }

    /// Sets why the answer ends, in Anthropic's words (`end_turn`, `max_tokens`, `tool_use`, `stop_sequence`,
    /// `refusal`). For OpenAI's format they are translated. Any other word is sent unchanged.
    #[must_use]
    pub fn stop_reason(self, reason: impl Into<String>) -> Reply {
        self.answering(|answer| answer.stop_reason = Some(reason.into()))
    }

    /// Sets the token counts of the answer.
    #[must_use]
    pub fn usage(self, usage: Usage) -> Reply {
        self.answering(|answer| answer.usage = Some(usage))
    }

    /// Sets the model that answered. By default it is the one of the request.
    #[must_use]
    pub fn model(self, model: impl Into<String>) -> Reply {
        self.answering(|answer| answer.model = Some(model.into()))
    }

    pub(crate) fn with_content(mut self, content: Content) -> Reply {
        self.content = content;
        self
    }

    /// Changes the answer; a reply that was anything else becomes one.
    fn answering(mut self, change: impl FnOnce(&mut Answer)) -> Reply {
        let mut answer = match std::mem::take(&mut self.content) {
            Content::Answer(answer) => answer,
            Content::Usual | Content::Error(_) | Content::Body { .. } | Content::Stream(_) => Answer::default(),
        };
        change(&mut answer);
        self.with_content(Content::Answer(answer))
    }

    /// The status, as it will be sent.
    pub(crate) fn status_code(&self) -> u16 {
        self.status.filter(|_| !self.fault.is_some_and(Fault::is_error_in_200)).unwrap_or(200)
    }

    /// Whether this reply can answer a request in an unknown format.
    pub(crate) fn needs_no_format(&self) -> bool {
        matches!(self.content, Content::Body { .. } | Content::Stream(_))
            || self.fault.is_some_and(Fault::sends_no_content)
    }

    /// Whether the script sets the framing of the body.
    pub(crate) fn has_own_framing(&self) -> bool {
        let names = ["content-length", "transfer-encoding"];
        self.headers.iter().any(|(name, _)| names.iter().any(|framing| name.eq_ignore_ascii_case(framing)))
    }

    /// What is wrong with this reply, if anything.
    pub(crate) fn check(&self) -> Result<(), String> {
        let status = self.status.unwrap_or(200);
        if !(200..=599).contains(&status) {
            return Err(format!("`status` is {status}: give one from 200 to 599"));
        }
        if self.times == 0 {
            return Err("`times` is 0: give 1 or more, or leave the reply out".to_owned());
        }
        self.check_fault()?;
        self.check_streaming()?;
        self.headers.iter().try_for_each(|(name, values)| check_header(name, values))
    }

    /// Refuses a fault that would not show.
    fn check_fault(&self) -> Result<(), String> {
        let Some(fault) = self.fault else { return Ok(()) };
        let (name, needed) = (fault.name(), fault.needs_tool_calls());
        let tool_calls = match &self.content {
            Content::Body { .. } | Content::Stream(_) if fault.needs_answer() => {
                return Err(format!("the fault `{name}` changes an answer, and the script gives the body: keep one"));
            }
            Content::Answer(answer) => answer.tool_calls.len(),
            Content::Usual | Content::Error(_) | Content::Body { .. } | Content::Stream(_) => 0,
        };
        if tool_calls < needed {
            return Err(format!("the fault `{name}` needs `tool_calls`: add {needed} or more, not {tool_calls}"));
        }
        Ok(())
    }
}

/// Refuses headers that would break the head. For broken heads there are faults.
fn check_header(name: &str, values: &[String]) -> Result<(), String> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(format!("`headers`: {name:?} is no header name: give letters, digits and `-`"));
    }
    match values.iter().find(|value| value.chars().any(|c| c.is_control() && c != '\t')) {
        Some(value) => {
            Err(format!("`headers`: the value {value:?} of {name:?} holds a control character: take it out"))
        }
        None => Ok(()),
    }
}

impl fmt::Display for Reply {
    /// In a few words, for a log: `429`, `200 after 0.5 s`, `reset`, `200 truncate`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fault {
            Some(fault) if fault.sends_no_content() => write!(formatter, "{}", fault.name())?,
            Some(fault) => write!(formatter, "{} {}", self.status_code(), fault.name())?,
            None => write!(formatter, "{}", self.status_code())?,
        }
        if !self.delay.is_zero() {
            write!(formatter, " after {} s", self.delay.as_secs_f64())?;
        }
        Ok(())
    }
}
