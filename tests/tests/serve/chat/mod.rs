//! OpenAI Chat Completions as clients speak it, in front of providers of both formats.

mod answers;
mod broken;
mod kept;
mod refused;
mod requests;
mod stage;
mod to_responses;
