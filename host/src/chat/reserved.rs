//! What extensions cannot set: what the adapters write themselves.
//!
//! An extension goes into the body that a provider gets. One named `openai.model` would ask another model than the trail,
//! the price and the telemetry name. It is refused before anything is sent: with a `usage` error if the caller wrote it, with
//! a `module` error if a module did.

use std::fmt;

use serde_json::Value;

use crate::chat::{
    cache_mark::CacheMark,
    content::ContentBlock,
    error::ErrorKind,
    extensions::Extensions,
    failure::Failure,
    message::Message,
    options::OutputFormat,
    plain::{self, WORD},
    request::Request,
    tool::Tool,
};

/// The vendors whose extensions an adapter writes.
const VENDORS: [&str; 2] = ["anthropic", "openai"];

/// What either format writes at the top of a body, for this request or for another. `extra_body` is what gateways put over
/// the body.
const BODY: &[&str] = &[
    "model",
    "messages",
    "system",
    "tools",
    "tool_choice",
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "stop",
    "stop_sequences",
    "seed",
    "stream",
    "stream_options",
    "extra_body",
];

const MESSAGE: &[&str] = &["role", "content", "tool_calls", "tool_call_id"];
const TEXT: &[&str] = &["type", "text", "role", "content"];
const MEDIA: &[&str] = &["type", "source", "image_url", "file", "input_audio", "role", "content"];
const TOOL_USE: &[&str] = &["type", "id", "name", "input", "function", "role", "content"];
/// Of the `function` in a tool call. Its other fields are extensions such as `openai.function.note`.
const FUNCTION: &[&str] = &["name", "arguments"];
/// Of the `function` in a tool.
const TOOL_FUNCTION: &[&str] = &["name", "description", "parameters"];
/// Of the choice of a tool. Its other fields are extensions such as `anthropic.tool_choice.note`.
const TOOL_CHOICE: &[&str] = &["type", "name", "function", "custom", "allowed_tools", "disable_parallel_tool_use"];
const TOOL_RESULT: &[&str] = &["type", "tool_use_id", "tool_call_id", "content", "is_error", "role"];
const CACHE_MARK: &[&str] = &["type", "ttl"];
const SCHEMA: &[&str] = &["type", "name", "description", "schema", "strict"];
const THINKING: &[&str] = &["type", "thinking", "signature", "data", "role", "content"];
/// Not `type`: it makes of a tool one that the provider runs itself.
const TOOL: &[&str] = &["name", "description", "parameters", "input_schema", "function"];
/// What such a tool has none of: null leaves it out.
const OPTIONAL: &[&str] = &["input_schema", "function"];

/// Where extensions stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Level {
    /// At the request or its options: they go to the top of the body.
    Body,
    /// At a tool.
    Tool,
    /// At a message.
    Message,
    /// At a text.
    Text,
    /// At an image, a document or a recording.
    Media,
    /// At a tool call.
    ToolUse,
    /// At the result of a tool.
    ToolResult,
    /// At reasoning.
    Thinking,
    /// At a cache mark.
    CacheMark,
    /// At the schema of the answer.
    Schema,
}

impl Level {
    fn names(self) -> &'static [&'static str] {
        match self {
            Level::Body => BODY,
            Level::Tool => TOOL,
            Level::Message => MESSAGE,
            Level::Text => TEXT,
            Level::Media => MEDIA,
            Level::ToolUse => TOOL_USE,
            Level::ToolResult => TOOL_RESULT,
            Level::Thinking => THINKING,
            Level::CacheMark => CACHE_MARK,
            Level::Schema => SCHEMA,
        }
    }

    /// What an adapter writes in an object of this name. Its other fields are extensions such as `openai.OBJECT.NAME`.
    fn names_inside(self, object: &str) -> Option<&'static [&'static str]> {
        match (self, object) {
            (Level::Body, "toolchoice") => Some(TOOL_CHOICE),
            (Level::ToolUse, "function") => Some(FUNCTION),
            (Level::Tool, "function") => Some(TOOL_FUNCTION),
            (Level::Media, "imageurl") => Some(&["url"]),
            (Level::Media, "file") => Some(&["file_data", "file_id"]),
            (Level::Media, "inputaudio") => Some(&["data", "format"]),
            _ => None,
        }
    }

    fn of(self) -> &'static str {
        match self {
            Level::Body => "the request",
            Level::Tool => "a tool",
            Level::Message => "a message",
            Level::Text | Level::Media | Level::ToolUse | Level::ToolResult | Level::Thinking => "a block",
            Level::CacheMark => "a cache mark",
            Level::Schema => "the output format",
        }
    }
}

