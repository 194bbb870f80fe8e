//! Providers that refuse the key or the account of the gateway. No client can mend that, and another model may have answered, so the
//! operator is told.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use arcllm::{Attempt, ErrorReason};

/// How often the operator is told of one provider.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// When the operator was told last, by provider.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<HashMap<String, Instant>>);

impl Refusals {
    /// Tells of the refusals among these attempts.
    pub(crate) fn tell(&self, trail: &[Attempt]) {
        for attempt in trail {
            let reason = attempt.reason.as_ref().filter(|reason| is_refusal(reason)).map(ErrorReason::as_str);
            if let Some(reason) = reason.filter(|_| self.is_due(&attempt.provider)) {
                let (provider, status) = (&attempt.provider, attempt.status.unwrap_or_default());
                tracing::warn!(
                    target: "arcllm::serve",
                    "the provider {provider:?} refuses the key or the account of this gateway: {status}, {reason}"
                );
            }
        }
    }

    /// Whether a while has passed since the operator was told of this provider.
    fn is_due(&self, provider: &str) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let is_due = told.get(provider).is_none_or(|last| now.duration_since(*last) >= TOLD_EVERY);
        if is_due {
            told.insert(provider.to_owned(), now);
        }
        is_due
    }
}

fn is_refusal(reason: &ErrorReason) -> bool {
    // A 403 can be about what was asked.
    matches!(reason, ErrorReason::Authentication | ErrorReason::Billing | ErrorReason::Quota)
}
