//! Builds components from modules in Rust: finds a compiler, runs cargo, and encodes the result as a component.
//!
//! `arcllm module build` uses it, and `cargo xtask modules`.

mod cargo;
mod component;
mod toolchain;

pub use component::{About, encode, imports, section};
pub use toolchain::{TARGET, Toolchain};
