//! Write a module for ArcLLM: a WebAssembly component that stands between an agent and a language model.
//!
//! A module is a config struct and one async function. This one asks a second time, whatever went wrong:
//!
//! ```
//! use arcllm_module::{Config, Description, Error, Module, Request, Response, inner};
//!
//! #[derive(Default, serde::Deserialize, schemars::JsonSchema)]
//! #[serde(default, deny_unknown_fields)]
//! struct Settings {}
//!
//! impl Config for Settings {}
//!
//! struct Twice;
//!
//! impl Module for Twice {
//!     type Config = Settings;
//!
//!     fn describe() -> Description {
//!         Description::new("twice", env!("CARGO_PKG_VERSION"), "retry")
//!     }
//!
//!     fn new(_: Settings) -> Self {
//!         Twice
//!     }
//!
//!     async fn invoke(&self, request: Request) -> Result<Response, Error> {
//!         match inner::invoke(request.clone()).await {
//!             Ok(response) => Ok(response),
//!             Err(_) => inner::invoke(request).await,
//!         }
//!     }
//! }
//!
//! arcllm_module::export!(Twice);
//! # fn main() {}
//! ```
//!
//! Built with `crate-type = ["cdylib"]` for `wasm32-unknown-unknown` and made a component, it goes into the modules
//! directory of the host. What it imports is what it asks for: a module that never calls [`models`] never needs that
//! grant.
//!
//! Answers that come in events need no line of code where they are handed on as they are. A module that looks into answers is
//! given whole ones; one that is to read or change them as they come does so with [`stream`].
//!
//! One instance serves many calls at once, each in an [`invoke`](Module::invoke) of its own that yields at every
//! `await`; `&self` is shared by all of them.

#[doc(hidden)]
pub mod bindings;
mod config;
#[doc(hidden)]
pub mod export;
mod module;
pub mod stream;

pub use bindings::arcllm::llm::{llm_provider as inner, models, types};
pub use bindings::wasi::{clocks::monotonic_clock as clock, logging::logging as log, random::insecure as random};
pub use config::{Config, ConfigError, ProviderName};
pub use module::{Cost, Description, Module, Target};
pub use types::{Error, Request, Response};
