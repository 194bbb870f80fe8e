use arcllm_module::{
    Amount, Seconds,
    testing::{World, api, text},
    types::{ContentBlock, Failure, RequestParts, StopReason, Thinking},
};

use super::*;

fn settings() -> Settings {
    Settings { cache_all: true, ..Settings::default() }
}

fn module() -> Cache {
    Cache::new(settings())
}

fn world() -> World {
    World::new().answers((0..100).map(|number| Ok(text(&format!("answer {number}")))))
}

/// Asks, and reads the answer as it comes if the world streams.
async fn ask(module: &Cache, world: &World, say: &str) -> Result<ResponseParts, Error> {
    let response = module.invoke(world.request(say)).await?;
    if !world.request(say).streamed() {
        return Ok(response.parts());
    }
    let reader = stream::read(response);
    loop {
        for event in reader.read().await? {
            if let Event::End(parts) = event {
                return Ok(parts);
            }
        }
    }
}

fn is_cached(parts: &ResponseParts) -> bool {
    let has = |extensions: &[(String, String)]| extensions.iter().any(|(key, value)| key == CACHED && value == "true");
    assert_eq!(has(&parts.extensions), has(&parts.usage.extensions));
    has(&parts.extensions)
}

#[test]
fn an_equal_request_gets_the_same_answer_with_one_operation() {
    for world in [world(), world().streamed()] {
        let module = module();
        let first = world.run(ask(&module, &world, "Hi")).unwrap();
        let miss = world.state_operations();
        let second = world.run(ask(&module, &world, "Hi")).unwrap();
        assert_eq!((first.text(), second.text()), ("answer 0".to_owned(), "answer 0".to_owned()));
        assert!(!is_cached(&first) && is_cached(&second));
        assert_eq!((miss, world.state_operations() - miss, world.asked().len()), (3, 1, 1));
        assert_eq!(world.notes(), ["answered from the cache: the answer is 0 s old"]);
        let other = world.run(ask(&module, &world, "Hello")).unwrap();
        assert!(!is_cached(&other) && other.text() == "answer 1");
        // Another instance shares what is kept.
        assert!(is_cached(&world.run(ask(&self::module(), &world, "Hi")).unwrap()));
    }
}

#[test]
fn an_answer_waits_for_the_store_only_before_it_is_asked_for() {
    let world = world().state_after(Duration::from_secs(1)).answers_after(Duration::from_secs(5));
    let module = module();
    let took = world.run(async {
        ask(&module, &world, "Hi").await.unwrap();
        clock::now()
    });
    assert_eq!(took.as_secs(), 7, "get, lease, and the answer");
}

#[test]
fn everything_in_an_answer_is_kept() {
    let mut parts = text("Hi");
    let thinking = Thinking {
        text: "Hm".to_owned(),
        signature: Some("signed".to_owned()),
        redacted: None,
        provider: Some("anthropic".to_owned()),
        extensions: vec![("a.b".to_owned(), "1".to_owned())],
    };
    parts.content.insert(0, ContentBlock::Thinking(thinking));
    parts.usage.input_tokens = 7;
    let world = World::new().answers([Ok(parts)]);
    let module = module();
    let first = world.run(ask(&module, &world, "Hi")).unwrap();
    let second = world.run(ask(&module, &world, "Hi")).unwrap();
    assert_eq!(format!("{:?}", first.content), format!("{:?}", second.content));
    assert_eq!((second.usage.input_tokens, world.asked().len()), (7, 1));
}

#[test]
fn an_answer_ends_with_its_time() {
    let world = world();
    let module = Cache::new(Settings { ttl_seconds: Seconds::new(60.0), ..settings() });
    world.run(ask(&module, &world, "Hi")).unwrap();
    world.run(clock::wait_for(Duration::from_secs(59)));
    assert!(is_cached(&world.run(ask(&module, &world, "Hi")).unwrap()));
    assert!(world.notes()[0].contains("59 s old"));
    world.run(clock::wait_for(Duration::from_secs(1)));
    assert!(!is_cached(&world.run(ask(&module, &world, "Hi")).unwrap()));
}

#[test]
fn what_is_not_repeatable_is_asked_each_time_and_costs_no_operation() {
    let world = world();
    let module = Cache::new(Settings::default());
    for _ in 0..2 {
        assert!(!is_cached(&world.run(ask(&module, &world, "Hi")).unwrap()));
    }
    assert_eq!((world.asked().len(), world.state_operations()), (2, 0));
    let mut parts = RequestParts::from_text("Hi");
    parts.options.temperature = Some(0.0);
    for _ in 0..2 {
        world.run(module.invoke(world.request_of(parts.clone()))).unwrap();
    }
    assert_eq!(world.asked().len(), 3);
}

