//! Providers in the kit's own process: they reply as a scenario says, in virtual time, and note what they were asked.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use arcllm::{
    Adapter, Answer, ApiError, ContentBlock, ErrorKind, Event, Failure, Request, Response, StopReason, ToolCall, Usage,
};
use futures::{StreamExt as _, future::BoxFuture, stream};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

/// How a provider replies once.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Reply {
    /// The text of an answer. Without it, and without an error, the answer repeats the last message.
    pub text: Option<String>,
    /// The text so many times over.
    pub repeat: Option<usize>,
    /// The answer comes whole although it is wanted in events.
    pub whole: bool,
    /// The answer also calls the tool `tool` with these arguments.
    pub tool_arguments: Option<Map<String, Value>>,
    /// What the error says.
    pub message: Option<String>,
    /// The status of an error of the API.
    pub status: Option<u16>,
    /// The server's hint, in seconds.
    pub retry_after_seconds: Option<f64>,
    /// The server's `x-should-retry`.
    pub should_retry: Option<bool>,
    /// An error without a status: `connection`, `timeout`, `parse`, `config`, `module`, `cancelled`,
    /// `deadline_exceeded` or `other`.
    pub error: Option<String>,
    /// How many pieces of a streamed answer come before the error.
    pub after_events: usize,
    /// How long each event of a streamed answer takes.
    pub pace_seconds: f64,
    /// How long the reply takes, or the first event of one that is streamed.
    pub takes_seconds: f64,
    /// It never comes.
    pub never: bool,
    /// How many requests it serves; absent is one.
    pub times: Option<usize>,
}

impl Reply {
    pub(super) fn result(&self, provider: &str, request: &Request) -> Result<Response, ErrorKind> {
        if let Some(status) = self.status {
            let message = self.message.clone().unwrap_or_else(|| format!("scripted status {status}"));
            let mut error = ApiError::new(status, message).with_provider(provider).with_model("scripted");
            error.request_id = Some(format!("request-{provider}"));
            error.retry_after = self.retry_after_seconds.map(Duration::from_secs_f64);
            error.should_retry = self.should_retry;
            error.extensions.insert("kit.note".to_owned(), "kept".into());
            return Err(ErrorKind::Api(error));
        }
        match &self.error {
            Some(kind) => {
                let message = self.message.clone().unwrap_or_else(|| format!("scripted {kind}"));
                Err(error(kind, Failure::new(provider, message)))
            }
            None => {
                let text = self.text.clone().unwrap_or_else(|| last_text(request));
                let mut answer = answer(text.repeat(self.repeat.unwrap_or(1)), provider);
                if let Some(call) = self.call() {
                    answer.content.push(ContentBlock::ToolUse(call));
                    answer.stop_reason = StopReason::ToolUse;
                }
                Ok(answer)
            }
        }
    }
}

impl Reply {
    /// The call for a tool, if there is one.
    fn call(&self) -> Option<ToolCall> {
        let arguments = self.tool_arguments.clone()?;
        Some(ToolCall::new("call", "tool", arguments))
    }
}

fn error(kind: &str, failure: Failure) -> ErrorKind {
    match kind {
        "connection" => ErrorKind::Connection(failure),
        "timeout" => ErrorKind::Timeout(failure),
        "parse" => ErrorKind::Parse(failure),
        "config" => ErrorKind::Config(Box::new(failure.into())),
        "module" => ErrorKind::Module(failure),
        "cancelled" => ErrorKind::Cancelled,
        "deadline_exceeded" => ErrorKind::DeadlineExceeded,
        _ => ErrorKind::Other(failure),
    }
}

fn answer(text: String, provider: &str) -> Response {
    Response::new(vec![ContentBlock::text(text)]).with_provider(provider, "scripted").with_usage(Usage::new(1, 1))
}

/// What a request says: the text of its last message.
pub(super) fn last_text(request: &Request) -> String {
    let blocks = request.messages.last().map(|message| message.content.as_slice()).unwrap_or_default();
    match blocks.last() {
        Some(ContentBlock::Text(text)) => text.text.clone(),
        _ => String::new(),
    }
}

/// What the providers of one scenario were asked.
#[derive(Debug, Clone, Default)]
pub(super) struct Log(Arc<Mutex<Vec<Asked>>>);

/// One request that reached a provider.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// The provider.
    pub(super) provider: String,
    /// The request.
    pub(super) request: Request,
}

impl Log {
    /// What has been asked so far, in order.
    pub(super) fn asked(&self) -> Vec<Asked> {
        self.entries().clone()
    }

