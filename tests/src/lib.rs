//! The conformance kit: what any module must do, and what one of its kind must do, as tests that take a component.
//!
//! `arcllm` runs it on whatever file it is given; see [`kit`]. The integration tests of ArcLLM stand beside it, in
//! `tests/`.

pub mod kit;
