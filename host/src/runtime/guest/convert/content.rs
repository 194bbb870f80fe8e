//! Blocks of content.

use std::time::Duration;

use serde_json::Value;

use crate::{
    chat::{
        cache_mark::CacheMark,
        content::{ContentBlock, Media, MediaSource, Text, Thinking, ToolCall, ToolResult},
        seconds::nanoseconds,
    },
    runtime::guest::{
        bindings::arcllm::llm::types as wit,
        convert::json::{extensions_in, extensions_out, json},
    },
};

pub(crate) fn blocks_out(blocks: &[ContentBlock]) -> Vec<wit::ContentBlock> {
    let block = |block: &ContentBlock| match block {
        ContentBlock::Text(text) => wit::ContentBlock::Text(text_out(text)),
        ContentBlock::Image(media) => wit::ContentBlock::Image(media_out(media)),
        ContentBlock::Document(media) => wit::ContentBlock::Document(media_out(media)),
        ContentBlock::Audio(media) => wit::ContentBlock::Audio(media_out(media)),
        ContentBlock::ToolUse(call) => wit::ContentBlock::ToolUse(call_out(call)),
        ContentBlock::ToolResult(result) => wit::ContentBlock::ToolResult(wit::ToolResult {
            tool_use_id: result.tool_use_id.clone(),
            content: result.content.iter().map(tool_result_block_out).collect(),
            is_error: result.is_error,
            cache: mark_out(&result.cache),
            extensions: extensions_out(&result.extensions),
        }),
        ContentBlock::Thinking(thinking) => wit::ContentBlock::Thinking(wit::Thinking {
            text: thinking.text.clone(),
            signature: thinking.signature.clone(),
            redacted: thinking.redacted.clone(),
            provider: thinking.provider.clone(),
            extensions: extensions_out(&thinking.extensions),
        }),
        ContentBlock::Other(value) => wit::ContentBlock::Other(value.to_string()),
    };
    blocks.iter().map(block).collect()
}

pub(crate) fn blocks_in(blocks: Vec<wit::ContentBlock>) -> Vec<ContentBlock> {
    let block = |block| match block {
        wit::ContentBlock::Text(text) => ContentBlock::Text(text_in(text)),
        wit::ContentBlock::Image(media) => ContentBlock::Image(media_in(media)),
        wit::ContentBlock::Document(media) => ContentBlock::Document(media_in(media)),
        wit::ContentBlock::Audio(media) => ContentBlock::Audio(media_in(media)),
        wit::ContentBlock::ToolUse(call) => ContentBlock::ToolUse(call_in(call)),
        wit::ContentBlock::ToolResult(result) => ContentBlock::ToolResult(ToolResult {
            tool_use_id: result.tool_use_id,
            content: result.content.into_iter().map(tool_result_block_in).collect(),
            is_error: result.is_error,
            cache: mark_in(result.cache),
            extensions: extensions_in(result.extensions),
        }),
        wit::ContentBlock::Thinking(thinking) => ContentBlock::Thinking(Thinking {
            text: thinking.text,
            signature: thinking.signature,
            redacted: thinking.redacted,
            provider: thinking.provider,
            extensions: extensions_in(thinking.extensions),
        }),
        wit::ContentBlock::Other(text) => ContentBlock::Other(json(&text)),
    };
    blocks.into_iter().map(block).collect()
}

fn text_out(text: &Text) -> wit::Text {
    wit::Text { text: text.text.clone(), cache: mark_out(&text.cache), extensions: extensions_out(&text.extensions) }
}

fn text_in(text: wit::Text) -> Text {
    Text { text: text.text, cache: mark_in(text.cache), extensions: extensions_in(text.extensions) }
}

