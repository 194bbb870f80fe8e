use arcllm_module::{Amount, Count, clock, state::take, testing::World};
use proptest::prelude::*;

use super::*;

const SECOND: u64 = 1_000_000_000;

fn of(nanoseconds: u64) -> Duration {
    Duration::from_nanos(nanoseconds)
}

fn requests(rate: f64) -> Limit {
    Limit { requests_per_minute: Some(rate), ..Limit::default() }
}

#[test]
fn providers_models_and_labels_have_limits_of_their_own() {
    let settings = Settings {
        tokens_per_minute: Some(6000.0),
        providers: [("slow".to_owned(), requests(6.0))].into(),
        models: ["a/big*", "a/bigger", "a/*"].map(|name| (name.to_owned(), requests(name.len() as f64 * 60.0))).into(),
        labels: [("team".to_owned(), Limit { max_in_flight: Some(Count::new(3)), ..Limit::default() })].into(),
        ..Settings::default()
    };
    let policy = Policy::new(settings);
    let rates = |provider, model| {
        let limits = policy.limits(provider, model, |_| None);
        limits.iter().map(|limit| limit.requests.unwrap().0).collect::<Vec<_>>()
    };
    assert_eq!(rates("slow", "m"), [0.1]);
    assert_eq!(rates("b", "m"), [10.0]);
    assert_eq!(rates("a", "bigger"), [10.0, 8.0]);
    assert_eq!(rates("a", "big-1"), [10.0, 6.0]);
    assert_eq!(rates("a", "small"), [10.0, 3.0]);
    let limits = policy.limits("b", "m", |key| Some(format!("{key}-of-{}", "x".repeat(2000))));
    assert_eq!(limits.iter().map(|limit| limit.in_flight).collect::<Vec<_>>(), [None, Some(3)]);
    assert!(limits.iter().all(|limit| limit.calls_key().len() < 512));
    assert_eq!(limits[0].tokens, Some((100.0, 6000.0)));
}

/// Returns when calls go that come at these times and take so many tokens.
fn starts(world: &World, policy: &Policy, calls: &[(u64, f64, f64)]) -> Vec<u64> {
    let limits = policy.limits("a", "m", |_| None);
    let limits = &limits;
    world.run_all(calls.iter().map(|(arrival, reserved, used)| async move {
        clock::wait_for(of(*arrival)).await;
        let buckets = limits.iter().flat_map(|limit| limit.buckets(*reserved)).collect();
        let taken = take(buckets, u64::MAX).await.expect("a store that works");
        let rest = limits.iter().filter_map(|limit| limit.tokens_bucket(used - reserved)).collect();
        take(rest, u64::MAX).await.expect("a store that works");
        arrival + taken.wait
    }))
}

proptest! {
    #[test]
    fn no_window_has_more_than_its_burst_and_its_share(
        rate in 1.0..6000.0f64,
        burst in 1u32..20,
        pauses in prop::collection::vec(0u64..3 * SECOND, 1..80),
    ) {
        let settings = Settings { requests_per_minute: rate, burst: Count::new(burst), ..Settings::default() };
        let mut now = 0;
        let calls: Vec<_> = pauses.iter().map(|pause| { now += pause; (now, 0.0, 0.0) }).collect();
        let mut starts = starts(&World::new(), &Policy::new(settings), &calls);
        starts.sort_unstable();
        for (first, from) in starts.iter().enumerate() {
            for (last, to) in starts.iter().enumerate().skip(first) {
                let share = (to - from) as f64 / 1e9 * rate / 60.0;
                prop_assert!((last - first) as f64 <= f64::from(burst) + share + 1e-3, "{} to {}", from, to);
            }
        }
    }

    /// A call goes when the tokens that it reserves are there, no sooner and no later, whatever others reserve and give back. So all
    /// that has gone by a time uses no more than the burst and what came in, and a single call may owe what it has above the burst.
    #[test]
    fn a_call_goes_when_its_tokens_are_there(
        rate in 600.0..60_000.0f64,
        burst in 100.0..10_000.0f64,
        calls in prop::collection::vec((0u64..3 * SECOND, 1.0..5000.0f64, 0.0..1.0f64), 1..60),
    ) {
        let settings = Settings {
            requests_per_minute: 6e9,
            burst: Count::new(1000),
            tokens_per_minute: Some(rate),
            tokens_burst: Some(burst),
            expected_output_tokens: Amount::new(0.0),
            ..Settings::default()
        };
        let mut now = 0;
        let calls: Vec<_> =
            calls.into_iter().map(|(pause, reserved, share)| { now += pause; (now, reserved, reserved * share) }).collect();
        let starts = starts(&World::new(), &Policy::new(settings), &calls);
        let expected = expected_starts(rate / 60.0, burst, &calls);
        for (start, expected) in starts.iter().zip(&expected) {
            // The store counts microseconds, and rounds at each call.
            prop_assert!((*start as f64 / 1e9 - expected).abs() < 1e-3, "{} instead of {}", start, expected);
        }
        let mut went: Vec<(u64, f64)> = starts.into_iter().zip(calls.iter().map(|call| call.2)).collect();
        went.sort_by_key(|(at, _)| *at);
        let mut used = 0.0;
        for (at, tokens) in went {
            used += tokens;
            let came_in = (at - calls[0].0) as f64 / 1e9 * rate / 60.0;
            prop_assert!(used <= burst.max(tokens) + came_in + 1.0, "{} tokens by {}", used, at);
        }
    }

    /// Without anything given back, no window has more than its burst and its share. If it ends with a call that is larger than the
    /// burst, it has that call in place of the burst.
    #[test]
    fn no_window_has_more_tokens_than_its_burst_and_its_share(
        rate in 600.0..60_000.0f64,
        burst in 100.0..10_000.0f64,
        calls in prop::collection::vec((0u64..3 * SECOND, 1.0..5000.0f64), 1..60),
    ) {
        let settings = Settings {
            requests_per_minute: 6e9,
            burst: Count::new(1000),
            tokens_per_minute: Some(rate),
            tokens_burst: Some(burst),
            ..Settings::default()
        };
        let mut now = 0;
        let calls: Vec<_> = calls.into_iter().map(|(pause, tokens)| { now += pause; (now, tokens, tokens) }).collect();
        let starts = starts(&World::new(), &Policy::new(settings), &calls);
        prop_assert!(starts.is_sorted());
        for first in 0..starts.len() {
            let mut used = 0.0;
            for last in first..starts.len() {
                used += calls[last].1;
                let share = (starts[last] - starts[first]) as f64 / 1e9 * rate / 60.0;
                prop_assert!(used <= burst.max(calls[last].1) + share + 1.0, "{} tokens", used);
            }
        }
    }
}

/// When calls go by a bucket that is kept as a level, in seconds.
fn expected_starts(per_second: f64, burst: f64, calls: &[(u64, f64, f64)]) -> Vec<f64> {
    let (mut level, mut at) = (burst, 0.0);
    let start = |(arrival, reserved, used): &(u64, f64, f64)| {
        let arrival = *arrival as f64 / 1e9;
        level = (level + (arrival - at) * per_second).min(burst);
        at = arrival;
        let wait = ((reserved.min(burst) - level) / per_second).max(0.0);
        level = (level - used).min(burst);
        arrival + wait
    };
    calls.iter().map(start).collect()
}
