use arcllm_module::{
    Amount, ChainTarget, Count, Listed, Seconds,
    testing::{World, api, text},
    types::ModelFacts,
};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// Every call may ask a second target, after a second.
fn settings() -> Settings {
    let targets = vec![Listed(ChainTarget::new("other"))];
    Settings { max_share: Amount::new(1.0), after_seconds: Seconds::new(1.0), targets, ..Settings::default() }
}

/// A slow inner, and another model that takes two seconds.
fn world() -> World {
    let world = World::new().provider("other", [Ok(text("quick"))]);
    world.provider_after("inner", 10 * SECOND).provider_after("other", 2 * SECOND)
}

fn said(world: &World, module: &Hedge) -> Result<String, Error> {
    world.run(module.invoke(world.request("Hi"))).map(|answer| answer.parts().text())
}

#[test]
fn an_answer_or_an_error_in_time_is_the_only_one() {
    for answer in [Ok(text("in time")), Err(api(503))] {
        let world = world().answers([answer]).provider_after("inner", SECOND / 2);
        let outcome = said(&world, &Hedge::new(settings()));
        assert_eq!((world.asked().len(), world.now(), world.notes().len()), (1, SECOND / 2, 0));
        assert_eq!(world.state_operations(), 1, "it is counted");
        assert!(outcome.is_err() || outcome.is_ok_and(|text| text == "in time"));
    }
}

#[test]
fn the_quicker_one_answers_and_the_slower_one_is_cancelled() {
    let world = world();
    assert_eq!((said(&world, &Hedge::new(settings())).unwrap().as_str(), world.now()), ("quick", 3 * SECOND));
    let cancelled: Vec<_> = world.asked().into_iter().map(|asked| asked.cancelled).collect();
    assert_eq!(cancelled, [Some(3 * SECOND), None]);
    assert_eq!(world.notes(), ["a second target was asked; the second began first, after 3.000 s"]);
    let first = world.provider_after("inner", 2 * SECOND).provider_after("other", 9 * SECOND);
    assert_eq!(said(&first, &Hedge::new(settings())).unwrap(), "Hello");
    assert!(first.asked()[3].cancelled.is_some() && first.asked()[2].cancelled.is_none());
}

#[test]
fn if_one_fails_the_other_is_waited_for_and_if_both_fail_the_error_is_that_of_the_first() {
    let second_fails = world().provider("other", [Err(api(503))]);
    assert_eq!(said(&second_fails, &Hedge::new(settings())).unwrap(), "Hello");
    assert_eq!(second_fails.now(), 10 * SECOND);
    let first_fails = world().answers([Err(api(500))]).provider_after("inner", 2 * SECOND);
    assert_eq!(said(&first_fails, &Hedge::new(settings())).unwrap(), "quick");
    let both = world().answers([Err(api(500))]).provider("other", [Err(api(503))]);
    assert!(matches!(said(&both, &Hedge::new(settings())), Err(Error::Api(error)) if error.status == 500));
}

#[test]
fn without_targets_the_inner_is_asked_again_and_options_go_to_the_second_alone() {
    let again = Settings { targets: Vec::new(), ..settings() };
    let world = world();
    assert_eq!((said(&world, &Hedge::new(again)).unwrap().as_str(), world.now()), ("Hello", 10 * SECOND));
    let asked: Vec<_> = world.asked().into_iter().map(|asked| (asked.provider, asked.at)).collect();
    assert_eq!(asked, [("inner".to_owned(), Duration::ZERO), ("inner".to_owned(), SECOND)]);
    let small = ChainTarget { max_tokens: Some(Count::new(9)), ..ChainTarget::new("other") };
    let world = self::world();
    said(&world, &Hedge::new(Settings { targets: vec![Listed(small)], ..settings() })).unwrap();
    let asked: Vec<_> = world.asked().into_iter().map(|asked| asked.parts.options.max_tokens).collect();
    assert_eq!(asked, [None, Some(9)]);
}

