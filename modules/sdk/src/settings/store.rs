//! What a module does when the store of its state fails.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a module does with a call when the store of its state fails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnStoreFailure {
    /// It lets the call through.
    #[default]
    Allow,
    /// It refuses the call.
    Refuse,
}
