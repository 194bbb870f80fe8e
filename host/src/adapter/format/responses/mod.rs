//! OpenAI Responses: <https://platform.openai.com/docs/api-reference/responses>.

pub(crate) mod answer;
pub(crate) mod conversation;
pub(crate) mod decode;
pub(crate) mod encode;
pub(crate) mod fields;
pub(crate) mod options;
pub(crate) mod own_tools;
pub(crate) mod parts;
pub(crate) mod responses;
pub(crate) mod status;
pub(crate) mod stream;
pub(crate) mod streamed_item;
pub(crate) mod streamed_part;
pub(crate) mod streamed_parts;
