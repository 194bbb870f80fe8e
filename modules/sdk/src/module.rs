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
    pub(crate) behavior: &'static [Behavior],
}

impl Description {
    /// Describes a module by its name, version and kind. It asks its inner once and changes nothing, unless
    /// [`behavior`](Self::behavior) says more.
    ///
    /// The kind is for people: `retry`, `fallback`, `observer`, `transformer`, `limiter`, `breaker`, or any other word.
    pub const fn new(name: &'static str, version: &'static str, kind: &'static str) -> Self {
        Self { name, version, kind, behavior: &[] }
    }

    /// Says what the module may do. The conformance kit demands no more than that, and `arcllm check` warns by it of a wrong
    /// place in the chain.
    #[must_use]
    pub const fn behavior(self, behavior: &'static [Behavior]) -> Self {
        Self { behavior, ..self }
    }
}

/// What a module may do besides asking its inner once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behavior {
    /// It asks other models.
    AsksOthers,
    /// It answers without asking, or refuses a call.
    AnswersItself,
    /// It asks more than once for one call.
    AsksAgain,
    /// It changes requests.
    ChangesRequests,
    /// It changes answers.
    ChangesAnswers,
    /// A streamed answer waits in it.
    HoldsAnswersBack,
}

impl Behavior {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Behavior::AsksOthers => "asks-others",
            Behavior::AnswersItself => "answers-itself",
            Behavior::AsksAgain => "asks-again",
            Behavior::ChangesRequests => "changes-requests",
            Behavior::ChangesAnswers => "changes-answers",
            Behavior::HoldsAnswersBack => "holds-answers-back",
        }
    }
}
