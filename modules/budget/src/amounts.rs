//! What a call may use, and what it has used: money and tokens.

use arcllm_module::{
    cost, is_no_answer, tokens,
    types::{Attempt, Outcome, Price, Usage},
};

/// The most tokens of one kind that an attempt counts as. No model reads and writes as many in one call, but a provider may say so,
/// and would use up a budget for good.
const MOST_TOKENS: u64 = 10_000_000;

/// Money and tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amounts {
    /// Millionths of the currency of the prices, rounded up.
    pub cost: i64,
    /// Tokens of input and output.
    pub tokens: i64,
}

impl Amounts {
    /// Returns the amounts of these tokens. Without a price they cost nothing.
    pub fn of(usage: &Usage, price: Option<&Price>) -> Self {
        let usage = within_reason(usage);
        let (all, known) = (tokens(&usage, price), tokens(&Usage { total_tokens: 0, ..usage.clone() }, price));
        let cost = price.map_or(0, |price| {
            // Tokens that are only part of a total may be of the dearer kind.
            let rest = all.saturating_sub(known) as f64 * price.input.max(price.output) / 1e6;
            millionths(cost(&usage, price) + rest)
        });
        Self { cost, tokens: i64::try_from(all).unwrap_or(i64::MAX) }
    }

    fn plus(self, other: Self) -> Self {
        Self { cost: self.cost.saturating_add(other.cost), tokens: self.tokens.saturating_add(other.tokens) }
    }
}

/// The same tokens, as far as a call can have used them.
fn within_reason(usage: &Usage) -> Usage {
    let few = |tokens: Option<u64>| tokens.map(|tokens| tokens.min(MOST_TOKENS));
    Usage {
        input_tokens: usage.input_tokens.min(MOST_TOKENS),
        output_tokens: usage.output_tokens.min(MOST_TOKENS),
        total_tokens: usage.total_tokens.min(2 * MOST_TOKENS),
        cache_read_tokens: few(usage.cache_read_tokens),
        cache_write_tokens: few(usage.cache_write_tokens),
        cache_write_hour_tokens: few(usage.cache_write_hour_tokens),
        reasoning_tokens: few(usage.reasoning_tokens),
        extensions: Vec::new(),
    }
}

/// Returns millionths, rounded up. What is above only by the error of a float is not rounded up.
pub fn millionths(cost: f64) -> i64 {
    // A cast of a float saturates.
    (cost * 1e6 - 1e-6).ceil().max(0.0) as i64
}

/// The most that one attempt of a call may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Worst {
    /// Tokens of input.
    pub input: u64,
    /// Tokens of output.
    pub output: u64,
}

impl Worst {
    /// Returns the most at this price. All of the input may be written to a cache of the provider.
    pub fn at(self, price: Option<&Price>) -> Amounts {
        let price = price.map(|price| {
            let dearest = [price.cache_write, price.cache_write_hour].into_iter().flatten().fold(price.input, f64::max);
            Price { input: dearest, ..price.clone() }
        });
        Amounts::of(&usage(self.input, self.output), price.as_ref())
    }

    /// Returns what these attempts have used together, or may have where the provider did not say. `price` is the price of
    /// an attempt. `answered` has the tokens of the answer.
    pub fn used(
        self,
        attempts: &[Attempt],
        answered: Option<&Usage>,
        price: impl Fn(&Attempt) -> Option<Price>,
    ) -> Amounts {
        attempts.iter().fold(Amounts::default(), |sum, attempt| {
            let price = price(attempt);
            let used = match self.tokens(attempt, answered) {
                Tokens::None => Amounts::default(),
                Tokens::Told(usage) => Amounts::of(&usage, price.as_ref()),
                Tokens::Unknown => self.at(price.as_ref()),
            };
            sum.plus(used)
        })
    }

    fn tokens(self, attempt: &Attempt, answered: Option<&Usage>) -> Tokens {
        let told = attempt.usage.as_ref().filter(|usage| is_told(usage));
        match (&attempt.outcome, told) {
            (Outcome::Ok, told) => told
                .or(answered.filter(|usage| is_told(usage)))
                .map_or(Tokens::Unknown, |told| Tokens::Told(told.clone())),
            // A whole answer that could not be read, or an error instead of one.
            (Outcome::Api(_) | Outcome::Parse, Some(told)) if attempt.first_event.is_none() => {
                Tokens::Told(told.clone())
            }
            (Outcome::Api(_), None) if attempt.first_event.is_none() => Tokens::None,
            // An error in the middle of a stream.
            (Outcome::Api(_), None) => Tokens::Unknown,
            // Providers tell the tokens of input at the start of a stream, and those of output at its end.
            (_, Some(told)) => {
                let output_tokens = told.output_tokens.max(self.output);
                let total_tokens = told.total_tokens.saturating_add(output_tokens - told.output_tokens);
                Tokens::Told(Usage { output_tokens, total_tokens, ..told.clone() })
            }
            (Outcome::Parse, None) if is_no_answer(&attempt.extensions) => Tokens::None,
            (Outcome::Timeout | Outcome::Cancelled | Outcome::DeadlineExceeded | Outcome::Parse, None) => {
                Tokens::Unknown
            }
            (Outcome::Connection | Outcome::Module | Outcome::Other(_), None) if attempt.first_event.is_none() => {
                Tokens::None
            }
            (Outcome::Connection | Outcome::Module | Outcome::Other(_), None) => Tokens::Unknown,
        }
    }
}

/// The tokens of an attempt.
enum Tokens {
    /// It has used none.
    None,
    /// It has used these.
    Told(Usage),
    /// It may have used all that it could.
    Unknown,
}

/// Whether the provider told of tokens at all.
fn is_told(usage: &Usage) -> bool {
    usage.input_tokens > 0 || usage.output_tokens > 0 || usage.total_tokens > 0
}

fn usage(input_tokens: u64, output_tokens: u64) -> Usage {
    let (cache_read_tokens, cache_write_tokens, cache_write_hour_tokens, reasoning_tokens) = Default::default();
    let total_tokens = input_tokens.saturating_add(output_tokens);
    Usage {
        input_tokens,
        output_tokens,
        total_tokens,
        cache_read_tokens,
        cache_write_tokens,
        cache_write_hour_tokens,
        reasoning_tokens,
        extensions: Vec::new(),
    }
}

#[cfg(test)]
mod tests;
