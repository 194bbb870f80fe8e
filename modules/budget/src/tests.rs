use std::time::Duration;

use arcllm_module::{
    clock, stream,
    testing::{Answer, World, api, text},
    types::{Failure, ModelFacts, Price, RequestParts, ResponseParts},
};
use proptest::prelude::*;

use super::*;

/// A request that may use 100 tokens: one of input and 99 of output.
const MOST: i64 = 100;

fn limit(window: Window, tokens: i64) -> Limit {
    Limit { label: None, value: None, window, cost: None, tokens: Some(tokens.try_into().unwrap()) }
}

fn of_tokens(window: Window, tokens: i64) -> Budget {
    Budget::new(Settings { limits: vec![limit(window, tokens)], ..Settings::default() })
}

fn of_cost(window: Window, cost: f64, unknown_price: Decision) -> Budget {
    let limits = vec![Limit { cost: Some(cost), tokens: None, ..limit(window, 1) }];
    Budget::new(Settings { limits, unknown_price, ..Settings::default() })
}

/// An answer that used so many tokens, with that of the input.
fn using(tokens: u64) -> Answer {
    Ok(parts(tokens))
}

fn parts(tokens: u64) -> ResponseParts {
    let mut parts = text("Hi");
    (parts.usage.input_tokens, parts.usage.output_tokens, parts.usage.total_tokens) = (1, tokens - 1, tokens);
    parts
}

fn question() -> RequestParts {
    let mut parts = RequestParts::from_text("Hi");
    parts.options.max_tokens = Some(99);
    parts
}

/// A price of 1 for a thousand tokens.
fn priced(world: World) -> World {
    let (cache_read, cache_write, cache_write_hour, extensions) = Default::default();
    let price = Some(Price { input: 1000.0, output: 1000.0, cache_read, cache_write, cache_write_hour, extensions });
    let (context_window, max_output_tokens, capabilities, extensions) = Default::default();
    let (name, provider, model) = ("inner/scripted".into(), "inner".into(), "scripted".into());
    world.facts(ModelFacts {
        name,
        provider,
        model,
        context_window,
        max_output_tokens,
        price,
        capabilities,
        extensions,
    })
}

fn count(world: &World, key: &str) -> i64 {
    world.value(key).map_or(0, |value| String::from_utf8(value).unwrap().parse().unwrap())
}

fn ask(world: &World, module: &Budget) -> Result<Response, Error> {
    world.run(module.invoke(world.request_of(question())))
}

fn refusal(outcome: Result<Response, Error>) -> ApiError {
    match outcome {
        Err(Error::Api(error)) if error.message.starts_with("the module budget refuses this call") => error,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("no refusal"),
    }
}

#[test]
fn what_was_used_is_counted_in_place_of_what_was_reserved() {
    let world = World::new().answers([using(30)]);
    let module = of_tokens(Window::Day, 1000);
    for calls in 1..=10 {
        ask(&world, &module).unwrap();
        assert_eq!(count(&world, "tokens/day"), calls * 30);
    }
    assert_eq!(world.asked().len(), 10);
}

#[test]
fn money_is_counted_at_the_price_of_the_model() {
    let world = priced(World::new().answers([using(30)]));
    let module = of_cost(Window::Month, 0.25, Decision::Refuse);
    for _ in 0..6 {
        ask(&world, &module).unwrap();
    }
    assert_eq!(count(&world, "cost/month"), 180_000);
    let error = refusal(ask(&world, &module));
    assert!(error.message.contains("the limit of 0.25 a month for all calls has 0.07 left"), "{}", error.message);
}

#[test]
fn a_refused_call_says_when_the_window_resets_and_the_next_window_begins_anew() {
    let world = World::new().answers([using(30)]);
    let module = of_tokens(Window::Minute, 150);
    for _ in 0..2 {
        ask(&world, &module).unwrap();
    }
    world.run(clock::wait_for(Duration::from_secs(20)));
    let error = refusal(ask(&world, &module));
    assert_eq!((error.status, error.reason.as_str(), error.retry_after), (429, "quota", Some(40_000_000_000)));
    assert!(error.extensions.iter().any(|(key, value)| key == "arcllm.refused-by" && value == "\"budget\""));
    assert!(error.message.ends_with("It resets in 40 s."), "{}", error.message);
    world.run(clock::wait_for(Duration::from_secs(40)));
    ask(&world, &module).unwrap();
    assert_eq!((count(&world, "tokens/minute"), world.asked().len()), (30, 3));
}

