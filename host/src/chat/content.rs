//! The blocks that messages and answers are made of.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, SeqAccess, Visitor},
};
use serde_json::{Value, json};

use crate::chat::{
    cache_mark::{self, CacheMark},
    extensions::Extensions,
    media_source,
};

/// One block of a message.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ContentBlock {
    /// Plain text.
    Text(Text),
    /// A picture.
    Image(Media),
    /// A document, such as a PDF.
    Document(Media),
    /// A recording.
    Audio(Media),
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

    /// This block with a cache mark. Reasoning and blocks of other types have none.
    #[must_use]
    pub fn cached(mut self, mark: CacheMark) -> Self {
        if let Some(cache) = self.cache_mut() {
            *cache = Some(mark);
        }
        self
    }

    /// The cache mark of this block, if it has one.
    pub fn cache(&self) -> Option<&CacheMark> {
        match self {
            ContentBlock::Text(text) => text.cache.as_ref(),
            ContentBlock::Image(media) | ContentBlock::Document(media) | ContentBlock::Audio(media) => {
                media.cache.as_ref()
            }
            ContentBlock::ToolUse(call) => call.cache.as_ref(),
            ContentBlock::ToolResult(result) => result.cache.as_ref(),
            ContentBlock::Thinking(_) | ContentBlock::Other(_) => None,
        }
    }

    fn cache_mut(&mut self) -> Option<&mut Option<CacheMark>> {
        match self {
            ContentBlock::Text(text) => Some(&mut text.cache),
            ContentBlock::Image(media) | ContentBlock::Document(media) | ContentBlock::Audio(media) => {
                Some(&mut media.cache)
            }
            ContentBlock::ToolUse(call) => Some(&mut call.cache),
            ContentBlock::ToolResult(result) => Some(&mut result.cache),
            ContentBlock::Thinking(_) | ContentBlock::Other(_) => None,
        }
    }

    pub(crate) fn extensions_mut(&mut self) -> Option<&mut Extensions> {
        match self {
            ContentBlock::Text(text) => Some(&mut text.extensions),
            ContentBlock::Image(media) | ContentBlock::Document(media) | ContentBlock::Audio(media) => {
                Some(&mut media.extensions)
            }
            ContentBlock::ToolUse(call) => Some(&mut call.extensions),
            ContentBlock::ToolResult(result) => Some(&mut result.extensions),
            ContentBlock::Thinking(thinking) => Some(&mut thinking.extensions),
            ContentBlock::Other(_) => None,
        }
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
    Image(Media),
    Document(Media),
    Audio(Media),
    ToolUse(ToolCall),
    ToolResult(ToolResult),
    Thinking(Thinking),
}

const KNOWN: [&str; 7] = ["text", "image", "document", "audio", "tool_use", "tool_result", "thinking"];

/// The type of the JSON around an [`Other`](ContentBlock::Other) block whose own JSON would not be read as that block.
const OTHER: &str = "other";

/// The JSON in a block of the type [`OTHER`].
fn wrapped(block: &Value) -> Option<&Value> {
    let fields = block.as_object().filter(|fields| fields.len() == 2)?;
    if fields.get("type")? == OTHER { fields.get("json") } else { None }
}

/// Whether the JSON of an [`Other`](ContentBlock::Other) block is read as that block.
fn reads_back(block: &Value) -> bool {
    match block.get("type").and_then(Value::as_str) {
        Some(OTHER) => wrapped(block).is_none(),
        kind => kind.is_some_and(|kind| !KNOWN.contains(&kind)),
    }
}