#[test]
fn equal_calls_at_once_ask_once_in_one_instance_and_in_several() {
    for instances in [1, 4] {
        for world in [world(), world().streamed()] {
            let world = world.answers_after(Duration::from_secs(3)).state_after(Duration::from_millis(1));
            let modules: Vec<_> = (0..instances).map(|_| module()).collect();
            let calls = (0..64).map(|number| ask(&modules[number % instances], &world, "Hi"));
            let answers = world.run_all(calls);
            let cached = answers.iter().filter(|answer| is_cached(answer.as_ref().unwrap())).count();
            assert_eq!((world.asked().len(), cached), (1, 63));
            assert!(world.now() < Duration::from_secs(4), "{:?}", world.now());
            if instances == 1 {
                assert_eq!(world.state_operations(), 3, "get, lease and set");
            }
        }
    }
}

/// Asks as [`ask`] does, and reads the answer whole or as it comes.
async fn ask_some(module: &Cache, world: &World, number: usize) -> Result<ResponseParts, Error> {
    let response = module.invoke(world.request("Hi")).await?;
    match number % 2 {
        0 => Ok(response.parts()),
        _ => {
            let reader = stream::read(response);
            loop {
                if let Some(Event::End(parts)) = reader.read().await?.pop() {
                    return Ok(parts);
                }
            }
        }
    }
}

#[test]
fn if_the_first_fails_one_of_those_who_wait_is_the_next() {
    for instances in [1, 4] {
        for failures in [1, 3] {
            for world in [World::new(), World::new().streamed()] {
                let answers = (0..failures).map(|_| Err(api(500))).chain([Ok(text("good"))]);
                let world = world.answers(answers).answers_after(Duration::from_secs(2));
                let world = world.state_after(Duration::from_millis(1));
                let modules: Vec<_> = (0..instances).map(|_| module()).collect();
                let calls = (0..64).map(|number| ask_some(&modules[number % instances], &world, number));
                let answers = world.run_all(calls);
                assert_eq!(answers.iter().filter(|answer| answer.is_err()).count(), failures);
                assert_eq!(world.asked().len(), failures + 1, "{instances}");
            }
        }
    }
}

#[test]
fn if_a_stream_breaks_off_one_of_those_who_wait_is_the_next() {
    for instances in [1, 4] {
        let broken = (1, Error::Connection(Failure::new("inner", "reset")));
        let world = world().streamed().breaks_off([broken]).answers_after(Duration::from_secs(2));
        let modules: Vec<_> = (0..instances).map(|_| module()).collect();
        let answers = world.run_all((0..64).map(|number| ask(&modules[number % instances], &world, "Hi")));
        assert_eq!((answers.iter().filter(|answer| answer.is_err()).count(), world.asked().len()), (1, 2));
    }
}

/// A call whose caller leaves.
#[test]
fn if_the_first_is_cancelled_one_of_those_who_wait_is_the_next() {
    for instances in [1, 4] {
        let answers = [Err(Error::Cancelled), Ok(text("good"))];
        let world = World::new().answers(answers).answers_after(Duration::from_secs(2));
        let modules: Vec<_> = (0..instances).map(|_| module()).collect();
        world.run_all((0..64).map(|number| ask(&modules[number % instances], &world, "Hi")));
        assert_eq!(world.asked().len(), 2);
    }
}

/// A process or an instance that ends gives nothing back.
#[test]
fn if_the_first_is_lost_one_of_those_who_wait_is_the_next() {
    for instances in [1, 4] {
        let world = world().answers_after(Duration::from_secs(2));
        let lost = Cache::new(settings());
        let request = world.request("Hi");
        let key = lost.key(&request).unwrap();
        let lasts = clock::nanoseconds(lost.shared.policy.lease());
        world.run(arcllm_module::state::lease(key, 1, lasts)).unwrap();
        world.run(clock::wait_for(Duration::from_secs(5)));
        let modules: Vec<_> = (0..instances).map(|_| module()).collect();
        world.run_all((0..64).map(|number| ask(&modules[number % instances], &world, "Hi")));
        let asked = world.asked();
        assert_eq!(asked.len(), 1);
        assert!((30..31).contains(&asked[0].at.as_secs()), "{:?}", asked[0].at);
    }
}