#[test]
fn a_target_that_is_the_slow_one_or_cannot_be_loaded_is_skipped() {
    let facts = ModelFacts {
        name: "same".to_owned(),
        provider: "inner".to_owned(),
        model: "scripted".to_owned(),
        context_window: None,
        max_output_tokens: None,
        price: None,
        capabilities: Vec::new(),
        extensions: Vec::new(),
    };
    let world = world().provider("same", []).facts(facts);
    let of = |names: &[&str]| names.iter().map(|name| Listed(ChainTarget::new(name))).collect();
    let targets = of(&["same", "missing", "other"]);
    assert_eq!(said(&world, &Hedge::new(Settings { targets, ..settings() })).unwrap(), "quick");
    let asked: Vec<_> = world.asked().into_iter().map(|asked| asked.provider).collect();
    assert_eq!(asked, ["inner", "other"]);
    let nobody = Hedge::new(Settings { targets: of(&["same"]), ..settings() });
    assert_eq!(said(&world, &nobody).unwrap(), "Hello");
    assert_eq!(world.asked().len(), 3);
}

/// However many instances serve them, and whether they come at once or one after the other.
#[test]
fn a_share_of_the_calls_ask_twice() {
    let five_of_a_hundred = || Hedge::new(Settings { max_share: Amount::new(0.05), ..settings() });
    let second = |world: &World| world.asked().iter().filter(|asked| asked.provider == "other").count();
    let (at_once, one) = (world(), five_of_a_hundred());
    let outcomes = at_once.run_all((0..64).map(|_| one.invoke(at_once.request("Hi"))));
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(second(&at_once), 3);
    let in_a_row = world();
    for _ in 0..60 {
        said(&in_a_row, &five_of_a_hundred()).unwrap();
    }
    // In 600 seconds, which are two windows.
    assert_eq!(second(&in_a_row), 3, "each call had an instance of its own");
    let (nobody, none) = (world(), Hedge::new(Settings { max_share: Amount::new(0.0), ..settings() }));
    assert_eq!(said(&nobody, &none).unwrap(), "Hello");
    assert_eq!((nobody.asked().len(), nobody.state_operations()), (1, 0));
}

#[test]
fn the_p95_of_what_was_seen_becomes_the_delay() {
    let p95 = Settings { after: After::P95, min_samples: Count::new(20), ..settings() };
    let module = Hedge::new(p95.clone());
    let world = world().provider_after("inner", 4 * SECOND).provider_after("other", 60 * SECOND);
    for _ in 0..20 {
        said(&world, &module).unwrap();
    }
    let asked = world.asked();
    assert_eq!(asked[1].at - asked[0].at, SECOND, "the start value");
    // Another instance reads what this one has seen.
    let module = Hedge::new(p95);
    let slow = world.provider_after("inner", 30 * SECOND);
    let before = slow.asked().len();
    said(&slow, &module).unwrap();
    let asked = slow.asked();
    let delay = asked[before + 1].at - asked[before].at;
    assert!(delay >= 4 * SECOND && delay <= 5 * SECOND, "{delay:?}");
}

#[test]
fn a_slow_or_failing_state_delays_no_call_and_no_second_target_is_asked() {
    for after in [After::P95, After::Fixed] {
        let hedge = || Hedge::new(Settings { after, ..settings() });
        let slow = world().state_after(100 * SECOND).provider_after("inner", SECOND / 2);
        let answered = slow.run(async { hedge().invoke(slow.request("Hi")).await.map(|_| clock::now()) });
        assert_eq!(answered.unwrap(), SECOND / 2);
        let (down, module) = (world().state_fails("it is down"), hedge());
        for asked in 1..4 {
            assert_eq!(said(&down, &module).unwrap(), "Hello");
            assert_eq!(down.asked().len(), asked);
        }
        assert!(down.logged()[0].contains("it is down"), "{:?}", down.logged());
    }
}

/// The store works when the call begins, and fails when a second target would be asked.
#[test]
fn a_state_that_fails_later_asks_no_second_target_either() {
    let (world, module) = (world(), Hedge::new(settings()));
    let outcomes = world.run(async {
        let breaking = async {
            clock::wait_for(SECOND / 2).await;
            let _ = world.clone().state_fails("it is down");
            clock::wait_for(20 * SECOND).await;
        };
        match race(pin!(module.invoke(world.request("Hi"))), pin!(breaking)).await {
            Raced::One(outcome) => outcome.map(|answer| answer.parts().text()),
            Raced::Other(()) => panic!("no answer"),
        }
    });
    assert_eq!((outcomes.unwrap().as_str(), world.asked().len(), world.now()), ("Hello", 1, 10 * SECOND));
}
