//! A router or a hedge with one fault, chosen by a setting. The conformance kit must find each of them.

use std::{pin::pin, time::Duration};

use arcllm_module::{
    Behavior, Config, Description, Error, Module, Raced, Request, Response, clock, inner, models, race,
    types::ResponseParts,
};
use schemars::JsonSchema;
use serde::Deserialize;

/// The settings.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Settings {
    /// The fault.
    pub fault: Fault,
}

/// A fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// A router that makes an answer of an error.
    SwallowsErrors,
    /// A router that returns an error of its own instead of the one it got.
    RewritesErrors,
    /// A router that asks another model for a part of what was asked.
    ShortensRequests,
    /// A hedge that waits for both, and so for the slower one.
    WaitsForBoth,
    /// A hedge that begins a second request and forgets the first answer, which it has already.
    AsksAfterTheAnswer,
}

impl Config for Settings {}

/// The module.
pub struct FaultyChoice {
    fault: Fault,
}

impl Module for FaultyChoice {
    type Config = Settings;

    fn describe() -> Description {
        Description::new("faulty-choice", env!("CARGO_PKG_VERSION"), "other").behavior(&[Behavior::AsksOthers])
    }

    fn new(settings: Settings) -> Self {
        Self { fault: settings.fault }
    }

    async fn invoke(&self, request: Request) -> Result<Response, Error> {
        match self.fault {
            Fault::SwallowsErrors => second(&request).await.or_else(|_| Ok(empty(&request))),
            Fault::RewritesErrors => second(&request).await.map_err(|_| Error::Cancelled),
            Fault::ShortensRequests => {
                let mut parts = request.parts();
                parts.messages.truncate(1);
                second(&request.derive(&parts)).await
            }
            Fault::WaitsForBoth => {
                let mut first = pin!(inner::invoke(request.clone()));
                let mut other = pin!(second(&request));
                match race(first.as_mut(), other.as_mut()).await {
                    Raced::One(answer) => other.await.and(answer),
                    Raced::Other(answer) => first.await.and(answer),
                }
            }
            Fault::AsksAfterTheAnswer => {
                let answer = inner::invoke(request.clone()).await?;
                clock::wait_for(Duration::from_millis(10)).await;
                drop(answer);
                second(&request).await
            }
        }
    }
}

async fn second(request: &Request) -> Result<Response, Error> {
    models::load(request, "second".to_owned()).await?.invoke(request.clone()).await
}

fn empty(request: &Request) -> Response {
    Response::new(request, &ResponseParts::from_text(&request.provider(), &request.model(), ""))
}

arcllm_module::export!(FaultyChoice);
