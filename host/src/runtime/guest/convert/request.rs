//! Requests.

use crate::{
    chat::{
        message::{Message, Role},
        options::{JsonSchema, Options, OutputFormat, Reasoning},
        original::KeptOriginal,
        request::Request,
        tool::{FunctionTool, Tool, ToolChoice},
    },
    runtime::guest::{
        bindings::arcllm::llm::types as wit,
        convert::{
            content::{blocks_in, blocks_out, mark_in, mark_out},
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
        original: KeptOriginal::default(),
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
    match tool {
        Tool::Function(tool) => wit::Tool::Function(wit::FunctionTool {
            name: tool.name.clone(),
            description: tool.description.clone(),
            parameters: tool.parameters.to_string(),
            strict: tool.strict,
            cache: mark_out(&tool.cache),
            extensions: extensions_out(&tool.extensions),
        }),
        Tool::Other(value) => wit::Tool::Other(value.to_string()),
    }
}

fn tool_in(tool: wit::Tool) -> Tool {
    match tool {
        wit::Tool::Function(tool) => Tool::Function(FunctionTool {
            name: tool.name,
            description: tool.description,
            parameters: json(&tool.parameters),
            strict: tool.strict,
            cache: mark_in(tool.cache),
            extensions: extensions_in(tool.extensions),
        }),
        wit::Tool::Other(text) => Tool::Other(json(&text)),
    }
}

pub(crate) fn options_out(options: &Options) -> wit::Options {
    let tool_choice = options.tool_choice.as_ref().map(|choice| match choice {
        ToolChoice::Auto => wit::ToolChoice::Auto,
        ToolChoice::Required => wit::ToolChoice::Required,
        ToolChoice::None => wit::ToolChoice::None,
        ToolChoice::Tool(name) => wit::ToolChoice::Tool(name.clone()),
        ToolChoice::Other(value) => wit::ToolChoice::Other(value.to_string()),
    });
    let output = options.output.as_ref().map(|output| match output {
        OutputFormat::Text => wit::OutputFormat::Text,
        OutputFormat::Json => wit::OutputFormat::Json,
        OutputFormat::JsonSchema(schema) => wit::OutputFormat::JsonSchema(schema_out(schema)),
        OutputFormat::Other(value) => wit::OutputFormat::Other(value.to_string()),
    });
    let reasoning = options.reasoning.as_ref().map(|reasoning| match reasoning {
        Reasoning::Off => wit::Reasoning::Off,
        Reasoning::Auto => wit::Reasoning::Auto,
        Reasoning::Effort(word) => wit::Reasoning::Effort(word.clone()),
        Reasoning::Budget(tokens) => wit::Reasoning::Budget(*tokens),
        Reasoning::Other(value) => wit::Reasoning::Other(value.to_string()),
    });
    wit::Options {
        max_tokens: options.max_tokens,
        temperature: options.temperature,
        top_p: options.top_p,
        top_k: options.top_k,
        stop: options.stop.clone(),
        tool_choice,
        parallel_tool_calls: options.parallel_tool_calls,
        seed: options.seed,
        output,
        reasoning,
        user: options.user.clone(),
        labels: options.labels.clone().into_iter().collect(),
        metadata: options.metadata.clone().into_iter().collect(),
        extensions: extensions_out(&options.extensions),
    }
}

fn schema_out(schema: &JsonSchema) -> wit::JsonSchema {
    wit::JsonSchema {
        name: schema.name.clone(),
        description: schema.description.clone(),
        schema: schema.schema.to_string(),
        strict: schema.strict,
        extensions: extensions_out(&schema.extensions),
    }
}

/// Converts options that a module made. They have no deadline: the invoke keeps its own.
pub(crate) fn options_in(options: wit::Options) -> Options {
    let tool_choice = options.tool_choice.map(|choice| match choice {
        wit::ToolChoice::Auto => ToolChoice::Auto,
        wit::ToolChoice::Required => ToolChoice::Required,
        wit::ToolChoice::None => ToolChoice::None,
        wit::ToolChoice::Tool(name) => ToolChoice::Tool(name),
        wit::ToolChoice::Other(text) => ToolChoice::Other(json(&text)),
    });
    let output = options.output.map(|output| match output {
        wit::OutputFormat::Text => OutputFormat::Text,
        wit::OutputFormat::Json => OutputFormat::Json,
        wit::OutputFormat::JsonSchema(schema) => OutputFormat::JsonSchema(schema_in(schema)),
        wit::OutputFormat::Other(text) => OutputFormat::Other(json(&text)),
    });
    let reasoning = options.reasoning.map(|reasoning| match reasoning {
        wit::Reasoning::Off => Reasoning::Off,
        wit::Reasoning::Auto => Reasoning::Auto,
        wit::Reasoning::Effort(word) => Reasoning::Effort(word),
        wit::Reasoning::Budget(tokens) => Reasoning::Budget(tokens),
        wit::Reasoning::Other(text) => Reasoning::Other(json(&text)),
    });
    Options {
        max_tokens: options.max_tokens,
        temperature: options.temperature,
        top_p: options.top_p,
        top_k: options.top_k,
        stop: options.stop,
        tool_choice,
        parallel_tool_calls: options.parallel_tool_calls,
        seed: options.seed,
        output,
        reasoning,
        user: options.user,
        deadline: None,
        traceparent: None,
        labels: options.labels.into_iter().collect(),
        metadata: options.metadata.into_iter().collect(),
        extensions: extensions_in(options.extensions),
    }
}

fn schema_in(schema: wit::JsonSchema) -> JsonSchema {
    JsonSchema {
        name: schema.name,
        description: schema.description,
        schema: json(&schema.schema),
        strict: schema.strict,
        extensions: extensions_in(schema.extensions),
    }
}
