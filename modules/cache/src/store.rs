//! What the store has of a call: its answer, and whether an equal call is under way in another instance or process.

use std::time::Duration;

use arcllm_module::{
    clock::{self, nanoseconds},
    log,
    state::{self, Leased, Life},
};

use crate::{kept::Kept, policy::Policy};

/// The pauses between two looks for the answer of an equal call.
pub const FIRST_PAUSE: Duration = Duration::from_millis(5);
/// The longest of them.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// How much later than the lease of the call that is waited for another one ends.
const ANOTHER: Duration = Duration::from_millis(50);

/// What became of a look.
pub enum Found {
    /// An answer.
    Answer(Vec<u8>),
    /// Nothing. This call is to ask; if it has the number of a lease, equal calls wait for it.
    Nothing(Option<u64>),
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
        if let Some(bytes) = self.get(key).await? {
            return Ok(Found::Answer(bytes));
        }
        if policy.lease().is_zero() {
            return Ok(Found::Nothing(None));
        }
        let held = match lease(key, policy).await? {
            Leased::Granted(lease) => return Ok(Found::Nothing(Some(lease))),
            Leased::Held(held) => Duration::from_nanos(held),
        };
        let ends = clock::now().saturating_add(held);
        let mut pause = FIRST_PAUSE;
        while let left = until.min(ends).saturating_sub(clock::now())
            && !left.is_zero()
        {
            if !clock::waited(pause.min(left)).await {
                break;
            }
            pause = longer(pause);
            if let Some(bytes) = self.get(key).await? {
                return Ok(Found::Answer(bytes));
            }
            match lease(key, policy).await? {
                // The other call has no answer for others, and equal calls can wait for this one.
                Leased::Granted(lease) => return Ok(Found::Nothing(Some(lease))),
                // Another call asks since then, so the one that was waited for has failed.
                Leased::Held(held) if clock::now() + Duration::from_nanos(held) > ends + ANOTHER => break,
                Leased::Held(_) => {}
            }
        }
        Ok(Found::Nothing(None))
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

    /// Returns an answer that can be read.
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, String> {
        Ok(state::get(key.to_owned()).await?.filter(|bytes| Kept::read(bytes).is_some()))
    }
}

async fn lease(key: &str, policy: &Policy) -> Result<Leased, String> {
    state::lease(key.to_owned(), 1, nanoseconds(policy.lease())).await
}

/// The pause after this one.
pub fn longer(pause: Duration) -> Duration {
    (pause * 3 / 2).min(LONGEST_PAUSE)
}
