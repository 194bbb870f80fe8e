//! What a model answered.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::chat::{
    allowance::Allowances,
    content::{ContentBlock, ToolCall},
    extensions::Extensions,
    message::{Message, Role},
    note::Note,
    original::{KeptOriginal, Original},
    reserved::{self, Level},
    trail::Attempt,
    usage::Usage,
};

/// What begins the key of an extension of an answer that is a field of its message in OpenAI's format.
pub(crate) const OF_MESSAGE: &str = "openai.message.";

/// The extension of a message that names the provider that made it.
pub(crate) const PROVIDER: &str = "arcllm.provider";

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
    /// What modules remarked on the way, in order.
    pub notes: Vec<Note>,
    /// Further data that came with it.
    pub extensions: Extensions,
    /// What the provider sent.
    pub(crate) original: KeptOriginal,
    /// What the provider says that is left of its limits. The trail shows it.
    pub(crate) allowances: Allowances,
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
            notes: Vec::new(),
            extensions: Extensions::new(),
            original: KeptOriginal::default(),
            allowances: Allowances::new(),
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

    /// The body that the provider sent, if the request had an [original](crate::Original) of the provider's format and no
    /// module has made the answer. A streamed answer has its events in its place.
    pub fn original(&self) -> Option<&Original> {
        self.original.unchanged()
    }

    /// The body that the provider sent, if there is one and a module has rewritten the answer since. What the answer says stands
    /// in the fields of the response. The body shows what ArcLLM does not know, such as new fields.
    pub fn rewritten(&self) -> Option<&Original> {
        self.original.given().filter(|_| self.original.unchanged().is_none())
    }

    /// What the call cost, in the currency of the configured prices (those of the catalogue are US dollars): the tokens of all its
    /// attempts, failed ones included, as far as the providers counted them. Tokens of a cache have their own prices. `None` if a
    /// price or a count is unknown. An answer for which no provider was asked costs nothing.
    pub fn cost(&self) -> Option<f64> {
        let used = self.trail.iter().filter(|attempt| attempt.usage.is_some());
        used.map(|attempt| attempt.cost).try_fold(0.0, |sum, cost| Some(sum + cost?))
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

    /// The answer as a message of the conversation, to be sent back with what follows. What only the provider knows of it are
    /// extensions, such as `openai.annotations`, and blocks of other types. A message with such parts names the provider in
    /// `arcllm.provider`: no other provider is sent them.
    pub fn message(&self) -> Message {
        message(self.content.clone(), &self.extensions, &self.provider)
    }
}

fn message(content: Vec<ContentBlock>, extensions: &Extensions, provider: &str) -> Message {
    let mut message = Message::new(Role::Assistant, content);
    let fields = extensions.iter().filter_map(|(key, value)| {
        let key = format!("openai.{}", key.strip_prefix(OF_MESSAGE)?);
        // A module may have made it up.
        (!reserved::is_reserved(Level::Message, &key)).then(|| (key, value.clone()))
    });
    message.extensions.extend(fields);
    let has_own = message.content.iter().any(|block| matches!(block, ContentBlock::Other(_)));
    if !provider.is_empty() && (has_own || reserved::has_written(&message)) {
        message.extensions.insert(PROVIDER.to_owned(), provider.into());
    }
    message
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
    #[serde(default, skip_deserializing)]
    cost: Option<f64>,
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
    #[serde(default)]
    notes: Vec<Note>,
    #[serde(default, skip_serializing_if = "Extensions::is_empty")]
    extensions: Extensions,
}

impl From<Response> for ResponseJson {
    fn from(response: Response) -> Self {
        ResponseJson {
            content: response.text(),
            tool_calls: response.tool_calls().cloned().collect(),
            thinking: response.thinking(),
            cost: response.cost(),
            message: message(response.content, &response.extensions, &response.provider),
            usage: response.usage,
            model: response.model,
            provider: response.provider,
            stop_reason: response.stop_reason,
            request_id: response.request_id,
            trail: response.trail,
            notes: response.notes,
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
            notes: json.notes,
            extensions: json.extensions,
            original: KeptOriginal::default(),
            allowances: Allowances::new(),
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(extensions: serde_json::Value) -> Response {
        let mut response = Response::new(vec![ContentBlock::text("Hi")]).with_provider("a", "m");
        response.extensions = serde_json::from_value(extensions).unwrap();
        response
    }

    #[test]
    fn fields_of_its_message_are_extensions_of_the_message() {
        let response = answer(json!({
            "openai.id": "1", "openai.message.audio": {"id": "s"}, "openai.message.Role": "system", "other.message.a": 1,
        }));
        let expected = json!({"openai.audio": {"id": "s"}, "arcllm.provider": "a"});
        assert_eq!(serde_json::to_value(&response.message().extensions).unwrap(), expected);
        let json = serde_json::to_value(&response).unwrap();
        assert_eq!(json["message"]["extensions"], expected);
        assert_eq!(serde_json::from_value::<Response>(json).unwrap(), response);
    }

    #[test]
    fn a_message_that_only_its_provider_knows_names_the_provider() {
        assert_eq!(answer(json!({"openai.id": "1", "other.a": 1})).message(), Message::assistant("Hi"));
        let mut response = answer(json!({}));
        for (key, is_marked) in [("other.a", false), ("openai", false), ("anthropic.citations", true)] {
            let mut call = ToolCall::new("t", "f", serde_json::Map::new());
            call.extensions.insert(key.to_owned(), json!(1));
            response.content = vec![ContentBlock::ToolUse(call)];
            assert_eq!(response.message().extensions.contains_key(PROVIDER), is_marked, "{key}");
        }
    }
}