/// An extension that would set what an adapter writes.
#[derive(Debug, PartialEq)]
pub(crate) struct Reserved {
    level: Level,
    /// As it stands in the request.
    pub(crate) key: String,
    name: &'static str,
}

impl fmt::Display for Reserved {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (key, of, name) = (plain::line(&self.key, WORD), self.level.of(), self.name);
        write!(formatter, "the extension `{key}` of {of} would set `{name}`, which ArcLLM writes itself")
    }
}

impl Reserved {
    /// What it is to the caller who wrote it.
    pub(crate) fn usage(&self) -> ErrorKind {
        let help = "use the field of the request or its options; the model is chosen where it is loaded";
        ErrorKind::Usage(Failure::new("", format!("{self}\n  help: {help}")))
    }
}

/// Finds an extension that would set what an adapter writes.
///
/// # Errors
///
/// The first one.
pub(crate) fn check(request: &Request) -> Result<(), Reserved> {
    let mut found = None;
    each(request, &mut |level, extensions| {
        if found.is_none() && !extensions.is_empty() {
            found = extensions.iter().find_map(|(key, value)| reserved(level, key, value));
        }
    });
    found.map_or(Ok(()), Err)
}

/// Looks at all extensions of a request, with where they stand.
pub(crate) fn each<'a>(request: &'a Request, look: &mut impl FnMut(Level, &'a Extensions)) {
    look(Level::Body, &request.extensions);
    look(Level::Body, &request.options.extensions);
    if let Some(OutputFormat::JsonSchema(schema)) = &request.options.output {
        look(Level::Schema, &schema.extensions);
    }
    for tool in &request.tools {
        match tool {
            Tool::Function(tool) => {
                look(Level::Tool, &tool.extensions);
                mark(&tool.cache, look);
            }
            Tool::Other(_) => {}
        }
    }
    request.messages.iter().for_each(|message| each_of_message(message, look));
}

fn each_of_message<'a>(message: &'a Message, look: &mut impl FnMut(Level, &'a Extensions)) {
    look(Level::Message, &message.extensions);
    message.content.iter().for_each(|block| each_of_block(block, look));
}

/// Whether an adapter would write any extension of this message, or of its blocks.
pub(crate) fn has_written(message: &Message) -> bool {
    let is_written = |key: &String| key.split_once('.').is_some_and(|(vendor, _)| VENDORS.contains(&vendor));
    let mut found = false;
    each_of_message(message, &mut |_, extensions| found |= extensions.keys().any(is_written));
    found
}

fn mark<'a>(cache: &'a Option<CacheMark>, look: &mut impl FnMut(Level, &'a Extensions)) {
    if let Some(mark) = cache {
        look(Level::CacheMark, &mark.extensions);
    }
}

fn each_of_block<'a>(block: &'a ContentBlock, look: &mut impl FnMut(Level, &'a Extensions)) {
    if let Some(mark) = block.cache() {
        look(Level::CacheMark, &mark.extensions);
    }
    match block {
        ContentBlock::Text(text) => look(Level::Text, &text.extensions),
        ContentBlock::Image(media) | ContentBlock::Document(media) | ContentBlock::Audio(media) => {
            look(Level::Media, &media.extensions);
        }
        ContentBlock::ToolUse(call) => look(Level::ToolUse, &call.extensions),
        ContentBlock::Thinking(thinking) => look(Level::Thinking, &thinking.extensions),
        ContentBlock::ToolResult(result) => {
            look(Level::ToolResult, &result.extensions);
            result.content.iter().for_each(|block| each_of_block(block, look));
        }
        ContentBlock::Other(_) => {}
    }
}

fn reserved(level: Level, key: &str, value: &Value) -> Option<Reserved> {
    let name = name(level, key)?;
    let left_out = level == Level::Tool && value.is_null() && OPTIONAL.contains(&name);
    (!left_out).then(|| Reserved { level, key: key.to_owned(), name })
}

/// Whether this key of an extension would set what an adapter writes at this level.
pub fn is_reserved(level: Level, key: &str) -> bool {
    name(level, key).is_some()
}