/// Nothing is gained by waiting for an answer that nobody else gets.
#[test]
fn if_the_first_is_not_kept_all_who_wait_ask_at_once() {
    for instances in [1, 4] {
        for world in [World::new(), World::new().streamed()] {
            let mut cut = text("cut");
            cut.stop_reason = StopReason::MaxTokens;
            let world = world.answers([Ok(cut)]).answers_after(Duration::from_secs(2));
            let modules: Vec<_> = (0..instances).map(|_| module()).collect();
            for _ in 0..2 {
                let began = world.now();
                let asked = world.asked().len();
                world.run_all((0..64).map(|number| ask(&modules[number % instances], &world, "Hi")));
                assert_eq!(world.asked().len() - asked, 64);
                assert!(world.now() - began < Duration::from_millis(4600), "{:?}", world.now());
            }
        }
    }
}

#[test]
fn nobody_waits_longer_than_the_setting() {
    for instances in [1, 2] {
        let world = world().answers_after(Duration::from_secs(100));
        let modules: Vec<_> =
            (0..instances).map(|_| Cache::new(Settings { max_wait_seconds: Amount::new(2.0), ..settings() })).collect();
        world.run_all((0..2).map(|number| ask(&modules[number % instances], &world, "Hi")));
        let at: Vec<u64> = world.asked().iter().map(|asked| asked.at.as_secs()).collect();
        assert_eq!(at, [0, 2]);
    }
}

#[test]
fn without_a_wait_nobody_takes_a_lease() {
    let world = world().answers_after(Duration::from_secs(1));
    let modules = [0, 1].map(|_| Cache::new(Settings { max_wait_seconds: Amount::new(0.0), ..settings() }));
    world.run_all(modules.iter().map(|module| ask(module, &world, "Hi")));
    assert_eq!((world.asked().len(), world.state_operations()), (2, 4));
}

#[test]
fn errors_and_answers_that_are_no_good_are_asked_again() {
    let mut cut = text("cut");
    cut.stop_reason = StopReason::MaxTokens;
    for bad in [Err(api(500)), Ok(cut), Ok(text("")), Err(Error::Connection(Failure::new("inner", "reset")))] {
        for world in [World::new(), World::new().streamed()] {
            let world = world.answers([bad.clone(), Ok(text("good"))]);
            let module = module();
            let _ = world.run(ask(&module, &world, "Hi"));
            let second = world.run(ask(&module, &world, "Hi")).unwrap();
            assert_eq!((second.text().as_str(), is_cached(&second)), ("good", false), "{bad:?}");
            assert!(is_cached(&world.run(ask(&self::module(), &world, "Hi")).unwrap()));
        }
    }
}

#[test]
fn a_stream_that_breaks_off_is_not_kept() {
    let world = world().streamed().breaks_off([(1, Error::Connection(Failure::new("inner", "reset")))]);
    let module = module();
    assert!(world.run(ask(&module, &world, "Hi")).is_err());
    let second = world.run(ask(&module, &world, "Hi")).unwrap();
    assert!(!is_cached(&second));
    assert!(is_cached(&world.run(ask(&module, &world, "Hi")).unwrap()));
}

#[test]
fn without_a_store_calls_go_on() {
    let world = world().state_fails("no route");
    let module = module();
    for _ in 0..5 {
        world.run(ask(&module, &world, "Hi")).unwrap();
    }
    assert_eq!(world.asked().len(), 5);
    assert!(world.logged().iter().all(|line| line == "the store failed, so answers are not kept: no route"));
    let world = world.state_works();
    world.run(ask(&module, &world, "Hi")).unwrap();
    assert!(is_cached(&world.run(ask(&module, &world, "Hi")).unwrap()));
}

#[test]
fn a_call_can_be_refused_without_a_store() {
    let world = world().state_fails("no route");
    let module = Cache::new(Settings { on_store_failure: OnStoreFailure::Refuse, ..settings() });
    let Err(Error::Api(error)) = world.run(ask(&module, &world, "Hi")) else { panic!("no error") };
    assert_eq!((error.status, world.asked().len()), (503, 0));
    assert!(error.message.contains("on_store_failure") && error.message.contains("no route"), "{}", error.message);
}

#[test]
fn what_cannot_be_read_is_asked_for_and_replaced() {
    let world = world();
    let module = module();
    let request = world.request("Hi");
    let key = module.key(&request).unwrap();
    world.run(arcllm_module::state::set(key.clone(), b"garbage".to_vec())).unwrap();
    assert!(!is_cached(&world.run(ask(&module, &world, "Hi")).unwrap()));
    assert!(world.value(&key).is_some_and(|value| Kept::read(&value).is_some()));
    assert!(is_cached(&world.run(ask(&module, &world, "Hi")).unwrap()));
}
