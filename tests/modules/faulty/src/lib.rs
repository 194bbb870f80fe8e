//! A retry with one fault, chosen by its settings: what the conformance kit must find.

use arcllm_module::{
    Config, Description, Error, Module, Request, Response, clock, inner, random,
    types::{ResponseParts, StopReason, Usage},
};
use arcllm_retry::{Failed, Policy};
use schemars::JsonSchema;
use serde::Deserialize;

/// The settings of a retry, and the fault.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Settings {
    /// The fault; none is a retry as it should be.
    pub fault: Option<Fault>,
    /// The rest.
    #[serde(flatten)]
    pub retry: arcllm_retry::Settings,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// The last error becomes an answer.
    SwallowsErrors,
    /// A request that is wrong is sent again.
    Retries400,
    /// What the server asks for is not waited for.
    IgnoresHints,
    /// A good answer is asked for once more.
    AsksTwice,
    /// There is always a message, it thinks.
    TrapsOnNothing,
}

impl Config for Settings {}

/// The module.
pub struct Faulty {
    policy: Policy,
    fault: Option<Fault>,
}

impl Module for Faulty {
    type Config = Settings;

    fn describe() -> Description {
        Description::new("faulty", env!("CARGO_PKG_VERSION"), "retry")
    }

    fn new(mut settings: Settings) -> Self {
        if settings.fault == Some(Fault::Retries400) {
            settings.retry.retryable_status_codes.push(400);
        }
        Self { policy: Policy::new(&settings.retry), fault: settings.fault }
    }

    async fn invoke(&self, request: Request) -> Result<Response, Error> {
        if self.fault == Some(Fault::TrapsOnNothing) {
            let messages = request.parts().messages;
            assert!(!messages.is_empty(), "there is always a message");
        }
        let mut retries = 0;
        loop {
            let before = request.attempt_count();
            let error = match inner::invoke(request.clone()).await {
                Ok(_) if self.fault == Some(Fault::AsksTwice) => return inner::invoke(request).await,
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            let round: Vec<_> =
                request.attempts(before).iter().map(|attempt| self.seen(Failed::of_attempt(attempt))).collect();
            let again = self.policy.again(&self.seen(Failed::of_error(&error)), &round, retries);
            let wait = again.and_then(|range| range.draw(random::get_insecure_random_u64(), request.remaining()));
            match wait {
                Some(wait) => clock::wait_for(wait).await,
                None if self.fault == Some(Fault::SwallowsErrors) => return Ok(sorry(&request)),
                None => return Err(error),
            }
            retries += 1;
        }
    }
}

impl Faulty {
    fn seen(&self, failed: Failed) -> Failed {
        match failed {
            Failed::Api { status, should_retry, .. } if self.fault == Some(Fault::IgnoresHints) => {
                Failed::Api { status, should_retry, hint: None }
            }
            failed => failed,
        }
    }
}

fn sorry(request: &Request) -> Response {
    let usage = Usage {
        input_tokens: 0,
        output_tokens: 0,
        total_tokens: 0,
        cache_read_tokens: None,
        cache_write_tokens: None,
        reasoning_tokens: None,
        extensions: Vec::new(),
    };
    let parts = ResponseParts {
        content: Vec::new(),
        usage,
        stop_reason: StopReason::EndTurn,
        model: request.model(),
        provider: request.provider(),
        extensions: Vec::new(),
    };
    Response::new(request, &parts)
}

arcllm_module::export!(Faulty);
