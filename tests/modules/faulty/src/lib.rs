//! A retry with one fault, chosen by a setting. The conformance kit must find each of them.

use std::time::Duration;

use arcllm_module::{
    Behavior, Config, Description, Error, HttpStatus, Module, Request, Response, clock, inner, random,
    types::ResponseParts,
};
use arcllm_retry::{Ending, Policy};
use schemars::JsonSchema;
use serde::Deserialize;

/// The settings of a retry, and the fault.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Settings {
    /// The fault; without it the retry is correct.
    pub fault: Option<Fault>,
    /// The settings of a retry.
    #[serde(flatten)]
    pub retry: arcllm_retry::Settings,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// It turns the last error into an answer.
    SwallowsErrors,
    /// It sends a request again that the provider has called wrong.
    Retries400,
    /// It ignores how long the server asks to wait.
    IgnoresHints,
    /// It asks once more after a good answer.
    AsksTwice,
    /// It traps on a conversation without messages.
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
        Description::new("faulty", env!("CARGO_PKG_VERSION"), "retry").behavior(&[Behavior::AsksAgain])
    }

    fn new(mut settings: Settings) -> Self {
        if settings.fault == Some(Fault::Retries400) {
            settings.retry.retryable_status_codes.push(HttpStatus::new(400));
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
                request.attempts(before).iter().map(|attempt| self.seen(Ending::of_attempt(attempt))).collect();
            let again = self.policy.again(&self.seen(Ending::of_error(&error)), &round, retries);
            let wait = again.and_then(|range| range.draw(random::get_insecure_random_u64(), request.remaining()));
            match wait {
                Some(wait) => clock::wait_for(Duration::from_nanos(wait)).await,
                None if self.fault == Some(Fault::SwallowsErrors) => return Ok(sorry(&request)),
                None => return Err(error),
            }
            retries += 1;
        }
    }
}

impl Faulty {
    fn seen(&self, ending: Ending) -> Ending {
        match ending {
            Ending::Api { status, should_retry, .. } if self.fault == Some(Fault::IgnoresHints) => {
                Ending::Api { status, should_retry, hint: None }
            }
            ending => ending,
        }
    }
}

fn sorry(request: &Request) -> Response {
    let empty = ResponseParts::from_text(&request.provider(), &request.model(), "");
    Response::new(request, &ResponseParts { content: Vec::new(), ..empty })
}

arcllm_module::export!(Faulty);