impl Serialize for ContentBlock {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.clone() {
            ContentBlock::Text(text) => Known::Text(text).serialize(serializer),
            ContentBlock::Image(media) => Known::Image(media).serialize(serializer),
            ContentBlock::Document(media) => Known::Document(media).serialize(serializer),
            ContentBlock::Audio(media) => Known::Audio(media).serialize(serializer),
            ContentBlock::ToolUse(call) => Known::ToolUse(call).serialize(serializer),
            ContentBlock::ToolResult(result) => Known::ToolResult(result).serialize(serializer),
            ContentBlock::Thinking(thinking) => Known::Thinking(thinking).serialize(serializer),
            ContentBlock::Other(value) if reads_back(&value) => value.serialize(serializer),
            ContentBlock::Other(value) => json!({"type": OTHER, "json": value}).serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for ContentBlock {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let kind = value.get("type").and_then(Value::as_str);
        let kind = kind.ok_or_else(|| D::Error::custom("a block is an object with a `type` that is a string"))?;
        if let Some(json) = wrapped(&value) {
            return Ok(ContentBlock::Other(json.clone()));
        }
        if !KNOWN.contains(&kind) {
            return Ok(ContentBlock::Other(value));
        }
        let is_media = ["image", "document", "audio"].contains(&kind);
        let value = if is_media { media_source::translated(value) } else { value };
        Ok(match serde_json::from_value(value).map_err(D::Error::custom)? {
            Known::Text(text) => ContentBlock::Text(text),
            Known::Image(media) => ContentBlock::Image(media),
            Known::Document(media) => ContentBlock::Document(media),
            Known::Audio(media) => ContentBlock::Audio(media),
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
    /// Up to here the provider should keep the conversation.
    #[serde(default, deserialize_with = "cache_mark::read", skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheMark>,
    /// Further data that came with it.
    #[serde(default, skip_serializing_if = "Extensions::is_empty")]
    pub extensions: Extensions,
}

impl Text {
    /// This text.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), cache: None, extensions: Extensions::new() }
    }
}

/// A picture, a document or a recording: as data (`media_type` and base64 `data` in JSON), by its address (`url`), or as a
/// file that the provider has (`file`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "MediaJson", into = "MediaJson")]
#[non_exhaustive]
pub struct Media {
    /// Such as `image/png`; empty if the source tells.
    pub media_type: String,
    /// Where it comes from.
    pub source: MediaSource,
    /// A title or a file name; empty if it has none.
    pub name: String,
    /// Up to here the provider should keep the conversation.
    pub cache: Option<CacheMark>,
    /// Further data that came with it.
    pub extensions: Extensions,
}

impl Media {
    /// Media from this source. `media_type` is such as `image/png`; it may be empty if the source tells.
    pub fn new(media_type: impl Into<String>, source: MediaSource) -> Self {
        let (name, cache, extensions) = Default::default();
        Self { media_type: media_type.into(), source, name, cache, extensions }
    }

    /// The length of its data, if it has them.
    pub(crate) fn bytes(&self) -> Option<usize> {
        match &self.source {
            MediaSource::Data(bytes) => Some(bytes.len()),
            MediaSource::Url(_) | MediaSource::File(_) | MediaSource::Other(_) => None,
        }
    }

    /// Names it.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }
}

/// Where media come from.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum MediaSource {
    /// The bytes themselves, not base64.
    Data(Vec<u8>),
    /// An address that the provider fetches.
    Url(String),
    /// The name of a file that the provider has.
    File(String),
    /// The provider's own JSON. The sources of Anthropic's format that say one of the above are read as that.
    Other(Value),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MediaJson {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    media_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<Value>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(default, deserialize_with = "cache_mark::read", skip_serializing_if = "Option::is_none")]
    cache: Option<CacheMark>,
    #[serde(default, skip_serializing_if = "Extensions::is_empty")]
    extensions: Extensions,
}

impl TryFrom<MediaJson> for Media {
    type Error = String;

