//! Anthropic Messages as clients speak it, in front of providers of each format.

mod answers;
mod claude_code;
mod count;
mod errors;
mod options;
mod requests;
mod stage;
mod streamed;
mod tools;
