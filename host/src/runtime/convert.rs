//! The types of the library and those of the WIT, each made of the other.
//!
//! A conversation is converted only where a module reads it or writes one of its own; forwarding converts nothing.

use std::time::Duration;

use serde_json::Value;

use super::bindings::arcllm::llm::types as wit;
use crate::{
    error::{ApiError, ErrorKind, Failure},
    message::{ContentBlock, Extensions, Image, ImageSource, Message, Role, Text, Thinking, ToolCall, ToolResult},
    request::{Options, Request, Tool, ToolChoice},
    response::{Response, StopReason, Usage},
    trail::{Attempt, Outcome},
};

/// Nanoseconds, as in the WIT; saturates after 584 years.
pub(crate) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// JSON from a module that may be none: kept as text then.
fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

fn extensions_out(extensions: &Extensions) -> wit::Extensions {
    extensions.iter().map(|(key, value)| (key.clone(), value.to_string())).collect()
}

fn extensions_in(extensions: wit::Extensions) -> Extensions {
    extensions.into_iter().map(|(key, value)| (key, json(&value))).collect()
}

pub(crate) fn request_out(request: &Request) -> wit::RequestParts {
    wit::RequestParts {
        messages: request.messages.iter().map(message_out).collect(),
        tools: request.tools.iter().map(tool_out).collect(),
        options: options_out(&request.options),
        extensions: extensions_out(&request.extensions),
    }
}

/// What a module made of a request. The deadline is the invoke's and stays.
pub(crate) fn request_in(parts: wit::RequestParts) -> Request {
    Request {
        messages: parts.messages.into_iter().map(message_in).collect(),
        tools: parts.tools.into_iter().map(tool_in).collect(),
        options: options_in(parts.options),
        extensions: extensions_in(parts.extensions),
    }
}

fn message_out(message: &Message) -> wit::Message {
    let role = match &message.role {
        Role::System => wit::Role::System,
        Role::User => wit::Role::User,
        Role::Assistant => wit::Role::Assistant,
        Role::Tool => wit::Role::Tool,
        Role::Other(word) => wit::Role::Other(word.clone()),
    };
    wit::Message { role, content: blocks_out(&message.content), extensions: extensions_out(&message.extensions) }
}

fn message_in(message: wit::Message) -> Message {
    let role = match message.role {
        wit::Role::System => Role::System,
        wit::Role::User => Role::User,
        wit::Role::Assistant => Role::Assistant,
        wit::Role::Tool => Role::Tool,
        wit::Role::Other(word) => Role::Other(word),
    };
    Message { role, content: blocks_in(message.content), extensions: extensions_in(message.extensions) }
}

