//! What is known of the models of the built-in providers: `catalogue.toml`.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::Deserialize;

use crate::config::model_facts::ModelFacts;

/// A model of a built-in provider.
pub(crate) struct CatalogueModel {
    /// Other names of the model.
    pub(crate) aliases: Vec<String>,
    /// What is known of it.
    pub(crate) facts: ModelFacts,
    /// The day of the source.
    pub(crate) as_of: String,
    /// Where the facts come from.
    pub(crate) source: String,
}

/// The models of one provider, and their other names.
#[derive(Default)]
struct Models {
    by_name: BTreeMap<String, CatalogueModel>,
    by_alias: BTreeMap<String, String>,
}

/// Read when it is first needed, so that a start does not wait for it.
static CATALOGUE: LazyLock<BTreeMap<String, Models>> =
    LazyLock::new(|| read(include_str!("catalogue.toml")).unwrap_or_default());

/// The model that this built-in provider knows by this name, with the name of its line. A date behind the name, such as that of
/// `claude-haiku-4-5-20251001`, makes no difference.
pub(crate) fn find(provider: &str, model: &str) -> Option<(&'static str, &'static CatalogueModel)> {
    let models = CATALOGUE.get(provider)?;
    let named = |name: &str| {
        let name = models.by_alias.get(name).map_or(name, String::as_str);
        models.by_name.get_key_value(name).map(|(name, model)| (name.as_str(), model))
    };
    named(model).or_else(|| named(without_date(model)?))
}

/// The models of this built-in provider, by name.
pub(crate) fn models(provider: &str) -> impl Iterator<Item = (&'static str, &'static CatalogueModel)> {
    let models = CATALOGUE.get(provider).into_iter().flat_map(|models| &models.by_name);
    models.map(|(name, model)| (name.as_str(), model))
}

/// The name without the date at its end.
fn without_date(model: &str) -> Option<&str> {
    ["-00000000", "-0000-00-00"].iter().find_map(|form| {
        let (name, date) = model.split_at_checked(model.len().checked_sub(form.len())?)?;
        let fits = |(is, form): (char, char)| if form == '0' { is.is_ascii_digit() } else { is == form };
        date.chars().zip(form.chars()).all(fits).then_some(name)
    })
}

/// A line of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    #[serde(default)]
    aliases: Vec<String>,
    window: Option<u64>,
    output: Option<u64>,
    #[serde(default)]
    price: Vec<f64>,
    long: Option<(u64, f64, f64)>,
    #[serde(default)]
    can: Vec<Ability>,
    #[serde(default)]
    cannot: Vec<Ability>,
    as_of: String,
    source: String,
}

#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Ability {
    Tools,
    Images,
    Documents,
    StructuredOutput,
    Reasoning,
    Temperature,
    Prefix,
}

fn read(text: &str) -> Result<BTreeMap<String, Models>, toml::de::Error> {
    let lines: BTreeMap<String, BTreeMap<String, Line>> = toml::from_str(text)?;
    let providers = lines.into_iter().map(|(provider, lines)| {
        let mut models = Models::default();
        for (name, line) in lines {
            models.by_alias.extend(line.aliases.iter().map(|alias| (alias.clone(), name.clone())));
            models.by_name.insert(name, line.into_model());
        }
        (provider, models)
    });
    Ok(providers.collect())
}

