//! OpenAI Chat Completions: <https://platform.openai.com/docs/api-reference/chat>.

pub(crate) mod conversation;
pub(crate) mod decode;
pub(crate) mod encode;
pub(crate) mod json_progress;
pub(crate) mod openai;
pub(crate) mod options;
pub(crate) mod parts;
pub(crate) mod stream;
pub(crate) mod streamed_fields;
pub(crate) mod streamed_tool_call;
pub(crate) mod streamed_tool_calls;
