//! Commits a fault in a share of the calls, for drills and tests. With no fault set it forwards every call.
//!
//! [`Policy`] decides which calls are hit, and `fault` has the faults. This file connects them to the host.

mod error;
mod fault;
mod policy;
mod settings;

use arcllm_module::{Behavior, Cost, Description, Error, Module, Request, Response, Target, inner, random};

pub use policy::Policy;
pub use settings::{Fault, Settings, When};

/// The module.
pub struct Chaos {
    settings: Settings,
    policy: Policy,
}

impl Module for Chaos {
    type Config = Settings;

    fn describe() -> Description {
        Description::new("chaos", env!("CARGO_PKG_VERSION"), "chaos")
            .behavior(&[Behavior::AnswersItself, Behavior::ChangesAnswers])
    }

    fn new(settings: Settings) -> Self {
        Self { policy: Policy::new(&settings), settings }
    }

    async fn invoke(&self, request: Request) -> Result<Response, Error> {
        let fault = self.policy.fault_of(&request.provider());
        let Some(fault) = fault.filter(|_| self.policy.draws(random::get_insecure_random_u64())) else {
            return inner::invoke(request).await;
        };
        match self.settings.when {
            When::Before => {
                fault::commit(fault, &self.settings, &request).await?;
                inner::invoke(request).await
            }
            When::After => {
                let answer = inner::invoke(request.clone()).await;
                fault::commit(fault, &self.settings, &request).await?;
                answer
            }
        }
    }

    fn worst_case(&self, inner: &Target, _: &[Target]) -> Cost {
        self.policy.worst_case(inner)
    }
}

arcllm_module::export!(Chaos);
