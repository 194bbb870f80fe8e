//! Decides which limits a call has, and what it takes of them.

use std::time::Duration;

use arcllm_module::{clock::seconds, state::Bucket};

use crate::settings::{Limit, Settings};

/// The longest name or value of a label that has limits of its own, in bytes. Longer ones that begin alike share theirs.
const LONGEST_VALUE: usize = 200;

/// How many bytes of it a person is shown.
const LONGEST_SHOWN: usize = 80;

/// How often and how much is asked.
#[derive(Debug, Clone)]
pub struct Policy {
    pub(crate) settings: Settings,
}

/// Something that has limits: a provider, a model or the value of a label.
#[derive(Debug, Clone, PartialEq)]
pub struct Limited {
    /// What it is, for people.
    pub what: String,
    /// The end of its keys.
    key: String,
    /// Requests in a second, and at once.
    requests: Option<(f64, f64)>,
    /// Tokens in a second, and at once.
    tokens: Option<(f64, f64)>,
    /// Calls at once.
    pub in_flight: Option<u32>,
}

impl Policy {
    /// Makes the policy of these settings.
    pub fn new(settings: Settings) -> Self {
        Self { settings }
    }

    /// Returns all that limits calls of this model, with these labels.
    pub fn limits(&self, provider: &str, model: &str, label: impl Fn(&str) -> Option<String>) -> Vec<Limited> {
        let settings = &self.settings;
        let own = settings.providers.get(provider).cloned().unwrap_or_default();
        let own = Limit {
            requests_per_minute: own.requests_per_minute.or(Some(settings.requests_per_minute)),
            burst: own.burst,
            // A burst for all providers does not fit another rate.
            tokens_burst: own.tokens_burst.or(settings.tokens_burst.filter(|_| own.tokens_per_minute.is_none())),
            tokens_per_minute: own.tokens_per_minute.or(settings.tokens_per_minute),
            max_in_flight: own.max_in_flight.or(settings.max_in_flight),
        };
        let of_provider = self.limited(provider, format!("provider/{}", cut(provider)), &own);
        let name = format!("{provider}/{model}");
        let of_model = best(settings.models.keys(), &name).and_then(|pattern| settings.models.get(pattern));
        let of_model = of_model.map(|limit| self.limited(&name, format!("model/{}", cut(&name)), limit));
        let of_labels = settings.labels.iter().filter_map(|(key, limit)| {
            let value = label(key)?;
            let name = format!("{key} {}", cut(&value));
            Some(self.limited(&name, format!("label/{}/{}", cut(key), cut(&value)), limit))
        });
        [of_provider].into_iter().chain(of_model).chain(of_labels).collect()
    }

    fn limited(&self, what: &str, key: String, limit: &Limit) -> Limited {
        let what = beginning(what, LONGEST_SHOWN).to_owned();
        let burst = limit.burst.unwrap_or(self.settings.burst).get();
        let tokens = limit.tokens_per_minute.map(|rate| (rate / 60.0, limit.tokens_burst.unwrap_or(rate)));
        let requests = limit.requests_per_minute.map(|rate| (rate / 60.0, f64::from(burst)));
        Limited { what, key, requests, tokens, in_flight: limit.max_in_flight.map(|most| most.get()) }
    }

    /// Returns the longest wait of a call.
    pub fn max_wait(&self) -> Duration {
        seconds(self.settings.max_wait_seconds.get())
    }
}

impl Limited {
    /// The buckets of a call that takes so many tokens.
    pub fn buckets(&self, tokens: f64) -> impl Iterator<Item = Bucket> {
        let requests = self.requests.map(|limit| bucket("requests", &self.key, limit, 1.0));
        requests.into_iter().chain(self.tokens_bucket(tokens))
    }

    /// The bucket of tokens, to take so many of it; less than zero gives tokens back.
    pub fn tokens_bucket(&self, tokens: f64) -> Option<Bucket> {
        self.tokens.map(|limit| bucket("tokens", &self.key, limit, tokens))
    }

    /// The bucket of requests, to give back a request that was not sent.
    pub fn unsent_bucket(&self) -> Option<Bucket> {
        self.requests.map(|limit| bucket("requests", &self.key, limit, -1.0))
    }

    /// Whether tokens are limited.
    pub fn counts_tokens(&self) -> bool {
        self.tokens.is_some()
    }

    /// The key of the calls that are under way.
    pub fn calls_key(&self) -> String {
        format!("calls/{}", self.key)
    }
}

fn bucket(what: &str, key: &str, (per_second, burst): (f64, f64), cost: f64) -> Bucket {
    Bucket { key: format!("{what}/{key}"), per_second, burst, cost }
}

/// The pattern that says most about this name.
fn best<'a>(patterns: impl Iterator<Item = &'a String>, name: &str) -> Option<&'a String> {
    let fits = |pattern: &&String| match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => *pattern == name,
    };
    patterns.filter(fits).max_by_key(|pattern| (!pattern.ends_with('*'), pattern.len()))
}

/// The beginning of a text that fits into a key.
fn cut(text: &str) -> &str {
    beginning(text, LONGEST_VALUE)
}

fn beginning(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or(text)
}

#[cfg(test)]
mod tests;
