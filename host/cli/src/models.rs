//! `arcllm models`: lists what models cost and can do.

use std::{borrow::Cow, process::ExitCode};

use anstyle::Style;
use arcllm::ListedModel;

use crate::{
    config::{Configured, config},
    failure::Failure,
    output::{json, line, word},
};

const STRONG: Style = Style::new().bold();

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Prices are for a million tokens, in US dollars unless the configuration has others. `read` and
`write` are input that the provider reads from its cache, or writes to it.
  *  set by the configuration: [providers.NAME.models.\"MODEL\"]
  +  a long input costs more (--json says from where)
  -  unknown
`prefix` means that a model goes on from a message of the assistant at the end.")]
pub(crate) struct Models {
    #[command(flatten)]
    pub(crate) configured: Configured,
    /// Only the models of this provider.
    #[arg(long, value_name = "NAME")]
    pub(crate) provider: Option<String>,
}

pub(crate) fn run(arguments: &Models) -> Result<ExitCode, Failure> {
    let config = config(arguments.configured.config.as_deref())?;
    let models = config.known_models(arguments.provider.as_deref())?;
    match arguments.configured.json {
        true => json(&serde_json::json!({ "models": models }))?,
        false => print(&models)?,
    }
    Ok(ExitCode::SUCCESS)
}

const TITLES: [&str; 10] = ["provider", "model", "window", "output", "in", "out", "read", "write", "as of", "can"];

fn print(models: &[ListedModel]) -> Result<(), Failure> {
    if models.is_empty() {
        return line!("no models are known; a provider asks for any model that its table or a call names");
    }
    let rows: Vec<[Cow<'_, str>; TITLES.len()]> = models.iter().map(row).collect();
    let width = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count());
        cells.chain(TITLES.get(at).map(|title| title.len())).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..TITLES.len()).map(width).collect();
    let titles = TITLES.map(Cow::Borrowed);
    line!("{STRONG}{}{STRONG:#}", aligned(&titles, &widths))?;
    rows.iter().try_for_each(|row| line!("{}", aligned(row, &widths)))
}

/// The cells in their columns. Numbers stand at the right.
fn aligned(cells: &[Cow<'_, str>], widths: &[usize]) -> String {
    let cells = cells.iter().zip(widths).zip(TITLES).map(|((cell, width), title)| match title {
        "provider" | "model" | "as of" => format!("{cell:<width$}"),
        "can" => cell.clone().into_owned(),
        _ => format!("{cell:>width$}"),
    });
    cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}

fn row(model: &ListedModel) -> [Cow<'_, str>; TITLES.len()] {
    let facts = &model.facts;
    let mark = |key: &str| if model.set_by_config.iter().any(|set| set == key) { "*" } else { "" };
    let count = |key: &str, tokens: Option<u64>| match tokens {
        Some(tokens) => format!("{tokens}{}", mark(key)).into(),
        None => "-".into(),
    };
    let long = if facts.long_input_tokens.is_some() { "+" } else { "" };
    let price = |key: &str, price: Option<f64>, long: &str| match price {
        Some(price) => format!("{}{long}{}", amount(price), mark(key)).into(),
        None => "-".into(),
    };
    [
        word(&model.provider),
        word(&model.model),
        count("context_window", facts.context_window),
        count("max_output_tokens", facts.max_output_tokens),
        price("cost_input_per_1m", facts.cost_input_per_1m, long),
        price("cost_output_per_1m", facts.cost_output_per_1m, long),
        price("cost_cache_read_per_1m", facts.cost_cache_read_per_1m, long),
        price("cost_cache_write_per_1m", facts.cost_cache_write_per_1m, long),
        model.as_of.as_deref().unwrap_or("-").into(),
        abilities(model).into(),
    ]
}

/// A price with at least two places, and as many as it needs.
fn amount(price: f64) -> String {
    let text = price.to_string();
    match text.split_once('.') {
        Some((_, places)) if places.len() >= 2 => text,
        _ => format!("{price:.2}"),
    }
}

/// What the model can do, and `no-temperature` if it refuses one.
fn abilities(model: &ListedModel) -> String {
    let facts = &model.facts;
    let known = [
        ("tools", facts.supports_tools, "supports_tools"),
        ("images", facts.takes_images(), "supports_vision"),
        ("documents", facts.takes_documents(), "supports_documents"),
        ("audio", facts.takes_audio(), "input_modalities"),
        ("structured-output", facts.supports_structured_output, "supports_structured_output"),
        ("reasoning", facts.supports_thinking, "supports_thinking"),
        ("prefix", facts.supports_prefix, "supports_prefix"),
        ("no-temperature", facts.refuses_temperature, "refuses_temperature"),
    ];
    let is_set = |key: &str| model.set_by_config.iter().any(|set| set == key);
    let can = known.into_iter().filter(|(_, known, _)| *known == Some(true));
    let can: Vec<String> = can.map(|(name, _, key)| format!("{name}{}", if is_set(key) { "*" } else { "" })).collect();
    can.join(" ")
}

#[cfg(test)]
mod tests {
    use super::amount;

    #[test]
    fn amounts() {
        for (price, text) in [(1.0, "1.00"), (0.1, "0.10"), (0.0375, "0.0375"), (0.0, "0.00"), (1e-7, "0.0000001")] {
            assert_eq!(amount(price), text);
        }
        assert!(amount(f64::MAX).ends_with(".00"));
    }
}
