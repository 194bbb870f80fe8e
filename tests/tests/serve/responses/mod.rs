//! OpenAI Responses, as clients speak it, in front of providers of each format.

pub(crate) mod accumulate;
mod answers;
mod codex;
pub(crate) mod provided;
mod refusals;
mod requests;
mod stage;
