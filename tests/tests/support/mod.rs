//! What these tests share: chains over simulated providers, written down as a user writes them, and the command
//! `arcllm`, run as a user runs it. It is no part of the library, which the command is built on.
//!
//! With `ARCLLM_TEST_MODULES` set to the absolute path of a folder that holds `retry.wasm`, `fallback.wasm` and
//! `chaos.wasm`, every [`Chain`] runs those in the place of the built-in modules.

mod binary;
mod chain;
mod command;
mod folder;

pub(crate) use binary::arcllm;
pub(crate) use chain::Chain;
pub(crate) use command::{Arcllm, Output, Running};
pub(crate) use folder::Folder;
