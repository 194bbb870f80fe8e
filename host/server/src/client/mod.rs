//! The formats that clients speak, and what they have in common.

pub(crate) mod body_json;
pub(crate) mod chat_completions;
pub(crate) mod client;
pub(crate) mod fields;
pub(crate) mod kept;
pub(crate) mod known;
pub(crate) mod messages;
pub(crate) mod place;
pub(crate) mod places;
pub(crate) mod problem;
pub(crate) mod refusal;
pub(crate) mod request_id;
pub(crate) mod responses;
pub(crate) mod shape;
pub(crate) mod sse;
pub(crate) mod tool_ids;
pub(crate) mod unique;
pub(crate) mod waiting;
