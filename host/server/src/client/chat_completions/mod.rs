//! OpenAI Chat Completions: <https://platform.openai.com/docs/api-reference/chat>.

pub(crate) mod format;

mod answer;
mod cache_mark;
mod choice;
mod chunks;
mod error;
mod kept;
mod known;
mod messages;
mod options;
mod parts;
mod request;
mod tools;