    /// How often any provider was asked.
    pub(super) fn count(&self) -> usize {
        self.entries().len()
    }

    fn entries(&self) -> MutexGuard<'_, Vec<Asked>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A provider that replies as it was told.
pub(super) struct Scripted {
    name: String,
    replies: Mutex<VecDeque<Reply>>,
    /// After the script.
    then: Reply,
    log: Log,
}

impl Scripted {
    /// A provider with these replies in order, and `then` for ever after.
    pub(super) fn new(name: &str, replies: &[Reply], then: Reply, log: &Log) -> Arc<Self> {
        let replies = replies.iter().flat_map(|reply| std::iter::repeat_n(reply.clone(), reply.times.unwrap_or(1)));
        Arc::new(Self { name: name.to_owned(), replies: Mutex::new(replies.collect()), then, log: log.clone() })
    }
}

/// What a streamed answer says before an error, for each event.
pub(super) const PIECE: &str = "piece ";

/// The events of a streamed answer, or of the beginning of one that ends in an error, in the midst of a call for a tool if
/// one had begun.
fn events(answer: Response, error: Option<ErrorKind>, begun: Option<ToolCall>) -> Vec<Result<Event, ErrorKind>> {
    let text = answer.text().unwrap_or_default();
    let mut events: Vec<_> = text.split_inclusive(' ').map(|piece| Ok(Event::Text(piece.to_owned()))).collect();
    match error {
        Some(error) => {
            // A call for a tool that never closes.
            let begun = begun.iter().flat_map(|call| tool_use(0, call));
            events.extend(begun.take_while(|event| !matches!(event, Event::ToolUseEnd { .. })).map(Ok));
            events.push(Err(error));
        }
        None => {
            let mut calls = 0;
            for block in &answer.content {
                match block {
                    ContentBlock::ToolUse(call) => {
                        events.extend(tool_use(calls, call).map(Ok));
                        calls += 1;
                    }
                    block => events.push(Ok(Event::Block(block.clone()))),
                }
            }
            events.push(Ok(Event::Usage(answer.usage.clone())));
            events.push(Ok(Event::End(Box::new(answer))));
        }
    }
    events
}

/// The events of a call for a tool. Its arguments come in pieces that are no JSON alone.
fn tool_use(index: usize, call: &ToolCall) -> impl Iterator<Item = Event> {
    let json = Value::Object(call.arguments.clone()).to_string();
    let letters: Vec<char> = json.chars().collect();
    let pieces = letters.chunks(5).map(|piece| Event::ToolArguments { index, json: piece.iter().collect() });
    let start = Event::ToolUseStart { index, id: call.id.clone(), name: call.name.clone() };
    let end = Event::ToolUseEnd { index, call: call.clone() };
    [start].into_iter().chain(pieces.collect::<Vec<_>>()).chain([end])
}

impl Scripted {
    /// Notes a request, and waits for its reply.
    async fn begin(&self, request: &Request) -> Reply {
        self.log.entries().push(Asked { provider: self.name.clone(), request: request.clone() });
        let next = self.replies.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let reply = next.unwrap_or_else(|| self.then.clone());
        if reply.never {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(Duration::from_secs_f64(reply.takes_seconds)).await;
        reply
    }
}

impl Adapter for Scripted {
    fn send(self: Arc<Self>, request: Arc<Request>) -> BoxFuture<'static, Result<Response, ErrorKind>> {
        Box::pin(async move {
            let reply = self.begin(&request).await;
            reply.result(&self.name, &request)
        })
    }

    fn stream(self: Arc<Self>, request: Arc<Request>) -> BoxFuture<'static, Result<Answer, ErrorKind>> {
        Box::pin(async move {
            let reply = self.begin(&request).await;
            let (answer, error) = match reply.result(&self.name, &request) {
                Ok(answer) => (answer, None),
                Err(error) if reply.after_events == 0 => return Err(error),
                Err(error) => (answer(PIECE.repeat(reply.after_events), &self.name), Some(error)),
            };
            if reply.whole && error.is_none() {
                return Ok(Answer::from(answer));
            }
            let mut head = Box::new(answer.clone());
            head.content.clear();
            let pace = Duration::from_secs_f64(reply.pace_seconds);
            let events = stream::iter(events(answer, error, reply.call())).then(move |event| async move {
                tokio::time::sleep(pace).await;
                event
            });
            Ok(Answer::Stream { head, events: events.boxed() })
        })
    }
}