    fn try_from(json: MediaJson) -> Result<Self, String> {
        let MediaJson { media_type, data, url, file, source, name, cache, extensions } = json;
        let source = match (data, url, file, source) {
            (Some(data), None, None, None) if media_type.is_empty() => {
                return Err(format!("`data` needs its `media_type` ({} characters given)", data.len()));
            }
            (Some(data), None, None, None) => MediaSource::Data(
                base64::Engine::decode(&base64::engine::general_purpose::STANDARD, data)
                    .map_err(|error| format!("`data` is not base64: {error}"))?,
            ),
            (None, Some(url), None, None) => MediaSource::Url(url),
            (None, None, Some(file), None) => MediaSource::File(file),
            (None, None, None, Some(source)) => MediaSource::Other(source),
            _ => {
                return Err(
                    "an image, document or recording has one of `data` (with `media_type`), `url`, `file` and \
                            `source`"
                        .into(),
                );
            }
        };
        Ok(Media { media_type, source, name, cache, extensions })
    }
}

impl From<Media> for MediaJson {
    fn from(media: Media) -> Self {
        let Media { media_type, source, name, cache, extensions } = media;
        let (mut data, mut url, mut file, mut other) = Default::default();
        match source {
            MediaSource::Data(bytes) => data = Some(encode_base64(&bytes)),
            MediaSource::Url(address) => url = Some(address),
            MediaSource::File(id) => file = Some(id),
            MediaSource::Other(value) => other = Some(value),
        }
        MediaJson { media_type, data, url, file, source: other, name, cache, extensions }
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
    /// Up to here the provider should keep the conversation.
    #[serde(default, deserialize_with = "cache_mark::read", skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheMark>,
    /// Further data that came with it.
    #[serde(default, skip_serializing_if = "Extensions::is_empty")]
    pub extensions: Extensions,
}

impl ToolCall {
    /// A call of this tool. `id` names it for its result.
    pub fn new(id: impl Into<String>, name: impl Into<String>, arguments: serde_json::Map<String, Value>) -> Self {
        Self { id: id.into(), name: name.into(), arguments, cache: None, extensions: Extensions::new() }
    }
}

/// What a tool answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ToolResult {
    /// The `id` of the call that it answers.
    pub tool_use_id: String,
    /// The answer: text, images, documents, recordings, or blocks that are not known here.
    #[serde(default, serialize_with = "text_or_list", deserialize_with = "list_or_text")]
    pub content: Vec<ContentBlock>,
    /// Whether the tool failed.
    #[serde(default)]
    pub is_error: bool,
    /// Up to here the provider should keep the conversation.
    #[serde(default, deserialize_with = "cache_mark::read", skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheMark>,
    /// Further data that came with it.
    #[serde(default, skip_serializing_if = "Extensions::is_empty")]
    pub extensions: Extensions,
}

impl ToolResult {
    /// What a tool answered to the call of this `id`.
    pub fn new(tool_use_id: impl Into<String>, content: Vec<ContentBlock>) -> Self {
        Self { tool_use_id: tool_use_id.into(), content, is_error: false, cache: None, extensions: Extensions::new() }
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
    /// The provider that wrote it. Only that one gets its signature and its redacted data back. Absent is unknown: then
    /// every provider of its format gets them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Further data that came with it.
    #[serde(default, skip_serializing_if = "Extensions::is_empty")]
    pub extensions: Extensions,
}

impl Thinking {
    /// Reasoning of this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), signature: None, redacted: None, provider: None, extensions: Extensions::new() }
    }
}

pub(crate) fn text_or_list<S: Serializer>(blocks: &[ContentBlock], serializer: S) -> Result<S::Ok, S::Error> {
    match blocks {
        // Each field is named, so that a new one does not get lost.
        [ContentBlock::Text(Text { text, cache: None, extensions })] if extensions.is_empty() => {
            serializer.serialize_str(text)
        }
        blocks => blocks.serialize(serializer),
    }
}

pub(crate) fn list_or_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ContentBlock>, D::Error> {
    deserializer.deserialize_any(ListOrText)
}

/// Reads block by block, so that errors can name the block.
struct ListOrText;

impl<'de> Visitor<'de> for ListOrText {
    type Value = Vec<ContentBlock>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a string or a list of blocks")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(vec![ContentBlock::text(text)])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut blocks = Vec::new();
        while let Some(block) = list.next_element()? {
            blocks.push(block);
        }
        Ok(blocks)
    }
}

#[cfg(test)]
mod tests;
