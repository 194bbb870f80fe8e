//! Makes components of modules written in Rust: finds a compiler, has cargo compile, and encodes what it made.
//!
//! For `arcllm module build`, and for the modules of this workspace.

mod cargo;
mod component;
mod toolchain;

pub use component::{About, encode, imports, section};
pub use toolchain::{TARGET, Toolchain};
