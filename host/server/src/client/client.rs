//! The formats that clients speak: what each of them reads and writes.

use arcllm::{Event, Request, Response, WireFormat};
use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;

use crate::client::{kept::Keeper, places::Places, problem::Problem};

/// What a client asks.
#[derive(Debug)]
pub(crate) struct Asked {
    /// The model, as the client names it.
    pub(crate) model: String,
    /// Whether the answer is wanted in events.
    pub(crate) streamed: bool,
    /// Whether a stream ends with its usage. Only OpenAI Chat Completions lets the client choose.
    pub(crate) wants_usage: bool,
    /// The conversation, the tools and the options.
    pub(crate) request: Request,
    /// Where the messages stand in the client's body.
    pub(crate) places: Places,
    /// The headers that go along to providers of the same format.
    pub(crate) headers: Vec<(String, String)>,
    /// Whether a provider of the same format understands the client's own bytes.
    pub(crate) forwardable: bool,
    /// A field that only providers of the client's own format can obey.
    pub(crate) only_own_format: Option<&'static str>,
    /// How tool calls are written.
    pub(crate) call_forms: CallForms,
    /// What answers repeat of the request. Only OpenAI Responses has such fields.
    pub(crate) echo: Value,
}

/// How a client wants tool calls written. Only OpenAI Chat Completions has several forms.
#[derive(Debug, Clone, Default)]
pub(crate) struct CallForms {
    /// As the older `function_call`, for a client that has sent `functions`.
    pub(crate) older: bool,
    /// The tools that are called with a text.
    pub(crate) custom: Vec<String>,
}

impl CallForms {
    /// Whether the tool of this name is called with a text.
    pub(crate) fn is_custom(&self, name: &str) -> bool {
        self.custom.iter().any(|custom| custom == name)
    }
}

/// What is known of an answer before it has come: answers are written with it.
#[derive(Debug, Clone)]
pub(crate) struct Heading {
    /// The name of the answer, such as `chatcmpl-…`. A format adds its own prefix.
    pub(crate) id: String,
    /// The model, as the client named it.
    pub(crate) model: String,
    /// Seconds since 1970.
    pub(crate) created: u64,
    /// As in [`Asked`].
    pub(crate) wants_usage: bool,
    /// As in [`Asked`].
    pub(crate) call_forms: CallForms,
    /// As in [`Asked`].
    pub(crate) echo: Value,
}

/// A format that clients speak.
pub(crate) trait ClientFormat: Send + Sync {
    /// The same format as providers speak it.
    fn wire(&self) -> WireFormat;

    /// Reads a request.
    ///
    /// # Errors
    ///
    /// A 400 that names the place, such as `messages[2].content[0].type`.
    fn read(&self, headers: &HeaderMap, body: &Bytes) -> Result<Asked, Problem>;

    /// Writes a whole answer.
    fn answer(&self, heading: &Heading, response: &Response) -> Vec<u8>;

    /// A writer of one streamed answer.
    fn events(&self, heading: Heading) -> Box<dyn EventWriter>;

    /// Adds to a whole answer what only the provider knows, where a module has rewritten the provider's.
    fn keep(&self, answer: &mut Value, original: Value);

    /// The same for the events of a streamed answer.
    fn keeper(&self) -> Box<dyn Keeper>;

    /// The JSON of an error.
    fn error(&self, problem: &Problem) -> Vec<u8>;
}

/// Writes one streamed answer as server-sent events.
pub(crate) trait EventWriter: Send {
    /// Writes what stands before the content. Called once, before the first event.
    fn begin(&mut self, out: &mut Vec<u8>);

    /// Writes an event. [`Event::End`] is the last one: it closes the answer.
    fn event(&mut self, event: &Event, out: &mut Vec<u8>);

    /// Writes an event of the provider as it is, in place of those that `begin` and `event` write.
    fn original(&mut self, event: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(event);
    }

    /// Learns of an event of the provider that a module has read. What `event` writes stands for it.
    fn rewritten(&mut self, _event: &Value) {}

    /// Ends an answer that broke off, so that no client takes it as whole.
    fn fail(&mut self, problem: &Problem, out: &mut Vec<u8>);

    /// Writes something that says nothing, so that a client does not give up in a long silence. It may be called before
    /// `begin`. Then the provider's own events may follow in place of what this writes.
    fn keep_alive(&mut self, out: &mut Vec<u8>);
}
