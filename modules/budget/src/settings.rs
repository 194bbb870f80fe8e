//! `[modules.budget]`.

use std::{collections::BTreeMap, fmt};

use arcllm_module::{Config, ConfigError, Count, Seconds, state::Life};
use schemars::JsonSchema;
use serde::Deserialize;

/// The settings of the module.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The limits, which all hold: a list of tables, such as { label = "team", window = "day", cost = 50.0 }.
    pub limits: Vec<Limit>,
    /// The share of a limit from which on the log and the trail warn: a number above 0, at most 1.
    pub warn_at: f64,
    /// What becomes of a call whose model has no known price, if a limit has a cost: "refuse" or "allow".
    pub unknown_price: Decision,
    /// What becomes of a call without the label of a limit: "share" or "refuse".
    pub without_label: WithoutLabel,
    /// What becomes of a call while the store fails: "refuse" or "allow".
    pub on_store_failure: Decision,
    /// The tokens of an answer to reserve where neither the request nor its model has a most: a whole number above zero.
    pub max_output_tokens: Count,
    /// How long a call takes at most, in seconds. What it has reserved comes back after two to three times this if its process dies: a
    /// number above zero.
    pub reservation_seconds: Seconds,
}

/// An item of `limits`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Limit {
    /// The label whose values have this limit, each for itself: a text. Without it, all calls have the limit together.
    #[serde(default)]
    pub label: Option<String>,
    /// The only value of the label that has this limit, in place of the limit for all values: a text.
    #[serde(default)]
    pub value: Option<String>,
    /// When the counting begins again: "minute", "hour", "day", "month" or "total".
    pub window: Window,
    /// The most money, in the currency of the prices: a number above zero.
    #[serde(default)]
    #[schemars(extend("format" = "arcllm-needs-price"))]
    pub cost: Option<f64>,
    /// The most tokens, of input and output together: a whole number above zero.
    #[serde(default)]
    pub tokens: Option<u64>,
}

/// When the counting begins again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    /// With each minute.
    Minute,
    /// With each hour.
    Hour,
    /// With each day.
    Day,
    /// With each month.
    Month,
    /// Never.
    Total,
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// It fails.
    Refuse,
    /// It goes on.
    Allow,
}

/// What becomes of a call without a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WithoutLabel {
    /// It shares a limit with all others without the label.
    Share,
    /// It fails.
    Refuse,
}

impl Window {
    /// Returns how long a counter of this window lives.
    pub fn life(self) -> Life {
        match self {
            Window::Minute => Life::Minute,
            Window::Hour => Life::Hour,
            Window::Day => Life::Day,
            Window::Month => Life::Month,
            Window::Total => Life::Forever,
        }
    }

    /// Whether what was reserved and not settled would be missed for long.
    pub(crate) fn is_long(self) -> bool {
        match self {
            Window::Minute | Window::Hour => false,
            Window::Day | Window::Month | Window::Total => true,
        }
    }

    /// Returns the word of the settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Window::Minute => "minute",
            Window::Hour => "hour",
            Window::Day => "day",
            Window::Month => "month",
            Window::Total => "total",
        }
    }
}

/// As in "50.00 a day".
impl fmt::Display for Window {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Window::Hour => formatter.write_str("an hour"),
            Window::Total => formatter.write_str("in total"),
            Window::Minute | Window::Day | Window::Month => write!(formatter, "a {}", self.as_str()),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            limits: Vec::new(),
            warn_at: 0.8,
            unknown_price: Decision::Refuse,
            without_label: WithoutLabel::Share,
            on_store_failure: Decision::Refuse,
            max_output_tokens: Count::new(4096),
            reservation_seconds: Seconds::new(600.0),
        }
    }
}

/// The most limits.
const MOST_LIMITS: usize = 50;

/// The most numbers that a call is held to. All are counted in one step of the store, which has twice as many keys.
const MOST_NUMBERS: usize = 32;

/// The most money of a limit. A counter has millionths of it.
const MOST_COST: f64 = 1e12;

/// The most tokens of a limit.
const MOST_TOKENS: u64 = 1_000_000_000_000_000_000;

/// The most bytes of the name of a label.
const LABEL: usize = 64;

impl Config for Settings {
    fn check(&self) -> Vec<ConfigError> {
        let mut errors = Vec::new();
        if self.limits.is_empty() {
            let expected = "at least one limit, such as { window = \"day\", cost = 50.0 }";
            errors.push(ConfigError::new("limits", "is empty", expected));
        }
        if self.limits.len() > MOST_LIMITS {
            let message = format!("has {} limits", self.limits.len());
            errors.push(ConfigError::new("limits", message, format!("at most {MOST_LIMITS}")));
        }
        let numbers = self.numbers();
        if numbers > MOST_NUMBERS {
            let message = format!("holds a call to {numbers} numbers");
            errors.push(ConfigError::new("limits", message, format!("at most {MOST_NUMBERS}")));
        }
        if !(self.warn_at > 0.0 && self.warn_at <= 1.0) {
            errors.push(ConfigError::new("warn_at", format!("is {}", self.warn_at), "a number above 0, at most 1"));
        }
        for (at, limit) in self.limits.iter().enumerate() {
            errors.extend(limit.check().into_iter().map(|error| within(at, error)));
            let is_same = |other: &Limit| {
                (&other.label, &other.value, other.window) == (&limit.label, &limit.value, limit.window)
            };
            if let Some(other) = self.limits.iter().take(at).position(is_same) {
                let message = format!("is for the same calls and window as limits[{other}]");
                errors.push(ConfigError::new(format!("limits[{at}]"), message, "one limit with both numbers"));
            }
        }
        errors
    }
}

