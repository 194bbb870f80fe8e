use arcllm_module::{
    Seconds, inner,
    testing::{self, World},
    types::{ApiError, Failure},
};
use proptest::prelude::*;

use super::*;

const SECOND: u64 = 1_000_000_000;

fn policy(settings: Settings) -> Policy {
    Policy::new(&settings)
}

fn api(status: u16, hint: Option<u64>) -> Ending {
    Ending::Api { status, should_retry: None, hint }
}

/// The range of waits after one attempt with this ending.
fn after(failed: Ending) -> Option<WaitRange> {
    policy(Settings::default()).again(&failed, &[failed], 0)
}

#[test]
fn the_range_doubles_and_is_capped_with_jitter_at_the_cap() {
    let policy = policy(Settings::default());
    let seconds = |n| (policy.backoff(n).from / SECOND, policy.backoff(n).to / SECOND);
    assert_eq!(
        (0..8).map(seconds).collect::<Vec<_>>(),
        [(1, 2), (2, 4), (4, 8), (8, 16), (16, 32), (30, 60), (30, 60), (30, 60)]
    );
}

#[test]
fn what_the_settings_name_and_nothing_else_is_retried() {
    let settings = Settings {
        retryable_status_codes: vec![HttpStatus::new(418)],
        retryable_kinds: vec![RetryableKind::Connection],
        ..Settings::default()
    };
    let policy = policy(settings);
    let again = |failed: Ending| policy.again(&failed, &[failed], 0).is_some();
    for status in 100..=599 {
        assert_eq!(again(api(status, None)), status == 418, "{status}");
    }
    assert!(again(Ending::Failed(RetryableKind::Connection)));
    for failed in [RetryableKind::Timeout, RetryableKind::Parse].map(Ending::Failed) {
        assert!(!again(failed), "{failed:?}");
    }
    assert!(!again(Ending::Final) && !again(Ending::Over));
}

/// The trail and the error of one attempt tell the same.
#[test]
fn an_attempt_is_judged_as_its_error() {
    let mark = || vec![("arcllm.no-answer".to_owned(), "true".to_owned())];
    let parse = |extensions| Error::Parse(Failure { extensions, ..Failure::new("", "") });
    let quota = Error::Api(ApiError { reason: Reason::Quota, should_retry: Some(true), ..error_of(429) });
    let hinted = Error::Api(ApiError { retry_after: Some(7), should_retry: Some(false), ..error_of(503) });
    for (error, expected) in [
        (quota, Ending::Final),
        (hinted, Ending::Api { status: 503, should_retry: Some(false), hint: Some(7) }),
        (parse(mark()), Ending::Failed(RetryableKind::Parse)),
        (parse(Vec::new()), Ending::Final),
        (Error::Connection(Failure::new("", "")), Ending::Failed(RetryableKind::Connection)),
        (Error::Timeout(Failure::new("", "")), Ending::Failed(RetryableKind::Timeout)),
    ] {
        let world = World::new().answers([Err(error.clone())]);
        let request = world.request("Hi");
        assert!(world.run(inner::invoke(request.clone())).is_err());
        assert_eq!(Ending::of_error(&error), expected, "{error:?}");
        assert_eq!(Ending::of_attempt(&request.attempts(0)[0]), expected, "{error:?}");
    }
}

fn error_of(status: u16) -> ApiError {
    match testing::api(status) {
        Error::Api(error) => error,
        error => panic!("{error:?}"),
    }
}

#[test]
fn the_server_overrides_the_status() {
    let said = |status, should_retry| after(Ending::Api { status, should_retry, hint: None }).is_some();
    assert!(said(400, Some(true)));
    assert!(!said(503, Some(false)));
}

#[test]
fn a_hint_is_the_least_wait_and_one_above_the_cap_ends_it() {
    assert_eq!(after(api(429, Some(5 * SECOND))), Some(WaitRange { from: 5 * SECOND, to: 6 * SECOND }));
    assert_eq!(after(api(429, Some(60 * SECOND))), Some(WaitRange { from: 60 * SECOND, to: 60 * SECOND }));
    assert_eq!(after(api(429, Some(60 * SECOND + 1))), None);
}

#[test]
fn there_is_no_wait_past_the_deadline() {
    let range = WaitRange { from: SECOND, to: SECOND };
    assert_eq!(range.draw(7, Some(SECOND + 1)), Some(SECOND));
    assert_eq!(range.draw(7, Some(SECOND)), None);
    assert_eq!(range.draw(7, Some(0)), None);
    assert_eq!(range.draw(7, None), Some(SECOND));
}

#[test]
fn an_exhausted_chain_is_retried_if_any_of_its_attempts_would_be() {
    let policy = policy(Settings::default());
    let overloaded = api(529, None);
    let unauthorized = api(401, None);
    assert!(policy.again(&unauthorized, &[overloaded, unauthorized], 0).is_some());
    assert!(policy.again(&unauthorized, &[unauthorized, unauthorized], 0).is_none());
    // The last target could not be loaded.
    assert!(policy.again(&Ending::Final, &[overloaded], 0).is_some());
    // A provider answered, and a module refused the answer: the chain is not exhausted.
    assert!(policy.again(&Ending::Final, &[overloaded, Ending::Answered], 0).is_none());
    assert!(policy.again(&Ending::Over, &[overloaded], 0).is_none());
}

#[test]
fn the_hint_of_a_chain_is_the_smallest_unless_one_has_none() {
    let policy = policy(Settings::default());
    let (late, soon, none) = (api(429, Some(9 * SECOND)), api(503, Some(4 * SECOND)), api(500, None));
    let from = |round: &[Ending]| policy.again(round.last().expect("a round"), round, 0).map(|range| range.from);
    assert_eq!(from(&[late, soon]), Some(4 * SECOND));
    assert_eq!(from(&[late, soon, api(401, Some(1))]), Some(4 * SECOND));
    assert_eq!(from(&[late, none]), Some(SECOND));
}

