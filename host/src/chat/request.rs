//! What an agent asks: the conversation, the tools and the options of one invoke.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::chat::{
    extensions::Extensions,
    message::Message,
    options::Options,
    original::{KeptOriginal, Original},
    tool::Tool,
};

/// One request, with the JSON that `arcllm invoke --request` takes.
///
/// ```
/// use arcllm::{Message, Options, Request};
///
/// let request = Request::new([Message::system("Be brief."), Message::user("What is a monad?")])
///     .with_options(Options::new().max_tokens(100).temperature(0.2));
/// # let _ = request;
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Request {
    /// The conversation, oldest first.
    pub messages: Vec<Message>,
    /// The tools that the model may ask for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Tool>,
    /// What is asked for besides.
    #[serde(default)]
    pub options: Options,
    /// Further data that came with it.
    #[serde(default, skip_serializing_if = "Extensions::is_empty")]
    pub extensions: Extensions,
    /// What the gateway read it from.
    #[serde(skip)]
    pub(crate) original: KeptOriginal,
}

impl Request {
    /// A request with no tools and no options.
    pub fn new(messages: impl Into<Vec<Message>>) -> Self {
        Self { messages: messages.into(), ..Self::default() }
    }

    /// Sets the tools.
    #[must_use]
    pub fn with_tools(mut self, tools: impl Into<Vec<Tool>>) -> Self {
        self.original.change();
        self.tools = tools.into();
        self
    }

    /// Sets the options.
    #[must_use]
    pub fn with_options(mut self, options: Options) -> Self {
        self.original.change();
        self.options = options;
        self
    }

    /// Adds an extension: JSON for the body of one wire format, as in [`Options::extension`].
    #[must_use]
    pub fn with_extension(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.original.change();
        self.extensions.insert(key.into(), value.into());
        self
    }

    /// Says which body a gateway has read this request from. It is sent in place of one that the adapter writes, with the
    /// provider's own `model`, if the provider speaks the same format and no module has changed the request.
    ///
    /// Call it last, and change nothing after it but labels, the deadline and `traceparent`: a change of a public field goes
    /// unnoticed.
    #[must_use]
    pub fn with_original(mut self, original: Original) -> Self {
        self.original = KeptOriginal::of(original);
        self
    }

    /// Changes the options. Copies nothing else if that makes no difference.
    pub(crate) fn change_options(mut self: Arc<Self>, change: impl FnOnce(&mut Options)) -> Arc<Self> {
        let mut options = self.options.clone();
        change(&mut options);
        if options == self.options {
            return self;
        }
        let request = Arc::make_mut(&mut self);
        if !options.is_same_body(&request.options) {
            request.original.change();
        }
        request.options = options;
        self
    }

    /// The body that this request was read from, if nothing has changed the request since.
    pub fn original(&self) -> Option<&Original> {
        self.original.unchanged()
    }
}
