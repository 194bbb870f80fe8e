//! What must happen in each chain when a provider fails.

use std::time::Duration;

/// The settings of retry that the table goes with.
pub(super) const RETRY: &str =
    "max_retries = 2\nbackoff_base_seconds = 0.002\nmax_wait_seconds = 0.02\nbudget_min_per_second = 1e6";

const RETRY_ALONE: &[&str] = &["retry"];
const FALLBACK_ALONE: &[&str] = &["fallback"];
const RETRY_OUTSIDE: &[&str] = &["retry", "fallback"];
const FALLBACK_OUTSIDE: &[&str] = &["fallback", "retry"];

/// The modules, outermost first; the providers asked if the fault is retryable; and those asked if it is not. `×` is a
/// fault, `✓` an answer. Retry tries again twice, fallback goes from `a` to `b`.
const PLAYS: [(&[&str], &str, &str); 12] = [
    (RETRY_ALONE, "a× a✓", "a×"),
    (RETRY_ALONE, "a× a× a✓", "a×"),
    (RETRY_ALONE, "a× a× a×", "a×"),
    (FALLBACK_ALONE, "a× b✓", "a× b✓"),
    (FALLBACK_ALONE, "a× b×", "a× b×"),
    (RETRY_OUTSIDE, "a× b✓", "a× b✓"),
    (RETRY_OUTSIDE, "a× b× a✓", "a× b×"),
    (RETRY_OUTSIDE, "a× b× a× b× a× b×", "a× b×"),
    (FALLBACK_OUTSIDE, "a× a✓", "a× b✓"),
    (FALLBACK_OUTSIDE, "a× a× a× b✓", "a× b✓"),
    (FALLBACK_OUTSIDE, "a× a× a× b× b✓", "a× b×"),
    (FALLBACK_OUTSIDE, "a× a× a× b× b× b×", "a× b×"),
];

/// One row of the table: a chain, and the providers asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Play {
    /// The modules, outermost first.
    pub(super) modules: &'static [&'static str],
    asked: &'static str,
}

/// One request that must be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ask {
    /// The provider that is asked.
    pub(super) provider: &'static str,
    /// Whether it fails.
    pub(super) fails: bool,
    /// The number of the retry, from zero, if it is one.
    pub(super) retry: Option<u32>,
}

/// What a provider does in a play.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// It fails whenever it is asked.
    Fails,
    /// It fails, and then it answers.
    Recovers,
    /// It answers, if it is asked at all.
    Sound,
}

impl Play {
    /// All of them, each once.
    pub(super) fn all(retryable: bool) -> Vec<Self> {
        let mut plays: Vec<Self> = Vec::new();
        for (modules, worth_it, not_worth_it) in PLAYS {
            let play = Self { modules, asked: if retryable { worth_it } else { not_worth_it } };
            if !plays.contains(&play) {
                plays.push(play);
            }
        }
        plays
    }

    /// The requests, in order.
    pub(super) fn asks(self) -> Vec<Ask> {
        let (mut retries, mut before) = (0, None);
        let words = self.asked.split(' ');
        let ask = |word: &'static str| {
            let (provider, fails) = match word.strip_suffix('×') {
                Some(provider) => (provider, true),
                None => (word.trim_end_matches('✓'), false),
            };
            let is_retry = match self.modules {
                // A round of its own begins with `a`.
                ["retry", ..] => before.is_some() && provider == "a",
                _ => before == Some(provider),
            };
            if !is_retry && self.modules == FALLBACK_OUTSIDE {
                retries = 0;
            }
            let retry = is_retry.then_some(retries);
            retries += u32::from(is_retry);
            before = Some(provider);
            Ask { provider, fails, retry }
        };
        words.map(ask).collect()
    }

    /// How often the provider fails.
    pub(super) fn failures(self, provider: &str) -> u32 {
        self.asks().iter().filter(|ask| ask.provider == provider && ask.fails).map(|_| 1).sum()
    }

    /// What the provider does.
    pub(super) fn part(self, provider: &str) -> Part {
        let answers = self.asks().iter().any(|ask| ask.provider == provider && !ask.fails);
        match (self.failures(provider), answers) {
            (0, _) => Part::Sound,
            (_, true) => Part::Recovers,
            (_, false) => Part::Fails,
        }
    }

    /// Whether a provider fails first and answers later.
    pub(super) fn has_recovery(self) -> bool {
        ["a", "b"].into_iter().any(|provider| self.part(provider) == Part::Recovers)
    }

    /// The trail, in the form of [`crate::scene::steps`].
    pub(super) fn steps(self, outcome: &str) -> Vec<String> {
        let by = self.modules[self.modules.len() - 1];
        let step = |ask: &Ask| {
            let wait = if ask.retry.is_some() { "retry waits, " } else { "" };
            format!("{wait}{by} asks {}: {}", ask.provider, if ask.fails { outcome } else { "ok" })
        };
        self.asks().iter().map(step).collect()
    }
}

/// The bounds of the wait before this retry: b = base·2ⁿ, from min(b, max/2) to min(2b, max).
pub(super) fn backoff(retry: u32) -> (Duration, Duration) {
    let (base, max) = (Duration::from_millis(2), Duration::from_millis(20));
    let backoff = base * 2_u32.pow(retry);
    (backoff.min(max / 2), (2 * backoff).min(max))
}

#[test]
fn the_table_reads_as_it_says() {
    let play = Play { modules: FALLBACK_OUTSIDE, asked: "a× a× b× b✓" };
    assert_eq!(
        play.steps("529"),
        ["retry asks a: 529", "retry waits, retry asks a: 529", "retry asks b: 529", "retry waits, retry asks b: ok"]
    );
    let retries: Vec<_> = play.asks().iter().map(|ask| ask.retry).collect();
    assert_eq!(retries, [None, Some(0), None, Some(0)]);
    assert_eq!((play.part("a"), play.part("b"), play.failures("a")), (Part::Fails, Part::Recovers, 2));

    let play = Play { modules: RETRY_OUTSIDE, asked: "a× b× a× b✓" };
    let retries: Vec<_> = play.asks().iter().map(|ask| ask.retry).collect();
    assert_eq!(retries, [None, None, Some(0), None]);
    assert_eq!(play.steps("x")[2], "retry waits, fallback asks a: x");
}
