//! Blocks of content.

use serde_json::Value;

use crate::{
    chat::content::{ContentBlock, Image, ImageSource, Text, Thinking, ToolCall, ToolResult},
    runtime::guest::{
        bindings::arcllm::llm::types as wit,
        convert::json::{extensions_in, extensions_out, json},
    },
};

pub(crate) fn blocks_out(blocks: &[ContentBlock]) -> Vec<wit::ContentBlock> {
    let block = |block: &ContentBlock| match block {
        ContentBlock::Text(text) => wit::ContentBlock::Text(text_out(text)),
        ContentBlock::Image(image) => wit::ContentBlock::Image(image_out(image)),
        ContentBlock::ToolUse(call) => wit::ContentBlock::ToolUse(call_out(call)),
        ContentBlock::ToolResult(result) => wit::ContentBlock::ToolResult(wit::ToolResult {
            tool_use_id: result.tool_use_id.clone(),
            content: result.content.iter().map(tool_result_block_out).collect(),
            is_error: result.is_error,
            extensions: extensions_out(&result.extensions),
        }),
        ContentBlock::Thinking(thinking) => wit::ContentBlock::Thinking(wit::Thinking {
            text: thinking.text.clone(),
            signature: thinking.signature.clone(),
            redacted: thinking.redacted.clone(),
            extensions: extensions_out(&thinking.extensions),
        }),
        ContentBlock::Other(value) => wit::ContentBlock::Other(value.to_string()),
    };
    blocks.iter().map(block).collect()
}

pub(crate) fn blocks_in(blocks: Vec<wit::ContentBlock>) -> Vec<ContentBlock> {
    let block = |block| match block {
        wit::ContentBlock::Text(text) => ContentBlock::Text(text_in(text)),
        wit::ContentBlock::Image(image) => ContentBlock::Image(image_in(image)),
        wit::ContentBlock::ToolUse(call) => ContentBlock::ToolUse(call_in(call)),
        wit::ContentBlock::ToolResult(result) => ContentBlock::ToolResult(ToolResult {
            tool_use_id: result.tool_use_id,
            content: result.content.into_iter().map(tool_result_block_in).collect(),
            is_error: result.is_error,
            extensions: extensions_in(result.extensions),
        }),
        wit::ContentBlock::Thinking(thinking) => ContentBlock::Thinking(Thinking {
            text: thinking.text,
            signature: thinking.signature,
            redacted: thinking.redacted,
            extensions: extensions_in(thinking.extensions),
        }),
        wit::ContentBlock::Other(text) => ContentBlock::Other(json(&text)),
    };
    blocks.into_iter().map(block).collect()
}

fn text_out(text: &Text) -> wit::Text {
    wit::Text { text: text.text.clone(), extensions: extensions_out(&text.extensions) }
}

fn text_in(text: wit::Text) -> Text {
    Text { text: text.text, extensions: extensions_in(text.extensions) }
}

fn image_out(image: &Image) -> wit::Image {
    let source = match &image.source {
        ImageSource::Data(bytes) => wit::ImageSource::Data(bytes.clone()),
        ImageSource::Url(url) => wit::ImageSource::Url(url.clone()),
        ImageSource::Other(value) => wit::ImageSource::Other(value.to_string()),
    };
    wit::Image { media_type: image.media_type.clone(), source, extensions: extensions_out(&image.extensions) }
}

fn image_in(image: wit::Image) -> Image {
    let source = match image.source {
        wit::ImageSource::Data(bytes) => ImageSource::Data(bytes),
        wit::ImageSource::Url(url) => ImageSource::Url(url),
        wit::ImageSource::Other(text) => ImageSource::Other(json(&text)),
    };
    Image { media_type: image.media_type, source, extensions: extensions_in(image.extensions) }
}

pub(crate) fn call_out(call: &ToolCall) -> wit::ToolCall {
    wit::ToolCall {
        id: call.id.clone(),
        name: call.name.clone(),
        arguments: Value::Object(call.arguments.clone()).to_string(),
        extensions: extensions_out(&call.extensions),
    }
}

/// Arguments that are not a JSON object are kept under the name `arguments`.
pub(crate) fn call_in(call: wit::ToolCall) -> ToolCall {
    let arguments = match json(&call.arguments) {
        Value::Object(arguments) => arguments,
        other => serde_json::Map::from_iter([("arguments".to_owned(), other)]),
    };
    ToolCall { id: call.id, name: call.name, arguments, extensions: extensions_in(call.extensions) }
}

/// A tool's result has one level of blocks. Blocks other than text and images travel as JSON.
fn tool_result_block_out(block: &ContentBlock) -> wit::ToolResultBlock {
    match block {
        ContentBlock::Text(text) => wit::ToolResultBlock::Text(text_out(text)),
        ContentBlock::Image(image) => wit::ToolResultBlock::Image(image_out(image)),
        other @ (ContentBlock::ToolUse(_)
        | ContentBlock::ToolResult(_)
        | ContentBlock::Thinking(_)
        | ContentBlock::Other(_)) => wit::ToolResultBlock::Other(serde_json::to_string(other).unwrap_or_default()),
    }
}

fn tool_result_block_in(block: wit::ToolResultBlock) -> ContentBlock {
    match block {
        wit::ToolResultBlock::Text(text) => ContentBlock::Text(text_in(text)),
        wit::ToolResultBlock::Image(image) => ContentBlock::Image(image_in(image)),
        wit::ToolResultBlock::Other(text) => {
            let value = json(&text);
            serde_json::from_value(value.clone()).unwrap_or(ContentBlock::Other(value))
        }
    }
}
