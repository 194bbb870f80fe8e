//! What calls cost, by the prices in the configuration.

use arcllm::{Config, Usage, WireFormat};

use crate::{caller::Ending, page::call_record::CallRecord};

/// What all attempts of this call cost, in the currency of the prices. `None` if nothing is known.
pub(crate) fn of_call(config: &Config, call: &CallRecord) -> Option<f64> {
    let known = |provider: &str, model: &str, usage: &Usage| of_usage(config, provider, model, usage);
    let attempts =
        call.trail.iter().filter_map(|attempt| known(&attempt.provider, &attempt.model, attempt.usage.as_ref()?));
    // An answer of a module has no attempt.
    let cost = attempts.reduce(|sum, cost| sum + cost);
    cost.or_else(|| match &call.ending {
        Ending::Answered { provider, model, usage } => known(provider, model, usage),
        Ending::Failed(_) | Ending::Left => None,
    })
}

fn of_usage(config: &Config, provider: &str, model: &str, usage: &Usage) -> Option<f64> {
    let provider = config.providers.get(provider)?;
    let facts = provider.models.get(model)?;
    let (input_price, output_price) = (facts.cost_input_per_1m?, facts.cost_output_per_1m?);
    let (read, write) = (usage.cache_read_tokens.unwrap_or_default(), usage.cache_write_tokens.unwrap_or_default());
    // Anthropic's format counts cached tokens apart from the input, OpenAI's counts them as input.
    let input = match provider.adapter {
        WireFormat::Anthropic => usage.input_tokens,
        _ => usage.input_tokens.saturating_sub(read).saturating_sub(write),
    };
    // What is kept for an hour is part of what is written.
    let hour = usage.cache_write_hour_tokens.unwrap_or_default().min(write);
    let write_price = facts.cost_cache_write_per_1m.unwrap_or(input_price);
    let of = |tokens: u64, price: f64| tokens as f64 * price / 1e6;
    Some(
        of(input, input_price)
            + of(read, facts.cost_cache_read_per_1m.unwrap_or(input_price))
            + of(write - hour, write_price)
            + of(hour, facts.cost_cache_write_hour_per_1m.unwrap_or(write_price))
            + of(usage.output_tokens, output_price),
    )
}
