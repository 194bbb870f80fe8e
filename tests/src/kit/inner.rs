//! Providers in the kit's own process. They reply as a scenario says, in virtual time, and keep what they were asked.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use arcllm::{
    Adapter, Answer, ApiError, ContentBlock, Error, ErrorKind, Event, Failure, Request, Response, StopReason, ToolCall,
    Usage,
};
use futures::{StreamExt as _, future::BoxFuture, stream};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

/// How a provider replies once.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Reply {
    /// The text of an answer. Without it, and without an error, the answer repeats the last message.
    pub text: Option<String>,
    /// How often the text is repeated.
    pub repeat: Option<usize>,
    /// The answer comes whole, although the caller wants events.
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
    #[serde(alias = "takes_seconds")]
    pub delay_seconds: Option<f64>,
    /// The reply never comes.
    pub never: bool,
    /// How many requests it serves: one by default.
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
    /// Returns the tool call, if there is one.
    fn call(&self) -> Option<ToolCall> {
        let arguments = self.tool_arguments.clone()?;
        Some(ToolCall::new("call", "tool", arguments))
    }
}

/// Makes an error of the kind with this word, by the host's own table of words.
fn error(kind: &str, failure: Failure) -> ErrorKind {
    let json = json!({
        "kind": kind,
        "message": failure.message,
        "provider": failure.provider,
        "retry_after_seconds": null,
        "trail": [],
    });
    serde_json::from_value::<Error>(json).map_or(ErrorKind::Other(failure), |error| error.kind)
}

fn answer(text: String, provider: &str) -> Response {
    Response::new(vec![ContentBlock::text(text)]).with_provider(provider, "scripted").with_usage(Usage::new(1, 1))
}

/// Returns the text of the last message of a request.
pub(super) fn last_text(request: &Request) -> String {
    let blocks = request.messages.last().map(|message| message.content.as_slice()).unwrap_or_default();
    match blocks.last() {
        Some(ContentBlock::Text(text)) => text.text.clone(),
        _ => String::new(),
    }
}

/// The errors that a reply can be, besides those of the API.
pub(super) const ERRORS: [&str; 8] =
    ["connection", "timeout", "parse", "config", "module", "cancelled", "deadline_exceeded", "other"];

/// The requests to the providers of one scenario.
#[derive(Debug, Clone, Default)]
pub(super) struct Log(Arc<Mutex<Vec<Asked>>>);

/// A request that reached a provider.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// The provider.
    pub(super) provider: String,
    /// The request.
    pub(super) request: Request,
    /// When it came.
    pub(super) at: Instant,
    /// When it was cancelled, if it was: before its answer had come, or while it came.
    pub(super) cancelled: Option<Instant>,
}

/// A request under way. If this is dropped before its end, it is cancelled.
struct UnderWay {
    log: Log,
    /// Its number among all requests; none once it has ended.
    number: Option<usize>,
}

impl UnderWay {
    fn end(&mut self) {
        self.number = None;
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let Some(number) = self.number else { return };
        if let Some(asked) = self.log.entries().get_mut(number) {
            asked.cancelled = Some(Instant::now());
        }
    }
}

impl Log {
    /// Returns the requests so far, in order.
    pub(super) fn asked(&self) -> Vec<Asked> {
        self.entries().clone()
    }

    /// Returns how many requests there were.
    pub(super) fn count(&self) -> usize {
        self.entries().len()
    }

