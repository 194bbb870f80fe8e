//! What the store has of a call: its answer, and whether an equal call is under way in another instance or process.

use std::time::Duration;

use arcllm_module::{
    clock::{self, nanoseconds},
    log,
    state::{self, Leased, Life},
};

use crate::{
    kept::{Kept, NOT_KEPT},
    policy::Policy,
};

/// The pauses between two looks for the answer of an equal call.
pub const FIRST_PAUSE: Duration = Duration::from_millis(5);
/// The longest of them.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// What became of a look.
pub enum Found {
    /// An answer.
    Answer(Vec<u8>),
    /// Nothing. This call is to ask; if it has the number of a lease, equal calls wait for it.
    Nothing(Option<u64>),
    /// The remark that answers to this request are not kept. All calls are to ask.
    NotKept,
}

/// The store of a module.
pub struct Store;

impl Store {
    /// Looks for the answer of a call. If an equal call is under way, waits for it, but not beyond `until`.
    ///
    /// # Errors
    ///
    /// The store's own error.
    pub async fn look(&self, key: &str, policy: &Policy, until: Duration) -> Result<Found, String> {
        let mut pause = FIRST_PAUSE;
        loop {
            match state::get(key.to_owned()).await? {
                Some(bytes) if bytes == NOT_KEPT => return Ok(Found::NotKept),
                Some(bytes) if Kept::read(&bytes).is_some() => return Ok(Found::Answer(bytes)),
                _ => {}
            }
            if policy.lease().is_zero() {
                return Ok(Found::Nothing(None));
            }
            // If the other call fails, one of those who wait gets the lease, and the rest wait for that one.
            let held = match lease(key, policy).await? {
                Leased::Granted(lease) => return Ok(Found::Nothing(Some(lease))),
                Leased::Held(held) => Duration::from_nanos(held),
            };
            let left = until.saturating_sub(clock::now());
            if left.is_zero() || !clock::waited(pause.min(left).min(held.max(FIRST_PAUSE))).await {
                return Ok(Found::Nothing(None));
            }
            pause = longer(pause);
        }
    }

    /// Keeps an answer.
    pub async fn keep(&self, key: &str, bytes: &[u8], lease: Option<u64>, ttl: Duration) {
        let kept = state::set_for(key.to_owned(), bytes.to_vec(), Life::Time(nanoseconds(ttl))).await;
        // If it is kept, the lease ends by itself: who has missed the answer finds it before they ask.
        if let Err(problem) = kept {
            self.failed(&problem);
            self.release(key, lease).await;
        }
    }

    /// Lets all calls that wait for this one ask.
    pub async fn keep_nothing(&self, key: &str, lease: Option<u64>, policy: &Policy) {
        if lease.is_some() {
            // If it fails, they wait for as long as the lease lasts.
            let _ = state::set_for(key.to_owned(), NOT_KEPT.to_vec(), Life::Time(nanoseconds(policy.lease()))).await;
        }
    }

    /// Lets another call ask.
    pub async fn release(&self, key: &str, lease: Option<u64>) {
        if let Some(lease) = lease {
            // If it fails, the lease ends by itself.
            let _ = state::release(key.to_owned(), lease).await;
        }
    }

    /// Logs a failure of the store. The host warns of it.
    pub fn failed(&self, problem: &str) {
        log::log(log::Level::Debug, "cache", &format!("the store failed, so answers are not kept: {problem}"));
    }
}

async fn lease(key: &str, policy: &Policy) -> Result<Leased, String> {
    state::lease(key.to_owned(), 1, nanoseconds(policy.lease())).await
}

/// The pause after this one.
pub fn longer(pause: Duration) -> Duration {
    (pause * 3 / 2).min(LONGEST_PAUSE)
}
