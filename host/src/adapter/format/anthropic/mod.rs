//! Anthropic Messages: <https://docs.claude.com/en/api/messages>.

pub(crate) mod anthropic;
pub(crate) mod blocks;
pub(crate) mod cache;
pub(crate) mod conversation;
pub(crate) mod decode;
pub(crate) mod encode;
pub(crate) mod reasoning;
pub(crate) mod stream;
pub(crate) mod streamed_block;