#[test]
fn of_many_calls_at_once_no_more_go_than_the_limit_has_room_for() {
    let world = World::new().answers([using(30)]).answers_after(Duration::from_secs(1));
    let world = world.state_after(Duration::from_millis(5));
    let module = of_tokens(Window::Total, 1000);
    let outcomes = world.run_all((0..500).map(|_| module.invoke(world.request_of(question()))));
    let answered = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!((answered, world.asked().len()), (10, 10));
    // Those that are refused ask the store once, and one looks for what is lost. The others also settle, and warn once.
    assert!(world.state_operations() <= 521, "{}", world.state_operations());
}

#[test]
fn a_call_counts_at_all_of_its_limits_or_at_none() {
    let limits = vec![limit(Window::Total, 1000), limit(Window::Day, 150)];
    let module = Budget::new(Settings { limits, ..Settings::default() });
    let world = World::new().answers([using(100)]);
    ask(&world, &module).unwrap();
    // The first one that is refused looks for what is lost.
    for most in [2, 1] {
        let operations = world.state_operations();
        refusal(ask(&world, &module));
        assert_eq!(world.state_operations() - operations, most);
    }
    assert_eq!((count(&world, "tokens/total"), count(&world, "tokens/day")), (100, 100));
}

#[test]
fn each_value_of_a_label_has_a_limit_of_its_own() {
    let limits = vec![Limit { label: Some("team".to_owned()), ..limit(Window::Day, 150) }];
    let module = Budget::new(Settings { limits, ..Settings::default() });
    let world = World::new().answers([using(100)]);
    let of = |team: Option<&str>| {
        let mut parts = question();
        parts.options.labels = team.into_iter().map(|team| ("team".to_owned(), team.to_owned())).collect();
        world.run(module.invoke(world.request_of(parts)))
    };
    for team in [Some("a"), Some("b"), None] {
        assert!(of(team).is_ok());
        let error = refusal(of(team));
        assert!(error.message.contains(team.unwrap_or("without the label `team`")), "{}", error.message);
    }
}

#[test]
fn failed_attempts_count_if_they_may_have_cost_something() {
    let failure = || Failure::new("inner", "x");
    for (error, counted) in [
        (api(503), 0),
        (Error::Connection(failure()), 0),
        (Error::Timeout(failure()), MOST),
        (Error::Parse(failure()), MOST),
    ] {
        let world = World::new().answers([Err(error)]);
        assert!(ask(&world, &of_tokens(Window::Day, 1000)).is_err());
        assert_eq!(count(&world, "tokens/day"), counted);
    }
    // One that the provider told nothing of may have used all.
    let world = World::new();
    ask(&world, &of_tokens(Window::Day, 1000)).unwrap();
    assert_eq!(count(&world, "tokens/day"), MOST);
}

#[test]
fn a_streamed_answer_is_counted_at_its_end() {
    let world = World::new().answers([using(30)]).streamed();
    ask(&world, &of_tokens(Window::Day, 1000)).unwrap();
    assert_eq!(count(&world, "tokens/day"), 30);
    // One that is still on its way keeps its reservation, and is counted when it has ended.
    world.run(async {
        let request = world.request_of(question());
        let module = of_tokens(Window::Day, 1000);
        let counters = module.policy.counters(|_| None).unwrap();
        let mut call = module.begin(&request, &counters).ok().unwrap();
        let made = Reservation::make(counters, call.worst.at(None), &module.lost).await.unwrap();
        let Outcome::Made(reservation, _) = made else { panic!("refused") };
        call.reservation = Some(reservation);
        let (response, writer) = stream::write(&request);
        endings::after(&response, async move |ended| call.end(ended.as_ref().ok().map(|end| &end.usage)).await);
        assert_eq!(count(&world, "tokens/day"), 30 + MOST);
        writer.write(vec![stream::Event::End(parts(20))]).await.unwrap();
    });
    // No attempt of this stream is in the trail, so nothing was used.
    assert_eq!(count(&world, "tokens/day"), 30);
}

#[test]
fn an_unknown_price_is_refused_unless_it_is_allowed() {
    let world = World::new().answers([using(30)]);
    let Err(Error::Config(failure)) = ask(&world, &of_cost(Window::Day, 1.0, Decision::Refuse)) else { panic!() };
    assert!(failure.message.contains("the price of `inner/scripted` is unknown"), "{}", failure.message);
    assert_eq!((world.asked().len(), world.state_operations()), (0, 0));
    ask(&world, &of_cost(Window::Day, 1.0, Decision::Allow)).unwrap();
    assert_eq!((world.asked().len(), count(&world, "cost/day")), (1, 0));
    // Limits of tokens need no price.
    ask(&world, &of_tokens(Window::Day, 1000)).unwrap();
}

