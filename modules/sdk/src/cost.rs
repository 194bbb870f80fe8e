//! What tokens cost.

use serde::Deserialize;

use crate::types::{Price, Usage};

/// Returns the cost of these tokens, in the currency of the price.
///
/// Tokens that were read from a cache or written to one have prices of their own. It does not matter whether the provider counts
/// them as input or beside it. A price of the cache that is unknown is the price of input.
///
/// ```
/// # use arcllm_module::{Request, Response};
/// /// What an answer cost. Absent if the price of its model is unknown.
/// fn cost(request: &Request, response: &Response) -> Option<f64> {
///     let facts = request.facts(&format!("{}/{}", request.provider(), response.model()))?;
///     Some(arcllm_module::cost(&response.usage(), &facts.price?))
/// }
/// ```
pub fn cost(usage: &Usage, price: &Price) -> f64 {
    let (read, write) = (usage.cache_read_tokens.unwrap_or_default(), usage.cache_write_tokens.unwrap_or_default());
    // Anthropic's format counts cached tokens apart from the input, OpenAI's counts them as input.
    let cached = read.saturating_add(write);
    let new = match extension(price, CACHED) {
        Some("\"apart\"") => usage.input_tokens,
        _ => usage.input_tokens.saturating_sub(cached),
    };
    // What is kept for an hour is part of what is written.
    let hour = usage.cache_write_hour_tokens.unwrap_or_default().min(write);
    let write_price = price.cache_write.unwrap_or(price.input);
    let of = |tokens: u64, price: f64| tokens as f64 * price;
    let input = of(new, price.input)
        + of(read, price.cache_read.unwrap_or(price.input))
        + of(write - hour, write_price)
        + of(hour, price.cache_write_hour.unwrap_or(write_price));
    let output = of(usage.output_tokens, price.output);
    let long = extension(price, LONG).and_then(|long| serde_json::from_str::<Long>(long).ok());
    match long.filter(|long| new.saturating_add(cached) > long.above) {
        Some(long) => (input * long.input + output * long.output) / 1e6,
        None => (input + output) / 1e6,
    }
}

/// Returns the tokens of input and output, with those that were read from a cache or written to one.
///
/// Without a price, they are known to be counted beside the input if they are more than it.
pub fn tokens(usage: &Usage, price: Option<&Price>) -> u64 {
    let (read, write) = (usage.cache_read_tokens.unwrap_or_default(), usage.cache_write_tokens.unwrap_or_default());
    let cached = read.saturating_add(write);
    let is_apart = match price.and_then(|price| extension(price, CACHED)) {
        Some(counted) => counted == "\"apart\"",
        None => cached > usage.input_tokens,
    };
    let input = usage.input_tokens.saturating_add(if is_apart { cached } else { 0 });
    usage.total_tokens.max(input.saturating_add(usage.output_tokens))
}

/// The extension of a price that says how cached tokens are counted.
const CACHED: &str = "arcllm.cached";

/// The extension of a price that says what a long input costs.
const LONG: &str = "arcllm.long";

/// A call with a longer input than this costs more: all of its input and all of its output.
#[derive(Deserialize)]
struct Long {
    /// So many tokens, those of the cache included, are not long yet.
    above: u64,
    /// How many times the price of input, and of the cache.
    input: f64,
    /// How many times the price of output.
    output: f64,
}

fn extension<'a>(price: &'a Price, key: &str) -> Option<&'a str> {
    price.extensions.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(input: u64, output: u64, read: Option<u64>) -> Usage {
        Usage {
            input_tokens: input,
            output_tokens: output,
            total_tokens: input + output,
            cache_read_tokens: read,
            cache_write_tokens: None,
            cache_write_hour_tokens: None,
            reasoning_tokens: None,
            extensions: Vec::new(),
        }
    }

    fn price(cached: &str) -> Price {
        let extensions = vec![("arcllm.cached".to_owned(), format!("{cached:?}"))];
        Price {
            input: 2.0,
            output: 10.0,
            cache_read: Some(0.5),
            cache_write: Some(2.5),
            cache_write_hour: Some(4.0),
            extensions,
        }
    }

    #[test]
    fn cached_tokens_cost_the_same_in_both_ways_of_counting() {
        let expected = 600.0 * 2.0 + 400.0 * 0.5 + 100.0 * 10.0;
        assert_eq!(cost(&usage(1000, 100, Some(400)), &price("included")) * 1e6, expected);
        assert_eq!(cost(&usage(600, 100, Some(400)), &price("apart")) * 1e6, expected);
    }

    #[test]
    fn what_is_written_for_an_hour_has_its_own_price() {
        let written = Usage { cache_write_tokens: Some(300), cache_write_hour_tokens: Some(100), ..usage(0, 0, None) };
        assert_eq!(cost(&written, &price("apart")) * 1e6, 200.0 * 2.5 + 100.0 * 4.0);
    }

    #[test]
    fn a_long_input_costs_more_with_its_output_and_its_cached_tokens() {
        let long = ("arcllm.long".to_owned(), r#"{"above": 1000, "input": 2.0, "output": 1.5}"#.to_owned());
        for (cached, input, is_long) in [("included", 1000, false), ("apart", 601, true), ("included", 1001, true)] {
            let mut price = price(cached);
            let usage = usage(input, 100, Some(400));
            let short = cost(&usage, &price);
            price.extensions.push(long.clone());
            let output = 100.0 * 10.0 / 1e6;
            let expected = if is_long { (short - output) * 2.0 + output * 1.5 } else { short };
            assert!((cost(&usage, &price) - expected).abs() < 1e-12, "{cached} {input}");
        }
        let broken = ("arcllm.long".to_owned(), "{\"above\": -1}".to_owned());
        let price = Price { extensions: vec![broken], ..price("included") };
        assert_eq!(cost(&usage(5000, 0, None), &price) * 1e6, 10_000.0);
    }

    #[test]
    fn tokens_that_are_not_cached_cost_the_price_of_input_or_output() {
        for cached in ["included", "apart"] {
            assert_eq!(cost(&usage(500, 100, None), &price(cached)) * 1e6, 2000.0);
        }
    }
}
