//! Calls side by side in one instance of a module that imports WASI 0.2, as modules in Python do.

use std::{sync::Arc, time::Duration};

use arcllm::Host;
use futures::future::join_all;
use tokio::time::Instant;

use crate::{
    sandbox::patient::{ask, asking, load, patient, patient_with_seed},
    support::{Instances, Provider},
};

/// Many calls share the one instance that there may be.
const SHARED: &str = "max_concurrent = 100\nmax_instances = 1";

#[tokio::test(start_paused = true)]
async fn calls_wait_for_their_inner_at_the_same_time() {
    let provider = Arc::new(Provider::open().taking(Duration::from_secs(1)));
    let (_folder, host) = patient(&provider, SHARED);
    let model = load(&host).await;
    let began = Instant::now();
    for answer in join_all((0..50).map(|_| asking(&model, "draw"))).await {
        answer.unwrap().unwrap();
    }
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(provider.asked(), 50);
}

/// What each of some calls draws, before and after it waits.
async fn drawn(provider: &Arc<Provider>, host: &Host, at_once: bool) -> Vec<String> {
    let model = load(host).await;
    let mut drawn = Vec::new();
    match at_once {
        true => {
            let calls: Vec<_> = (0..5).map(|_| asking(&model, "draw")).collect();
            provider.wait_until_asked(5).await;
            provider.let_answer(5);
            for call in calls {
                drawn.push(call.await.unwrap().unwrap().text().unwrap());
            }
        }
        false => {
            provider.let_answer(5);
            for _ in 0..5 {
                drawn.push(ask(&model, "draw").await.unwrap().text().unwrap());
            }
        }
    }
    drawn
}

#[tokio::test]
async fn random_numbers_stay_those_of_the_call() {
    let mut runs = Vec::new();
    for at_once in [false, true] {
        let provider = Arc::new(Provider::closed());
        let (_folder, host) = patient_with_seed(&provider, SHARED);
        runs.push(drawn(&provider, &host, at_once).await);
    }
    let [one_by_one, at_once] = &*runs else { panic!("two runs") };
    assert_eq!(one_by_one, at_once);
    assert!(one_by_one.iter().all(|drawn| drawn.ends_with("true")), "a clock that is never 0: {one_by_one:?}");
    let mut numbers: Vec<_> = one_by_one.iter().flat_map(|drawn| drawn.split(' ').take(2)).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 10, "each call has its own: {one_by_one:?}");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_blocks_too_long_ends_and_its_neighbours_are_served_elsewhere() {
    let provider = Arc::new(Provider::open());
    let (_folder, host) = patient(&provider, &format!("{SHARED}\nstall_seconds = 5"));
    let model = load(&host).await;
    let neighbours: Vec<_> = (0..3).map(|_| asking(&model, "wait")).collect();
    tokio::time::sleep(Duration::from_millis(1)).await;
    let error = ask(&model, "block 3600").await.unwrap_err();
    assert!(error.to_string().contains("it made no progress for 5 s (stall_seconds)"), "{error}");
    for neighbour in neighbours {
        neighbour.await.unwrap().unwrap();
    }
    assert_eq!(provider.asked(), 3);
}

#[test]
fn calls_do_not_wait_behind_one_that_blocks() {
    Instances::count("patient", async |instances| {
        tokio::time::pause();
        let provider = Arc::new(Provider::open());
        let (_folder, host) = patient(&provider, "max_concurrent = 100");
        let model = load(&host).await;
        let blocks = asking(&model, "block 60");
        // It blocks by now.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let began = Instant::now();
        for answer in join_all((0..3).map(|_| asking(&model, "at once"))).await {
            answer.unwrap().unwrap();
        }
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
        assert_eq!(instances.begun(), 2);
        assert_eq!(blocks.await.unwrap().unwrap().text().unwrap(), "Hello.");
    });
}
