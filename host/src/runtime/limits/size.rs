//! Estimates how many bytes of a request or an answer a guest copies when it reads it.

use serde_json::Value;

use crate::chat::{
    cache_mark::CacheMark,
    content::{ContentBlock, Media, MediaSource},
    options::{Options, OutputFormat, Reasoning},
    request::Request,
    response::Response,
    tool::{Tool, ToolChoice},
};

/// For each item besides its content: its place in a list, the lengths of its parts, and the allocator's overhead.
const EACH: usize = 128;

/// The bytes of this request.
pub(crate) fn size_of_request(request: &Request) -> usize {
    let Request { messages, tools, options, extensions, original: _ } = request;
    let messages = messages.iter().map(|message| EACH + blocks(&message.content) + all(&message.extensions));
    let tools = tools.iter().map(tool);
    messages.chain(tools).sum::<usize>() + self::options(options) + all(extensions)
}

/// The bytes of these options.
fn options(options: &Options) -> usize {
    let choice = match &options.tool_choice {
        Some(ToolChoice::Tool(name)) => name.len(),
        Some(ToolChoice::Other(value)) => json(value),
        Some(ToolChoice::Auto | ToolChoice::Required | ToolChoice::None) | None => 0,
    };
    let texts = options.stop.iter().map(|text| EACH + text.len());
    let pairs = options.labels.iter().chain(&options.metadata);
    let pairs = pairs.map(|(name, value)| EACH + name.len() + value.len());
    let output = match &options.output {
        Some(OutputFormat::JsonSchema(schema)) => {
            schema.name.len() + schema.description.len() + json(&schema.schema) + all(&schema.extensions)
        }
        Some(OutputFormat::Other(value)) => json(value),
        Some(OutputFormat::Text | OutputFormat::Json) | None => 0,
    };
    let reasoning = match &options.reasoning {
        Some(Reasoning::Effort(word)) => word.len(),
        Some(Reasoning::Other(value)) => json(value),
        Some(Reasoning::Off | Reasoning::Auto | Reasoning::Budget(_)) | None => 0,
    };
    let user = options.user.as_ref().map_or(0, String::len);
    EACH + texts.chain(pairs).sum::<usize>() + choice + output + reasoning + user + all(&options.extensions)
}

fn tool(tool: &Tool) -> usize {
    EACH + match tool {
        Tool::Function(tool) => {
            let texts = tool.name.len() + tool.description.len();
            texts + json(&tool.parameters) + mark(&tool.cache) + all(&tool.extensions)
        }
        Tool::Other(value) => json(value),
    }
}

fn mark(cache: &Option<CacheMark>) -> usize {
    cache.as_ref().map_or(0, |mark| EACH + all(&mark.extensions))
}

/// The bytes of this answer.
pub(crate) fn size_of_response(response: &Response) -> usize {
    EACH + blocks(&response.content) + all(&response.usage.extensions) + all(&response.extensions)
}

fn blocks(blocks: &[ContentBlock]) -> usize {
    let block = |block: &ContentBlock| match block {
        ContentBlock::Text(text) => text.text.len() + mark(&text.cache) + all(&text.extensions),
        ContentBlock::Image(media) | ContentBlock::Document(media) | ContentBlock::Audio(media) => self::media(media),
        ContentBlock::ToolUse(call) => {
            call.id.len() + call.name.len() + all(&call.arguments) + mark(&call.cache) + all(&call.extensions)
        }
        ContentBlock::ToolResult(result) => {
            result.tool_use_id.len() + self::blocks(&result.content) + mark(&result.cache) + all(&result.extensions)
        }
        ContentBlock::Thinking(thinking) => {
            let hidden =
                [&thinking.signature, &thinking.redacted, &thinking.provider].into_iter().flatten().map(String::len);
            thinking.text.len() + hidden.sum::<usize>() + all(&thinking.extensions)
        }
        ContentBlock::Other(value) => json(value),
    };
    blocks.iter().map(|one| EACH + block(one)).sum()
}

fn media(media: &Media) -> usize {
    let source = match &media.source {
        MediaSource::Data(bytes) => bytes.len(),
        MediaSource::Url(text) | MediaSource::File(text) => text.len(),
        MediaSource::Other(value) => json(value),
    };
    media.media_type.len() + media.name.len() + source + mark(&media.cache) + all(&media.extensions)
}

fn all<'a>(extensions: impl IntoIterator<Item = (&'a String, &'a Value)>) -> usize {
    extensions.into_iter().map(|(key, value)| EACH + key.len() + json(value)).sum()
}

/// A guest gets JSON as text.
fn json(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 6,
        Value::Number(_) => 24,
        Value::String(text) => text.len().saturating_add(4),
        Value::Array(items) => items.iter().map(json).sum::<usize>().saturating_add(2),
        Value::Object(items) => items.iter().map(|(key, value)| key.len() + 5 + json(value)).sum::<usize>() + 2,
    }
}
