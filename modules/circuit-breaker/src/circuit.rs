//! The circuit of a provider, as the state keeps it for everybody who shares it.
//!
//! All that ends by itself has its life in the store, so the clocks of processes need not agree. A call that asks costs one read, and
//! what its end shows is noted in one operation. Only a circuit that opens or closes costs another.

use std::time::Duration;

use arcllm_module::{
    clock,
    state::{self, Addition, Leased, Life},
};

use crate::policy::{Cooldown, Counts, Policy, Sign};

/// A wait that is told if the clocks of two processes differ by more than the wait itself.
const SHORT_WAIT: u64 = 1_000_000_000;

/// The longest name of a model, in bytes, that has a cooldown of its own: keys are short.
const LONGEST_MODEL: usize = 200;

/// The circuit of a provider, and the cooldown of one of its models.
#[derive(Debug)]
pub struct Circuit {
    open: String,
    opened: String,
    failures: String,
    calls: String,
    failed: String,
    cooldown: String,
    model_cooldown: Option<String>,
}

/// What a call may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pass {
    /// Ask.
    Ask {
        /// How many failures in a row are counted. A good answer ends the row.
        failures: i64,
    },
    /// Ask, to see whether the provider is back.
    Probe {
        /// How often the circuit had opened, as it is kept.
        opened: Vec<u8>,
        /// The lease of the probe.
        lease: u64,
        /// When it began, by the monotonic clock.
        began: Duration,
    },
    /// Do not ask.
    Refused {
        /// For how long, in nanoseconds.
        wait: u64,
        /// The status of the answer that is the reason; absent if the circuit is open.
        cooldown: Option<u16>,
    },
}

impl Circuit {
    /// The circuit of this provider, for calls of this model.
    pub fn new(provider: &str, model: &str) -> Self {
        let key = |what: &str| format!("{what}/{provider}");
        let model_cooldown = (model.len() <= LONGEST_MODEL).then(|| format!("cooldown/{provider}/{model}"));
        Self {
            open: key("open"),
            opened: key("opened"),
            failures: key("failures"),
            calls: key("calls"),
            failed: key("failed"),
            cooldown: key("cooldown"),
            model_cooldown,
        }
    }

    /// Decides whether a call asks.
    ///
    /// # Errors
    ///
    /// The store's own error.
    pub async fn pass(&self, policy: &Policy) -> Result<Pass, String> {
        let keys = [&self.open, &self.opened, &self.failures, &self.cooldown];
        let keys = keys.into_iter().chain(&self.model_cooldown).cloned().collect();
        let mut kept = state::get_many(keys).await?.into_iter();
        let (open, opened, failures) = (kept.next().flatten(), kept.next().flatten(), kept.next().flatten());
        if let Some((wait, status)) = kept.flatten().map(|kept| cooling(&kept)).max() {
            return Ok(Pass::Refused { wait, cooldown: Some(status) });
        }
        if let Some(until) = open {
            let wait = left(number(&until)).min(policy.open);
            return Ok(Pass::Refused { wait, cooldown: None });
        }
        match opened {
            Some(opened) => self.probe(policy, opened).await,
            None => Ok(Pass::Ask { failures: failures.map_or(0, |kept| signed(&kept).max(1)) }),
        }
    }

    /// Takes the place of a probe. One without a result after `open_seconds` makes room for the next: its process may have ended.
    async fn probe(&self, policy: &Policy, opened: Vec<u8>) -> Result<Pass, String> {
        match state::lease(self.open.clone(), policy.probes, policy.open).await? {
            Leased::Granted(lease) => Ok(Pass::Probe { opened, lease, began: clock::now() }),
            Leased::Held(wait) => Ok(Pass::Refused { wait: wait.max(1), cooldown: None }),
        }
    }

    /// Whether there is something to note about a call that ends like this.
    pub fn notes(&self, policy: &Policy, pass: &Pass, sign: Sign) -> bool {
        match (pass, sign) {
            (Pass::Ask { .. }, Sign::Failed) | (Pass::Probe { .. }, _) => true,
            (Pass::Ask { failures }, Sign::Alive) => *failures > 0 || policy.counts_shares(),
            (Pass::Ask { .. }, Sign::None) | (Pass::Refused { .. }, _) => false,
        }
    }

    /// Whether a failure of a call with this pass may open the circuit. Then the next call must find it open.
    pub fn may_open(&self, policy: &Policy, pass: &Pass) -> bool {
        match pass {
            Pass::Ask { failures } => policy.may_open(failures.saturating_add(1)),
            // Nobody but the probes asks.
            Pass::Probe { .. } | Pass::Refused { .. } => false,
        }
    }

