//! Prices, for modules.

use crate::{
    config::{provider::ModelFacts, wire_format::WireFormat},
    runtime::guest::bindings::arcllm::llm::types::Price,
};

/// What a model costs, if both directions have a price.
pub(crate) fn price_out(format: WireFormat, facts: &ModelFacts) -> Option<Price> {
    let cached = match format {
        WireFormat::Anthropic => "\"apart\"",
        WireFormat::OpenAi => "\"included\"",
    };
    Some(Price {
        input: facts.cost_input_per_1m?,
        output: facts.cost_output_per_1m?,
        cache_read: facts.cost_cache_read_per_1m,
        cache_write: facts.cost_cache_write_per_1m,
        extensions: vec![("arcllm.cached".to_owned(), cached.to_owned())],
    })
}
