use std::pin::Pin;

use arcllm_module::{
    Amount, Count,
    stream::{self, Event},
    testing::{World, api, text},
    types::{Failure, RequestParts},
};

use super::*;

fn module(requests_per_minute: f64, burst: u32, max_wait_seconds: f64) -> RateLimit {
    let (burst, max_wait_seconds) = (Count::new(burst), Amount::new(max_wait_seconds));
    RateLimit::new(Settings { requests_per_minute, burst, max_wait_seconds, ..Settings::default() })
}

fn at(world: &World) -> Vec<u64> {
    world.asked().iter().map(|asked| asked.at.as_secs()).collect()
}

#[test]
fn calls_go_in_turn_whichever_instance_has_them() {
    let world = World::new();
    for _ in 0..5 {
        world.run(module(60.0, 2, 60.0).invoke(world.request("Hi"))).unwrap();
    }
    assert_eq!(at(&world), [0, 0, 1, 2, 3]);
}

#[test]
fn a_call_that_would_wait_too_long_fails_with_the_wait() {
    let world = World::new().deadline(Duration::from_millis(500));
    world.run(module(60.0, 1, 60.0).invoke(world.request("Hi"))).unwrap();
    let outcome = world.run(module(60.0, 1, 60.0).invoke(world.request("Hi")));
    let Err(Error::Api(error)) = outcome else { panic!("no error") };
    assert_eq!((error.status, error.retry_after, world.asked().len()), (429, Some(1_000_000_000), 1));
}

/// With many calls at once and a slow store, no call goes without a limit, and each asks the store once.
#[test]
fn calls_that_come_at_once_to_a_slow_store_are_limited_all_the_same() {
    const CALLS: usize = 1500;
    let world = World::new().state_after(Duration::from_millis(1));
    let module = module(600.0, 10, 5.0);
    let outcomes = world.run_all((0..CALLS).map(|_| module.invoke(world.request("Hi"))));
    // The burst, and one call each tenth of a second for as long as a call may wait.
    let answered = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert!((60..=61).contains(&answered), "{answered} calls were let through");
    let asked: Vec<u64> = world.asked().iter().map(|asked| asked.at.as_millis() as u64).collect();
    let at_once = asked.iter().filter(|at| **at < 100).count();
    assert_eq!(at_once, 10, "{asked:?}");
    assert!(asked.iter().skip(10).zip(asked.iter().skip(11)).all(|(one, next)| next - one >= 99), "{asked:?}");
    assert!(world.logged().is_empty(), "{:?}", world.logged());
    assert_eq!(world.state_operations(), CALLS);
    // Calls that came too late hold nobody up.
    world.run(clock::wait_for(Duration::from_secs(5)));
    world.run(module.invoke(world.request("Hi"))).unwrap();
}

/// 6000 tokens a minute, 1000 at once, and no limit on requests that matters.
fn of_tokens(expected: f64) -> RateLimit {
    RateLimit::new(Settings {
        requests_per_minute: 60_000.0,
        burst: Count::new(1000),
        tokens_per_minute: Some(6000.0),
        tokens_burst: Some(1000.0),
        expected_output_tokens: Amount::new(expected),
        max_wait_seconds: Amount::new(3600.0),
        ..Settings::default()
    })
}

fn answer(tokens: u64) -> arcllm_module::types::ResponseParts {
    let mut parts = text("well");
    (parts.usage.output_tokens, parts.usage.total_tokens) = (tokens, tokens);
    parts
}

#[test]
fn tokens_are_settled_by_what_an_answer_used() {
    // Each reserves 1000 and more, and uses 100: one a second.
    let world = World::new().answers([Ok(answer(100))]);
    for _ in 0..12 {
        world.run(of_tokens(990.0).invoke(world.request("Hi"))).unwrap();
    }
    let seconds = at(&world);
    assert!(seconds[1..].windows(2).all(|pair| pair[1] - pair[0] <= 1), "{seconds:?}");
    // Each uses 3000 although it reserved next to nothing: one in 30 seconds.
    let world = World::new().answers([Ok(answer(3000))]);
    for _ in 0..4 {
        world.run(of_tokens(0.0).invoke(world.request("Hi"))).unwrap();
    }
    let seconds = at(&world);
    assert!(seconds[3] >= 80 && seconds[3] <= 90, "{seconds:?}");
}

