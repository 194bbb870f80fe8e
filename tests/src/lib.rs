//! The conformance kit of ArcLLM: tests that take any component and check that it is a good module.
//!
//! `arcllm module test FILE.wasm` runs it; see [`kit`].

pub mod kit;
