//! Estimates how many bytes of a request or an answer a guest copies when it reads it.

use serde_json::Value;

use crate::chat::{
    content::{ContentBlock, Image, ImageSource},
    request::{Request, ToolChoice},
    response::Response,
};

/// For each item besides its content: its place in a list, the lengths of its parts, and the allocator's overhead.
const EACH: usize = 128;

/// The bytes of this request.
pub(crate) fn size_of_request(request: &Request) -> usize {
    let Request { messages, tools, options, extensions } = request;
    let messages = messages.iter().map(|message| EACH + blocks(&message.content) + all(&message.extensions));
    let tools = tools
        .iter()
        .map(|tool| EACH + tool.name.len() + tool.description.len() + json(&tool.parameters) + all(&tool.extensions));
    let choice = match &options.tool_choice {
        Some(ToolChoice::Tool(name)) => name.len(),
        Some(ToolChoice::Other(value)) => json(value),
        Some(ToolChoice::Auto | ToolChoice::Required | ToolChoice::None) | None => 0,
    };
    let texts = options.stop.iter().map(|text| EACH + text.len());
    let pairs = options.metadata.iter().map(|(name, value)| EACH + name.len() + value.len());
    messages.chain(tools).chain(texts).chain(pairs).sum::<usize>() + choice + all(&options.extensions) + all(extensions)
}

/// The bytes of this answer.
pub(crate) fn size_of_response(response: &Response) -> usize {
    EACH + blocks(&response.content) + all(&response.usage.extensions) + all(&response.extensions)
}

fn blocks(blocks: &[ContentBlock]) -> usize {
    let block = |block: &ContentBlock| match block {
        ContentBlock::Text(text) => text.text.len() + all(&text.extensions),
        ContentBlock::Image(image) => self::image(image),
        ContentBlock::ToolUse(call) => call.id.len() + call.name.len() + all(&call.arguments) + all(&call.extensions),
        ContentBlock::ToolResult(result) => {
            result.tool_use_id.len() + self::blocks(&result.content) + all(&result.extensions)
        }
        ContentBlock::Thinking(thinking) => {
            let hidden = [&thinking.signature, &thinking.redacted].into_iter().flatten().map(String::len);
            thinking.text.len() + hidden.sum::<usize>() + all(&thinking.extensions)
        }
        ContentBlock::Other(value) => json(value),
    };
    blocks.iter().map(|one| EACH + block(one)).sum()
}

fn image(image: &Image) -> usize {
    let source = match &image.source {
        ImageSource::Data(bytes) => bytes.len(),
        ImageSource::Url(url) => url.len(),
        ImageSource::Other(value) => json(value),
    };
    image.media_type.len() + source + all(&image.extensions)
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
