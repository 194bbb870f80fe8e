//! Answers as real servers send them: each row of `findings/wire.md`, and others of its kind, over sockets.

mod ends;
mod errors;
mod stage;
mod text;
mod tool_calls;
mod usage;
