//! What a provider says that is left of its limits.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use crate::chat::seconds;

/// What is left of each limit of a provider, as the headers of an answer say.
pub type Allowances = BTreeMap<Limited, Allowance>;

/// What a provider limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Limited {
    /// Requests.
    Requests,
    /// Tokens of input and output.
    Tokens,
    /// Tokens of input.
    InputTokens,
    /// Tokens of output.
    OutputTokens,
}

/// What is left of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Allowance {
    /// How much is left.
    pub remaining: u64,
    /// How long it takes from the answer on until the limit starts afresh, if the provider says so.
    #[serde(rename = "reset_seconds", with = "seconds::option", default)]
    pub resets_in: Option<Duration>,
}

impl Allowance {
    /// So much is left, until the limit starts afresh after this time.
    pub fn new(remaining: u64, resets_in: Option<Duration>) -> Self {
        Self { remaining, resets_in }
    }
}
