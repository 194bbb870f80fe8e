//! What a provider says that is left of its limits.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;

use crate::{clock, types::Attempt};

/// The extension of an attempt with what is left.
pub(crate) const ALLOWANCES: &str = "arcllm.allowances";

/// What is left of a limit of a provider.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub struct Allowance {
    /// How much is left.
    pub remaining: u64,
    /// The seconds from the answer on until the limit starts afresh, if the provider says so.
    pub reset_seconds: Option<f64>,
}

impl Allowance {
    /// Returns the time from the answer on until the limit starts afresh, if the provider says so.
    pub fn resets_in(&self) -> Option<Duration> {
        self.reset_seconds.map(clock::seconds)
    }
}

impl Attempt {
    /// Returns what the provider says that is left of its limits, by what it limits: `requests`, `tokens`, `input_tokens` or
    /// `output_tokens`. Empty if the provider does not say so.
    pub fn allowances(&self) -> BTreeMap<String, Allowance> {
        let text = self.extensions.iter().find(|(key, _)| key == ALLOWANCES).map(|(_, text)| text);
        text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }
}
