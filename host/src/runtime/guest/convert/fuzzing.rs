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
    wit::Tool { name, description, parameters: json(input), extensions: extensions(input) }
}

fn options(input: &mut Input<'_>) -> wit::Options {
    wit::Options {
        max_tokens: input.maybe(|input| u32::try_from(input.number()).unwrap_or(u32::MAX)),
        temperature: input.maybe(Input::float),
        top_p: input.maybe(Input::float),
        stop: input.some(Input::text),
        tool_choice: input.maybe(|input| match input.below(5) {
            0 => wit::ToolChoice::Auto,
            1 => wit::ToolChoice::Required,
            2 => wit::ToolChoice::None,
            3 => wit::ToolChoice::Tool(input.text()),
            _ => wit::ToolChoice::Other(json(input)),
        }),
        seed: input.maybe(Input::number),
        metadata: input.some(|input| (input.text(), input.text())),
        extensions: extensions(input),
    }
}

fn text(input: &mut Input<'_>) -> wit::Text {
    wit::Text { text: input.text(), extensions: extensions(input) }
}

fn image(input: &mut Input<'_>) -> wit::Image {
    let source = match input.below(3) {
        0 => wit::ImageSource::Data(input.bytes().to_vec()),
        1 => wit::ImageSource::Url(input.text()),
        _ => wit::ImageSource::Other(json(input)),
    };
    wit::Image { media_type: input.text(), source, extensions: extensions(input) }
}

fn call(input: &mut Input<'_>) -> wit::ToolCall {
    let (id, name) = (input.text(), input.text());
    wit::ToolCall { id, name, arguments: json(input), extensions: extensions(input) }
}

fn block(input: &mut Input<'_>) -> wit::ContentBlock {
    match input.below(6) {
        0 => wit::ContentBlock::Text(text(input)),
        1 => wit::ContentBlock::Image(image(input)),
        2 => wit::ContentBlock::ToolUse(call(input)),
        3 => wit::ContentBlock::ToolResult(wit::ToolResult {
            tool_use_id: input.text(),
            content: input.some(|input| match input.below(3) {
                0 => wit::ToolResultBlock::Text(text(input)),
                1 => wit::ToolResultBlock::Image(image(input)),
                _ => wit::ToolResultBlock::Other(json(input)),
            }),
            is_error: input.flag(),
            extensions: extensions(input),
        }),
        4 => wit::ContentBlock::Thinking(wit::Thinking {
            text: input.text(),
            signature: input.maybe(Input::text),
            redacted: input.maybe(Input::text),
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

fn error(input: &mut Input<'_>) -> wit::Error {
    let failure = |input: &mut Input<'_>| wit::Failure {
        message: input.text(),
        provider: input.text(),
        extensions: extensions(input),
    };
    match input.below(9) {
        0 => wit::Error::Api(wit::ApiError {
            status: u16::try_from(input.number()).unwrap_or(u16::MAX),
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
