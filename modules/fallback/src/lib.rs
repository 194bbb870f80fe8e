//! Asks other providers, in the order of a chain, when one fails.
//!
//! [`Policy`] decides after which errors another provider is asked, and which one. This file connects it to the host.

mod policy;
mod settings;

use arcllm_module::{Behavior, Cost, Description, Error, Module, Request, Response, Target, inner, models};

pub use policy::Policy;
pub use settings::Settings;

/// The module.
pub struct Fallback {
    policy: Policy,
}

impl Module for Fallback {
    type Config = Settings;

    fn describe() -> Description {
        Description::new("fallback", env!("CARGO_PKG_VERSION"), "fallback").behavior(&[Behavior::AsksOthers])
    }

    fn new(settings: Settings) -> Self {
        Self { policy: Policy::new(settings) }
    }

    async fn invoke(&self, request: Request) -> Result<Response, Error> {
        let mut error = match inner::invoke(request.clone()).await {
            Ok(response) => return Ok(response),
            Err(error) => error,
        };
        for provider in self.policy.others(&request.provider()) {
            if !self.policy.asks_another(&error) {
                break;
            }
            match ask(provider, &request).await {
                Ok(response) => return Ok(response),
                Err(next) => error = next,
            }
        }
        Err(error)
    }

    fn worst_case(&self, inner: &Target, others: &[Target]) -> Cost {
        self.policy.worst_case(inner, others)
    }
}

/// Loads a provider's model and asks it. If loading fails, that counts as a failed provider.
async fn ask(provider: &str, request: &Request) -> Result<Response, Error> {
    let model = models::load(request, provider.to_owned()).await?;
    model.invoke(request.clone()).await
}

arcllm_module::export!(Fallback);
