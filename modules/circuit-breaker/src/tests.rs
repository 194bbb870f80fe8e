use std::{cell::Cell, time::Duration};

use arcllm_module::{
    Count, Seconds, clock, stream,
    testing::{World, api, text},
    types::Failure,
};

use super::*;

fn module() -> CircuitBreaker {
    CircuitBreaker::new(Settings { failures: Count::new(2), open_seconds: Seconds::new(10.0), ..Settings::default() })
}

#[test]
fn a_provider_that_is_down_is_not_asked_until_it_is_back() {
    let world = World::new().answers([Err(api(529)), Err(api(529)), Err(api(529)), Ok(text("back"))]);
    let ask = || world.run(module().invoke(world.request("Hi"))).map(|answer| answer.parts().text());
    let status = |outcome| match outcome {
        Err(Error::Api(error)) => (error.status, error.retry_after),
        _ => panic!("no error"),
    };
    assert_eq!(status(ask()), (529, None));
    assert_eq!(status(ask()), (529, None));
    assert_eq!(status(ask()), (503, Some(10_000_000_000)));
    world.run(clock::wait_for(Duration::from_secs(10)));
    assert_eq!(status(ask()), (529, None));
    assert_eq!(status(ask()), (503, Some(10_000_000_000)));
    world.run(clock::wait_for(Duration::from_secs(10)));
    assert_eq!(ask().unwrap(), "back");
    assert_eq!(kept(&world), [None, None]);
    assert_eq!(world.asked().len(), 4);
}

#[test]
fn nothing_is_kept_about_a_provider_that_is_up() {
    let world = World::new().answers([Ok(text("well")), Err(api(429))]);
    world.run(module().invoke(world.request("Hi"))).unwrap();
    assert!(world.run(module().invoke(world.request("Hi"))).is_err());
    assert_eq!(kept(&world), [None, None]);
}

/// Failures in a row, and how often the circuit has opened.
fn kept(world: &World) -> [Option<String>; 2] {
    ["failures/inner", "opened/inner"]
        .map(|key| world.value(key).map(|value| String::from_utf8(value).expect("a number")))
}

fn some(failures: &str, opened: &str) -> [Option<String>; 2] {
    [failures, opened].map(|value| (!value.is_empty()).then(|| value.to_owned()))
}

/// An answer that ends after this time, and what is kept about its provider half a second before and then.
fn streamed(world: &World, seconds: u64, end: Result<(), Error>) -> [[Option<String>; 2]; 2] {
    let (module, request) = (module(), world.request("Hi"));
    world.run(async {
        let circuit = Circuit::new("inner", "scripted");
        let pass = circuit.pass(&module.policy).await.unwrap();
        assert!(!matches!(pass, Pass::Refused { .. }), "{pass:?}");
        let call = Call { policy: module.policy.clone(), provider: "inner".to_owned(), circuit, pass: Some(pass) };
        let (response, writer) = stream::write(&request);
        call.answered(&response);
        clock::wait_for(Duration::from_secs(seconds) - Duration::from_millis(500)).await;
        let before = kept(world);
        match end {
            Ok(()) => writer.write(vec![stream::Event::End(text("well"))]).await.unwrap(),
            Err(error) => writer.fail(&error),
        }
        clock::wait_for(Duration::from_millis(500)).await;
        [before, kept(world)]
    })
}

#[test]
fn a_streamed_answer_counts_when_it_has_ended() {
    let world = World::new();
    let broken = || Err(Error::Connection(Failure::new("inner", "it broke off")));
    assert_eq!(streamed(&world, 2, broken()), [some("", ""), some("1", "")]);
    // The reader went away.
    assert_eq!(streamed(&world, 2, Err(Error::Cancelled))[1], some("1", ""));
    assert_eq!(streamed(&world, 2, broken())[1], some("2", "1"));
    world.run(clock::wait_for(Duration::from_secs(10)));
    assert_eq!(streamed(&world, 5, Ok(())), [some("2", "1"), some("", "")]);
}

/// Otherwise a provider whose answers take longer than `open_seconds` would never be asked again.
#[test]
fn a_long_answer_to_a_probe_closes_the_circuit() {
    let world = World::new().answers([Err(api(503)), Err(api(503))]);
    for _ in 0..2 {
        assert!(world.run(module().invoke(world.request("Hi"))).is_err());
    }
    world.run(clock::wait_for(Duration::from_secs(10)));
    assert_eq!(streamed(&world, 25, Ok(()))[1], some("", ""));
}

fn error(status: u16, retry_after: Option<u64>) -> Error {
    let Error::Api(mut error) = api(status) else { panic!("no error of a provider") };
    error.retry_after = retry_after.map(|seconds| seconds * 1_000_000_000);
    Error::Api(error)
}

