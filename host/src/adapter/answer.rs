//! The answer to a call: a whole response, or a stream of events that ends with one.

use std::fmt;

use futures::{Stream, StreamExt as _, stream::BoxStream};

use crate::chat::{
    content::ContentBlock, error::ErrorKind, event::Event, failure::Failure, original::KeptOriginal, response::Response,
};

/// The most bytes of a provider's own events that are kept for an answer of which the whole is wanted.
const MOST_ORIGINALS: usize = 8 << 20;

/// The events of a streamed answer. The last item is [`Event::End`] or an error. Dropping the stream ends the answer and
/// closes its connection.
pub type EventStream = BoxStream<'static, Result<Event, ErrorKind>>;

/// An answer that has begun. It is final: no module asks again for an answer that has begun.
pub enum Answer {
    /// An answer in one piece.
    Whole(Box<Response>),
    /// A streamed answer.
    Stream {
        /// What is known before the content: who answers. Its content is empty.
        head: Box<Response>,
        /// The content.
        events: EventStream,
    },
}

impl fmt::Debug for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Whole(response) => formatter.debug_tuple("Whole").field(response).finish(),
            Answer::Stream { head, .. } => formatter.debug_struct("Stream").field("head", head).finish_non_exhaustive(),
        }
    }
}

impl From<Response> for Answer {
    fn from(response: Response) -> Self {
        Answer::Whole(Box::new(response))
    }
}

impl Answer {
    /// Takes the answer, and leaves an empty one.
    pub(crate) fn take(&mut self) -> Self {
        std::mem::replace(self, Answer::Whole(Box::new(Response::new(Vec::new()))))
    }

    /// The response as far as it is known.
    pub(crate) fn response(&self) -> &Response {
        match self {
            Answer::Whole(response) => response,
            Answer::Stream { head, .. } => head,
        }
    }

    /// Waits for the whole response.
    pub(crate) async fn whole(self) -> Result<Response, ErrorKind> {
        match self {
            Answer::Whole(response) => Ok(*response),
            Answer::Stream { head, events } => {
                let (mut originals, mut bytes, mut is_changed) = (Vec::new(), 0, false);
                let mut events = events.inspect(|event| {
                    let (Ok(Event::Original(original)) | Ok(Event::Rewritten(original))) = event else { return };
                    is_changed |= matches!(event, Ok(Event::Rewritten(_)));
                    bytes += original.len();
                    if bytes <= MOST_ORIGINALS {
                        originals.push(original.clone());
                    }
                });
                let response = read_to_end(&mut events).await?;
                drop(events);
                let mut response = response.ok_or_else(|| without_end(&head.provider))?;
                if bytes <= MOST_ORIGINALS {
                    response.original = KeptOriginal::of_events(originals, is_changed);
                }
                Ok(response)
            }
        }
    }

    /// The answer as events. A whole answer becomes the events that it could have been streamed in.
    pub(crate) fn events(self) -> EventStream {
        match self {
            Answer::Whole(response) => futures::stream::iter(replay(*response).into_iter().map(Ok)).boxed(),
            Answer::Stream { events, .. } => events,
        }
    }
}

/// The response at the end of a stream of events; `None` if the stream ends without one.
pub(crate) async fn read_to_end<E>(
    events: &mut (impl Stream<Item = Result<Event, E>> + Unpin),
) -> Result<Option<Response>, E> {
    while let Some(event) = events.next().await {
        if let Event::End(response) = event? {
            return Ok(Some(*response));
        }
    }
    Ok(None)
}

/// The error for a stream that ends without [`Event::End`].
pub(crate) fn without_end(provider: &str) -> ErrorKind {
    ErrorKind::Connection(Failure::new(provider, "the answer ended before it was whole"))
}

/// The events that this answer could have been streamed in.
fn replay(response: Response) -> Vec<Event> {
    let (originals, is_changed) = response.original.events();
    let original = if is_changed { Event::Rewritten } else { Event::Original };
    let mut events: Vec<Event> = originals.iter().cloned().map(original).collect();
    let mut index = 0;
    for block in &response.content {
        match block {
            ContentBlock::Text(text) => events.push(Event::Text(text.text.clone())),
            ContentBlock::Thinking(thinking) if !thinking.text.is_empty() => {
                events.push(Event::Thinking(thinking.text.clone()));
            }
            ContentBlock::ToolUse(call) => {
                events.push(Event::ToolUseStart { index, id: call.id.clone(), name: call.name.clone() });
                let json = serde_json::to_string(&call.arguments).unwrap_or_default();
                events.push(Event::ToolArguments { index, json });
                events.push(Event::ToolUseEnd { index, call: call.clone() });
                index += 1;
                continue;
            }
            ContentBlock::Thinking(_)
            | ContentBlock::Image(_)
            | ContentBlock::Document(_)
            | ContentBlock::Audio(_)
            | ContentBlock::ToolResult(_)
            | ContentBlock::Other(_) => {}
        }
        events.push(Event::Block(block.clone()));
    }
    events.push(Event::Usage(response.usage.clone()));
    events.push(Event::End(Box::new(response)));
    events
}
