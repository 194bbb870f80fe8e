//! Appends a record of each call to the journal of the host.
//!
//! [`Policy`] decides what becomes of a call whose record cannot be written. This file connects it to the host.

mod policy;
mod record;
mod settings;

use arcllm_module::{Behavior, Description, Error, Module, Request, Response, endings, inner, log, types::Failure};

use record::{Call, Ended};

pub use policy::{Policy, Then};
pub use settings::{OnJournalFailure, Settings};

/// How long a call that was refused is asked to wait, in nanoseconds: a full disk is not emptied at once.
const WAIT: u64 = 5_000_000_000;

/// The module.
pub struct Audit {
    settings: Settings,
    policy: Policy,
}

impl Module for Audit {
    type Config = Settings;

    fn describe() -> Description {
        Description::new("audit", env!("CARGO_PKG_VERSION"), "audit").behavior(&[Behavior::AnswersItself])
    }

    fn new(settings: Settings) -> Self {
        Self { policy: Policy::new(&settings), settings }
    }

    async fn invoke(&self, request: Request) -> Result<Response, Error> {
        let call = Call::begin(&request, &self.settings);
        if self.policy.writes_begin(request.streamed())
            && let Err(problem) = append(&call, "beginning", call.begun()).await
            && self.policy.without_begin() == Then::Fail
        {
            // If the beginning is in the journal after all, its end is there, too.
            let _ = call.append(call.ended(&Ended::Refused)).await;
            return Err(refused(&request, &problem));
        }
        let response = match inner::invoke(request.clone()).await {
            Ok(response) => response,
            Err(error) => {
                let _ = append(&call, "end", call.ended(&Ended::Failed(&error))).await;
                return Err(error);
            }
        };
        if !response.is_whole() {
            record_end(call, &response);
            return Ok(response);
        }
        let (provider, model, usage, stop_reason) =
            (response.provider(), response.model(), response.usage(), response.stop_reason());
        let ended =
            Ended::Answered { provider: &provider, model: &model, usage: &usage, stop_reason: stop_reason.as_ref() };
        match append(&call, "end", call.ended(&ended)).await {
            Err(problem) if self.policy.without_end(true) == Then::Fail => Err(withheld(&provider, &problem)),
            _ => Ok(response),
        }
    }
}

/// Records how this answer ends, when it has ended. Its events do not pass through the module.
fn record_end(call: Call, response: &Response) {
    endings::after(response, async move |ended| {
        let record = match &ended {
            Ok(ending) => call.ended(&Ended::Answered {
                provider: &ending.provider,
                model: &ending.model,
                usage: &ending.usage,
                stop_reason: Some(&ending.stop_reason),
            }),
            Err(error) => call.ended(&Ended::Failed(error)),
        };
        let _ = append(&call, "end", record).await;
    });
}

/// Appends a record. Logs why it is not kept, if so: the journal itself cannot tell.
async fn append(call: &Call, what: &str, record: String) -> Result<(), String> {
    let appended = call.append(record).await;
    if let Err(problem) = &appended {
        log::log(log::Level::Error, "audit", &format!("the {what} of a call is not in the journal: {problem}"));
    }
    appended
}

fn refused(request: &Request, problem: &str) -> Error {
    let message = format!("the module audit lets no call through while it cannot record it: {problem}");
    Error::refused(request, "audit", 503, WAIT, message)
}

fn withheld(provider: &str, problem: &str) -> Error {
    let message = format!("the module audit withholds the answer of {provider}, since it cannot record it: {problem}");
    Error::Module(Failure::new(provider, message))
}

arcllm_module::export!(Audit);

#[cfg(test)]
mod tests;
