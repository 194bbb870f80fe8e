//! The blocks that messages and answers are made of.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::{Value, json};

use crate::chat::extensions::Extensions;

/// One block of a message.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ContentBlock {
    /// Plain text.
    Text(Text),
    /// A picture.
    Image(Image),
    /// The model asks for a tool.
    ToolUse(ToolCall),
    /// What a tool answered.
    ToolResult(ToolResult),
    /// The model's reasoning, to be sent back unchanged.
    Thinking(Thinking),
    /// A block of a type that is not known here: the provider's own JSON, to be sent back unchanged.
    Other(Value),
}

impl ContentBlock {
    /// Plain text.
    pub fn text(text: impl Into<String>) -> Self {
        ContentBlock::Text(Text::new(text))
    }

    /// The beginning of a tool call, with its arguments as text. It is not a `ToolUse` block, so that no agent acts on it.
    pub(crate) fn partial_tool_use(id: &str, name: &str, arguments: &str) -> Self {
        ContentBlock::Other(json!({"type": PARTIAL_TOOL_USE, "id": id, "name": name, "arguments": arguments}))
    }

    /// Whether it is the beginning of a tool call. Providers do not read such blocks.
    pub(crate) fn is_partial_tool_use(&self) -> bool {
        matches!(self, ContentBlock::Other(value) if value.get("type").is_some_and(|kind| kind == PARTIAL_TOOL_USE))
    }
}

/// The type of a block that is the beginning of a tool call.
const PARTIAL_TOOL_USE: &str = "partial_tool_use";

/// The blocks that have a `type` of their own here; every other is [`ContentBlock::Other`].
#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Known {
    Text(Text),
    Image(Image),
    ToolUse(ToolCall),
    ToolResult(ToolResult),
    Thinking(Thinking),
}

const KNOWN: [&str; 5] = ["text", "image", "tool_use", "tool_result", "thinking"];

impl Serialize for ContentBlock {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.clone() {
            ContentBlock::Text(text) => Known::Text(text).serialize(serializer),
            ContentBlock::Image(image) => Known::Image(image).serialize(serializer),
            ContentBlock::ToolUse(call) => Known::ToolUse(call).serialize(serializer),
            ContentBlock::ToolResult(result) => Known::ToolResult(result).serialize(serializer),
            ContentBlock::Thinking(thinking) => Known::Thinking(thinking).serialize(serializer),
            ContentBlock::Other(value) => value.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for ContentBlock {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let kind = value.get("type").and_then(Value::as_str);
        let kind = kind.ok_or_else(|| D::Error::custom("a block is an object with a `type` that is a string"))?;
        if !KNOWN.contains(&kind) {
            return Ok(ContentBlock::Other(value));
        }
        Ok(match serde_json::from_value(value).map_err(D::Error::custom)? {
            Known::Text(text) => ContentBlock::Text(text),
            Known::Image(image) => ContentBlock::Image(image),
            Known::ToolUse(call) => ContentBlock::ToolUse(call),
            Known::ToolResult(result) => ContentBlock::ToolResult(result),
            Known::Thinking(thinking) => ContentBlock::Thinking(thinking),
        })
    }
}

/// Plain text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Text {
    /// The text itself.
    pub text: String,
    /// Further data that came with it.
    #[serde(default, skip_serializing_if = "Extensions::is_empty")]
    pub extensions: Extensions,
}

impl Text {
    /// This text.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), extensions: Extensions::new() }
    }
}

/// A picture, as data (`media_type` and base64 `data` in JSON) or by its address (`url`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "ImageJson", into = "ImageJson")]
#[non_exhaustive]
pub struct Image {
    /// Such as `image/png`; empty if the source tells.
    pub media_type: String,
    /// Where it comes from.
    pub source: ImageSource,
    /// Further data that came with it.
    pub extensions: Extensions,
}

impl Image {
    /// A picture from this source. `media_type` is such as `image/png`; it may be empty if the source tells.
    pub fn new(media_type: impl Into<String>, source: ImageSource) -> Self {
        Self { media_type: media_type.into(), source, extensions: Extensions::new() }
    }
}

/// Where an image comes from.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ImageSource {
    /// The bytes themselves, not base64.
    Data(Vec<u8>),
    /// An address that the provider fetches.
    Url(String),
    /// The provider's own JSON.
    Other(Value),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ImageJson {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    media_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<Value>,
    #[serde(default, skip_serializing_if = "Extensions::is_empty")]
    extensions: Extensions,
}

impl TryFrom<ImageJson> for Image {
    type Error = String;

