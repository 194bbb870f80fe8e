//! What one call takes of its limits, and what it gives back.

use std::time::Duration;

use arcllm_module::{
    Error, Request, clock, log,
    state::{self, Bucket, Leased},
    types::{Attempt, Usage},
};

use crate::{
    learned::{Pause, pause_after},
    owed::{Owed, Taken},
    policy::{Limited, Policy},
};

/// The first and the longest wait between two looks for a place among the calls at once.
const LOOKS: [Duration; 2] = [Duration::from_millis(20), Duration::from_millis(500)];

/// The most tokens that a call counts as. No model reads and writes as many in one call, but a provider may say so.
const MOST_TOKENS: f64 = 1e7;

/// The turn of a call.
#[derive(Debug)]
pub struct Turn {
    limits: Vec<Limited>,
    /// The tokens that are reserved.
    tokens: f64,
    places: Vec<Taken>,
    owed: Owed,
    /// The pause of the model, if the module learns from the provider.
    pause: Option<Pause>,
    provider: String,
    model: String,
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
        /// Whether the provider itself says so.
        is_learned: bool,
    },
    /// The call is over.
    Over,
    /// The store failed.
    Failed(String),
}

impl Turn {
    /// Takes a turn, and waits for it.
    ///
    /// # Errors
    ///
    /// If it would come too late, or if the store fails. Then nothing is taken.
    pub async fn take(policy: &Policy, request: &Request, owed: &Owed) -> Result<Self, NoTurn> {
        let (provider, model) = (request.provider(), request.model());
        let limits = policy.limits(&provider, &model, |key| request.label(key));
        let tokens = if limits.iter().any(Limited::counts_tokens) { estimate(policy, request) } else { 0.0 };
        let pause = policy.settings.adaptive.then(|| Pause::of(&provider, &model));
        let mut turn = Self { limits, tokens, places: Vec::new(), owed: owed.clone(), pause, provider, model };
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

    /// Takes a place among the calls at once, of each that limits them. That of the provider comes last: a call that waits for the
    /// place of its label must not hold up others.
    async fn take_places(&mut self, longest: Duration, lasts: Duration) -> Result<(), NoTurn> {
        let until = clock::now().saturating_add(longest);
        for limited in self.limits.iter().rev() {
            let Some(most) = limited.in_flight else { continue };
            let [mut look, longest_look] = LOOKS;
            loop {
                let lasts = clock::nanoseconds(lasts).max(1);
                match state::lease(limited.calls_key(), most, lasts).await.map_err(NoTurn::Failed)? {
                    Leased::Granted(lease) => break self.places.push((limited.calls_key(), lease)),
                    Leased::Held(_) if clock::now().saturating_add(look) <= until => {
                        // When the call is over, a wait ends at once.
                        if !clock::waited(look).await {
                            return Err(NoTurn::Over);
                        }
                        look = (look * 2).min(longest_look);
                    }
                    Leased::Held(wait) => {
                        let wait = Duration::from_nanos(wait).min(longest_look);
                        let what = format!("more calls at once of {}", limited.what);
                        return Err(NoTurn::TooLate { what, wait, is_learned: false });
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
        buckets.extend(self.pause.iter().map(Pause::look));
        let taken = state::take(buckets, clock::nanoseconds(longest)).await.map_err(NoTurn::Failed)?;
        let wait = Duration::from_nanos(taken.wait);
        let Some(at) = taken.refused else { return Ok(wait) };
        let whose = usize::try_from(at).ok().and_then(|at| whose.get(at));
        let what = whose.map_or_else(|| format!("{}/{}", self.provider, self.model), |what| (*what).to_owned());
        Err(NoTurn::TooLate { what, wait, is_learned: whose.is_none() })
    }

    /// Whether there is something to do when the answer has ended.
    pub fn has_more_to_do(&self) -> bool {
        self.tokens > 0.0 || !self.places.is_empty()
    }

    /// Returns the pause that these attempts of the call make, if they make one: its beginning is to be awaited.
    pub fn learned(&self, attempts: &[Attempt]) -> Option<impl Future<Output = ()> + use<>> {
        let pause = self.pause.clone()?;
        let time = pause_after(attempts, &self.provider, &self.model)?;
        Some(async move { noted(pause.begin(time).await) })
    }

    /// Whether the module learns from the provider.
    pub fn learns(&self) -> bool {
        self.pause.is_some()
    }

    /// Settles the tokens of an answer.
    pub async fn answered(self, usage: &Usage) {
        self.settle(Some(tokens_of(usage)), true).await;
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
        self.settle(used, !attempts.is_empty()).await;
        self.release().await;
    }

    /// Takes what was used beyond what is reserved, or gives back what was not.
    async fn settle(&self, used: Option<f64>, was_sent: bool) {
        let rest = used.map(|used| used - self.tokens).filter(|rest| *rest != 0.0);
        let tokens = self.limits.iter().filter_map(|limited| limited.tokens_bucket(rest?));
        let unsent = self.limits.iter().filter(|_| !was_sent).filter_map(Limited::unsent_bucket);
        let buckets: Vec<Bucket> = tokens.chain(unsent).collect();
        if !buckets.is_empty() {
            noted(state::take(buckets, u64::MAX).await.map(drop));
        }
    }

    async fn release(self) {
        noted(self.owed.release(self.places).await);
    }
}

/// The tokens that a call will use at most, as far as that is known.
fn estimate(policy: &Policy, request: &Request) -> f64 {
    let output = request.options().max_tokens.map_or(policy.settings.expected_output_tokens.get(), f64::from);
    let size = request.size();
    (size.estimated_tokens as f64 + output * size.answers() as f64).min(MOST_TOKENS)
}

fn tokens_of(usage: &Usage) -> f64 {
    let tokens = usage.total_tokens.max(usage.input_tokens.saturating_add(usage.output_tokens));
    (tokens as f64).min(MOST_TOKENS)
}

fn noted(result: Result<(), String>) {
    if let Err(problem) = result {
        // The host warns of a store that fails.
        log::log(log::Level::Debug, "rate-limit", &format!("what a call used is not settled: {problem}"));
    }
}
