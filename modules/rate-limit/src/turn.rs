//! What one call takes of its limits, and what it gives back.

use std::time::Duration;

use arcllm_module::{
    Error, Request, clock, log,
    state::{self, Bucket, Leased},
    types::{Attempt, Usage},
};

use crate::policy::{Limited, Policy};

/// The first and the longest wait between two looks for a place among the calls at once.
const LOOKS: [Duration; 2] = [Duration::from_millis(20), Duration::from_millis(500)];

/// The share of a second that a call takes of a pause, so that it waits for the end of it.
const LOOK_AT_PAUSE: f64 = 1e-6;

/// The turn of a call.
#[derive(Debug)]
pub struct Turn {
    limits: Vec<Limited>,
    /// The tokens that are reserved.
    tokens: f64,
    places: Vec<(String, u64)>,
    /// The key of the pause that a 429 makes. Absent if it makes none.
    pause: Option<String>,
}

/// Why a call has no turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoTurn {
    /// It would come too late.
    TooLate {
        /// What has no place.
        what: String,
        /// The time until there would be a place.
        wait: Duration,
    },
    /// The store failed.
    Failed(String),
}

impl Turn {
    /// Takes a turn, and waits for it.
    ///
    /// # Errors
    ///
    /// If it would come too late, or if the store fails. Then nothing is taken.
    pub async fn take(policy: &Policy, request: &Request) -> Result<Self, NoTurn> {
        let (provider, model) = (request.provider(), request.model());
        let limits = policy.limits(&provider, &model, |key| request.label(key));
        let tokens = if limits.iter().any(Limited::counts_tokens) { estimate(policy, request) } else { 0.0 };
        let pause = policy
            .settings
            .adaptive
            .then(|| format!("pause/{provider}/{}", model.chars().take(100).collect::<String>()));
        let mut turn = Self { limits, tokens, places: Vec::new(), pause };
        let began = clock::now();
        // A turn at the deadline comes too late.
        let left = request.time_left().map_or(Duration::MAX, |left| left.saturating_sub(Duration::from_nanos(1)));
        let longest = policy.max_wait().min(left);
        let lasts = request.time_left().unwrap_or(policy.settings.lease_seconds.duration());
        let taken = match turn.take_places(longest, lasts).await {
            Ok(()) => turn.take_buckets(longest.saturating_sub(clock::now().saturating_sub(began))).await,
            Err(problem) => Err(problem),
        };
        match taken {
            Ok(wait) if wait.is_zero() => Ok(turn),
            Ok(wait) => {
                clock::wait_for(wait).await;
                Ok(turn)
            }
            Err(problem) => {
                turn.release().await;
                Err(problem)
            }
        }
    }

