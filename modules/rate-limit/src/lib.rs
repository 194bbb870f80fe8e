//! Holds calls back, so that a provider is asked no more often than it allows: by all models and instances together.
//!
//! When a call may go is in [`Policy`]; this file only connects it to the host.

mod config;
mod policy;

use arcllm_module::{
    Cost, Description, Error, Module, Request, Response, Target, Update, clock, inner, log, refused, unix_time, update,
};

pub use config::{ProviderLimit, Settings};
pub use policy::{Limit, Place, Policy};

/// The module.
pub struct RateLimit {
    policy: Policy,
}

impl Module for RateLimit {
    type Config = Settings;

    fn describe() -> Description {
        Description::new("rate-limit", env!("CARGO_PKG_VERSION"), "limiter")
    }

    fn new(settings: Settings) -> Self {
        Self { policy: Policy::new(settings) }
    }

    async fn invoke(&self, request: Request) -> Result<Response, Error> {
        let provider = request.provider();
        match reserve(&self.policy.limit(&provider), &provider, &request).await {
            Ok(Place::After { wait: 0, .. }) => {}
            Ok(Place::After { wait, .. }) => clock::wait_for(wait).await,
            Ok(Place::TooLate(wait)) => return Err(too_many(&request, &provider, wait)),
            // A limit that cannot be kept is no reason to ask nobody.
            Err(problem) => {
                log::log(log::Level::Warn, "rate-limit", &format!("{provider} is asked unlimited: {problem}"))
            }
        }
        inner::invoke(request).await
    }

    fn worst_case(&self, inner: &Target, _: &[Target]) -> Cost {
        Cost { waiting: inner.most.waiting.saturating_add(self.policy.max_wait()), ..inner.most }
    }
}

/// Takes the next place, if it comes in time.
async fn reserve(limit: &Limit, provider: &str, request: &Request) -> Result<Place, String> {
    update(provider, |kept| {
        let full_at = kept.and_then(|kept| std::str::from_utf8(kept).ok()?.parse().ok());
        let place = limit.place(full_at, unix_time(), request.remaining());
        match place {
            Place::After { full_at, .. } => (Update::Set(full_at.to_string().into_bytes()), place),
            Place::TooLate(_) => (Update::Keep, place),
        }
    })
    .await
}

fn too_many(request: &Request, provider: &str, wait: u64) -> Error {
    let seconds = wait as f64 / 1e9;
    let message = format!("the module rate-limit has no place for {provider} in the next {seconds:.1} s");
    refused(request, "rate-limit", 429, wait, message)
}

arcllm_module::export!(RateLimit);

#[cfg(test)]
mod tests {
    use arcllm_module::testing::World;
    use std::time::Duration;

    use super::*;

    fn module(requests_per_minute: f64, burst: u32, max_wait_seconds: f64) -> RateLimit {
        RateLimit::new(Settings { requests_per_minute, burst, max_wait_seconds, ..Settings::default() })
    }

    #[test]
    fn calls_go_in_turn_whichever_instance_has_them() {
        let world = World::new();
        for _ in 0..5 {
            world.run(module(60.0, 2, 60.0).invoke(world.request("Hi"))).unwrap();
        }
        let at: Vec<u64> = world.asked().iter().map(|asked| asked.at.as_secs()).collect();
        assert_eq!(at, [0, 0, 1, 2, 3]);
    }

    #[test]
    fn who_would_wait_too_long_is_told_for_how_long() {
        let world = World::new().deadline(Duration::from_millis(500));
        world.run(module(60.0, 1, 60.0).invoke(world.request("Hi"))).unwrap();
        let outcome = world.run(module(60.0, 1, 60.0).invoke(world.request("Hi")));
        let Err(Error::Api(error)) = outcome else { panic!("no error") };
        assert_eq!((error.status, error.retry_after, world.asked().len()), (429, Some(1_000_000_000), 1));
    }
}
