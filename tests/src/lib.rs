//! The conformance kit of ArcLLM: tests that take any component and check that it is a good module.
//!
//! `arcllm module test FILE.wasm` runs it; see [`kit`]. [`state_store`] checks a store of a program's own.

pub mod kit;
pub mod state_store;

/// Compiles the Rust blocks of the documents.
#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../../README.md")]
    struct Readme;
    #[doc = include_str!("../../docs/writing-a-module.md")]
    struct Guide;
}