#[test]
fn while_the_store_fails_calls_are_refused_unless_that_is_allowed() {
    let world = World::new().answers([using(30)]).state_fails("it is down");
    let error = refusal(ask(&world, &of_tokens(Window::Day, 1000)));
    assert_eq!((error.status, error.retry_after, world.asked().len()), (503, Some(WAIT), 0));
    assert!(error.message.contains("it is down"), "{}", error.message);
    let limits = vec![limit(Window::Day, 1000)];
    let allowing = Budget::new(Settings { limits, on_store_failure: Decision::Allow, ..Settings::default() });
    ask(&world, &allowing).unwrap();
    // What a call used is counted if the store is back at its end.
    let back = world.clone();
    let world = world.answers_with(move |_| {
        let _ = back.clone().state_works();
        using(30)
    });
    ask(&world, &allowing).unwrap();
    assert_eq!(count(&world, "tokens/day"), 30);
}

#[test]
fn the_log_warns_once_a_window_and_the_trail_at_each_call() {
    let world = World::new().answers([using(100)]);
    let module = of_tokens(Window::Minute, 1000);
    for calls in 1..=10 {
        ask(&world, &module).unwrap();
        assert_eq!((world.logged().len(), world.notes().len()), (usize::from(calls >= 8), usize::max(calls, 7) - 7));
    }
    assert_eq!(
        world.notes()[0],
        "with what this call may use, 80% of the limit of 1000 tokens a minute for all calls is used"
    );
    assert_eq!(world.logged(), ["80% of the limit of 1000 tokens a minute for all calls is used"]);
    world.run(clock::wait_for(Duration::from_secs(60)));
    // Another instance warns in the next window, and the first one does not again.
    let other = of_tokens(Window::Minute, 1000);
    for _ in 0..9 {
        ask(&world, &other).unwrap();
    }
    ask(&world, &module).unwrap();
    assert_eq!(world.logged().len(), 2);
}

#[test]
fn a_window_gets_back_nothing_that_was_reserved_of_the_one_before() {
    let world = World::new().answers([using(30)]).answers_after(Duration::from_secs(50));
    let module = of_tokens(Window::Minute, 1000);
    ask(&world, &module).unwrap();
    assert_eq!(count(&world, "tokens/minute"), 30);
    // It begins at 0:50 and ends at 1:40.
    ask(&world, &module).unwrap();
    assert_eq!((world.now().as_secs(), count(&world, "tokens/minute")), (100, 0));
}

/// The window ends on the way from the module to the store.
#[test]
fn a_window_that_begins_while_a_call_is_settled_gets_back_nothing() {
    let world = World::new().answers([using(30)]).answers_after(Duration::from_millis(59_700));
    let world = world.state_after(Duration::from_millis(100));
    ask(&world, &of_tokens(Window::Minute, 1000)).unwrap();
    assert_eq!(count(&world, "tokens/minute"), 30);
    // The store has become slow meanwhile: it adds in the next window, and takes that back.
    let world = World::new().answers_after(Duration::from_millis(59_500)).state_after(Duration::from_millis(100));
    let slow = world.clone();
    let world = world.answers_with(move |_| {
        let _ = slow.clone().state_after(Duration::from_millis(500));
        using(30)
    });
    ask(&world, &of_tokens(Window::Minute, 1000)).unwrap();
    assert_eq!((world.now().as_millis(), count(&world, "tokens/minute")), (60_600, 0));
}

/// Reserves what a call may use, and settles nothing, as of a process that dies.
async fn reserve(module: &Budget) -> Option<Reservation> {
    let counters = module.policy.counters(|_| None).unwrap();
    match Reservation::make(counters, Amounts { cost: 0, tokens: MOST }, &module.lost).await.unwrap() {
        Outcome::Made(reservation, _) => Some(reservation),
        Outcome::Refused { .. } => None,
    }
}

#[test]
fn what_a_call_has_reserved_whose_process_died_comes_back_once() {
    for (window, later) in [(Window::Total, 0), (Window::Total, 2000), (Window::Day, 600), (Window::Month, 1200)] {
        let world = World::new().answers([using(100)]).state_after(Duration::from_millis(1));
        world.run(clock::wait_for(Duration::from_secs(100)));
        let modules: Vec<_> = (0..4).map(|_| of_tokens(window, 1000)).collect();
        // The answer to a call that uses all it may, and nine calls that are lost.
        ask(&world, &modules[0]).unwrap();
        world.run(async {
            for _ in 0..9 {
                assert!(reserve(&modules[0]).await.is_some());
            }
        });
        let of_all = || world.run_all(modules.iter().map(reserve));
        // The turn after that of the calls ends at 1200 s.
        for _ in 0..10 {
            assert!(of_all().iter().all(Option::is_none), "a call may still run");
            world.run(clock::wait_for(Duration::from_secs(110)));
        }
        world.run(clock::wait_for(Duration::from_secs(later)));
        let mut begun = vec![world.run(reserve(&modules[3]))];
        begun.extend(world.run_all((0..20).map(|at| reserve(&modules[at % 4]))));
        assert_eq!(begun.iter().flatten().count(), 9, "{window:?}");
        world.run(async {
            for reservation in begun.into_iter().flatten() {
                reservation.settle(Amounts { cost: 0, tokens: 10 }).await.unwrap();
            }
        });
        let key = format!("tokens/{}", window.as_str());
        assert_eq!(count(&world, &key), 190);
        assert!(world.logged().iter().any(|line| line.contains("900 tokens come back")), "{:?}", world.logged());
    }
}

