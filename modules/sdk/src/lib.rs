//! Write a module for ArcLLM: a WebAssembly component that stands between an agent and a language model.
//!
//! A module is a config struct and one async function. This one asks a second time, whatever went wrong:
//!
//! ```
//! use arcllm_module::{Description, Error, Module, NoSettings, Request, Response, inner};
//!
//! struct Twice;
//!
//! impl Module for Twice {
//!     type Config = NoSettings;
//!
//!     fn describe() -> Description {
//!         Description::new("twice", env!("CARGO_PKG_VERSION"), "retry")
//!     }
//!
//!     fn new(_: NoSettings) -> Self {
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
//! What has to outlive a call, or be shared by all instances, is kept with [`state`], which is a grant too. All of a module
//! that counts calls:
//!
//! ```
//! # use arcllm_module::{Description, Error, Module, NoSettings, Request, Response, inner, state};
//! struct Count;
//! impl Module for Count {
//!     type Config = NoSettings;
//!     fn describe() -> Description { Description::new("count", "0.1.0", "observer") }
//!     fn new(_: NoSettings) -> Self { Count }
//!     async fn invoke(&self, request: Request) -> Result<Response, Error> {
//!         // A store that fails is no reason to ask nobody.
//!         let _ = state::increment("calls".to_owned(), 1).await;
//!         inner::invoke(request).await
//!     }
//! }
//! arcllm_module::export!(Count);
//! # use arcllm_module::testing::World;
//! # let world = World::new();
//! # world.run(async { Count.invoke(world.request("Hi")).await.and(Count.invoke(world.request("Hi")).await) }).unwrap();
//! # assert_eq!(world.value("calls").as_deref(), Some(&b"2"[..]));
//! ```
//!
//! Outside of WebAssembly all of this is there as well, in a world for unit tests: see `testing`.
//!
//! One instance serves many calls at once, each in an [`invoke`](Module::invoke) of its own that yields at every
//! `await`; `&self` is shared by all of them.

#[doc(hidden)]
pub mod bindings;
mod config;
mod content;
#[doc(hidden)]
pub mod export;
mod module;
mod pace;
mod refused;
pub mod stream;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
mod update;

pub use bindings::arcllm::llm::types;
#[cfg(target_family = "wasm")]
pub use bindings::{
    arcllm::llm::{llm_provider as inner, models, state},
    wasi::{
        clocks::{monotonic_clock as clock, system_clock as wall_clock},
        logging::logging as log,
        random::insecure as random,
    },
};
pub use config::{Config, ConfigError, NoSettings, ProviderName};
pub use inner::{Request, Response};
pub use module::{Cost, Description, Module, Target};
pub use pace::{Pace, Turn};
pub use refused::refused;
#[cfg(not(target_family = "wasm"))]
pub use testing::imports::{clock, inner, log, models, random, state, wall_clock};
pub use types::Error;
pub use update::{Update, unix_time, update};