#[test]
fn a_refused_call_gives_its_tokens_back_and_a_broken_one_keeps_them() {
    let second = |first: Error| {
        let world = World::new().answers([Err(first), Ok(answer(1))]);
        let module = of_tokens(900.0);
        assert!(world.run(module.invoke(world.request("Hi"))).is_err());
        world.run(module.invoke(world.request("Hi"))).unwrap();
        at(&world)[1]
    };
    assert_eq!(second(api(400)), 0);
    assert!(second(Error::Connection(Failure::new("inner", "gone"))) >= 8);
}

#[test]
fn a_streamed_answer_is_settled_at_its_end() {
    let world = World::new().answers([Ok(answer(3000))]).streamed();
    let module = of_tokens(0.0);
    world.run(async {
        let reader = stream::read(module.invoke(world.request("Hi")).await.unwrap());
        let mut all = Vec::new();
        while !matches!(all.last(), Some(Event::End(_))) {
            all.extend(reader.read().await.unwrap());
        }
    });
    world.run(module.invoke(world.request("Hi"))).unwrap();
    assert!(at(&world)[1] >= 20, "{:?}", at(&world));
}

#[test]
fn no_more_calls_than_these_are_under_way() {
    let world = World::new().answers_after(Duration::from_secs(10));
    let module = RateLimit::new(Settings { max_in_flight: Some(Count::new(2)), ..Settings::default() });
    let outcomes = world.run_all((0..6).map(|_| module.invoke(world.request("Hi"))));
    assert!(outcomes.iter().all(Result::is_ok));
    let seconds = at(&world);
    assert!(seconds[2] >= 10 && seconds[4] >= 20 && seconds[5] <= 22, "{seconds:?}");
}

#[test]
fn a_call_that_fails_gives_its_place_back() {
    let world = World::new().answers([Err(api(500))]);
    let settings = || Settings { max_in_flight: Some(Count::new(1)), ..Settings::default() };
    for _ in 0..5 {
        assert!(world.run(RateLimit::new(settings()).invoke(world.request("Hi"))).is_err());
    }
    assert_eq!(at(&world), [0; 5]);
    let busy = World::new().answers_after(Duration::from_secs(10));
    let module = RateLimit::new(Settings { max_wait_seconds: Amount::new(1.0), ..settings() });
    let outcomes = busy.run_all((0..2).map(|_| module.invoke(busy.request("Hi"))));
    let Err(Error::Api(error)) = &outcomes[1] else { panic!("two at once") };
    assert_eq!(error.status, 429);
}

#[test]
fn each_value_of_a_label_has_a_limit() {
    let world = World::new();
    let limit = Limit { requests_per_minute: Some(60.0), burst: Some(Count::new(1)), ..Limit::default() };
    let settings = Settings { labels: [("team".to_owned(), limit)].into(), ..Settings::default() };
    let module = RateLimit::new(settings);
    for team in ["a", "b", "a", "b", ""] {
        let mut parts = RequestParts::from_text("Hi");
        if !team.is_empty() {
            parts.options.labels = vec![("team".to_owned(), team.to_owned())];
        }
        world.run(module.invoke(world.request_of(parts))).unwrap();
    }
    assert_eq!(at(&world), [0, 0, 1, 1, 1]);
    assert_eq!(world.state_operations(), 5);
}

