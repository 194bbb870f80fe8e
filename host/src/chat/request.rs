//! What an agent asks: the conversation, the tools and the options of one invoke.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::chat::{extensions::Extensions, message::Message, options::Options, tool::Tool};

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
}

impl Request {
    /// A request with no tools and no options.
    pub fn new(messages: impl Into<Vec<Message>>) -> Self {
        Self { messages: messages.into(), ..Self::default() }
    }

    /// Sets the tools.
    #[must_use]
    pub fn with_tools(mut self, tools: impl Into<Vec<Tool>>) -> Self {
        self.tools = tools.into();
        self
    }

    /// Sets the options.
    #[must_use]
    pub fn with_options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// Adds an extension: JSON for the body of one wire format, as in [`Options::extension`].
    #[must_use]
    pub fn with_extension(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.extensions.insert(key.into(), value.into());
        self
    }
}
