//! OpenAI Responses: <https://platform.openai.com/docs/api-reference/responses>.
//!
//! What becomes of each part for providers of other formats stands in `docs/translation/responses.md`.

pub(crate) mod annotations;
pub(crate) mod conversation;
pub(crate) mod error;
pub(crate) mod events;
pub(crate) mod extensions;
pub(crate) mod format;
pub(crate) mod items;
pub(crate) mod kept;
pub(crate) mod kept_item;
pub(crate) mod known;
pub(crate) mod line;
pub(crate) mod message;
pub(crate) mod names;
pub(crate) mod object;
pub(crate) mod options;
pub(crate) mod original;
pub(crate) mod output;
pub(crate) mod parts;
pub(crate) mod provided_messages;
pub(crate) mod provided_parts;
pub(crate) mod reasoning;
pub(crate) mod request;
pub(crate) mod stored;
pub(crate) mod streamed_calls;
pub(crate) mod streamed_message;
pub(crate) mod streamed_reasoning;
pub(crate) mod tools;
pub(crate) mod usage;
