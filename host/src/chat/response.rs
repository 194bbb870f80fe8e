//! What a model answered.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::chat::{
    content::{ContentBlock, ToolCall},
    extensions::Extensions,
    message::{Message, Role},
    trail::Attempt,
    usage::Usage,
};

/// One answer. Its JSON is what `arcllm invoke --json` prints; `message` in it can be sent back as it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "ResponseJson", into = "ResponseJson")]
#[non_exhaustive]
pub struct Response {
    /// What the model said, in order.
    pub content: Vec<ContentBlock>,
    /// Its tokens.
    pub usage: Usage,
    /// Why it ended.
    pub stop_reason: StopReason,
    /// The model that answered.
    pub model: String,
    /// The provider that answered.
    pub provider: String,
    /// The provider's name for this request, for its support.
    pub request_id: Option<String>,
    /// The attempts that led here, in order.
    pub trail: Vec<Attempt>,
    /// Further data that came with it.
    pub extensions: Extensions,
}

impl Response {
    /// An answer of these blocks, as an [`Adapter`](crate::Adapter) gives it. It ends with
    /// [`ToolUse`](StopReason::ToolUse) if it asks for tools, else with [`EndTurn`](StopReason::EndTurn). Set what else is
    /// known in its fields.
    ///
    /// ```
    /// use arcllm::{ContentBlock, Response, Usage};
    ///
    /// let response = Response::new(vec![ContentBlock::text("Hi")]).with_provider("mine", "tiny").with_usage(Usage::new(3, 1));
    /// assert_eq!((response.text().as_deref(), response.usage.total_tokens), (Some("Hi"), 4));
    /// ```
    pub fn new(content: Vec<ContentBlock>) -> Self {
        let asks = content.iter().any(|block| matches!(block, ContentBlock::ToolUse(_)));
        Self {
            content,
            usage: Usage::default(),
            stop_reason: if asks { StopReason::ToolUse } else { StopReason::EndTurn },
            model: String::new(),
            provider: String::new(),
            request_id: None,
            trail: Vec::new(),
            extensions: Extensions::new(),
        }
    }

    /// Names the provider and the model that answered.
    #[must_use]
    pub fn with_provider(mut self, provider: impl Into<String>, model: impl Into<String>) -> Self {
        (self.provider, self.model) = (provider.into(), model.into());
        self
    }

    /// Sets the tokens.
    #[must_use]
    pub fn with_usage(mut self, usage: Usage) -> Self {
        self.usage = usage;
        self
    }

    /// Sets why it ended.
    #[must_use]
    pub fn with_stop_reason(mut self, stop_reason: StopReason) -> Self {
        self.stop_reason = stop_reason;
        self
    }

    /// All text of the answer, if it has any.
    pub fn text(&self) -> Option<String> {
        let texts = self.content.iter().filter_map(|block| match block {
            ContentBlock::Text(text) => Some(text.text.as_str()),
            _ => None,
        });
        join(texts)
    }

    /// All reasoning of the answer that the provider shows, if any.
    pub fn thinking(&self) -> Option<String> {
        let texts = self.content.iter().filter_map(|block| match block {
            ContentBlock::Thinking(thinking) if !thinking.text.is_empty() => Some(thinking.text.as_str()),
            _ => None,
        });
        join(texts)
    }

    /// The tools that the model asks for.
    pub fn tool_calls(&self) -> impl Iterator<Item = &ToolCall> {
        self.content.iter().filter_map(|block| match block {
            ContentBlock::ToolUse(call) => Some(call),
            _ => None,
        })
    }

    /// The answer as a message of the conversation, to be sent back with what follows.
    pub fn message(&self) -> Message {
        Message::new(Role::Assistant, self.content.clone())
    }
}

fn join<'a>(texts: impl Iterator<Item = &'a str>) -> Option<String> {
    texts.fold(None, |joined, text| Some(joined.unwrap_or_else(String::new) + text))
}

/// The JSON of a response: the message, and what most readers want of it apart.
#[derive(Serialize, Deserialize)]
struct ResponseJson {
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    tool_calls: Vec<ToolCall>,
    usage: Usage,
    model: String,
    provider: String,
    stop_reason: StopReason,
    #[serde(default)]
    thinking: Option<String>,
    #[serde(default)]
    request_id: Option<String>,
    message: Message,
    #[serde(default)]
    trail: Vec<Attempt>,
    #[serde(default, skip_serializing_if = "Extensions::is_empty")]
    extensions: Extensions,
}

impl From<Response> for ResponseJson {
    fn from(response: Response) -> Self {
        ResponseJson {
            content: response.text(),
            tool_calls: response.tool_calls().cloned().collect(),
            thinking: response.thinking(),
            usage: response.usage,
            model: response.model,
            provider: response.provider,
            stop_reason: response.stop_reason,
            request_id: response.request_id,
            message: Message::new(Role::Assistant, response.content),
            trail: response.trail,
            extensions: response.extensions,
        }
    }
}

impl From<ResponseJson> for Response {
    fn from(json: ResponseJson) -> Self {
        Response {
            content: json.message.content,
            usage: json.usage,
            stop_reason: json.stop_reason,
            model: json.model,
            provider: json.provider,
            request_id: json.request_id,
            trail: json.trail,
            extensions: json.extensions,
        }
    }
}

/// Why the model stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StopReason {
    /// It was done.
    EndTurn,
    /// It reached `max_tokens`.
    MaxTokens,
    /// It wrote one of the stop texts.
    StopSequence,
    /// It asks for tools.
    ToolUse,
    /// It declined.
    Refusal,
    /// It was interrupted: send the answer back as it is, and it goes on.
    PauseTurn,
    /// A filter of the provider cut it.
    ContentFilter,
    /// The provider's own word.
    Other(String),
}

impl StopReason {
    /// The word for it in JSON.
    pub fn as_str(&self) -> &str {
        match self {
            StopReason::EndTurn => "end_turn",
            StopReason::MaxTokens => "max_tokens",
            StopReason::StopSequence => "stop_sequence",
            StopReason::ToolUse => "tool_use",
            StopReason::Refusal => "refusal",
            StopReason::PauseTurn => "pause_turn",
            StopReason::ContentFilter => "content_filter",
            StopReason::Other(word) => word,
        }
    }
}

impl From<String> for StopReason {
    fn from(word: String) -> Self {
        match word.as_str() {
            "end_turn" => StopReason::EndTurn,
            "max_tokens" => StopReason::MaxTokens,
            "stop_sequence" => StopReason::StopSequence,
            "tool_use" => StopReason::ToolUse,
            "refusal" => StopReason::Refusal,
            "pause_turn" => StopReason::PauseTurn,
            "content_filter" => StopReason::ContentFilter,
            _ => StopReason::Other(word),
        }
    }
}

impl Serialize for StopReason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for StopReason {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(StopReason::from)
    }
}
