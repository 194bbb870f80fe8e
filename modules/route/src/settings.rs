//! `[modules.route]`.

use std::collections::BTreeMap;

use arcllm_module::{Amount, ChainTarget, Config, ConfigError, Count, Listed, ModelName, Seconds};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::hours::Hours;

/// The settings of the module.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The rules; the first that matches a call counts: a list of tables with `targets` and conditions.
    pub rules: Vec<Rule>,
    /// For how long a target is avoided after an outage, in seconds: a number above zero.
    pub avoid_seconds: Seconds,
}

/// A rule: conditions, all of which must hold, and whom to ask.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub struct Rule {
    /// The fewest tokens of input, as the host estimates them: a whole number above zero.
    pub min_input_tokens: Option<Count>,
    /// The most tokens of input, as the host estimates them: a whole number above zero.
    pub max_input_tokens: Option<Count>,
    /// Whether the call has pictures: true or false.
    pub images: Option<bool>,
    /// Whether the call has documents: true or false.
    pub documents: Option<bool>,
    /// Whether the call has recordings: true or false.
    pub audio: Option<bool>,
    /// Whether the model may ask for tools: true or false.
    pub tools: Option<bool>,
    /// Whether the caller reads the answer as it comes: true or false.
    pub streamed: Option<bool>,
    /// Labels of the call: a table of texts, or of lists of texts one of which it is.
    pub labels: BTreeMap<String, OneOrMany>,
    /// The models that the caller asked for: a list of names, such as "gpt-4.1", "openai" or "openai/gpt-*".
    pub models: Vec<String>,
    /// When the rule holds: a table of `days`, `from`, `to` and `utc_offset`.
    pub time: Option<Hours>,
    /// The models to choose from: a list of names, or of tables such as { model = "openai/gpt-4.1", weight = 3 }.
    pub targets: Vec<Listed<RouteTarget>>,
    /// In which order targets are chosen: "listed", "weighted", "cheapest" or "fastest".
    #[schemars(schema_with = "orders")]
    pub order: Option<Order>,
    /// A label; calls with the same value go to the same target, while that is healthy: a text.
    pub sticky: Option<String>,
}

/// A value, or several of which one is meant.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum OneOrMany {
    /// This one.
    One(String),
    /// Any of these.
    Many(Vec<String>),
}

impl OneOrMany {
    /// The values.
    pub fn values(&self) -> &[String] {
        match self {
            OneOrMany::One(value) => std::slice::from_ref(value),
            OneOrMany::Many(values) => values,
        }
    }
}

/// In which order targets are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Order {
    /// The first that can serve the call.
    Listed,
    /// By chance, in proportion to the weights.
    Weighted,
    /// The one whose price is lowest for the call.
    Cheapest,
    /// The one that began soonest before.
    Fastest,
}

/// The words of [`Order`]. One of them needs prices, of which `arcllm check` warns where they are unknown.
fn orders(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"oneOf": [
        {"const": "listed"}, {"const": "weighted"}, {"const": "cheapest", "format": "arcllm-needs-price"}, {"const": "fastest"},
    ]})
}

/// A target of a rule.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct RouteTarget {
    /// The model: a name, such as "openai" or "openai/gpt-4.1".
    pub model: ModelName,
    /// Its weight beside the others: a number above zero.
    #[serde(default)]
    pub weight: Option<Amount>,
    /// The largest number of tokens in the answer: a whole number above zero.
    #[serde(default)]
    pub max_tokens: Option<Count>,
    /// Randomness of the answer: a number, zero or more.
    #[serde(default)]
    pub temperature: Option<Amount>,
    /// The share of the probability to sample from: a number, zero or more.
    #[serde(default)]
    pub top_p: Option<Amount>,
    /// From how many of the likeliest tokens to sample: a whole number above zero.
    #[serde(default)]
    pub top_k: Option<Count>,
}

impl From<ModelName> for RouteTarget {
    fn from(model: ModelName) -> Self {
        Self { model, weight: None, max_tokens: None, temperature: None, top_p: None, top_k: None }
    }
}

impl RouteTarget {
    /// The model and its options.
    pub fn chain_target(&self) -> ChainTarget {
        let Self { model, max_tokens, temperature, top_p, top_k, .. } = self.clone();
        ChainTarget { model, max_tokens, temperature, top_p, top_k }
    }