impl Line {
    fn into_model(self) -> CatalogueModel {
        let knows = |ability| match (self.can.contains(&ability), self.cannot.contains(&ability)) {
            (true, _) => Some(true),
            (false, true) => Some(false),
            (false, false) => None,
        };
        let price = |at: usize| self.price.get(at).copied();
        let facts = ModelFacts {
            context_window: self.window,
            max_output_tokens: self.output,
            supports_tools: knows(Ability::Tools),
            supports_vision: knows(Ability::Images),
            supports_documents: knows(Ability::Documents),
            supports_thinking: knows(Ability::Reasoning),
            supports_structured_output: knows(Ability::StructuredOutput),
            supports_prefix: knows(Ability::Prefix),
            refuses_temperature: knows(Ability::Temperature).map(|takes| !takes),
            input_modalities: Vec::new(),
            cost_input_per_1m: price(0),
            cost_output_per_1m: price(1),
            cost_cache_read_per_1m: price(2),
            cost_cache_write_per_1m: price(3),
            cost_cache_write_hour_per_1m: price(4),
            long_input_tokens: self.long.map(|(tokens, ..)| tokens),
            cost_long_input_times: self.long.map(|(_, times, _)| times),
            cost_long_output_times: self.long.map(|(.., times)| times),
        };
        CatalogueModel { aliases: self.aliases, facts, as_of: self.as_of, source: self.source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::presets::PRESETS;

    const TEXT: &str = include_str!("catalogue.toml");

    #[test]
    fn the_file_is_whole_and_sorted() {
        let catalogue = read(TEXT).unwrap();
        let mut before = ("", "");
        let mut provider = "";
        let mut count = 0;
        for line in TEXT.lines() {
            provider = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')).unwrap_or(provider);
            let Some(model) = line.strip_prefix('"').and_then(|line| line.split_once('"')) else { continue };
            assert!(before < (provider, model.0), "{line}: after {before:?}");
            (before, count) = ((provider, model.0), count + 1);
        }
        assert!((80..=120).contains(&count), "{count} models");
        assert_eq!(catalogue.values().map(|models| models.by_name.len()).sum::<usize>(), count);
        for provider in catalogue.keys() {
            let preset = PRESETS.get(provider).unwrap_or_else(|| panic!("{provider} is not built in"));
            assert!(preset.key.is_some(), "a local server has no list of models: {provider}");
        }
    }

    #[test]
    fn its_numbers_are_sane() {
        for (provider, models) in read(TEXT).unwrap() {
            for (name, CatalogueModel { aliases, facts, as_of, source }) in &models.by_name {
                let place = format!("{provider}/{name}");
                for alias in aliases {
                    assert!(!models.by_name.contains_key(alias), "{place}: {alias} has a line of its own");
                    assert_eq!(models.by_alias.get(alias), Some(name), "{place}: {alias} is an alias twice");
                }
                let date: Vec<u32> = as_of.split('-').filter_map(|part| part.parse().ok()).collect();
                assert!(as_of.len() == 10 && matches!(*date, [2025..=2099, 1..=12, 1..=31]), "{place}: {as_of}");
                assert!(!source.is_empty(), "{place}");
                assert!(facts.context_window.is_none_or(|window| (4096..=20_000_000).contains(&window)), "{place}");
                assert!(facts.max_output_tokens <= facts.context_window.or(facts.max_output_tokens), "{place}");
                check_prices(&place, facts);
            }
        }
    }

    fn check_prices(place: &str, facts: &ModelFacts) {
        assert_eq!(facts.cost_input_per_1m.is_some(), facts.cost_output_per_1m.is_some(), "{place}");
        let Some(input) = facts.cost_input_per_1m else { return };
        assert!(input > 0.0 && facts.cost_output_per_1m.unwrap() >= input * 0.8, "{place}");
        assert!(facts.cost_output_per_1m.unwrap() < 1000.0, "{place}");
        assert!(facts.cost_cache_read_per_1m.is_none_or(|read| read < input), "{place}");
        let write = facts.cost_cache_write_per_1m;
        assert!(write.is_none_or(|write| write >= input && write <= 2.0 * input), "{place}");
        assert!(facts.cost_cache_write_hour_per_1m.is_none_or(|hour| Some(hour) >= write), "{place}");
        let long = facts.long_input_tokens;
        assert!(long <= facts.context_window, "{place}");
        for times in [facts.cost_long_input_times, facts.cost_long_output_times] {
            assert_eq!(times.is_some(), long.is_some(), "{place}");
            assert!(times.is_none_or(|times| (1.0..=10.0).contains(&times)), "{place}");
        }
    }

    #[test]
    fn the_default_models_of_providers_with_a_key_have_a_line() {
        for (name, preset) in PRESETS.iter().filter(|(_, preset)| preset.key.is_some()) {
            let model = preset.default_model.as_deref().unwrap();
            assert!(find(name, model).is_some(), "{name}/{model}");
        }
    }

    #[test]
    fn dated_names_and_aliases_find_their_line() {
        let name = |provider, model| find(provider, model).map(|(name, _)| name);
        for (model, line) in [
            ("claude-sonnet-4-5", Some("claude-sonnet-4-5")),
            ("claude-sonnet-4-5-20250929", Some("claude-sonnet-4-5")),
            ("claude-sonnet-4-5-2025-09-29", Some("claude-sonnet-4-5")),
            ("claude-sonnet-4-5-2025092", None),
            ("claude-sonnet-4-5-2025092x", None),
            ("claude-sonnet-4-5-", None),
            ("-20250929", None),
            ("20250929", None),
            ("ü20250929", None),
            ("", None),
        ] {
            assert_eq!(name("anthropic", model), line, "{model}");
        }
        assert_eq!(name("openai", "gpt-5.6"), Some("gpt-5.6-sol"));
        assert_eq!(name("openai", "gpt-4o-2024-08-06"), Some("gpt-4o"));
        assert_eq!(name("openai", "ft:gpt-4o-2024-08-06:me"), None, "a fine-tuned model has another price");
        assert_eq!(name("openai", "claude-sonnet-4-5"), None);
        assert_eq!(name("nobody", "gpt-4o"), None);
    }
}