/// A call that takes longer than it should counts all the same.
#[test]
fn what_came_back_too_early_is_taken_again() {
    let world = World::new();
    let module = of_tokens(Window::Total, 150);
    let late = world.run(reserve(&module)).unwrap();
    world.run(clock::wait_for(Duration::from_secs(1300)));
    let other = world.run(reserve(&module)).expect("what is lost has come back");
    world.run(late.settle(Amounts { cost: 0, tokens: 70 })).unwrap();
    assert_eq!(count(&world, "tokens/total"), 70 + MOST);
    world.run(other.settle(Amounts { cost: 0, tokens: 20 })).unwrap();
    assert_eq!(count(&world, "tokens/total"), 90);
    for turn in 0..8 {
        assert_eq!(count(&world, &format!("reserved{turn}/tokens/total")), 0);
    }
}

/// A call that begins at a second, takes so many, and then has used so many tokens.
type Planned = (u64, u64, i64);

/// Makes these calls. Returns the tokens of those that were let through, each with when it began.
fn make(world: &World, module: &Budget, calls: &[Planned]) -> Vec<(u64, i64)> {
    let amounts = Amounts { cost: 0, tokens: MOST };
    let made = world.run_all(calls.iter().map(|(at, takes, used)| async move {
        clock::wait_for(Duration::from_secs(*at)).await;
        let counters = module.policy.counters(|_| None).unwrap();
        let Outcome::Made(reservation, _) = Reservation::make(counters, amounts, &module.lost).await.unwrap() else {
            return None;
        };
        clock::wait_for(Duration::from_secs(*takes)).await;
        let settled = reservation.settle(Amounts { cost: 0, tokens: *used }).await.unwrap();
        assert!(settled.iter().all(|(_, count)| *count >= 0 || *takes >= 59), "{settled:?}");
        Some((*at, *used))
    }));
    made.into_iter().flatten().collect()
}

proptest! {
    /// In no order of calls is more used than the limit allows, and nothing stays reserved.
    #[test]
    fn the_limit_holds_and_nothing_leaks(
        calls in prop::collection::vec((0..90_u64, 0..100_u64, 0..=MOST), 1..80),
        tokens in 50..2000_i64,
        state_ms in 0..900_u64,
    ) {
        let world = World::new().state_after(Duration::from_millis(state_ms));
        let used: i64 = make(&world, &of_tokens(Window::Total, tokens), &calls).iter().map(|(_, used)| used).sum();
        prop_assert!(used <= tokens);
        prop_assert_eq!(count(&world, "tokens/total"), used);
    }

    /// In each window, the same. What calls of the window before did not use is not given back to the next.
    #[test]
    fn the_limit_holds_in_each_window(
        calls in prop::collection::vec((0..170_u64, 0..100_u64, 0..=MOST), 1..80),
        tokens in 50..2000_i64,
        state_ms in 0..900_u64,
    ) {
        let world = World::new().state_after(Duration::from_millis(state_ms));
        let made = make(&world, &of_tokens(Window::Minute, tokens), &calls);
        // The reservation is made when the store has come to it.
        let window = |at: u64| (at * 1000 + state_ms) / 60_000;
        for minute in 0..3 {
            let used: i64 = made.iter().filter(|(at, _)| window(*at) == minute).map(|(_, used)| used).sum();
            prop_assert!(used <= tokens, "{used} in minute {minute}");
        }
        world.run(clock::wait_for(Duration::from_secs(1)));
        let left = count(&world, "tokens/minute");
        prop_assert!(left >= 0 && left <= tokens, "{left}");
    }
}

/// Each of several answers has its own output.
#[test]
fn a_request_for_several_answers_reserves_each_of_them() {
    let ask = |most: i64, answers: u32| {
        let world = World::new();
        let mut parts = question();
        parts.extensions.push(("openai.n".to_owned(), answers.to_string()));
        world.run(of_tokens(Window::Total, most).invoke(world.request_of(parts))).is_ok()
    };
    assert!(ask(100, 1) && ask(1 + 3 * 99, 3) && !ask(3 * 99, 3) && !ask(1000, u32::MAX));
}
