//! Streamed answers of a world, in place of the host's handles.

use std::{cell::RefCell, collections::VecDeque, future::poll_fn, rc::Rc, task::Poll};

use crate::{
    bindings::arcllm::llm::streams::{Event, ToolArguments, ToolUseEnd, ToolUseStart},
    testing::{
        pipe::{Events, Pipe},
        request::Request,
        response::Response,
        script::{INNER, MODEL},
        world::World,
    },
    types::{ContentBlock, Error, Failure, ResponseParts},
};

/// Reads the events of an answer.
pub struct Reader(Pipe);

impl Reader {
    /// Waits for events, and takes all that have come. After the end it takes none.
    pub async fn read(&self) -> Result<Vec<Event>, Error> {
        poll_fn(|_| {
            let mut events = self.0.borrow_mut();
            if !events.unread.is_empty() {
                return Poll::Ready(Ok(events.unread.drain(..).collect()));
            }
            match (events.failed.clone(), events.closed) {
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
    /// Hands on these events. Readers of a world are never slower than the writer, so this does not wait.
    pub async fn write(&self, events: Vec<Event>) -> Result<(), Error> {
        let mut pipe = self.0.borrow_mut();
        for event in events {
            if pipe.end.is_some() {
                return Err(Error::Other(Failure::new("", "the answer has ended: no more events can be written")));
            }
            if let Event::End(parts) = &event {
                (pipe.end, pipe.closed) = (Some(parts.clone()), true);
            }
            pipe.unread.push_back(event);
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
        let mut events = self.0.borrow_mut();
        events.closed = true;
        if events.end.is_none() && events.failed.is_none() {
            events.failed = Some(Error::Connection(Failure::new("", "the answer ended before it was whole")));
        }
    }
}

/// Reads the events of this answer.
pub fn read(response: Response) -> Reader {
    Reader(response.pipe.unwrap_or_else(|| {
        let unread = replay(response.parts).into();
        Rc::new(RefCell::new(Events { unread, closed: true, ..Events::default() }))
    }))
}

/// Returns the answer of a provider, which may break off while it is streamed.
pub(crate) fn answered(world: &World, provider: &str, parts: ResponseParts) -> Response {
    let mut inside = world.0.borrow_mut();
    let streamed = inside.streamed;
    let broken = inside.breaks.get_mut(provider).filter(|_| streamed).and_then(VecDeque::pop_front);
    let pipe = broken.map(|(events, error)| {
        let unread = replay(parts.clone()).into_iter().take(events).collect();
        Rc::new(RefCell::new(Events { unread, failed: Some(error), closed: true, end: None }))
    });
    Response { parts, pipe }
}

/// Makes an answer whose events are written.
pub fn write(_request: &Request) -> (Response, Writer) {
    let pipe = Pipe::default();
    (Response { parts: ResponseParts::from_text(INNER, MODEL, ""), pipe: Some(pipe.clone()) }, Writer(pipe))
}

/// Returns the events that a whole answer would have come in.
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
            ContentBlock::Image(_)
            | ContentBlock::Document(_)
            | ContentBlock::Audio(_)
            | ContentBlock::ToolResult(_)
            | ContentBlock::Other(_) => {}
        }
        events.push(Event::Block(block.clone()));
    }
    events.push(Event::Usage(parts.usage.clone()));
    events.push(Event::End(parts));
    events
}