fn media_out(media: &Media) -> wit::Media {
    let source = match &media.source {
        MediaSource::Data(bytes) => wit::MediaSource::Data(bytes.clone()),
        MediaSource::Url(url) => wit::MediaSource::Url(url.clone()),
        MediaSource::File(file) => wit::MediaSource::File(file.clone()),
        MediaSource::Other(value) => wit::MediaSource::Other(value.to_string()),
    };
    wit::Media {
        media_type: media.media_type.clone(),
        source,
        name: media.name.clone(),
        cache: mark_out(&media.cache),
        extensions: extensions_out(&media.extensions),
    }
}

fn media_in(media: wit::Media) -> Media {
    let source = match media.source {
        wit::MediaSource::Data(bytes) => MediaSource::Data(bytes),
        wit::MediaSource::Url(url) => MediaSource::Url(url),
        wit::MediaSource::File(file) => MediaSource::File(file),
        wit::MediaSource::Other(text) => MediaSource::Other(json(&text)),
    };
    Media {
        media_type: media.media_type,
        source,
        name: media.name,
        cache: mark_in(media.cache),
        extensions: extensions_in(media.extensions),
    }
}

pub(crate) fn mark_out(cache: &Option<CacheMark>) -> Option<wit::CacheMark> {
    let mark = |mark: &CacheMark| wit::CacheMark {
        ttl: mark.ttl.map(nanoseconds),
        extensions: extensions_out(&mark.extensions),
    };
    cache.as_ref().map(mark)
}

pub(crate) fn mark_in(cache: Option<wit::CacheMark>) -> Option<CacheMark> {
    cache.map(|mark| CacheMark { ttl: mark.ttl.map(Duration::from_nanos), extensions: extensions_in(mark.extensions) })
}

pub(crate) fn call_out(call: &ToolCall) -> wit::ToolCall {
    wit::ToolCall {
        id: call.id.clone(),
        name: call.name.clone(),
        arguments: Value::Object(call.arguments.clone()).to_string(),
        cache: mark_out(&call.cache),
        extensions: extensions_out(&call.extensions),
    }
}

/// Arguments that are not a JSON object are kept under the name `arguments`.
pub(crate) fn call_in(call: wit::ToolCall) -> ToolCall {
    let arguments = match json(&call.arguments) {
        Value::Object(arguments) => arguments,
        other => serde_json::Map::from_iter([("arguments".to_owned(), other)]),
    };
    let (cache, extensions) = (mark_in(call.cache), extensions_in(call.extensions));
    ToolCall { id: call.id, name: call.name, arguments, cache, extensions }
}

/// A tool's result has one level of blocks. Blocks that it has no case for travel as JSON.
fn tool_result_block_out(block: &ContentBlock) -> wit::ToolResultBlock {
    match block {
        ContentBlock::Text(text) => wit::ToolResultBlock::Text(text_out(text)),
        ContentBlock::Image(media) => wit::ToolResultBlock::Image(media_out(media)),
        ContentBlock::Document(media) => wit::ToolResultBlock::Document(media_out(media)),
        ContentBlock::Audio(media) => wit::ToolResultBlock::Audio(media_out(media)),
        other @ (ContentBlock::ToolUse(_)
        | ContentBlock::ToolResult(_)
        | ContentBlock::Thinking(_)
        | ContentBlock::Other(_)) => wit::ToolResultBlock::Other(serde_json::to_string(other).unwrap_or_default()),
    }
}

fn tool_result_block_in(block: wit::ToolResultBlock) -> ContentBlock {
    match block {
        wit::ToolResultBlock::Text(text) => ContentBlock::Text(text_in(text)),
        wit::ToolResultBlock::Image(media) => ContentBlock::Image(media_in(media)),
        wit::ToolResultBlock::Document(media) => ContentBlock::Document(media_in(media)),
        wit::ToolResultBlock::Audio(media) => ContentBlock::Audio(media_in(media)),
        wit::ToolResultBlock::Other(text) => {
            let value = json(&text);
            serde_json::from_value(value.clone()).unwrap_or(ContentBlock::Other(value))
        }
    }
}
