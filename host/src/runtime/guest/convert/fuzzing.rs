//! Feeds values of any kind through the conversions, as a hostile module can. A converted value must survive the way
//! into a module and back.

use crate::{
    fuzzing::{input::Input, settings::is_written, stays},
    runtime::{
        guest::{
            bindings::arcllm::llm::{streams, types as wit},
            convert::{
                error::{error_in, error_out},
                event::{event_in, event_out},
                request::{request_in, request_out},
                response::{response_in, response_out},
            },
        },
        limits::weight::{weight_of_event, weight_of_request, weight_of_response},
    },
};

pub(crate) fn lift(data: &[u8]) {
    let mut input = Input(data);
    match input.below(4) {
        0 => {
            let parts = request(&mut input);
            assert!(weight_of_request(&parts) > 0);
            let request = request_in(parts);
            stays(&request, &request_in(request_out(&request)));
            is_written(&request);
        }
        1 => {
            let parts = response(&mut input);
            assert!(weight_of_response(&parts) > 0);
            let response = response_in(parts, None);
            stays(&response, &response_in(response_out(&response), None));
            assert!(serde_json::to_string(&response).is_ok());
        }
        2 => {
            let event = event(&mut input);
            assert!(weight_of_event(&event) > 0);
            if let Some(event) = event_in(event) {
                stays(&Some(&event), &event_in(event_out(event.clone())).as_ref());
                assert!(serde_json::to_string(&event).is_ok());
            }
        }
        _ => {
            let error = error_in(error(&mut input));
            stays(&error, &error_in(error_out(error.clone())));
            assert!(!error.to_string().is_empty());
        }
    }
}

/// JSON, or text that is not JSON.
fn json(input: &mut Input<'_>) -> String {
    match input.below(8) {
        0 => "[".repeat(input.byte().into()),
        1 => format!("[{}]", input.float()),
        2 => format!("{{\"type\":\"text\",\"text\":{:?}}}", input.text()),
        3 => format!("{{{:?}:{}}}", input.text(), input.number()),
        _ => input.text(),
    }
}

fn extensions(input: &mut Input<'_>) -> wit::Extensions {
    input.some(|input| (input.text(), json(input)))
}

fn request(input: &mut Input<'_>) -> wit::RequestParts {
    wit::RequestParts {
        messages: input.some(message),
        tools: input.some(tool),
        options: options(input),
        extensions: extensions(input),
    }
}

fn message(input: &mut Input<'_>) -> wit::Message {
    let role = match input.below(5) {
        0 => wit::Role::System,
        1 => wit::Role::User,
        2 => wit::Role::Assistant,
        3 => wit::Role::Tool,
        _ => wit::Role::Other(input.text()),
    };
    wit::Message { role, content: input.some(block), extensions: extensions(input) }
}

fn tool(input: &mut Input<'_>) -> wit::Tool {
    let (name, description) = (input.text(), input.text());
    match input.below(4) {
        0 => wit::Tool::Other(json(input)),
        _ => wit::Tool::Function(wit::FunctionTool {
            name,
            description,
            parameters: json(input),
            strict: input.maybe(Input::flag),
            cache: mark(input),
            extensions: extensions(input),
        }),
    }
}

fn mark(input: &mut Input<'_>) -> Option<wit::CacheMark> {
    input.maybe(|input| wit::CacheMark { ttl: input.maybe(Input::number), extensions: extensions(input) })
}

fn output(input: &mut Input<'_>) -> wit::OutputFormat {
    match input.below(4) {
        0 => wit::OutputFormat::Text,
        1 => wit::OutputFormat::Json,
        2 => wit::OutputFormat::JsonSchema(wit::JsonSchema {
            name: input.text(),
            description: input.text(),
            schema: json(input),
            strict: input.maybe(Input::flag),
            extensions: extensions(input),
        }),
        _ => wit::OutputFormat::Other(json(input)),
    }
}

fn reasoning(input: &mut Input<'_>) -> wit::Reasoning {
    match input.below(5) {
        0 => wit::Reasoning::Off,
        3 => wit::Reasoning::Auto,
        1 => wit::Reasoning::Effort(input.text()),
        2 => wit::Reasoning::Budget(u32::try_from(input.number()).unwrap_or(u32::MAX)),
        _ => wit::Reasoning::Other(json(input)),
    }
}

fn options(input: &mut Input<'_>) -> wit::Options {
    wit::Options {
        max_tokens: input.maybe(|input| u32::try_from(input.number()).unwrap_or(u32::MAX)),
        temperature: input.maybe(Input::float),
        top_p: input.maybe(Input::float),
        top_k: input.maybe(|input| u32::try_from(input.number()).unwrap_or(u32::MAX)),
        stop: input.some(Input::text),
        tool_choice: input.maybe(|input| match input.below(5) {
            0 => wit::ToolChoice::Auto,
            1 => wit::ToolChoice::Required,
            2 => wit::ToolChoice::None,
            3 => wit::ToolChoice::Tool(input.text()),
            _ => wit::ToolChoice::Other(json(input)),
        }),
        parallel_tool_calls: input.maybe(Input::flag),
        seed: input.maybe(|input| input.number().cast_signed()),
        output: input.maybe(output),
        reasoning: input.maybe(reasoning),
        user: input.maybe(Input::text),
        labels: input.some(|input| (input.text(), input.text())),
        metadata: input.some(|input| (input.text(), input.text())),
        extensions: extensions(input),
    }
}

fn text(input: &mut Input<'_>) -> wit::Text {
    wit::Text { text: input.text(), cache: mark(input), extensions: extensions(input) }
}

