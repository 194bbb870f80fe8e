//! Decides how often each provider is asked.

use std::time::Duration;

use arcllm_module::{RateLimiter, clock::seconds};

use crate::settings::Settings;

/// How often providers are asked.
#[derive(Debug, Clone)]
pub struct Policy {
    settings: Settings,
}

impl Policy {
    /// Makes the policy of these settings.
    pub fn new(settings: Settings) -> Self {
        Self { settings }
    }

    /// Returns the limit on requests to this provider.
    pub fn limiter(&self, provider: &str) -> RateLimiter {
        let own = self.settings.providers.get(provider).cloned().unwrap_or_default();
        let rate = own.requests_per_minute.unwrap_or(self.settings.requests_per_minute);
        let burst = own.burst.unwrap_or(self.settings.burst);
        RateLimiter::new(seconds(60.0 / rate), burst.get(), self.max_wait())
    }

    /// Returns the longest wait of a call.
    pub fn max_wait(&self) -> Duration {
        seconds(self.settings.max_wait_seconds.get())
    }
}

#[cfg(test)]
mod tests;
