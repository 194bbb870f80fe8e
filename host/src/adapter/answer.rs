//! What a stop of the chain answers: a response, or one that is still coming.

use std::fmt;

use futures::{StreamExt as _, stream::BoxStream};

use crate::chat::{
    content::ContentBlock,
    error::{ErrorKind, Failure},
    event::Event,
    response::Response,
};

/// The events of an answer that is still coming: any number of them, the last of them [`Event::End`], or else an error,
/// after which there is nothing. Dropping it ends the answer and closes its connection.
pub type EventStream = BoxStream<'static, Result<Event, ErrorKind>>;

/// An answer that is committed: from here on it is not asked for again.
pub enum Answer {
    /// All of it.
    Whole(Box<Response>),
    /// One that is still coming.
    Stream {
        /// What is known of it before its end: who answers. It has no content.
        head: Box<Response>,
        /// The rest.
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
    /// All of the answer, as far as it is there.
    pub(crate) fn response(&self) -> &Response {
        match self {
            Answer::Whole(response) => response,
            Answer::Stream { head, .. } => head,
        }
    }

    /// The whole answer, waited for if it is still coming.
    pub(crate) async fn whole(self) -> Result<Response, ErrorKind> {
        match self {
            Answer::Whole(response) => Ok(*response),
            Answer::Stream { head, events } => collect(&head, events).await,
        }
    }

    /// The answer as events, whether it is still coming or has come whole.
    pub(crate) fn events(self) -> EventStream {
        match self {
            Answer::Whole(response) => futures::stream::iter(replay(*response).into_iter().map(Ok)).boxed(),
            Answer::Stream { events, .. } => events,
        }
    }
}

async fn collect(head: &Response, mut events: EventStream) -> Result<Response, ErrorKind> {
    while let Some(event) = events.next().await {
        if let Event::End(response) = event? {
            return Ok(*response);
        }
    }
    Err(without_end(&head.provider))
}

/// An answer that has ended without saying so.
pub(crate) fn without_end(provider: &str) -> ErrorKind {
    ErrorKind::Connection(Failure::new(provider, "the answer ended before it was whole"))
}

/// The events that a whole answer would have come in.
fn replay(response: Response) -> Vec<Event> {
    let mut events = Vec::new();
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
            | ContentBlock::ToolResult(_)
            | ContentBlock::Other(_) => {}
        }
        events.push(Event::Block(block.clone()));
    }
    events.push(Event::Usage(response.usage.clone()));
    events.push(Event::End(Box::new(response)));
    events
}
