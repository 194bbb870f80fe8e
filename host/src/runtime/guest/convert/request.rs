//! Requests.

use crate::{
    chat::{
        message::{Message, Role},
        request::{Options, Request, Tool, ToolChoice},
    },
    runtime::guest::{
        bindings::arcllm::llm::types as wit,
        convert::{
            content::{blocks_in, blocks_out},
            json::{extensions_in, extensions_out, json},
        },
    },
};

pub(crate) fn request_out(request: &Request) -> wit::RequestParts {
    wit::RequestParts {
        messages: request.messages.iter().map(message_out).collect(),
        tools: request.tools.iter().map(tool_out).collect(),
        options: options_out(&request.options),
        extensions: extensions_out(&request.extensions),
    }
}

/// Converts a request that a module made. It keeps the deadline of the invoke.
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

pub(crate) fn message_in(message: wit::Message) -> Message {
    let role = match message.role {
        wit::Role::System => Role::System,
        wit::Role::User => Role::User,
        wit::Role::Assistant => Role::Assistant,
        wit::Role::Tool => Role::Tool,
        wit::Role::Other(word) => Role::Other(word),
    };
    Message { role, content: blocks_in(message.content), extensions: extensions_in(message.extensions) }
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
        traceparent: None,
        metadata: options.metadata.into_iter().collect(),
        extensions: extensions_in(options.extensions),
    }
}
