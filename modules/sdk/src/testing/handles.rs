//! Requests, responses, models and streams of a world, in place of the host's handles.

use std::{cell::RefCell, collections::VecDeque, future::poll_fn, rc::Rc, task::Poll};

use super::{INNER, MODEL, World};
use crate::{
    bindings::arcllm::llm::streams::{Event, ToolArguments, ToolUseEnd, ToolUseStart},
    types::{Attempt, ContentBlock, Error, Failure, Price, RequestParts, ResponseParts, Usage},
};

/// Who a request is bound for.
#[derive(Clone)]
pub(crate) struct Target(pub(crate) Rc<str>);

impl Target {
    pub(super) fn inner() -> Self {
        Self(INNER.into())
    }
}

/// One call on its way down.
pub struct Request {
    pub(super) world: World,
    pub(super) parts: Rc<RequestParts>,
    pub(super) target: Target,
}

impl Request {
    /// Copies the conversation in.
    pub fn parts(&self) -> RequestParts {
        (*self.parts).clone()
    }

    /// Another handle to the same request.
    #[expect(clippy::should_implement_trait, reason = "as the handle in WebAssembly")]
    pub fn clone(&self) -> Self {
        Self { world: self.world.clone(), parts: self.parts.clone(), target: self.target.clone() }
    }

    /// The same call with other content.
    pub fn derive(&self, parts: &RequestParts) -> Self {
        Self { world: self.world.clone(), parts: Rc::new(parts.clone()), target: self.target.clone() }
    }

    /// The provider this request is bound for.
    pub fn provider(&self) -> String {
        self.target.0.to_string()
    }

    /// The model this request is bound for.
    pub fn model(&self) -> String {
        MODEL.to_owned()
    }

    /// Nanoseconds until the caller's deadline.
    pub fn remaining(&self) -> Option<u64> {
        let inside = self.world.0.borrow();
        inside.deadline.map(|deadline| deadline.saturating_sub(inside.now))
    }

    /// The trail from entry `since` on.
    pub fn attempts(&self, since: u32) -> Vec<Attempt> {
        let since = usize::try_from(since).unwrap_or(usize::MAX);
        self.world.0.borrow().trail.iter().skip(since).cloned().collect()
    }

    /// How many entries the trail has.
    pub fn attempt_count(&self) -> u32 {
        u32::try_from(self.world.0.borrow().trail.len()).unwrap_or(u32::MAX)
    }

    /// Whether the world's caller reads the answer as it comes.
    pub fn streamed(&self) -> bool {
        self.world.0.borrow().streamed
    }

    /// What the world says that a model costs.
    pub fn price(&self, provider: &str, model: &str) -> Option<Price> {
        self.world.0.borrow().prices.get(&(provider.to_owned(), model.to_owned())).cloned()
    }

    pub(crate) async fn ask(self, target: &str) -> Result<Response, Error> {
        self.world.ask(target, &self.parts).await.map(|parts| Response { parts, written: None })
    }
}

/// One answer on its way up.
pub struct Response {
    parts: ResponseParts,
    /// Where it comes from, if a module writes it.
    written: Option<Pipe>,
}

impl Response {
    /// An answer of the module's own.
    pub fn new(_request: &Request, parts: &ResponseParts) -> Self {
        Self { parts: parts.clone(), written: None }
    }

    /// Copies the answer out; of one that is written, what has been so far.
    pub fn parts(&self) -> ResponseParts {
        let written = self.written.as_ref().and_then(|pipe| pipe.borrow().end.clone());
        written.unwrap_or_else(|| self.parts.clone())
    }

    /// The same answer with other content.
    pub fn derive(&self, parts: &ResponseParts) -> Self {
        Self { parts: parts.clone(), written: None }
    }

    /// Tokens alone.
    pub fn usage(&self) -> Usage {
        self.parts().usage
    }

    /// The model that answered.
    pub fn model(&self) -> String {
        self.parts().model
    }

    /// The provider that answered.
    pub fn provider(&self) -> String {
        self.parts().provider
    }
}

/// A loaded model.
pub struct Model(pub(super) String);

