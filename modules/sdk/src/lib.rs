//! Write a module for ArcLLM: a WebAssembly component that stands between an agent and a language model.
//!
//! A module is a struct of settings and one async function. This one asks a second time when the first try fails:
//!
//! ```
//! use arcllm_module::{Behavior, Description, Error, Module, NoSettings, Request, Response, inner};
//!
//! struct Twice;
//!
//! impl Module for Twice {
//!     type Config = NoSettings;
//!
//!     fn describe() -> Description {
//!         Description::new("twice", env!("CARGO_PKG_VERSION"), "retry").behavior(&[Behavior::AsksAgain])
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
//! `arcllm module build` compiles it with `crate-type = ["cdylib"]` for `wasm32-unknown-unknown`, makes it a component,
//! and can install it in the modules directory of a host. A component imports only what it uses, and what it imports is
//! what it asks for: a module that never calls [`models`] does not need that grant.
//!
//! One instance serves many calls at once. Each has its own [`invoke`](Module::invoke), and they take turns at every
//! `await`. `&self` is shared by all of them.
//!
//! # Where to find what
//!
//! | to | use |
//! |---|---|
//! | ask the inner, or another model | [`inner`], [`models`] |
//! | read settings with checked ranges | [`Config`], [`Seconds`], [`Amount`], [`Count`], [`HttpStatus`], [`ProviderName`], [`ModelName`], [`ChainTarget`] |
//! | read or build requests and answers | [`types`] |
//! | know how an answer ended, or note something after an answer or error | [`endings`] |
//! | know what is left of the provider's limits | [`Attempt::allowances`](types::Attempt::allowances) |
//! | know what an answer used and cost | [`tokens`], [`cost`](cost()), [`Request::facts`] |
//! | read or change a streamed answer on its way | [`stream`] |
//! | tell errors apart, or refuse a call | [`ErrorKind`], [`types::Reason`], [`Error::refused`] |
//! | keep values from one call to the next | [`state`], [`RateLimiter`] |
//! | append a record that stays | [`journal`] |
//! | wait, tell the time, draw random numbers, log | [`clock`], [`random`], [`log`] |
//! | wait no longer than this, or for one of two | [`clock::timeout`], [`race`](race()) |
//! | test a module natively | `testing` |
//!
//! A module says in its [`Description`] what it may do beyond asking its inner once. A panic ends the call with its message and
//! place.
//!
//! A module that hands on an answer as it is needs no code for streams. A module that looks into answers is given whole
//! ones, unless it uses [`stream`].
//!
//! Values in [`state`] are shared by all instances, and are a grant too. This module counts calls:
//!
//! ```
//! # use arcllm_module::{Description, Error, Module, NoSettings, Request, Response, inner, state};
//! struct CountCalls;
//! impl Module for CountCalls {
//!     type Config = NoSettings;
//!     fn describe() -> Description { Description::new("count-calls", "0.1.0", "observer") }
//!     fn new(_: NoSettings) -> Self { CountCalls }
//!     async fn invoke(&self, request: Request) -> Result<Response, Error> {
//!         // The call goes on even if the store fails.
//!         let _ = state::increment("calls".to_owned(), 1).await;
//!         inner::invoke(request).await
//!     }
//! }
//! arcllm_module::export!(CountCalls);
//! # use arcllm_module::testing::World;
//! # let world = World::new();
//! # world.run(async { CountCalls.invoke(world.request("Hi")).await.and(CountCalls.invoke(world.request("Hi")).await) }).unwrap();
//! # assert_eq!(world.value("calls").as_deref(), Some(&b"2"[..]));
//! ```

mod allowance;
#[doc(hidden)]
pub mod bindings;
pub mod clock;
mod content;
mod cost;
pub mod endings;
mod error;
#[doc(hidden)]
pub mod export;
pub mod journal;
mod module;
#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod panic;
mod race;
mod rate_limiter;
mod settings;
pub mod state;
pub mod stream;
#[cfg(not(target_family = "wasm"))]
pub mod testing;

pub use allowance::Allowance;
pub use bindings::arcllm::llm::types;
#[cfg(target_family = "wasm")]
pub use bindings::{
    arcllm::llm::{llm_provider as inner, models},
    wasi::{clocks::system_clock as wall_clock, logging::logging as log, random::insecure as random},
};
pub use cost::{cost, tokens};
pub use error::{ErrorKind, is_no_answer, is_unread};
pub use inner::{Request, Response};
pub use module::{Behavior, Cost, Description, Module, Target};
pub use race::{Raced, race};
pub use rate_limiter::{RateLimiter, Turn};
pub use settings::{
    Config, ConfigError, NoSettings,
    names::{ModelName, ProviderName},
    number::{Amount, Count, HttpStatus, Seconds},
    store::OnStoreFailure,
    target::{ChainTarget, Listed},
};
#[cfg(not(target_family = "wasm"))]
pub use testing::imports::{inner, log, models, random, wall_clock};
pub use types::Error;