impl Settings {
    /// The most numbers that one call is held to. Of the limits of a label and window it has one.
    fn numbers(&self) -> usize {
        let mut most = BTreeMap::new();
        for limit in &self.limits {
            let numbers = usize::from(limit.cost.is_some()) + usize::from(limit.tokens.is_some());
            let entry = most.entry((&limit.label, limit.window.as_str())).or_insert(0);
            *entry = numbers.max(*entry);
        }
        most.values().sum()
    }
}

/// The error about a setting of the limit at this index.
fn within(at: usize, error: ConfigError) -> ConfigError {
    let key = if error.key.is_empty() { format!("limits[{at}]") } else { format!("limits[{at}].{}", error.key) };
    ConfigError { key, ..error }
}

impl Limit {
    fn check(&self) -> Vec<ConfigError> {
        let mut errors = Vec::new();
        let mut wrong = |key: &str, message: String, expected: &str| {
            errors.push(ConfigError::new(key, message, expected));
        };
        if self.cost.is_none() && self.tokens.is_none() {
            wrong("", "limits nothing".to_owned(), "`cost` or `tokens`, or both");
        }
        if let Some(cost) = self.cost.filter(|cost| !(*cost >= 1e-6 && *cost <= MOST_COST)) {
            wrong("cost", format!("is {cost}"), "an amount of money above zero, from 0.000001 to 1000000000000");
        }
        if let Some(tokens) = self.tokens.filter(|tokens| *tokens == 0 || *tokens > MOST_TOKENS) {
            wrong("tokens", format!("is {tokens}"), "a whole number above zero, at most 10^18");
        }
        if let Some(label) = self.label.as_ref().filter(|label| !is_name(label)) {
            wrong("label", format!("is {label:?}"), "the name of a label, of 1 to 64 bytes, without `=`");
        }
        if self.value.is_some() && self.label.is_none() {
            wrong("value", "has no label".to_owned(), "the `label` that has this value, too");
        }
        errors
    }
}

fn is_name(label: &str) -> bool {
    !label.is_empty() && label.len() <= LABEL && !label.contains('=')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit() -> Limit {
        Limit { label: None, value: None, window: Window::Day, cost: Some(1.0), tokens: None }
    }

    fn keys(limits: Vec<Limit>) -> Vec<String> {
        Settings { limits, ..Settings::default() }.check().into_iter().map(|error| error.key).collect()
    }

    #[test]
    fn a_budget_needs_a_limit() {
        assert_eq!(keys(vec![]), ["limits"]);
        assert!(keys(vec![limit()]).is_empty());
        assert_eq!(keys(vec![Limit { cost: None, ..limit() }]), ["limits[0]"]);
    }

    #[test]
    fn each_number_that_is_wrong_is_named() {
        for cost in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-9, 1e13] {
            assert_eq!(keys(vec![Limit { cost: Some(cost), ..limit() }]), ["limits[0].cost"], "{cost}");
        }
        for tokens in [0, u64::MAX] {
            assert_eq!(keys(vec![Limit { tokens: Some(tokens), ..limit() }]), ["limits[0].tokens"], "{tokens}");
        }
        for warn_at in [0.0, -0.5, 1.01, f64::NAN] {
            let errors = Settings { limits: vec![limit()], warn_at, ..Settings::default() }.check();
            assert_eq!(errors.iter().map(|error| error.key.as_str()).collect::<Vec<_>>(), ["warn_at"]);
        }
    }

    #[test]
    fn labels_are_names_and_no_limit_is_there_twice() {
        for label in ["", "a=b", &"x".repeat(65)] {
            assert_eq!(keys(vec![Limit { label: Some(label.to_owned()), ..limit() }]), ["limits[0].label"]);
        }
        assert_eq!(keys(vec![Limit { value: Some("a".to_owned()), ..limit() }]), ["limits[0].value"]);
        let team = || Limit { label: Some("team".to_owned()), ..limit() };
        let search = || Limit { value: Some("search".to_owned()), ..team() };
        assert!(keys(vec![limit(), team(), search(), Limit { window: Window::Hour, ..team() }]).is_empty());
        assert_eq!(keys(vec![team(), search(), team(), search()]), ["limits[2]", "limits[3]"]);
        let both = |at| Limit { label: Some(format!("l{at}")), tokens: Some(1), ..limit() };
        assert!(keys((0..16).map(both).collect()).is_empty());
        assert_eq!(keys((0..17).map(both).collect()), ["limits"]);
        let of_value = |at| Limit { value: Some(format!("v{at}")), tokens: Some(1), ..team() };
        assert!(keys((0..50).map(of_value).collect()).is_empty());
        assert_eq!(keys((0..51).map(of_value).collect()), ["limits"]);
    }
}