#[test]
fn one_answer_of_some_statuses_holds_back_all_calls() {
    for (status, hint, seconds) in [
        (401, None, 300),
        (402, None, 300),
        (404, None, 60),
        (429, Some(7), 7),
        (429, Some(1_000_000), 3600),
        (401, Some(2), 2),
        (400, Some(7), 0),
        (429, None, 0),
    ] {
        let answers = [Err(error(status, hint)), Ok(text("back"))];
        let world = World::new().answers(answers);
        assert!(world.run(module().invoke(world.request("Hi"))).is_err());
        let second = world.run(module().invoke(world.request("Hi")));
        if seconds == 0 {
            second.unwrap();
            continue;
        }
        let Err(Error::Api(refused)) = second else { panic!("{status} holds nothing back") };
        assert_eq!((refused.status, refused.retry_after), (status, Some(seconds * 1_000_000_000)));
        world.run(clock::wait_for(Duration::from_secs(seconds)));
        world.run(module().invoke(world.request("Hi"))).unwrap();
        assert_eq!(world.asked().len(), 2);
    }
}

#[test]
fn a_share_of_failures_opens_the_circuit_although_none_are_in_a_row() {
    let count = Cell::new(0);
    let world = World::new().answers_with(move |_| {
        count.set(count.get() + 1);
        if count.get() % 2 == 0 { Err(api(503)) } else { Ok(text("well")) }
    });
    let settings =
        Settings { failure_share: arcllm_module::Amount::new(0.5), min_calls: Count::new(6), ..Settings::default() };
    let module = CircuitBreaker::new(settings);
    for _ in 0..20 {
        let _ = world.run(module.invoke(world.request("Hi")));
    }
    assert_eq!(world.asked().len(), 6);
    // An answer to the probe begins a new count.
    world.run(clock::wait_for(Duration::from_secs(30)));
    world.run(module.invoke(world.request("Hi"))).unwrap();
    assert_eq!(world.value("failed/inner"), None);
}

#[test]
fn a_call_that_asks_or_is_refused_waits_for_one_operation_of_the_store() {
    let store = Duration::from_millis(5);
    let world = World::new().state_after(store).answers([Ok(text("well")), Err(api(503)), Err(api(503))]);
    let took = || {
        let (began, before) = (world.now(), world.state_operations());
        let outcome = world.run(async {
            let outcome = module().invoke(world.request("Hi")).await;
            (outcome.is_ok(), world.now())
        });
        (outcome.0, outcome.1 - began, world.state_operations() - before)
    };
    assert_eq!(took(), (true, store, 1));
    let _ = (took(), took());
    assert_eq!(took(), (false, store, 1));
    let all = 64;
    let before = world.state_operations();
    let module = module();
    world.run_all((0..all).map(|_| module.invoke(world.request("Hi"))));
    assert_eq!(world.state_operations() - before, all);
}

/// Only the failure that opens the circuit is waited for, since the next call must find it open.
#[test]
fn what_an_end_shows_is_noted_after_the_answer() {
    let store = Duration::from_millis(5);
    let answers =
        [Err(api(401)), Err(api(503)), Ok(text("well")), Err(api(503)), Err(api(503)), Ok(text("back")), Err(api(404))];
    let world = World::new().state_after(store).answers(answers);
    let cooldown_seconds = [("404".to_owned(), arcllm_module::Amount::new(60.0))].into();
    let open_seconds = Seconds::new(10.0);
    let module = CircuitBreaker::new(Settings {
        failures: Count::new(2),
        cooldown_seconds,
        open_seconds,
        ..Settings::default()
    });
    let waited = || {
        world.run(async {
            let began = clock::now();
            drop(module.invoke(world.request("Hi")).await);
            (clock::now() - began).as_millis()
        })
    };
    let waits: Vec<_> = (0..5).map(|_| waited()).collect();
    assert_eq!(waits, [5, 5, 5, 5, 15], "the fifth opens it: a read, a count, and the opening");
    world.run(clock::wait_for(Duration::from_secs(10)));
    // A probe takes its place, and does not wait until the circuit is closed.
    assert_eq!(waited(), 10);
    assert_eq!(waited(), 5);
    assert_eq!((kept(&world), world.asked().len()), ([None, None], 7));
    let Err(Error::Api(refused)) = world.run(module.invoke(world.request("Hi"))) else { panic!("no cooldown") };
    assert_eq!(refused.status, 404);
}

#[test]
fn what_happens_when_the_store_fails_is_a_setting() {
    let world = World::new().state_fails("it is away");
    world.run(module().invoke(world.request("Hi"))).unwrap();
    let settings = Settings { on_store_failure: OnStoreFailure::Refuse, ..Settings::default() };
    let outcome = world.run(CircuitBreaker::new(settings).invoke(world.request("Hi")));
    let Err(Error::Api(error)) = outcome else { panic!("it asked") };
    assert!(error.status == 503 && error.message.contains("it is away"), "{error:?}");
    assert_eq!((world.asked().len(), world.logged().len()), (1, 1));
}