    /// Takes a place among the calls at once, of each that limits them.
    async fn take_places(&mut self, longest: Duration, lasts: Duration) -> Result<(), NoTurn> {
        let until = clock::now().saturating_add(longest);
        for limited in &self.limits {
            let Some(most) = limited.in_flight else { continue };
            let [mut look, longest_look] = LOOKS;
            loop {
                let lasts = clock::nanoseconds(lasts).max(1);
                match state::lease(limited.calls_key(), most, lasts).await.map_err(NoTurn::Failed)? {
                    Leased::Granted(lease) => break self.places.push((limited.calls_key(), lease)),
                    Leased::Held(_) if clock::now().saturating_add(look) <= until => {
                        clock::wait_for(look).await;
                        look = (look * 2).min(longest_look);
                    }
                    Leased::Held(wait) => {
                        let wait = Duration::from_nanos(wait).min(longest_look);
                        return Err(NoTurn::TooLate { what: format!("more calls at once of {}", limited.what), wait });
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes all buckets in one step. Returns the wait.
    async fn take_buckets(&self, longest: Duration) -> Result<Duration, NoTurn> {
        let mut buckets: Vec<Bucket> = self.limits.iter().flat_map(|limited| limited.buckets(self.tokens)).collect();
        let whose: Vec<&str> =
            self.limits.iter().flat_map(|limited| limited.buckets(0.0).map(|_| &*limited.what)).collect();
        buckets.extend(self.pause.iter().map(|key| pause(key, LOOK_AT_PAUSE)));
        let taken = state::take(buckets, clock::nanoseconds(longest)).await.map_err(NoTurn::Failed)?;
        let wait = Duration::from_nanos(taken.wait);
        let Some(at) = taken.refused else { return Ok(wait) };
        let what = usize::try_from(at).ok().and_then(|at| whose.get(at)).or(whose.first());
        Err(NoTurn::TooLate { what: what.map_or_else(String::new, |what| (*what).to_owned()), wait })
    }

    /// Whether there is something to do when the answer has ended.
    pub fn has_more_to_do(&self) -> bool {
        self.tokens > 0.0 || !self.places.is_empty()
    }

    /// Settles the tokens of an answer.
    pub async fn answered(self, usage: &Usage) {
        self.settle(Some(tokens_of(usage))).await;
        self.release().await;
    }

    /// Settles the tokens of a call that failed, with these attempts.
    pub async fn failed(self, error: &Error, attempts: &[Attempt]) {
        let told: Vec<f64> = attempts.iter().filter_map(|attempt| Some(tokens_of(attempt.usage.as_ref()?))).collect();
        // A provider that refuses a request counts none of its tokens. What an answer used that broke off is not known.
        let used = match (told.is_empty(), error) {
            (false, _) => Some(told.iter().sum()),
            (true, Error::Api(_)) => Some(0.0),
            (true, _) => attempts.is_empty().then_some(0.0),
        };
        self.settle(used).await;
        self.release().await;
        if let (Some(key), Error::Api(api), false) = (&self.pause, error, attempts.is_empty())
            && api.status == 429
            && let Some(time) = api.retry_after.filter(|time| *time > 0)
        {
            noted(hold_back(key, time).await);
        }
    }

    /// Takes what was used beyond what is reserved, or gives back what was not.
    async fn settle(&self, used: Option<f64>) {
        let Some(rest) = used.map(|used| used - self.tokens).filter(|rest| *rest != 0.0) else { return };
        let buckets: Vec<Bucket> = self.limits.iter().filter_map(|limited| limited.tokens_bucket(rest)).collect();
        if !buckets.is_empty() {
            noted(state::take(buckets, u64::MAX).await.map(drop));
        }
    }

    async fn release(&self) {
        for (key, lease) in &self.places {
            noted(state::release(key.clone(), *lease).await);
        }
    }
}

/// Lets nobody ask for so many nanoseconds. Of several that are told so at once, the first one does.
async fn hold_back(key: &str, time: u64) -> Result<(), String> {
    if let Leased::Held(_) = state::lease(key.to_owned(), 1, time).await? {
        return Ok(());
    }
    // The full bucket then owes this time.
    state::take(vec![pause(key, 1.0 + time as f64 / 1e9)], u64::MAX).await.map(drop)
}

/// A bucket of seconds, which is full while nobody is held back.
fn pause(key: &str, cost: f64) -> Bucket {
    Bucket { key: key.to_owned(), per_second: 1.0, burst: 1.0, cost }
}

/// The tokens that a call will use at most, as far as that is known.
fn estimate(policy: &Policy, request: &Request) -> f64 {
    let output = request.options().max_tokens.map_or(policy.settings.expected_output_tokens.get(), f64::from);
    request.size().estimated_tokens as f64 + output
}

fn tokens_of(usage: &Usage) -> f64 {
    usage.total_tokens.max(usage.input_tokens.saturating_add(usage.output_tokens)) as f64
}

fn noted(result: Result<(), String>) {
    if let Err(problem) = result {
        log::log(log::Level::Warn, "rate-limit", &format!("what a call used is not settled: {problem}"));
    }
}