#[test]
fn after_a_429_nobody_asks_before_the_time_that_it_names() {
    let limited = || {
        let Error::Api(mut error) = api(429) else { panic!("no error of a provider") };
        error.retry_after = Some(7_000_000_000);
        Error::Api(error)
    };
    // Those that were under way are told so too, which does not add up.
    let world = World::new().answers([Err(limited()), Err(limited()), Err(limited()), Ok(text("well"))]);
    let world = world.answers_after(Duration::from_secs(1));
    let module = RateLimit::new(Settings { adaptive: true, ..Settings::default() });
    let outcomes = world.run_all((0..3).map(|_| module.invoke(world.request("Hi"))));
    assert!(outcomes.iter().all(Result::is_err));
    for _ in 0..2 {
        world.run(module.invoke(world.request("Hi"))).unwrap();
    }
    assert_eq!(at(&world), [0, 0, 0, 8, 9]);
}

/// An answer that says that this is left.
fn with_allowances(json: &str) -> arcllm_module::types::ResponseParts {
    let mut parts = text("well");
    parts.extensions = vec![("arcllm.allowances".to_owned(), json.to_owned())];
    parts
}

#[test]
fn a_good_answer_that_says_that_nothing_is_left_holds_back_the_next_call() {
    for (left, seconds) in [
        (r#"{"requests": {"remaining": 0, "reset_seconds": 7.5}}"#, 7.5),
        (
            r#"{"requests": {"remaining": 0, "reset_seconds": 7.5}, "tokens": {"remaining": 0, "reset_seconds": 9}}"#,
            9.0,
        ),
        (
            r#"{"requests": {"remaining": 1, "reset_seconds": 7.5}, "input_tokens": {"remaining": 0, "reset_seconds": 3}}"#,
            3.0,
        ),
        (r#"{"requests": {"remaining": 0, "reset_seconds": 1e9}}"#, 3600.0),
        (r#"{"requests": {"remaining": 0, "reset_seconds": null}}"#, 0.0),
        (r#"{"requests": {"remaining": 0, "reset_seconds": -1}}"#, 0.0),
        (r#"{"requests": {"remaining": -1, "reset_seconds": 9}}"#, 0.0),
        (r#"{"requests": "#, 0.0),
        ("", 0.0),
    ] {
        for adaptive in [true, false] {
            let world = World::new().answers([Ok(with_allowances(left)), Ok(text("well"))]);
            let settings = Settings { adaptive, max_wait_seconds: Amount::new(7200.0), ..Settings::default() };
            let module = RateLimit::new(settings);
            for _ in 0..2 {
                world.run(module.invoke(world.request("Hi"))).unwrap();
            }
            let waited = (world.asked()[1].at - world.asked()[0].at).as_secs_f64();
            let expected = if adaptive { seconds } else { 0.0 };
            assert!((waited - expected).abs() < 0.01, "{left}: {waited}");
        }
    }
}

/// Nothing is written about a provider that has enough left, and the caller does not wait for what is.
#[test]
fn learning_costs_the_caller_nothing() {
    let plenty = r#"{"requests": {"remaining": 5, "reset_seconds": 7.5}}"#;
    let none = r#"{"requests": {"remaining": 0, "reset_seconds": 7.5}}"#;
    let world = World::new().answers([Ok(with_allowances(plenty)), Ok(with_allowances(none)), Err(api(500))]);
    let world = world.state_after(Duration::from_millis(5));
    let module = RateLimit::new(Settings { adaptive: true, tokens_per_minute: Some(1e9), ..Settings::default() });
    let took = |module: &RateLimit| {
        world.run(async {
            let began = clock::now();
            drop(module.invoke(world.request("Hi")).await);
            clock::now() - began
        })
    };
    for operations in [2, 3] {
        let before = world.state_operations();
        assert_eq!((took(&module), world.state_operations() - before), (Duration::from_millis(5), operations));
    }
    world.run(clock::wait_for(Duration::from_secs(60)));
    assert_eq!(took(&module), Duration::from_millis(5));
}

#[test]
fn a_call_that_waits_for_the_place_of_its_label_holds_up_no_other() {
    let world = World::new().answers_after(Duration::from_secs(10));
    let label = Limit { max_in_flight: Some(Count::new(1)), ..Limit::default() };
    let settings = Settings {
        max_in_flight: Some(Count::new(2)),
        labels: [("team".to_owned(), label)].into(),
        ..Settings::default()
    };
    let module = RateLimit::new(settings);
    let of = |team: &str| {
        let mut parts = RequestParts::from_text("Hi");
        parts.options.labels = vec![("team".to_owned(), team.to_owned())];
        world.request_of(parts)
    };
    let outcomes = world.run_all(["a", "a", "a", "b"].map(|team| module.invoke(of(team))));
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(at(&world)[..2], [0, 0]);
    let first: Vec<_> = world.asked()[..2].iter().map(|asked| asked.parts.options.labels[0].1.clone()).collect();
    assert_eq!(first, ["a", "b"]);
}

/// A label comes from a caller, and its value may be anything.
#[test]
fn a_label_of_any_length_is_limited_and_shown_in_short() {
    let world = World::new();
    let limit = Limit { requests_per_minute: Some(1.0), burst: Some(Count::new(1)), ..Limit::default() };
    let settings = Settings {
        labels: [("team".to_owned(), limit)].into(),
        max_wait_seconds: Amount::new(0.0),
        ..Settings::default()
    };
    let module = RateLimit::new(settings);
    for team in ["é".repeat(1_000_000), "\u{0}\n{}:*".to_owned(), String::new()] {
        let mut parts = RequestParts::from_text("Hi");
        parts.options.labels = vec![("team".to_owned(), team)];
        world.run(module.invoke(world.request_of(parts.clone()))).unwrap();
        let outcome = world.run(module.invoke(world.request_of(parts)));
        let Err(Error::Api(error)) = outcome else { panic!("no limit") };
        assert!(error.message.len() < 300, "{}", error.message);
    }
    assert!(world.logged().is_empty(), "{:?}", world.logged());
}

/// A provider may say that an answer used any number of tokens.
#[test]
fn a_senseless_count_of_tokens_does_not_stop_a_model_for_ever() {
    let world = World::new().answers([Ok(answer(u64::MAX)), Ok(answer(1))]);
    let settings =
        Settings { tokens_per_minute: Some(1e6), max_wait_seconds: Amount::new(3600.0), ..Settings::default() };
    let module = RateLimit::new(settings);
    for _ in 0..2 {
        world.run(module.invoke(world.request("Hi"))).unwrap();
    }
    assert!(at(&world)[1] <= 600, "{:?}", at(&world));
}

#[test]
fn what_happens_when_the_store_fails_is_a_setting() {
    let world = World::new().state_fails("it is away");
    world.run(module(60.0, 1, 1.0).invoke(world.request("Hi"))).unwrap();
    let settings = Settings { on_store_failure: OnStoreFailure::Refuse, ..Settings::default() };
    let outcome = world.run(RateLimit::new(settings).invoke(world.request("Hi")));
    let Err(Error::Api(error)) = outcome else { panic!("it asked") };
    assert!(error.status == 503 && error.message.contains("it is away"), "{error:?}");
    assert_eq!((world.asked().len(), world.logged().len()), (1, 1));
}

/// An outage of the store while calls end takes no places for good.
#[test]
fn places_that_the_store_does_not_take_back_are_given_back_by_the_next_call() {
    let world = World::new().answers_after(Duration::from_secs(5));
    let settings = Settings {
        max_in_flight: Some(Count::new(2)),
        max_wait_seconds: Amount::new(1.0),
        on_store_failure: OnStoreFailure::Refuse,
        ..Settings::default()
    };
    let module = RateLimit::new(settings);
    for _ in 0..3 {
        let call = async { drop(module.invoke(world.request("Hi")).await.unwrap()) };
        let outage = async {
            clock::wait_for(Duration::from_secs(2)).await;
            drop(world.clone().state_fails("it is away"));
        };
        world.run_all([Box::pin(call) as Pin<Box<dyn Future<Output = ()>>>, Box::pin(outage)]);
        drop(world.clone().state_works());
        // The place that was not given back is still taken.
        let outcomes = world.run_all((0..3).map(|_| module.invoke(world.request("Hi"))));
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 2);
    }
}
