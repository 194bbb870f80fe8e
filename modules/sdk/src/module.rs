//! The trait that a module implements.

use crate::{Config, Error, Request, Response};

pub use crate::bindings::exports::arcllm::llm::module::{Cost, Target};

/// A module.
pub trait Module: Sized + 'static {
    /// The settings: the keys of `[modules.NAME]` except for `enabled` and `sandbox`, which the host reads.
    type Config: Config;

    /// Describes the module: its name, version and kind.
    fn describe() -> Description;

    /// Makes the module with these settings. Called once for each instance, before any call.
    fn new(config: Self::Config) -> Self;

    /// Serves one call. It may ask [`inner`](crate::inner) once, several times or never.
    ///
    /// # Errors
    ///
    /// The inner's error, unchanged, unless it is the module's purpose to change it.
    fn invoke(&self, request: Request) -> impl Future<Output = Result<Response, Error>>;

    /// Returns the most that one call can cost, given its inner and every model that the module could load.
    ///
    /// The default fits a module that asks its inner at most once and never sleeps.
    fn worst_case(&self, inner: &Target, others: &[Target]) -> Cost {
        let _ = others;
        inner.most
    }
}

/// What a module tells about itself.
#[derive(Debug, Clone)]
pub struct Description {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    pub(crate) kind: &'static str,
}

impl Description {
    /// Describes a module by its name, version and kind.
    ///
    /// The kind is `retry`, `fallback`, `observer` (changes nothing), `transformer` (changes what is asked or answered),
    /// `limiter`, `breaker`, or any other word. The conformance kit plays the scenarios of that kind, and `arcllm check`
    /// warns when the module stands in the wrong place for its kind.
    pub const fn new(name: &'static str, version: &'static str, kind: &'static str) -> Self {
        Self { name, version, kind }
    }
}
