use arcllm_module::types::Reason;

use super::*;

const WORST: Worst = Worst { input: 1000, output: 500 };

fn price(input: f64, output: f64) -> Price {
    let (cache_read, cache_write, cache_write_hour, extensions) = Default::default();
    Price { input, output, cache_read, cache_write, cache_write_hour, extensions }
}

fn attempt(outcome: Outcome, usage: Option<Usage>) -> Attempt {
    Attempt {
        provider: "a".to_owned(),
        model: "a-model".to_owned(),
        asked_by: String::new(),
        started_after: 0,
        took: 0,
        waited: 0,
        waited_by: String::new(),
        first_event: None,
        outcome,
        reason: None::<Reason>,
        retry_after: None,
        should_retry: None,
        request_id: None,
        usage,
        extensions: Vec::new(),
    }
}

fn used(attempts: &[Attempt], answered: Option<&Usage>) -> Amounts {
    WORST.used(attempts, answered, |attempt| (attempt.provider == "a").then(|| price(10.0, 20.0)))
}

#[test]
fn millionths_are_rounded_up_but_not_for_the_error_of_a_float() {
    for (cost, expected) in [
        (0.0, 0),
        (1e-13, 0),
        (2e-7, 1),
        (1e-6, 1),
        (1.5e-6, 2),
        (0.1 + 0.2, 300_000),
        (f64::NAN, 0),
        (1e300, i64::MAX),
    ] {
        assert_eq!(millionths(cost), expected, "{cost}");
    }
}

#[test]
fn the_worst_is_all_of_the_output_and_the_dearest_input() {
    assert_eq!(WORST.at(None), Amounts { cost: 0, tokens: 1500 });
    assert_eq!(WORST.at(Some(&price(10.0, 20.0))), Amounts { cost: 20_000, tokens: 1500 });
    let cached =
        Price { cache_read: Some(1.0), cache_write: Some(12.5), cache_write_hour: Some(20.0), ..price(10.0, 20.0) };
    assert_eq!(WORST.at(Some(&cached)).cost, 30_000);
    let most = Worst { input: u64::MAX, output: u64::MAX };
    assert_eq!(most.at(Some(&price(10.0, 20.0))), Amounts { cost: 300_000_000, tokens: 20_000_000 });
}

#[test]
fn cached_tokens_count_in_both_ways_of_counting_and_tokens_of_no_kind_cost_the_most() {
    let cached = |input, total| Usage { cache_read_tokens: Some(500), total_tokens: total, ..usage(input, 10) };
    let apart = Price { extensions: vec![("arcllm.cached".to_owned(), "\"apart\"".to_owned())], ..price(10.0, 20.0) };
    assert_eq!(Amounts::of(&cached(100, 110), Some(&apart)).tokens, 610);
    assert_eq!(Amounts::of(&cached(600, 610), Some(&apart)).tokens, 1110);
    let included = Price { extensions: vec![("arcllm.cached".to_owned(), "\"included\"".to_owned())], ..apart.clone() };
    assert_eq!(Amounts::of(&cached(600, 610), Some(&included)).tokens, 610);
    assert_eq!((Amounts::of(&cached(600, 610), None).tokens, Amounts::of(&cached(100, 110), None).tokens), (610, 610));
    let total = Usage { total_tokens: 1000, ..usage(0, 0) };
    assert_eq!(Amounts::of(&total, Some(&price(10.0, 20.0))), Amounts { cost: 20_000, tokens: 1000 });
}

#[test]
fn each_attempt_counts_what_it_used_or_may_have_used() {
    let (all, none) = (Amounts { cost: 20_000, tokens: 1500 }, Amounts::default());
    let told = || Some(usage(100, 10));
    for (outcome, usage, expected) in [
        (Outcome::Ok, told(), Amounts { cost: 1200, tokens: 110 }),
        (Outcome::Ok, Some(usage(0, 0)), all),
        (Outcome::Ok, None, all),
        (Outcome::Api(529), None, none),
        (Outcome::Api(500), told(), Amounts { cost: 1200, tokens: 110 }),
        (Outcome::Connection, None, none),
        // The tokens of input are told at the start, those of output at the end.
        (Outcome::Connection, told(), Amounts { cost: 11_000, tokens: 600 }),
        (Outcome::Cancelled, told(), Amounts { cost: 11_000, tokens: 600 }),
        (Outcome::Cancelled, None, all),
        (Outcome::Timeout, None, all),
        (Outcome::DeadlineExceeded, None, all),
        (Outcome::Parse, None, all),
        (Outcome::Module, None, none),
        (Outcome::Other("x".to_owned()), None, none),
    ] {
        assert_eq!(used(&[attempt(outcome.clone(), usage.clone())], None), expected, "{outcome:?} {usage:?}");
    }
    // An answer that has begun has cost something, however it ends.
    for outcome in [Outcome::Connection, Outcome::Api(503), Outcome::Parse, Outcome::Module] {
        let begun = |usage| Attempt { first_event: Some(1), ..attempt(outcome.clone(), usage) };
        assert_eq!(used(&[begun(None)], None), all, "{outcome:?}");
        assert_eq!(used(&[begun(told())], None), Amounts { cost: 11_000, tokens: 600 }, "{outcome:?}");
    }
    // A whole answer that could not be read has its tokens all the same.
    assert_eq!(used(&[attempt(Outcome::Parse, told())], None), Amounts { cost: 1200, tokens: 110 });
    let page = Attempt {
        extensions: vec![("arcllm.no-answer".to_owned(), "true".to_owned())],
        ..attempt(Outcome::Parse, None)
    };
    assert_eq!(used(&[page], None), none);
}

#[test]
fn all_attempts_are_added_up_each_at_its_own_price() {
    let of_b = Attempt { provider: "b".to_owned(), ..attempt(Outcome::Ok, Some(usage(100, 10))) };
    let sum = used(&[attempt(Outcome::Api(503), None), attempt(Outcome::Timeout, None), of_b], None);
    assert_eq!(sum, Amounts { cost: 20_000, tokens: 1610 });
    assert_eq!(used(&[], Some(&usage(5, 5))), Amounts::default());
    assert_eq!(used(&[attempt(Outcome::Ok, None)], Some(&usage(100, 10))), Amounts { cost: 1200, tokens: 110 });
}
