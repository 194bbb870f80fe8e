//! Prices, for modules.

use crate::{config::ModelFacts, runtime::bindings::arcllm::llm::types::Price};

/// What a model costs, if both directions have a price.
pub(crate) fn price_out(facts: &ModelFacts) -> Option<Price> {
    Some(Price {
        input: facts.cost_input_per_1m?,
        output: facts.cost_output_per_1m?,
        cache_read: facts.cost_cache_read_per_1m,
        cache_write: facts.cost_cache_write_per_1m,
        extensions: Vec::new(),
    })
}
