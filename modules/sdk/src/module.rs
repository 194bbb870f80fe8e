//! The trait that a module implements.

use crate::{Config, Error, Request, Response};

pub use crate::bindings::exports::arcllm::llm::module::{Cost, Target};

/// A module.
pub trait Module: Sized + 'static {
    /// Its settings: the keys of `[modules.NAME]`, but for `enabled` and `sandbox`, which are the host's.
    type Config: Config;

    /// What the module is.
    fn describe() -> Description;

    /// A module with these settings. Called once an instance, before any call.
    fn new(config: Self::Config) -> Self;

    /// Serves one call: asks [`inner`](crate::inner) never, once or often, and answers.
    ///
    /// # Errors
    ///
    /// The inner's error, unchanged, unless the module is there to change it.
    fn invoke(&self, request: Request) -> impl Future<Output = Result<Response, Error>>;

    /// The most that one call can cost, given its inner and every model that it could load. A module that asks its
    /// inner once at most and sleeps never need not say.
    fn worst_case(&self, inner: &Target, others: &[Target]) -> Cost {
        let _ = others;
        inner.most
    }
}

/// What a module is.
#[derive(Debug, Clone)]
pub struct Description {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    pub(crate) kind: &'static str,
}

impl Description {
    /// A module of this name, version and kind. The kind says what it does: `retry`, `fallback`, `observer` (changes
    /// nothing), `transformer` (changes what is asked or answered), `limiter`, `breaker`, or a word of its own; the
    /// conformance kit holds it to the scenarios of its kind, and `arcllm check` warns of orders that make no sense of it.
    pub const fn new(name: &'static str, version: &'static str, kind: &'static str) -> Self {
        Self { name, version, kind }
    }
}
