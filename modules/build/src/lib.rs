//! Builds components from modules: finds a compiler for Rust, runs cargo, writes bindings for other languages, and encodes
//! core modules as components.
//!
//! `arcllm module build` uses it, and `cargo xtask modules`.

mod bindings;
mod cargo;
mod component;
mod toolchain;
mod world;

pub use bindings::BindingsFile;
pub use component::{About, CoreModule, core_module, encode, imports, name_world, section, tell};
pub use toolchain::{TARGET, Toolchain};
pub use world::World;