#[test]
fn the_worst_case_counts_every_retry_at_the_longest_wait() {
    let cost = policy(Settings::default()).worst_case(Cost { attempts: 2, waiting: SECOND });
    assert_eq!((cost.attempts, cost.waiting), (8, 184 * SECOND));
    let endless =
        policy(Settings { max_retries: u32::MAX, max_wait_seconds: Seconds::new(1e300), ..Settings::default() });
    assert_eq!(endless.worst_case(Cost { attempts: u64::MAX, waiting: 0 }).attempts, u64::MAX);
}

fn settings() -> impl Strategy<Value = Settings> {
    let seconds = || prop_oneof![1e-9..1e3_f64, 1e-300..1e300_f64].prop_map(Seconds::new);
    let statuses = prop::collection::vec((100_u16..600).prop_map(HttpStatus::new), 0..6);
    let kinds = prop::collection::vec(kind(), 0..3);
    (any::<u32>(), seconds(), seconds(), statuses, kinds).prop_map(
        |(max_retries, backoff_base_seconds, max_wait_seconds, retryable_status_codes, retryable_kinds)| Settings {
            max_retries,
            backoff_base_seconds,
            max_wait_seconds,
            retryable_status_codes,
            retryable_kinds,
            ..Settings::default()
        },
    )
}

fn kind() -> impl Strategy<Value = RetryableKind> {
    prop_oneof![Just(RetryableKind::Connection), Just(RetryableKind::Timeout), Just(RetryableKind::Parse)]
}

fn failed() -> impl Strategy<Value = Ending> {
    prop_oneof![
        (100_u16..600, any::<Option<bool>>(), any::<Option<u64>>())
            .prop_map(|(status, should_retry, hint)| { Ending::Api { status, should_retry, hint } }),
        kind().prop_map(Ending::Failed),
        Just(Ending::Final),
        Just(Ending::Over),
        Just(Ending::Answered),
    ]
}

proptest! {
    #[test]
    fn a_wait_is_never_above_the_cap_nor_before_the_hint(
        settings in settings(), failed in failed(), retries: u32, random: u64, remaining: Option<u64>,
    ) {
        let policy = policy(settings);
        let Some(range) = policy.again(&failed, &[failed], retries) else { return Ok(()) };
        prop_assert!(retries < policy.max_retries);
        prop_assert!(range.from <= range.to);
        if let Some(wait) = range.draw(random, remaining) {
            prop_assert!(wait <= policy.max);
            prop_assert!(wait >= failed.hint().unwrap_or(0));
            prop_assert!(remaining.is_none_or(|remaining| wait < remaining));
        }
    }

    #[test]
    fn backoff_always_has_jitter(settings in settings(), retries: u32) {
        let range = policy(settings).backoff(retries);
        prop_assert!(range.from < range.to);
    }

    #[test]
    fn a_draw_reaches_both_ends(from in 0..u64::MAX / 2, span in 0..u64::MAX / 2) {
        let range = WaitRange { from, to: from + span };
        prop_assert_eq!(range.draw(0, None), Some(range.from));
        prop_assert_eq!(range.draw(u64::MAX, None), Some(range.to));
    }

    #[test]
    fn retrying_depends_on_nothing_but_the_error_and_its_round(
        settings in settings(), failed in failed(), round in prop::collection::vec(failed(), 0..5),
    ) {
        let policy = policy(Settings { max_retries: 1, max_wait_seconds: Seconds::new(1e300), ..settings });
        let gave_up = !round.contains(&Ending::Answered);
        let any = policy.retryable(&failed) || (gave_up && round.iter().any(|failed| policy.retryable(failed)));
        prop_assert_eq!(policy.again(&failed, &round, 0).is_some(), any && failed != Ending::Over);
    }
}

/// The waits that one call makes between attempts with these endings, on a clock of its own.
fn waits(policy: &Policy, outcomes: &[Ending], randoms: &[u64], deadline: Option<u64>) -> Vec<u64> {
    let (mut waits, mut now) = (Vec::new(), 0_u64);
    for (retries, (failed, random)) in (0..).zip(outcomes.iter().zip(randoms)) {
        let remaining = deadline.map(|deadline| deadline.saturating_sub(now));
        let range = policy.again(failed, &[*failed], retries);
        let Some(wait) = range.and_then(|range| range.draw(*random, remaining)) else { break };
        now = now.saturating_add(wait);
        waits.push(wait);
    }
    waits
}

proptest! {
    #[test]
    fn any_sequence_of_outcomes_stays_within_the_settings(
        settings in settings(),
        max_retries in 0_u32..6,
        outcomes in prop::collection::vec(failed(), 12),
        randoms in prop::collection::vec(any::<u64>(), 12),
        deadline: Option<u64>,
    ) {
        let policy = policy(Settings { max_retries, ..settings });
        let waits = waits(&policy, &outcomes, &randoms, deadline);
        prop_assert!(waits.len() <= max_retries as usize, "more attempts than the first and its retries");
        prop_assert!(outcomes.iter().take(waits.len()).all(|failed| policy.retryable(failed)));
        prop_assert!(waits.iter().all(|wait| *wait <= policy.max));
        let whole: u128 = waits.iter().map(|wait| u128::from(*wait)).sum();
        prop_assert!(waits.is_empty() || deadline.is_none_or(|deadline| whole < u128::from(deadline)));
    }
}