fn media(input: &mut Input<'_>) -> wit::Media {
    let source = match input.below(4) {
        0 => wit::MediaSource::Data(input.bytes().to_vec()),
        1 => wit::MediaSource::Url(input.text()),
        2 => wit::MediaSource::File(input.text()),
        _ => wit::MediaSource::Other(json(input)),
    };
    let (media_type, name) = (input.text(), input.text());
    wit::Media { media_type, source, name, cache: mark(input), extensions: extensions(input) }
}

fn call(input: &mut Input<'_>) -> wit::ToolCall {
    let (id, name) = (input.text(), input.text());
    wit::ToolCall { id, name, arguments: json(input), cache: mark(input), extensions: extensions(input) }
}

fn block(input: &mut Input<'_>) -> wit::ContentBlock {
    match input.below(8) {
        0 => wit::ContentBlock::Text(text(input)),
        1 => wit::ContentBlock::Image(media(input)),
        5 => wit::ContentBlock::Document(media(input)),
        6 => wit::ContentBlock::Audio(media(input)),
        2 => wit::ContentBlock::ToolUse(call(input)),
        3 => wit::ContentBlock::ToolResult(wit::ToolResult {
            tool_use_id: input.text(),
            content: input.some(|input| match input.below(5) {
                0 => wit::ToolResultBlock::Text(text(input)),
                1 => wit::ToolResultBlock::Image(media(input)),
                2 => wit::ToolResultBlock::Document(media(input)),
                3 => wit::ToolResultBlock::Audio(media(input)),
                _ => wit::ToolResultBlock::Other(json(input)),
            }),
            is_error: input.flag(),
            cache: mark(input),
            extensions: extensions(input),
        }),
        4 => wit::ContentBlock::Thinking(wit::Thinking {
            text: input.text(),
            signature: input.maybe(Input::text),
            redacted: input.maybe(Input::text),
            provider: input.maybe(Input::text),
            extensions: extensions(input),
        }),
        _ => wit::ContentBlock::Other(json(input)),
    }
}

fn usage(input: &mut Input<'_>) -> wit::Usage {
    wit::Usage {
        input_tokens: input.number(),
        output_tokens: input.number(),
        total_tokens: input.number(),
        cache_read_tokens: input.maybe(Input::number),
        cache_write_tokens: input.maybe(Input::number),
        cache_write_hour_tokens: input.maybe(Input::number),
        reasoning_tokens: input.maybe(Input::number),
        extensions: extensions(input),
    }
}

fn response(input: &mut Input<'_>) -> wit::ResponseParts {
    let stop_reason = match input.below(8) {
        0 => wit::StopReason::EndTurn,
        1 => wit::StopReason::MaxTokens,
        2 => wit::StopReason::StopSequence,
        3 => wit::StopReason::ToolUse,
        4 => wit::StopReason::Refusal,
        5 => wit::StopReason::PauseTurn,
        6 => wit::StopReason::ContentFilter,
        _ => wit::StopReason::Other(input.text()),
    };
    wit::ResponseParts {
        content: input.some(block),
        usage: usage(input),
        stop_reason,
        model: input.text(),
        provider: input.text(),
        extensions: extensions(input),
    }
}

fn event(input: &mut Input<'_>) -> streams::Event {
    let index = |input: &mut Input<'_>| u32::try_from(input.number()).unwrap_or(u32::MAX);
    match input.below(9) {
        0 => streams::Event::Text(input.text()),
        1 => streams::Event::Thinking(input.text()),
        2 => streams::Event::ToolUseStart(streams::ToolUseStart {
            index: index(input),
            id: input.text(),
            name: input.text(),
        }),
        3 => streams::Event::ToolArguments(streams::ToolArguments { index: index(input), json: json(input) }),
        4 => streams::Event::ToolUseEnd(streams::ToolUseEnd { index: index(input), call: call(input) }),
        5 => streams::Event::Block(block(input)),
        6 => streams::Event::Usage(usage(input)),
        7 => streams::Event::End(response(input)),
        _ => streams::Event::Other(json(input)),
    }
}

fn reason(input: &mut Input<'_>) -> wit::Reason {
    match input.below(12) {
        0 => wit::Reason::RateLimit,
        1 => wit::Reason::Quota,
        2 => wit::Reason::Overloaded,
        3 => wit::Reason::ContextLength,
        4 => wit::Reason::ContentFilter,
        5 => wit::Reason::Authentication,
        6 => wit::Reason::Permission,
        7 => wit::Reason::NotFound,
        8 => wit::Reason::InvalidRequest,
        9 => wit::Reason::Billing,
        10 => wit::Reason::Server,
        _ => wit::Reason::Other(input.text()),
    }
}

fn error(input: &mut Input<'_>) -> wit::Error {
    let failure = |input: &mut Input<'_>| wit::Failure {
        message: input.text(),
        provider: input.text(),
        extensions: extensions(input),
    };
    match input.below(9) {
        0 => wit::Error::Api(wit::ApiError {
            status: u16::try_from(input.number()).unwrap_or(u16::MAX),
            reason: reason(input),
            message: input.text(),
            provider: input.text(),
            model: input.text(),
            request_id: input.maybe(Input::text),
            retry_after: input.maybe(Input::number),
            should_retry: input.maybe(Input::flag),
            extensions: extensions(input),
        }),
        1 => wit::Error::Connection(failure(input)),
        2 => wit::Error::Timeout(failure(input)),
        3 => wit::Error::Parse(failure(input)),
        4 => wit::Error::Config(failure(input)),
        5 => wit::Error::Module(failure(input)),
        6 => wit::Error::Cancelled,
        7 => wit::Error::DeadlineExceeded,
        _ => wit::Error::Other(failure(input)),
    }
}
