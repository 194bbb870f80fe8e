//! What tokens cost.

use crate::{
    chat::{usage::Usage, wire_format::WireFormat},
    config::model_facts::ModelFacts,
};

/// The price of a model, for a million tokens, in the currency of the configuration. That of the catalogue is US dollars.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Price {
    /// The price of input.
    pub input: f64,
    /// The price of output.
    pub output: f64,
    /// The price of input read from the provider's cache. Absent is that of input.
    pub cache_read: Option<f64>,
    /// The price of input written to the provider's cache. Absent is that of input.
    pub cache_write: Option<f64>,
    /// The price of input written for an hour. Absent is that of `cache_write`.
    pub cache_write_hour: Option<f64>,
    /// Whether a long input has another price.
    pub long: Option<LongPrice>,
    /// Whether the provider counts cached tokens apart from the input, as Anthropic's format does. OpenAI's counts them as input.
    pub cached_apart: bool,
}

/// What a call with a long input costs.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct LongPrice {
    /// So many tokens of input, those of the cache included, are not long yet.
    pub above: u64,
    /// How many times its price all input costs.
    pub input: f64,
    /// How many times its price all output costs.
    pub output: f64,
}

impl Price {
    /// The price that these facts name, if both directions have one.
    pub fn of(facts: &ModelFacts, format: Option<WireFormat>) -> Option<Self> {
        let long = |above| LongPrice {
            above,
            input: facts.cost_long_input_times.unwrap_or(1.0),
            output: facts.cost_long_output_times.unwrap_or(1.0),
        };
        Some(Self {
            input: facts.cost_input_per_1m?,
            output: facts.cost_output_per_1m?,
            cache_read: facts.cost_cache_read_per_1m,
            cache_write: facts.cost_cache_write_per_1m,
            cache_write_hour: facts.cost_cache_write_hour_per_1m,
            long: facts.long_input_tokens.map(long),
            cached_apart: format == Some(WireFormat::Anthropic),
        })
    }

    /// What these tokens cost. `None` if the provider counted none, as some servers do: then the cost is unknown. Modules have
    /// the same function as `arcllm_module::cost`.
    pub fn cost(&self, usage: &Usage) -> Option<f64> {
        let (read, write) = (usage.cache_read_tokens.unwrap_or_default(), usage.cache_write_tokens.unwrap_or_default());
        let cached = read.saturating_add(write);
        let new = if self.cached_apart { usage.input_tokens } else { usage.input_tokens.saturating_sub(cached) };
        if [new, cached, usage.output_tokens] == [0; 3] {
            return None;
        }
        // What is kept for an hour is part of what is written.
        let hour = usage.cache_write_hour_tokens.unwrap_or_default().min(write);
        let write_price = self.cache_write.unwrap_or(self.input);
        let of = |tokens: u64, price: f64| tokens as f64 * price;
        let input = of(new, self.input)
            + of(read, self.cache_read.unwrap_or(self.input))
            + of(write - hour, write_price)
            + of(hour, self.cache_write_hour.unwrap_or(write_price));
        let output = of(usage.output_tokens, self.output);
        let millionths = match self.long.filter(|long| new.saturating_add(cached) > long.above) {
            Some(long) => input * long.input + output * long.output,
            None => input + output,
        };
        Some(millionths / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(format: WireFormat) -> Price {
        let facts = ModelFacts::new().cost_input_per_1m(10.0).cost_output_per_1m(20.0).cost_cache_read_per_1m(1.0);
        let facts = facts.cost_cache_write_per_1m(12.0).cost_cache_write_hour_per_1m(16.0);
        Price::of(&facts, Some(format)).unwrap()
    }

    fn usage(input: u64) -> Usage {
        Usage {
            cache_read_tokens: Some(400_000),
            cache_write_tokens: Some(100_000),
            cache_write_hour_tokens: Some(50_000),
            ..Usage::new(input, 100_000)
        }
    }

    #[test]
    fn cached_tokens_are_counted_as_the_format_counts_them() {
        // 500,000 tokens that are new, 400,000 that are read, 50,000 kept for minutes and 50,000 kept for an hour.
        let cost = 5.0 + 0.4 + 0.6 + 0.8 + 2.0;
        let openai = [WireFormat::OpenAi, WireFormat::OpenAiResponses].map(|format| (format, 1_000_000));
        for (format, input) in openai.into_iter().chain([(WireFormat::Anthropic, 500_000)]) {
            let known = price(format).cost(&usage(input)).unwrap();
            assert!((known - cost).abs() < 1e-9, "{format:?}: {known}");
        }
    }

    #[test]
    fn a_long_input_costs_more_with_its_output_and_its_cached_tokens() {
        let long = LongPrice { above: 900_000, input: 2.0, output: 1.5 };
        for (format, input, is_long) in [
            (WireFormat::OpenAi, 900_000, false),
            (WireFormat::OpenAi, 900_001, true),
            (WireFormat::Anthropic, 400_000, false),
            (WireFormat::Anthropic, 400_001, true),
        ] {
            let short = price(format).cost(&usage(input)).unwrap();
            let known = Price { long: Some(long), ..price(format) }.cost(&usage(input)).unwrap();
            let expected = if is_long { (short - 2.0) * 2.0 + 2.0 * 1.5 } else { short };
            assert!((known - expected).abs() < 1e-9, "{format:?} {input}: {known}");
        }
    }

    #[test]
    fn a_price_is_whole_and_tokens_that_nobody_counted_are_unknown() {
        assert_eq!(Price::of(&ModelFacts::new().cost_input_per_1m(1.0), None), None);
        assert_eq!(price(WireFormat::OpenAi).cost(&Usage::default()), None);
        let free = Price::of(&ModelFacts::new().cost_input_per_1m(0.0).cost_output_per_1m(0.0), None).unwrap();
        assert_eq!(free.cost(&Usage::new(5, 5)), Some(0.0));
    }
}