    /// Its weight; one if it has none.
    pub fn weight(&self) -> f64 {
        self.weight.map_or(1.0, Amount::get)
    }
}

impl Rule {
    /// The targets.
    pub fn targets(&self) -> impl Iterator<Item = &RouteTarget> {
        self.targets.iter().map(|Listed(target)| target)
    }

    /// The order; by weight if a target has one.
    pub fn order(&self) -> Order {
        let by_default = || match self.targets().any(|target| target.weight.is_some()) {
            true => Order::Weighted,
            false => Order::Listed,
        };
        self.order.unwrap_or_else(by_default)
    }

    /// Whether every call that `other` matches is one that this rule matches.
    fn covers(&self, other: &Rule) -> bool {
        let is = |wanted: Option<bool>, theirs: Option<bool>| wanted.is_none() || wanted == theirs;
        let values_of = |rule: &Rule, label: &str| rule.labels.get(label).map(|values| values.values().to_vec());
        self.min_input_tokens.is_none_or(|min| other.min_input_tokens.is_some_and(|theirs| theirs >= min))
            && self.max_input_tokens.is_none_or(|max| other.max_input_tokens.is_some_and(|theirs| theirs <= max))
            && is(self.images, other.images)
            && is(self.documents, other.documents)
            && is(self.audio, other.audio)
            && is(self.tools, other.tools)
            && is(self.streamed, other.streamed)
            && self.labels.iter().all(|(label, values)| {
                values_of(other, label).is_some_and(|theirs| theirs.iter().all(|value| values.values().contains(value)))
            })
            && (self.models.is_empty()
                || (!other.models.is_empty() && other.models.iter().all(|name| self.models.contains(name))))
            && (self.time.is_none() || self.time == other.time)
    }

    fn check(&self, key: &str) -> Vec<ConfigError> {
        let mut errors = Vec::new();
        let mut wrong = |part: &str, message: &str, expected: &str| {
            errors.push(ConfigError::new(format!("{key}.{part}"), message, expected));
        };
        if self.targets.is_empty() {
            wrong("targets", "is empty or missing", "a list of names, such as [\"anthropic\", \"openai/gpt-4.1\"]");
        }
        for (at, target) in self.targets().enumerate() {
            if target.weight.is_some_and(|weight| weight.get() == 0.0) {
                wrong(
                    &format!("targets[{at}].weight"),
                    "is 0, so the target is never chosen",
                    "a number above zero, or take the target out",
                );
            }
        }
        if let (Some(min), Some(max)) = (self.min_input_tokens, self.max_input_tokens)
            && min > max
        {
            let message = format!("is {}, more than max_input_tokens, so the rule never matches", min.get());
            wrong("min_input_tokens", &message, &format!("at most {}", max.get()));
        }
        for (label, values) in &self.labels {
            if values.values().is_empty() {
                wrong(
                    &format!("labels.{label}"),
                    "is an empty list, so the rule never matches",
                    "a text, or a list of texts",
                );
            }
        }
        if self.models.iter().any(String::is_empty) {
            wrong("models", "has an empty name, which no call asks for", "names, such as \"gpt-4.1\" or \"openai/*\"");
        }
        if let Some((message, expected)) = self.time.as_ref().and_then(Hours::problem) {
            wrong("time", message, expected);
        }
        errors
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self { rules: Vec::new(), avoid_seconds: Seconds::new(30.0) }
    }
}

impl Config for Settings {
    fn check(&self) -> Vec<ConfigError> {
        let mut errors: Vec<_> =
            self.rules.iter().enumerate().flat_map(|(at, rule)| rule.check(&format!("rules[{at}]"))).collect();
        for (at, rule) in self.rules.iter().enumerate() {
            let before = self.rules.iter().take(at).position(|before| before.covers(rule));
            if let Some(before) = before {
                let message = format!("never matches, since rules[{before}] before it matches all of its calls");
                let expected = format!("put rules[{before}] behind it, or change its conditions");
                errors.push(ConfigError::new(format!("rules[{at}]"), message, expected));
            }
        }
        errors
    }
}
