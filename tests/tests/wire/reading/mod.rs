//! Answers as real servers send them: each row of `findings/wire.md`, and others of its kind, over sockets.

mod ends;
mod errors;
mod parts;
mod stage;
mod text;
mod tool_calls;
mod usage;