impl Model {
    /// The name of its provider.
    pub fn provider(&self) -> String {
        self.0.clone()
    }

    /// The model that its provider is asked for.
    pub fn name(&self) -> String {
        MODEL.to_owned()
    }

    /// Asks it.
    pub async fn invoke(&self, request: Request) -> Result<Response, Error> {
        request.ask(&self.0).await
    }
}

/// What a writer has written and a reader has not read.
#[derive(Default)]
pub(crate) struct Written {
    events: VecDeque<Event>,
    failed: Option<Error>,
    end: Option<ResponseParts>,
    closed: bool,
}

type Pipe = Rc<RefCell<Written>>;

/// The events of an answer.
pub struct Reader(Pipe);

impl Reader {
    /// Waits for more; nothing after the end.
    pub async fn read(&self) -> Result<Vec<Event>, Error> {
        poll_fn(|_| {
            let mut written = self.0.borrow_mut();
            if !written.events.is_empty() {
                return Poll::Ready(Ok(written.events.drain(..).collect()));
            }
            match (written.failed.clone(), written.closed) {
                (Some(error), _) => Poll::Ready(Err(error)),
                (None, true) => Poll::Ready(Ok(Vec::new())),
                (None, false) => Poll::Pending,
            }
        })
        .await
    }
}

/// Writes the events of an answer.
pub struct Writer(Pipe);

impl Writer {
    /// Hands on these events. In a world whoever reads is never slower.
    pub async fn write(&self, events: Vec<Event>) -> Result<(), Error> {
        let mut written = self.0.borrow_mut();
        for event in events {
            if written.end.is_some() {
                let message = "the answer has ended: nothing can be written any more".to_owned();
                return Err(Error::Other(Failure { message, provider: String::new(), extensions: Vec::new() }));
            }
            if let Event::End(parts) = &event {
                (written.end, written.closed) = (Some(parts.clone()), true);
            }
            written.events.push_back(event);
        }
        Ok(())
    }

    /// Ends the answer with this error.
    pub fn fail(&self, error: &Error) {
        self.0.borrow_mut().failed.get_or_insert_with(|| error.clone());
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let mut written = self.0.borrow_mut();
        written.closed = true;
        if written.end.is_none() && written.failed.is_none() {
            let message = "the answer ended before it was whole".to_owned();
            let failure = Failure { message, provider: String::new(), extensions: Vec::new() };
            written.failed = Some(Error::Connection(failure));
        }
    }
}

/// The events of this answer.
pub fn read(response: Response) -> Reader {
    Reader(response.written.unwrap_or_else(|| {
        let events = replay(response.parts).into();
        Rc::new(RefCell::new(Written { events, closed: true, ..Written::default() }))
    }))
}

/// An answer whose events are written.
pub fn write(_request: &Request) -> (Response, Writer) {
    let pipe = Pipe::default();
    (Response { parts: ResponseParts::from_text(INNER, MODEL, ""), written: Some(pipe.clone()) }, Writer(pipe))
}

/// The events that a whole answer would have come in.
fn replay(parts: ResponseParts) -> Vec<Event> {
    let mut events = Vec::new();
    let mut index = 0;
    for block in &parts.content {
        match block {
            ContentBlock::Text(text) => events.push(Event::Text(text.text.clone())),
            ContentBlock::Thinking(thinking) => events.push(Event::Thinking(thinking.text.clone())),
            ContentBlock::ToolUse(call) => {
                let (id, name) = (call.id.clone(), call.name.clone());
                events.push(Event::ToolUseStart(ToolUseStart { index, id, name }));
                events.push(Event::ToolArguments(ToolArguments { index, json: call.arguments.clone() }));
                events.push(Event::ToolUseEnd(ToolUseEnd { index, call: call.clone() }));
                index += 1;
                continue;
            }
            ContentBlock::Image(_) | ContentBlock::ToolResult(_) | ContentBlock::Other(_) => {}
        }
        events.push(Event::Block(block.clone()));
    }
    events.push(Event::Usage(parts.usage.clone()));
    events.push(Event::End(parts));
    events
}
