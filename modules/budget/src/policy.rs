//! Decides which limits a call has, and what a refusal says. Plain Rust, without WebAssembly.

use std::time::Duration;

use crate::{
    amounts::{Amounts, millionths},
    settings::{Limit, Settings, Window, WithoutLabel},
};

/// The most bytes of the value of a label, so that a key fits the store.
const VALUE: usize = 400;

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Money, in millionths.
    Cost,
    /// Tokens.
    Tokens,
}

/// One number that a call must keep within a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counter {
    /// Its key in the state.
    pub key: String,
    /// What it counts.
    pub unit: Unit,
    /// The most that it may count to.
    pub most: i64,
    /// When the counting begins again.
    pub window: Window,
    /// Whose calls it counts, in words.
    whose: String,
    /// From here on it is near its most.
    near: i64,
}

/// Decides which limits a call has.
#[derive(Debug, Clone)]
pub struct Policy {
    settings: Settings,
}

impl Policy {
    /// Makes the policy of these settings.
    pub fn new(settings: Settings) -> Self {
        Self { settings }
    }

    /// Returns the settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Returns the counters of a call with these labels, in the order of the limits.
    ///
    /// # Errors
    ///
    /// Why the call must not go on: it lacks a label, or the value of one is too long.
    pub fn counters(&self, label: impl Fn(&str) -> Option<String>) -> Result<Vec<Counter>, String> {
        let mut counters = Vec::new();
        for limit in &self.settings.limits {
            let value = limit.label.as_ref().and_then(|name| label(name));
            if let Some(name) = &limit.label {
                match &value {
                    None if self.settings.without_label == WithoutLabel::Refuse => {
                        return Err(format!("it lacks the label `{name}`, which has a limit"));
                    }
                    Some(value) if value.len() > VALUE => {
                        let bytes = value.len();
                        return Err(format!("its label `{name}` has {bytes} bytes, and {VALUE} is the most"));
                    }
                    _ => {}
                }
            }
            if self.holds(limit, value.as_deref()) {
                counters.extend(self.of(limit, value.as_deref()));
            }
        }
        Ok(counters)
    }

    /// Whether a call with this value of the label has this limit. One for the value alone stands in the place of one for all.
    fn holds(&self, limit: &Limit, value: Option<&str>) -> bool {
        let of_value = |other: &Limit| {
            other.value.is_some()
                && other.value.as_deref() == value
                && (&other.label, other.window) == (&limit.label, limit.window)
        };
        match &limit.value {
            Some(_) => limit.value.as_deref() == value,
            None => !self.settings.limits.iter().any(of_value),
        }
    }

    fn of(&self, limit: &Limit, value: Option<&str>) -> impl Iterator<Item = Counter> {
        let window = limit.window;
        let (place, whose) = match (&limit.label, value) {
            (None, _) => (String::new(), "all calls".to_owned()),
            (Some(name), None) => (format!("/{name}"), format!("calls without the label `{name}`")),
            (Some(name), Some(value)) => (format!("/{name}={value}"), format!("{name} `{}`", value.escape_debug())),
        };
        let cost = limit.cost.map(|cost| (Unit::Cost, "cost", millionths(cost)));
        let tokens = limit.tokens.map(|tokens| (Unit::Tokens, "tokens", i64::try_from(tokens).unwrap_or(i64::MAX)));
        let warn_at = self.settings.warn_at;
        [cost, tokens].into_iter().flatten().map(move |(unit, word, most)| Counter {
            key: format!("{word}/{}{place}", window.as_str()),
            unit,
            most,
            window,
            whose: whose.clone(),
            near: (most as f64 * warn_at).ceil() as i64,
        })
    }
}

impl Counter {
    /// Returns the part of these amounts that it counts.
    pub fn part(&self, amounts: Amounts) -> i64 {
        match self.unit {
            Unit::Cost => amounts.cost,
            Unit::Tokens => amounts.tokens,
        }
    }

    /// Whether it has come to the share of its limit at which to warn.
    pub fn is_near(&self, count: i64) -> bool {
        count >= self.near
    }

    /// Says how much of the limit is used: "80% of the limit of 50.00 a day for team `search`".
    pub fn share(&self, count: i64) -> String {
        format!("{:.0}% of {}", count as f64 / self.most as f64 * 100.0, self.limit())
    }

    /// Says why a call is refused that may use `wanted`.
    pub fn refusal(&self, count: i64, wanted: i64, resets: Option<Duration>) -> String {
        let (left, limit) = (self.most.saturating_sub(count).max(0), self.limit());
        let wanted = self.words(wanted);
        if self.never_fits(left, count) {
            return format!("it may use up to {wanted}, which is more than all of {limit}: ask for a shorter answer");
        }
        let resets = match resets {
            Some(time) => format!("It resets in {}.", in_words(time)),
            None if self.window == Window::Total => "It does not reset.".to_owned(),
            None => format!("It resets with the next {}.", self.window.as_str()),
        };
        format!("{limit} has {} left, and this call may use up to {wanted}. {resets}", self.words(left))
    }

    /// Whether a call does not fit although nothing is counted yet.
    fn never_fits(&self, left: i64, count: i64) -> bool {
        count <= 0 && left >= self.most
    }

    fn limit(&self) -> String {
        format!("the limit of {} {} for {}", self.words(self.most), self.window, self.whose)
    }

    /// Writes an amount with its unit.
    pub(crate) fn words(&self, amount: i64) -> String {
        match self.unit {
            Unit::Tokens => format!("{amount} tokens"),
            Unit::Cost => money(amount),
        }
    }
}

/// Writes millionths with at least two digits behind the point.
fn money(amount: i64) -> String {
    let text = format!("{}.{:06}", amount / 1_000_000, (amount % 1_000_000).abs());
    let digits = text.trim_end_matches('0').len().max(text.len() - 4);
    text.get(..digits).unwrap_or(&text).to_owned()
}

/// Says how long a time is, rounded up to whole seconds, minutes, hours or days.
fn in_words(time: Duration) -> String {
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    match seconds {
        0..=120 => format!("{seconds} s"),
        121..=7_200 => format!("{} min", seconds.div_ceil(60)),
        7_201..=172_800 => format!("{} h", seconds.div_ceil(3_600)),
        _ => format!("{} days", seconds.div_ceil(86_400)),
    }
}

#[cfg(test)]
mod tests;
