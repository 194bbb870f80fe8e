//! What tokens cost.

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
    let is_apart = price.extensions.iter().any(|(key, value)| key == "arcllm.cached" && value == "\"apart\"");
    let input =
        if is_apart { usage.input_tokens } else { usage.input_tokens.saturating_sub(read).saturating_sub(write) };
    // What is kept for an hour is part of what is written.
    let hour = usage.cache_write_hour_tokens.unwrap_or_default().min(write);
    let (write_price, of) =
        (price.cache_write.unwrap_or(price.input), |tokens: u64, price: f64| tokens as f64 * price / 1e6);
    of(input, price.input)
        + of(read, price.cache_read.unwrap_or(price.input))
        + of(write - hour, write_price)
        + of(hour, price.cache_write_hour.unwrap_or(write_price))
        + of(usage.output_tokens, price.output)
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
    fn tokens_that_are_not_cached_cost_the_price_of_input_or_output() {
        for cached in ["included", "apart"] {
            assert_eq!(cost(&usage(500, 100, None), &price(cached)) * 1e6, 2000.0);
        }
    }
}