/// The name that this key would set, if an adapter writes it. A key of another vendor than those of the formats goes
/// nowhere; one without a vendor is taken as meant for all.
fn name(level: Level, key: &str) -> Option<&'static str> {
    let mut parts = key.split('.').map(bare).filter(|part| !part.is_empty()).peekable();
    let has_vendor = key.contains('.');
    let is_ours = |part: &String| VENDORS.contains(&part.as_str());
    if has_vendor && !parts.peek().is_some_and(is_ours) {
        return None;
    }
    // A server may read a dotted name as a path.
    let first = parts.find(|part| !is_ours(part))?;
    let (names, field) = match (parts.next(), level.names_inside(&first)) {
        (Some(field), Some(names)) => (names, field),
        _ => (level.names(), first),
    };
    names.iter().find(|name| bare(name) == field).copied()
}

/// A name as the most lenient of servers reads it: Go's JSON takes no notice of case, in all of Unicode, and that of
/// protocol buffers takes `maxTokens` for `max_tokens`.
fn bare(name: &str) -> String {
    let folded = name.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase);
    folded.filter(|character| character.is_alphanumeric()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(request: Value) -> Option<String> {
        let mut whole = json!({"messages": []});
        whole.as_object_mut().unwrap().extend(request.as_object().unwrap().clone());
        check(&serde_json::from_value(whole).unwrap()).err().map(|reserved| reserved.key)
    }

    #[test]
    fn what_an_adapter_writes_is_found_wherever_it_stands() {
        let text = |extensions: Value| json!({"type": "text", "text": "a", "extensions": extensions});
        let said = |block: Value| json!({"messages": [{"role": "user", "content": [block]}]});
        let result = |block: Value| {
            let result = json!({"type": "tool_result", "tool_use_id": "t", "content": [block]});
            json!({"messages": [{"role": "tool", "content": [result]}]})
        };
        for (key, request) in [
            ("openai.model", json!({"extensions": {"openai.model": "o1-pro"}})),
            ("anthropic.system", json!({"options": {"extensions": {"a.b": 1, "anthropic.system": "x"}}})),
            ("openai.stream", json!({"options": {"extensions": {"openai.stream": null}}})),
            ("openai.function", json!({"tools": [{"name": "a", "extensions": {"openai.function": {}}}]})),
            ("openai.role", json!({"messages": [{"role": "user", "content": "", "extensions": {"openai.role": 1}}]})),
            ("anthropic.type", said(text(json!({"anthropic.type": "image"})))),
            ("anthropic.content", said(text(json!({"anthropic.content": []})))),
            ("openai.text", result(text(json!({"openai.text": "b"})))),
        ] {
            assert_eq!(found(request).as_deref(), Some(key));
        }
    }

    #[test]
    fn however_it_is_written() {
        for key in [
            "model",
            "openai.model",
            "anthropic.model",
            "OpenAI.Model",
            "openai.MODEL",
            "openai..model",
            "openai.model.",
            "openai.model.name",
            "openai.openai.model",
            " openai . model ",
            "openai.mo_del",
            "openai.maxTokens",
            "openai.max-tokens",
            "openai.me\u{17f}\u{17f}ages",
            "openai.to\u{200b}ols",
            "openai.model\0",
        ] {
            assert!(name(Level::Body, key).is_some(), "{key:?}");
        }
    }

    #[test]
    fn what_only_one_provider_knows_stays_free() {
        for key in
            ["openai.reasoning_effort", "anthropic.thinking", "openai.user", "other.model", "trace.id", "openai", ""]
        {
            assert_eq!(name(Level::Body, key), None, "{key:?}");
        }
        assert_eq!(name(Level::ToolUse, "openai.function.note"), None);
        assert_eq!(name(Level::ToolUse, "openai.function.Arguments"), Some("arguments"));
        assert_eq!(name(Level::ToolUse, "openai.function"), Some("function"));
        assert_eq!(name(Level::Text, "anthropic.cache_control"), None);
        assert_eq!(name(Level::Message, "openai.name"), None);
        let search = json!({"anthropic.type": "web_search_20250305", "anthropic.input_schema": null});
        assert_eq!(found(json!({"tools": [{"name": "web_search", "extensions": search}]})), None);
        let schema = json!({"anthropic.input_schema": {"type": "object"}});
        assert!(found(json!({"tools": [{"name": "web_search", "extensions": schema}]})).is_some());
    }
}
