//! What a streamed answer says as it comes.

use std::borrow::Cow;

use bytes::Bytes;
use serde::{Serialize, Serializer};

use crate::chat::{
    content::{ContentBlock, ToolCall},
    response::Response,
    usage::Usage,
};

/// One event of a streamed answer, the same for every provider.
///
/// Pieces come as the provider sends them. A block that has ended comes whole, so you need not put pieces together: start
/// a tool as soon as [`ToolUseEnd`](Event::ToolUseEnd) comes, before the answer ends.
///
/// ```
/// # async fn ask(model: arcllm::Model) -> Result<(), arcllm::Error> {
/// use arcllm::{Event, Message};
/// use futures::StreamExt as _;
///
/// let mut events = model.stream(&[Message::user("Hi")], &[]);
/// while let Some(event) = events.next().await {
///     match event? {
///         Event::Text(piece) => print!("{piece}"),
///         Event::End(response) => println!("\n{} tokens", response.usage.output_tokens),
///         _ => {}
///     }
/// }
/// # Ok(())
/// # }
/// ```
///
/// Its JSON is a line of `arcllm invoke --stream --json`: the fields, and a `type` such as `tool_use_start`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A piece of text.
    Text(String),
    /// A piece of reasoning.
    Thinking(String),
    /// The model begins to ask for a tool.
    ToolUseStart {
        /// Which of the answer's tool calls it is, from zero.
        index: usize,
        /// Names this call, for its result.
        id: String,
        /// The tool.
        name: String,
    },
    /// A piece of a tool call's arguments.
    ToolArguments {
        /// Which of the answer's tool calls it belongs to.
        index: usize,
        /// Text that is JSON once all pieces are there.
        json: String,
    },
    /// A tool call is whole.
    ToolUseEnd {
        /// Which of the answer's tool calls it is.
        index: usize,
        /// The call, its arguments read.
        call: ToolCall,
    },
    /// A block of another kind is whole: the text or the reasoning that came in pieces, with what pieces do not show
    /// (signatures, citations), or a block that does not come in pieces.
    Block(ContentBlock),
    /// Tokens so far, as far as the provider tells.
    Usage(Usage),
    /// One event as the provider sent it, framed as a server-sent event: `event: NAME`, if it has a name, and `data: …`. Only
    /// in a stream that was [asked for them](crate::ResponseStream::with_originals), in place of all others but the last.
    Original(Bytes),
    /// One event as the provider sent it, framed as an [`Original`](Event::Original) is. A module has read it and written the
    /// answer anew: the other events say what the answer says. It shows what ArcLLM does not know, such as new fields. Only in a
    /// stream that was [asked for originals](crate::ResponseStream::with_originals).
    Rewritten(Bytes),
    /// The answer is whole. The last event: all of the answer, as an invoke without streaming gives it.
    End(Box<Response>),
}

impl Event {
    /// Whether it says something of the answer. An answer is committed with its first such event: until then it can
    /// still be asked for again, or elsewhere.
    pub fn is_content(&self) -> bool {
        !matches!(self, Event::Usage(_) | Event::Original(_) | Event::Rewritten(_))
    }
}

/// The JSON of an event.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum EventJson<'a> {
    Text { text: &'a str },
    Thinking { text: &'a str },
    ToolUseStart { index: usize, id: &'a str, name: &'a str },
    ToolArguments { index: usize, json: &'a str },
    ToolUseEnd { index: usize, call: &'a ToolCall },
    Block { block: &'a ContentBlock },
    Usage { usage: &'a Usage },
    Original { text: Cow<'a, str> },
    Rewritten { text: Cow<'a, str> },
    End { response: &'a Response },
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let json = match self {
            Event::Text(text) => EventJson::Text { text },
            Event::Thinking(text) => EventJson::Thinking { text },
            Event::ToolUseStart { index, id, name } => EventJson::ToolUseStart { index: *index, id, name },
            Event::ToolArguments { index, json } => EventJson::ToolArguments { index: *index, json },
            Event::ToolUseEnd { index, call } => EventJson::ToolUseEnd { index: *index, call },
            Event::Block(block) => EventJson::Block { block },
            Event::Usage(usage) => EventJson::Usage { usage },
            Event::Original(text) => EventJson::Original { text: String::from_utf8_lossy(text) },
            Event::Rewritten(text) => EventJson::Rewritten { text: String::from_utf8_lossy(text) },
            Event::End(response) => EventJson::End { response },
        };
        json.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_has_a_type() {
        let start = Event::ToolUseStart { index: 1, id: "a".into(), name: "b".into() };
        let expected = json!({"type": "tool_use_start", "index": 1, "id": "a", "name": "b"});
        assert_eq!(serde_json::to_value(start).unwrap(), expected);
        assert_eq!(serde_json::to_value(Event::Text("x".into())).unwrap(), json!({"type": "text", "text": "x"}));
        let block = serde_json::to_value(Event::Block(ContentBlock::text("x"))).unwrap();
        assert_eq!(block, json!({"type": "block", "block": {"type": "text", "text": "x"}}));
    }
}
