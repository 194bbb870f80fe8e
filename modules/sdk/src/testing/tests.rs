use std::{pin::pin, time::Duration};

use crate::{
    Error, Raced, Request, Response, clock, inner, models, race, random, state,
    testing::{World, api, text},
    types::Outcome,
};

async fn patient(request: Request) -> Result<Response, Error> {
    loop {
        match inner::invoke(request.clone()).await {
            Err(Error::Api(error)) if error.status == 529 => clock::wait_for(Duration::from_secs(5)).await,
            outcome => return outcome,
        }
    }
}

#[test]
fn the_inner_answers_as_scripted_and_waiting_takes_no_time() {
    let answers = [Err(api(529)), Err(api(529)), Ok(text("Good day"))];
    let world = World::new().answers(answers).answers_after(Duration::from_secs(1)).deadline(Duration::from_secs(60));
    let answer = world.run(patient(world.request("Hi"))).unwrap();
    assert_eq!(answer.parts().text(), "Good day");
    assert_eq!(world.asked().iter().map(|asked| asked.at.as_secs()).collect::<Vec<_>>(), [0, 6, 12]);
    let request = world.request("again");
    assert_eq!((request.remaining(), request.time_left()), (Some(47_000_000_000), Some(Duration::from_secs(47))));
    assert_eq!(request.attempts(1).iter().map(|attempt| attempt.waited).collect::<Vec<_>>(), [5_000_000_000; 2]);
}

#[test]
fn the_last_answer_is_repeated_and_others_are_loaded() {
    let world = World::new().answers([Err(api(400))]).provider("other", [Ok(text("from another"))]);
    world.run(async {
        let request = world.request("Hi");
        for _ in 0..2 {
            let Err(Error::Api(error)) = inner::invoke(request.clone()).await else { panic!("no error") };
            assert_eq!(error.status, 400);
        }
        let model = models::load(&request, "other".to_owned()).await.unwrap();
        assert_eq!(model.invoke(request.clone()).await.unwrap().provider(), "other");
        assert!(matches!(models::load(&request, "nobody".to_owned()).await, Err(Error::Config(_))));
    });
}

#[test]
fn values_are_kept_and_numbers_repeat_with_their_seed() {
    let world = World::new();
    world.run(async {
        assert_eq!(state::increment("n".to_owned(), 2).await, Ok(2));
        assert_eq!(state::compare_and_swap("n".to_owned(), None, None).await, Ok(false));
        let two = Some(b"2".to_vec());
        assert_eq!(state::compare_and_swap("n".to_owned(), two, Some(b"3".to_vec())).await, Ok(true));
    });
    assert_eq!(world.value("n"), Some(b"3".to_vec()));
    let draw = |seed| World::new().seed(seed).run(async { random::get_insecure_random_u64() });
    assert_eq!(draw(7), draw(7));
    assert_ne!(draw(7), draw(8));
}

#[test]
fn a_store_can_fail_and_come_back() {
    let world = World::new().state_fails("the store is down");
    let all = || async {
        let key = || "k".to_owned();
        let current = None;
        (
            state::get(key()).await.err(),
            state::set(key(), b"1".to_vec()).await.err(),
            state::increment(key(), 1).await.err(),
            state::delete(key()).await.err(),
            state::compare_and_swap(key(), current, Some(b"2".to_vec())).await.err(),
        )
    };
    let down = || Some("the store is down".to_owned());
    assert_eq!(world.run(all()), (down(), down(), down(), down(), down()));
    assert_eq!((world.value("k"), world.state_operations()), (None, 5));
    let world = world.state_works();
    assert_eq!(world.run(all()), (None, None, None, None, None));
}

/// A first provider that never answers, and a second one that a module asks beside it.
#[test]
fn each_provider_takes_its_own_time_and_what_is_left_is_cancelled() {
    let seconds = Duration::from_secs;
    let world = World::new().answers_after(Duration::MAX).provider("second", [Err(api(503)), Ok(text("here"))]);
    let world = world.provider_after("second", seconds(2));
    let outcome = world.run(async {
        let request = world.request("Hi");
        let mut first = pin!(inner::invoke(request.clone()));
        assert!(clock::timeout(seconds(1), first.as_mut()).await.is_err());
        let model = models::load(&request, "second".to_owned()).await.unwrap();
        for _ in 0..2 {
            match race(first.as_mut(), pin!(model.invoke(request.clone()))).await {
                Raced::Other(Err(_)) => {}
                Raced::One(answer) | Raced::Other(answer) => return answer,
            }
        }
        Err(Error::Cancelled)
    });
    assert_eq!((outcome.unwrap().parts().text(), world.now()), ("here".to_owned(), seconds(5)));
    let asked: Vec<_> = world.asked().iter().map(|asked| (asked.at.as_secs(), asked.cancelled)).collect();
    assert_eq!(asked, [(0, Some(seconds(5))), (1, None), (3, None)]);
    let trail = world.request("").attempts(0);
    assert!(matches!(trail.last().unwrap().outcome, Outcome::Cancelled));
}

#[test]
#[should_panic(expected = "cannot happen")]
fn a_wait_without_end_fails_the_test() {
    World::new().run(std::future::pending::<()>());
}

#[cfg(feature = "background")]
#[test]
fn an_answer_is_written_as_it_comes() {
    use crate::stream::{self, Event};

    let world = World::new().answers([Ok(text("hello"))]);
    let parts = world.run(async {
        let request = world.request("Hi");
        let reader = stream::read(inner::invoke(request.clone()).await.unwrap());
        let answer = stream::written(&request, async move |writer| {
            loop {
                let mut events = reader.read().await?;
                if events.is_empty() {
                    return Ok(());
                }
                for event in &mut events {
                    match event {
                        Event::Text(text) => text.make_ascii_uppercase(),
                        Event::End(parts) => parts.texts_mut().for_each(|text| text.make_ascii_uppercase()),
                        _ => {}
                    }
                }
                clock::wait_for(Duration::from_nanos(1)).await;
                writer.write(events).await?;
            }
        });
        let reader = stream::read(answer);
        loop {
            let mut events = reader.read().await.unwrap();
            assert!(!events.is_empty(), "it has no end");
            if let Some(Event::End(parts)) = events.pop() {
                return parts;
            }
        }
    });
    assert_eq!(parts.text(), "HELLO");
}