    fn entries(&self) -> MutexGuard<'_, Vec<Asked>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A provider that replies by a script.
pub(super) struct Scripted {
    name: String,
    replies: Mutex<VecDeque<Reply>>,
    /// The reply after the script.
    then: Reply,
    /// How long a reply takes that says nothing of it.
    delay: Duration,
    log: Log,
}

impl Scripted {
    /// Makes a provider with these replies in order, and `then` after them. `delay` is the time of replies that have none.
    pub(super) fn new(name: &str, replies: &[Reply], then: Reply, delay: Duration, log: &Log) -> Arc<Self> {
        let replies = replies.iter().flat_map(|reply| std::iter::repeat_n(reply.clone(), reply.times.unwrap_or(1)));
        Arc::new(Self { name: name.to_owned(), replies: Mutex::new(replies.collect()), then, delay, log: log.clone() })
    }
}

/// The text of each event that comes before an error.
pub(super) const PIECE: &str = "piece ";

/// Returns the events of a streamed answer. With an error it ends early, inside of a tool call if one has begun.
fn events(answer: Response, error: Option<ErrorKind>, begun: Option<ToolCall>) -> Vec<Result<Event, ErrorKind>> {
    let text = answer.text().unwrap_or_default();
    let mut events: Vec<_> = text.split_inclusive(' ').map(|piece| Ok(Event::Text(piece.to_owned()))).collect();
    match error {
        Some(error) => {
            // A tool call that never ends.
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

/// Returns the events of a tool call. Its arguments come in pieces, none of which is JSON by itself.
fn tool_use(index: usize, call: &ToolCall) -> impl Iterator<Item = Event> {
    let json = Value::Object(call.arguments.clone()).to_string();
    let letters: Vec<char> = json.chars().collect();
    let pieces = letters.chunks(5).map(|piece| Event::ToolArguments { index, json: piece.iter().collect() });
    let start = Event::ToolUseStart { index, id: call.id.clone(), name: call.name.clone() };
    let end = Event::ToolUseEnd { index, call: call.clone() };
    [start].into_iter().chain(pieces.collect::<Vec<_>>()).chain([end])
}

impl Scripted {
    /// Keeps a request, and waits for its reply.
    async fn begin(&self, request: &Request) -> (Reply, UnderWay) {
        let (provider, request) = (self.name.clone(), request.clone());
        let number = {
            let mut entries = self.log.entries();
            entries.push(Asked { provider, request, at: Instant::now(), cancelled: None });
            entries.len() - 1
        };
        let under_way = UnderWay { log: self.log.clone(), number: Some(number) };
        let next = self.replies.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let reply = next.unwrap_or_else(|| self.then.clone());
        if reply.never {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(reply.delay_seconds.map_or(self.delay, Duration::from_secs_f64)).await;
        (reply, under_way)
    }
}

impl Adapter for Scripted {
    fn send(self: Arc<Self>, request: Arc<Request>) -> BoxFuture<'static, Result<Response, ErrorKind>> {
        Box::pin(async move {
            let (reply, mut under_way) = self.begin(&request).await;
            under_way.end();
            reply.result(&self.name, &request)
        })
    }

    fn stream(self: Arc<Self>, request: Arc<Request>) -> BoxFuture<'static, Result<Answer, ErrorKind>> {
        Box::pin(async move {
            let (reply, mut under_way) = self.begin(&request).await;
            let (answer, error) = match reply.result(&self.name, &request) {
                Ok(answer) => (answer, None),
                Err(error) if reply.after_events == 0 => {
                    under_way.end();
                    return Err(error);
                }
                Err(error) => (answer(PIECE.repeat(reply.after_events), &self.name), Some(error)),
            };
            if reply.whole && error.is_none() {
                under_way.end();
                return Ok(Answer::from(answer));
            }
            let mut head = Box::new(answer.clone());
            head.content.clear();
            let pace = Duration::from_secs_f64(reply.pace_seconds);
            let events = events(answer, error, reply.call()).into_iter();
            let events = stream::unfold((events, under_way), move |(mut events, mut under_way)| async move {
                let event = events.next()?;
                tokio::time::sleep(pace).await;
                if events.len() == 0 {
                    under_way.end();
                }
                Some((event, (events, under_way)))
            });
            Ok(Answer::Stream { head, events: events.boxed() })
        })
    }
}
