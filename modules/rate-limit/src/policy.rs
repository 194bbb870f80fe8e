//! How often each provider is asked. Knows nothing of WebAssembly.

use arcllm_module::Pace;

use crate::config::Settings;

/// How often providers are asked.
#[derive(Debug, Clone)]
pub struct Policy {
    settings: Settings,
    /// Nanoseconds.
    max_wait: u64,
}

impl Policy {
    /// The policy of these settings.
    pub fn new(settings: Settings) -> Self {
        let max_wait = nanoseconds(settings.max_wait_seconds);
        Self { settings, max_wait }
    }

    /// The pace of requests to this provider.
    pub fn pace(&self, provider: &str) -> Pace {
        let own = self.settings.providers.get(provider).cloned().unwrap_or_default();
        let rate = own.requests_per_minute.unwrap_or(self.settings.requests_per_minute);
        let burst = own.burst.unwrap_or(self.settings.burst);
        Pace::new(nanoseconds(60.0 / rate), burst, self.max_wait)
    }

    /// The most that one call waits, in nanoseconds.
    pub fn max_wait(&self) -> u64 {
        self.max_wait
    }
}

fn nanoseconds(seconds: f64) -> u64 {
    // Saturates, and is zero for what is no number.
    (seconds * 1e9) as u64
}

#[cfg(test)]
mod tests;
