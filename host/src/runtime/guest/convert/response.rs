//! Responses.

use crate::{
    chat::{
        allowance::Allowances,
        extensions::Extensions,
        original::KeptOriginal,
        response::{Response, StopReason},
        usage::Usage,
    },
    runtime::guest::{
        bindings::arcllm::llm::types as wit,
        convert::{
            content::{blocks_in, blocks_out},
            json::{extensions_in, extensions_out},
        },
    },
};

pub(crate) fn usage_out(usage: &Usage) -> wit::Usage {
    wit::Usage {
        input_tokens: usage.input_tokens,
        output_tokens: usage.output_tokens,
        total_tokens: usage.total_tokens,
        cache_read_tokens: usage.cache_read_tokens,
        cache_write_tokens: usage.cache_write_tokens,
        cache_write_hour_tokens: usage.cache_write_hour_tokens,
        reasoning_tokens: usage.reasoning_tokens,
        extensions: extensions_out(&usage.extensions),
    }
}

pub(crate) fn usage_in(usage: wit::Usage) -> Usage {
    Usage {
        input_tokens: usage.input_tokens,
        output_tokens: usage.output_tokens,
        total_tokens: usage.total_tokens,
        cache_read_tokens: usage.cache_read_tokens,
        cache_write_tokens: usage.cache_write_tokens,
        cache_write_hour_tokens: usage.cache_write_hour_tokens,
        reasoning_tokens: usage.reasoning_tokens,
        extensions: extensions_in(usage.extensions),
    }
}

/// An empty response.
pub(crate) fn nothing_yet(model: &str, provider: &str) -> Response {
    Response {
        content: Vec::new(),
        usage: Usage::default(),
        stop_reason: StopReason::EndTurn,
        model: model.to_owned(),
        provider: provider.to_owned(),
        request_id: None,
        trail: Vec::new(),
        notes: Vec::new(),
        extensions: Extensions::new(),
        original: KeptOriginal::default(),
        allowances: Allowances::new(),
    }
}

pub(crate) fn stop_reason_out(stop_reason: &StopReason) -> wit::StopReason {
    match stop_reason {
        StopReason::EndTurn => wit::StopReason::EndTurn,
        StopReason::MaxTokens => wit::StopReason::MaxTokens,
        StopReason::StopSequence => wit::StopReason::StopSequence,
        StopReason::ToolUse => wit::StopReason::ToolUse,
        StopReason::Refusal => wit::StopReason::Refusal,
        StopReason::PauseTurn => wit::StopReason::PauseTurn,
        StopReason::ContentFilter => wit::StopReason::ContentFilter,
        StopReason::Other(word) => wit::StopReason::Other(word.clone()),
    }
}

pub(crate) fn ending_out(response: &Response) -> wit::Ending {
    wit::Ending {
        usage: usage_out(&response.usage),
        stop_reason: stop_reason_out(&response.stop_reason),
        model: response.model.clone(),
        provider: response.provider.clone(),
        extensions: extensions_out(&response.extensions),
    }
}

pub(crate) fn response_out(response: &Response) -> wit::ResponseParts {
    wit::ResponseParts {
        content: blocks_out(&response.content),
        usage: usage_out(&response.usage),
        stop_reason: stop_reason_out(&response.stop_reason),
        model: response.model.clone(),
        provider: response.provider.clone(),
        extensions: extensions_out(&response.extensions),
    }
}

/// Converts a response that a module made.
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
    Response {
        content: blocks_in(parts.content),
        usage: usage_in(parts.usage),
        stop_reason,
        model: parts.model,
        provider: parts.provider,
        request_id,
        trail: Vec::new(),
        notes: Vec::new(),
        extensions: extensions_in(parts.extensions),
        original: KeptOriginal::default(),
        allowances: Allowances::new(),
    }
}