    fn try_from(json: ImageJson) -> Result<Self, String> {
        let ImageJson { media_type, data, url, source, extensions } = json;
        let source = match (data, url, source) {
            (Some(data), None, None) if media_type.is_empty() => {
                return Err(format!("an image with `data` needs its `media_type` ({} characters given)", data.len()));
            }
            (Some(data), None, None) => ImageSource::Data(
                base64::Engine::decode(&base64::engine::general_purpose::STANDARD, data)
                    .map_err(|error| format!("`data` of an image is not base64: {error}"))?,
            ),
            (None, Some(url), None) => ImageSource::Url(url),
            (None, None, Some(source)) => ImageSource::Other(source),
            _ => return Err("an image has one of `data` (with `media_type`), `url` and `source`".into()),
        };
        Ok(Image { media_type, source, extensions })
    }
}

impl From<Image> for ImageJson {
    fn from(image: Image) -> Self {
        let (mut data, mut url, mut source) = (None, None, None);
        match image.source {
            ImageSource::Data(bytes) => data = Some(encode_base64(&bytes)),
            ImageSource::Url(address) => url = Some(address),
            ImageSource::Other(value) => source = Some(value),
        }
        ImageJson { media_type: image.media_type, data, url, source, extensions: image.extensions }
    }
}

/// Standard base64 with padding, as both wire formats want it.
pub(crate) fn encode_base64(bytes: &[u8]) -> String {
    base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes)
}

/// The model asks for a tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ToolCall {
    /// Names this call, for its result.
    pub id: String,
    /// The tool.
    pub name: String,
    /// The arguments, by name.
    pub arguments: serde_json::Map<String, Value>,
    /// Further data that came with it.
    #[serde(default, skip_serializing_if = "Extensions::is_empty")]
    pub extensions: Extensions,
}

impl ToolCall {
    /// A call of this tool. `id` names it for its result.
    pub fn new(id: impl Into<String>, name: impl Into<String>, arguments: serde_json::Map<String, Value>) -> Self {
        Self { id: id.into(), name: name.into(), arguments, extensions: Extensions::new() }
    }
}

/// What a tool answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ToolResult {
    /// The `id` of the call that it answers.
    pub tool_use_id: String,
    /// The answer: text, images, or blocks that are not known here.
    #[serde(default, serialize_with = "text_or_list", deserialize_with = "list_or_text")]
    pub content: Vec<ContentBlock>,
    /// Whether the tool failed.
    #[serde(default)]
    pub is_error: bool,
    /// Further data that came with it.
    #[serde(default, skip_serializing_if = "Extensions::is_empty")]
    pub extensions: Extensions,
}

impl ToolResult {
    /// What a tool answered to the call of this `id`.
    pub fn new(tool_use_id: impl Into<String>, content: Vec<ContentBlock>) -> Self {
        Self { tool_use_id: tool_use_id.into(), content, is_error: false, extensions: Extensions::new() }
    }

    /// A tool that answered this text.
    pub fn text(tool_use_id: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(tool_use_id, vec![ContentBlock::text(text)])
    }

    /// A tool that failed with this text.
    pub fn error(tool_use_id: impl Into<String>, text: impl Into<String>) -> Self {
        Self { is_error: true, ..Self::text(tool_use_id, text) }
    }
}

/// The model's reasoning. Providers want it back unchanged, with its signature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Thinking {
    /// The reasoning; empty if the provider hid it.
    #[serde(default)]
    pub text: String,
    /// The provider's proof that the text is its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// Set if the provider hid the text: opaque data to send back instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redacted: Option<String>,
    /// Further data that came with it.
    #[serde(default, skip_serializing_if = "Extensions::is_empty")]
    pub extensions: Extensions,
}

impl Thinking {
    /// Reasoning of this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), signature: None, redacted: None, extensions: Extensions::new() }
    }
}

pub(crate) fn text_or_list<S: Serializer>(blocks: &[ContentBlock], serializer: S) -> Result<S::Ok, S::Error> {
    match blocks {
        [ContentBlock::Text(text)] if text.extensions.is_empty() => serializer.serialize_str(&text.text),
        blocks => blocks.serialize(serializer),
    }
}

pub(crate) fn list_or_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ContentBlock>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(text) => Ok(vec![ContentBlock::text(text)]),
        Value::Array(blocks) => {
            blocks.into_iter().map(|block| serde_json::from_value(block).map_err(D::Error::custom)).collect()
        }
        _ => Err(D::Error::custom("`content` is a string or a list of blocks")),
    }
}