    /// Notes how a call with this pass has ended.
    ///
    /// # Errors
    ///
    /// The store's own error.
    pub async fn ended(&self, policy: &Policy, pass: &Pass, sign: Sign) -> Result<(), String> {
        match (pass, sign) {
            (Pass::Ask { .. }, Sign::Failed) => self.failed(policy).await,
            (Pass::Ask { failures }, Sign::Alive) => self.alive(policy, *failures > 0).await,
            (Pass::Probe { opened, .. }, Sign::Alive) => self.close(opened).await,
            (Pass::Probe { began, .. }, Sign::Failed) => {
                // The failure of a probe that was given up says nothing about now.
                let took = clock::nanoseconds(clock::now().saturating_sub(*began));
                if took < policy.open { self.open(policy).await } else { Ok(()) }
            }
            (Pass::Probe { lease, .. }, Sign::None) => state::release(self.open.clone(), *lease).await,
            (Pass::Ask { .. }, Sign::None) | (Pass::Refused { .. }, _) => Ok(()),
        }
    }

    /// Lets nobody ask for a time.
    ///
    /// # Errors
    ///
    /// The store's own error.
    pub async fn cool(&self, cooldown: Cooldown) -> Result<(), String> {
        let key = if cooldown.is_of_model { self.model_cooldown.as_ref() } else { Some(&self.cooldown) };
        let Some(key) = key else { return Ok(()) };
        let value = format!("{} {}", cooldown.status, now().saturating_add(cooldown.time));
        state::set_for(key.clone(), value.into_bytes(), Life::Time(cooldown.time)).await
    }

    async fn alive(&self, policy: &Policy, has_failures: bool) -> Result<(), String> {
        if policy.counts_shares() {
            state::add(vec![addition(&self.calls, Life::Time(policy.window))]).await?;
        }
        if has_failures { state::delete(self.failures.clone()).await } else { Ok(()) }
    }

    async fn failed(&self, policy: &Policy) -> Result<(), String> {
        let keys = [&self.failures, &self.calls, &self.failed];
        let counted = if policy.counts_shares() { 3 } else { 1 };
        let additions = keys.into_iter().take(counted).map(|key| addition(key, Life::Time(policy.window)));
        let sums = state::add(additions.collect()).await?.sums;
        let sum = |at: usize| sums.get(at).map_or(0, |sum| sum.value);
        let counts = Counts { in_a_row: sum(0), calls: sum(1), failed: sum(2) };
        if policy.opens(counts) {
            return self.open(policy).await;
        }
        // The window goes on from the last failure. Failures at nearly the same time do not count each other out.
        let ends_in = sums.first().and_then(|sum| sum.ends_in).unwrap_or(policy.window);
        if ends_in < policy.window - policy.window / 10 {
            let kept = counts.in_a_row.to_string().into_bytes();
            return state::set_for(self.failures.clone(), kept, Life::Time(policy.window)).await;
        }
        Ok(())
    }

    /// Opens the circuit, unless it is open.
    async fn open(&self, policy: &Policy) -> Result<(), String> {
        let until = i64::try_from(now().saturating_add(policy.open)).unwrap_or(i64::MAX);
        // A second value would pass the most of the first, and nothing is added.
        let open = Addition { key: self.open.clone(), delta: until, most: Some(until), life: Life::Time(policy.open) };
        state::add(vec![open, addition(&self.opened, Life::Forever)]).await.map(drop)
    }

    /// Closes the circuit, unless it has opened since.
    async fn close(&self, opened: &[u8]) -> Result<(), String> {
        if state::compare_and_swap(self.opened.clone(), Some(opened.to_vec()), None).await? {
            for key in [&self.failures, &self.calls, &self.failed] {
                state::delete(key.clone()).await?;
            }
        }
        Ok(())
    }
}

fn addition(key: &str, life: Life) -> Addition {
    Addition { key: key.to_owned(), delta: 1, most: None, life }
}

/// The wait and the status of a cooldown.
fn cooling(kept: &[u8]) -> (u64, u16) {
    let text = std::str::from_utf8(kept).unwrap_or_default();
    let (status, until) = text.split_once(' ').unwrap_or_default();
    (left(until.parse().unwrap_or_default()), status.parse().unwrap_or(503))
}

/// The time until then. What the store still keeps is not over, whatever the clock of this process says.
fn left(until: u64) -> u64 {
    match until.saturating_sub(now()) {
        0 => SHORT_WAIT,
        left => left,
    }
}

fn number(kept: &[u8]) -> u64 {
    u64::try_from(signed(kept)).unwrap_or_default()
}

fn signed(kept: &[u8]) -> i64 {
    std::str::from_utf8(kept).ok().and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// The time since 1970 in nanoseconds.
fn now() -> u64 {
    clock::nanoseconds(clock::unix_time())
}
