//! Anthropic Messages: <https://docs.claude.com/en/api/messages>.

pub(crate) mod answer;
pub(crate) mod block;
pub(crate) mod cache_control;
pub(crate) mod citations;
pub(crate) mod content;
pub(crate) mod count;
pub(crate) mod error;
pub(crate) mod events;
pub(crate) mod format;
pub(crate) mod kept;
pub(crate) mod kept_block;
pub(crate) mod known;
pub(crate) mod made;
pub(crate) mod open_blocks;
pub(crate) mod reasoning;
pub(crate) mod request;
pub(crate) mod signature;
pub(crate) mod tools;
pub(crate) mod usage;