fn blocks_out(blocks: &[ContentBlock]) -> Vec<wit::ContentBlock> {
    let block = |block: &ContentBlock| match block {
        ContentBlock::Text(text) => wit::ContentBlock::Text(text_out(text)),
        ContentBlock::Image(image) => wit::ContentBlock::Image(image_out(image)),
        ContentBlock::ToolUse(call) => wit::ContentBlock::ToolUse(wit::ToolCall {
            id: call.id.clone(),
            name: call.name.clone(),
            arguments: Value::Object(call.arguments.clone()).to_string(),
            extensions: extensions_out(&call.extensions),
        }),
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

fn blocks_in(blocks: Vec<wit::ContentBlock>) -> Vec<ContentBlock> {
    let block = |block| match block {
        wit::ContentBlock::Text(text) => ContentBlock::Text(text_in(text)),
        wit::ContentBlock::Image(image) => ContentBlock::Image(image_in(image)),
        wit::ContentBlock::ToolUse(call) => ContentBlock::ToolUse(tool_call_in(call)),
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

/// Arguments that are no JSON object are kept under the one name `arguments`, so that nothing is lost.
fn tool_call_in(call: wit::ToolCall) -> ToolCall {
    let arguments = match json(&call.arguments) {
        Value::Object(arguments) => arguments,
        other => serde_json::Map::from_iter([("arguments".to_owned(), other)]),
    };
    ToolCall { id: call.id, name: call.name, arguments, extensions: extensions_in(call.extensions) }
}

/// A tool's result holds one level of blocks; any other than text and images travels as JSON.
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

fn tool_out(tool: &Tool) -> wit::Tool {
    wit::Tool {
        name: tool.name.clone(),
        description: tool.description.clone(),
        parameters: tool.parameters.to_string(),
        extensions: extensions_out(&tool.extensions),
    }
}

fn tool_in(tool: wit::Tool) -> Tool {
    Tool {
        name: tool.name,
        description: tool.description,
        parameters: json(&tool.parameters),
        extensions: extensions_in(tool.extensions),
    }
}

fn options_out(options: &Options) -> wit::Options {
    let tool_choice = options.tool_choice.as_ref().map(|choice| match choice {
        ToolChoice::Auto => wit::ToolChoice::Auto,
        ToolChoice::Required => wit::ToolChoice::Required,
        ToolChoice::None => wit::ToolChoice::None,
        ToolChoice::Tool(name) => wit::ToolChoice::Tool(name.clone()),
        ToolChoice::Other(value) => wit::ToolChoice::Other(value.to_string()),
    });
    wit::Options {
        max_tokens: options.max_tokens,
        temperature: options.temperature,
        top_p: options.top_p,
        stop: options.stop.clone(),
        tool_choice,
        seed: options.seed,
        metadata: options.metadata.clone().into_iter().collect(),
        extensions: extensions_out(&options.extensions),
    }
}

fn options_in(options: wit::Options) -> Options {
    let tool_choice = options.tool_choice.map(|choice| match choice {
        wit::ToolChoice::Auto => ToolChoice::Auto,
        wit::ToolChoice::Required => ToolChoice::Required,
        wit::ToolChoice::None => ToolChoice::None,
        wit::ToolChoice::Tool(name) => ToolChoice::Tool(name),
        wit::ToolChoice::Other(text) => ToolChoice::Other(json(&text)),
    });
    Options {
        max_tokens: options.max_tokens,
        temperature: options.temperature,
        top_p: options.top_p,
        stop: options.stop,
        tool_choice,
        seed: options.seed,
        deadline: None,
        metadata: options.metadata.into_iter().collect(),
        extensions: extensions_in(options.extensions),
    }
}

pub(crate) fn usage_out(usage: &Usage) -> wit::Usage {
    wit::Usage {
        input_tokens: usage.input_tokens,
        output_tokens: usage.output_tokens,
        total_tokens: usage.total_tokens,
        cache_read_tokens: usage.cache_read_tokens,
        cache_write_tokens: usage.cache_write_tokens,
        reasoning_tokens: usage.reasoning_tokens,
        extensions: extensions_out(&usage.extensions),
    }
}

pub(crate) fn response_out(response: &Response) -> wit::ResponseParts {
    let stop_reason = match &response.stop_reason {
        StopReason::EndTurn => wit::StopReason::EndTurn,
        StopReason::MaxTokens => wit::StopReason::MaxTokens,
        StopReason::StopSequence => wit::StopReason::StopSequence,
        StopReason::ToolUse => wit::StopReason::ToolUse,
        StopReason::Refusal => wit::StopReason::Refusal,
        StopReason::PauseTurn => wit::StopReason::PauseTurn,
        StopReason::ContentFilter => wit::StopReason::ContentFilter,
        StopReason::Other(word) => wit::StopReason::Other(word.clone()),
    };
    wit::ResponseParts {
        content: blocks_out(&response.content),
        usage: usage_out(&response.usage),
        stop_reason,
        model: response.model.clone(),
        provider: response.provider.clone(),
        extensions: extensions_out(&response.extensions),
    }
}

/// What a module made of a response, or an answer of its own.
pub(crate) fn response_in(parts: wit::ResponseParts, request_id: Option<String>) -> Response {
    let stop_reason = match parts.stop_reason {
        wit::StopReason::EndTurn => StopReason::EndTurn,
        wit::StopReason::MaxTokens => StopReason::MaxTokens,
        wit::StopReason::StopSequence => StopReason::StopSequence,
        wit::StopReason::ToolUse => StopReason::ToolUse,
        wit::StopReason::Refusal => StopReason::Refusal,
        wit::StopReason::PauseTurn => StopReason::PauseTurn,
        wit::StopReason::ContentFilter => StopReason::ContentFilter,
        wit::StopReason::Other(word) => StopReason::Other(word),
    };
    let usage = parts.usage;
    Response {
        content: blocks_in(parts.content),
        usage: Usage {
            input_tokens: usage.input_tokens,
            output_tokens: usage.output_tokens,
            total_tokens: usage.total_tokens,
            cache_read_tokens: usage.cache_read_tokens,
            cache_write_tokens: usage.cache_write_tokens,
            reasoning_tokens: usage.reasoning_tokens,
            extensions: extensions_in(usage.extensions),
        },
        stop_reason,
        model: parts.model,
        provider: parts.provider,
        request_id,
        trail: Vec::new(),
        extensions: extensions_in(parts.extensions),
    }
}

pub(crate) fn attempt_out(attempt: &Attempt) -> wit::Attempt {
    let outcome = match attempt.outcome {
        Outcome::Ok => wit::Outcome::Ok,
        Outcome::Api => wit::Outcome::Api(attempt.status.unwrap_or_default()),
        Outcome::Connection => wit::Outcome::Connection,
        Outcome::Timeout => wit::Outcome::Timeout,
        Outcome::Parse => wit::Outcome::Parse,
        Outcome::Cancelled => wit::Outcome::Cancelled,
        Outcome::DeadlineExceeded => wit::Outcome::DeadlineExceeded,
    };
    wit::Attempt {
        provider: attempt.provider.clone(),
        model: attempt.model.clone(),
        asked_by: attempt.asked_by.clone().unwrap_or_default(),
        started_after: nanoseconds(attempt.started_after),
        took: nanoseconds(attempt.took),
        waited: nanoseconds(attempt.waited),
        waited_by: attempt.waited_by.clone().unwrap_or_default(),
        outcome,
        retry_after: attempt.retry_after.map(nanoseconds),
        should_retry: attempt.should_retry,
        extensions: Vec::new(),
    }
}

fn failure_out(failure: Failure) -> wit::Failure {
    let extensions = extensions_out(&failure.extensions);
    wit::Failure { message: failure.message, provider: failure.provider, extensions }
}

fn failure_in(failure: wit::Failure) -> Failure {
    Failure {
        message: failure.message,
        provider: failure.provider,
        extensions: extensions_in(failure.extensions),
    }
}

pub(crate) fn error_out(error: ErrorKind) -> wit::Error {
    match error {
        ErrorKind::Api(api) => wit::Error::Api(wit::ApiError {
            status: api.status,
            message: api.message,
            provider: api.provider,
            model: api.model,
            request_id: api.request_id,
            retry_after: api.retry_after.map(nanoseconds),
            should_retry: api.should_retry,
            extensions: extensions_out(&api.extensions),
        }),
        ErrorKind::Connection(failure) => wit::Error::Connection(failure_out(failure)),
        ErrorKind::Timeout(failure) => wit::Error::Timeout(failure_out(failure)),
        ErrorKind::Parse(failure) => wit::Error::Parse(failure_out(failure)),
        ErrorKind::Config(failure) => wit::Error::Config(failure_out(failure)),
        ErrorKind::Module(failure) => wit::Error::Module(failure_out(failure)),
        ErrorKind::Cancelled => wit::Error::Cancelled,
        ErrorKind::DeadlineExceeded => wit::Error::DeadlineExceeded,
        ErrorKind::Other(failure) => wit::Error::Other(failure_out(failure)),
    }
}

pub(crate) fn error_in(error: wit::Error) -> ErrorKind {
    match error {
        wit::Error::Api(api) => ErrorKind::Api(ApiError {
            status: api.status,
            message: api.message,
            provider: api.provider,
            model: api.model,
            request_id: api.request_id,
            retry_after: api.retry_after.map(Duration::from_nanos),
            should_retry: api.should_retry,
            extensions: extensions_in(api.extensions),
        }),
        wit::Error::Connection(failure) => ErrorKind::Connection(failure_in(failure)),
        wit::Error::Timeout(failure) => ErrorKind::Timeout(failure_in(failure)),
        wit::Error::Parse(failure) => ErrorKind::Parse(failure_in(failure)),
        wit::Error::Config(failure) => ErrorKind::Config(failure_in(failure)),
        wit::Error::Module(failure) => ErrorKind::Module(failure_in(failure)),
        wit::Error::Cancelled => ErrorKind::Cancelled,
        wit::Error::DeadlineExceeded => ErrorKind::DeadlineExceeded,
        wit::Error::Other(failure) => ErrorKind::Other(failure_in(failure)),
    }
}
