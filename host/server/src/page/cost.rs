//! What calls cost, by the prices in the configuration.

use arcllm::{Attempt, Config, Usage, WireFormat};

use crate::gateway::caller::Ending;

/// What all attempts of this call cost, in the currency of the prices. `None` if nothing is known.
pub(crate) fn of_call(config: &Config, trail: &[Attempt], ending: &Ending) -> Option<f64> {
    let known = |provider: &str, model: &str, usage: &Usage| of_usage(config, provider, model, usage);
    let attempts = trail.iter().filter_map(|attempt| known(&attempt.provider, &attempt.model, attempt.usage.as_ref()?));
    // An answer of a module has no attempt.
    let cost = attempts.reduce(|sum, cost| sum + cost);
    cost.or_else(|| match ending {
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

#[cfg(test)]
mod tests {
    use arcllm::Outcome;

    use super::*;

    fn config(adapter: &str) -> Config {
        let config = format!(
            "[providers.p]\nadapter = \"{adapter}\"\nbase_url = \"http://127.0.0.1:1\"
            [providers.p.models.m]\ncost_input_per_1m = 10\ncost_output_per_1m = 20
            cost_cache_read_per_1m = 1\ncost_cache_write_per_1m = 12\ncost_cache_write_hour_per_1m = 16"
        );
        Config::parse(&config, None).unwrap()
    }

    fn usage(tokens: u64) -> Usage {
        let mut usage = Usage::new(tokens, 100_000);
        usage.cache_read_tokens = Some(400_000);
        usage.cache_write_tokens = Some(100_000);
        usage.cache_write_hour_tokens = Some(50_000);
        usage
    }

    fn answered(usage: Usage) -> Ending {
        Ending::Answered { provider: "p".to_owned(), model: "m".to_owned(), usage }
    }

    #[test]
    fn cached_tokens_are_counted_as_the_format_counts_them() {
        // 500,000 tokens that are new, 400,000 that are read, 50,000 kept for minutes and 50,000 kept for an hour.
        let cost = 5.0 + 0.4 + 0.6 + 0.8 + 2.0;
        for (adapter, input) in [("openai", 1_000_000), ("anthropic", 500_000)] {
            let known = of_call(&config(adapter), &[], &answered(usage(input))).unwrap();
            assert!((known - cost).abs() < 1e-9, "{adapter}: {known}");
        }
    }

    #[test]
    fn each_attempt_that_has_tokens_costs() {
        let attempt = |provider: &str, usage: Option<Usage>| {
            let mut attempt = Attempt::new(provider, "m", Outcome::Ok);
            attempt.usage = usage;
            attempt
        };
        let used = || Some(Usage::new(100_000, 0));
        let trail = vec![attempt("p", used()), attempt("other", used()), attempt("p", None), attempt("p", used())];
        assert_eq!(of_call(&config("openai"), &trail, &answered(Usage::default())), Some(2.0));
        let unknown = vec![attempt("other", used())];
        assert_eq!(of_call(&Config::parse("", None).unwrap(), &unknown, &answered(Usage::default())), None);
    }
}
