//! Calls that wait for an instance.

use std::{sync::Arc, time::Duration};

use arcllm::{ErrorKind, Message, Request};
use futures::future::join_all;

use crate::{
    sandbox::stage::{Pair, ask, asking, limit},
    scene::soon,
    support::Provider,
};

#[tokio::test]
async fn calls_above_max_queued_are_refused_as_overload() {
    let provider = Arc::new(Provider::closed());
    let sandbox = "max_concurrent = 2\nmax_instances = 2\nmax_queued = 3";
    let model = Pair::load(&provider, "", sandbox).await.good;
    let served: Vec<_> = (0..4).map(|_| asking(&model)).collect();
    provider.wait_until_asked(4).await;
    let queued: Vec<_> = (0..3).map(|_| asking(&model)).collect();
    // They wait from their first poll on.
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    let error = ask(&model).await.unwrap_err();
    assert_eq!(limit(&error).as_deref(), Some("max_queued"));
    assert!(error.to_string().contains("overloaded"), "{error}");
    assert_eq!(provider.asked(), 4, "those that wait have not been served");
    provider.let_answer(7);
    for ended in join_all(served.into_iter().chain(queued)).await {
        ended.unwrap().unwrap();
    }
    assert_eq!(provider.asked(), 7);
}

#[tokio::test]
async fn a_cancelled_call_leaves_the_queue() {
    let provider = Arc::new(Provider::closed());
    let model = Pair::load(&provider, "", "max_concurrent = 1\nmax_instances = 1\nmax_queued = 1").await.good;
    let first = asking(&model);
    provider.wait_until_asked(1).await;
    for _ in 0..3 {
        let given_up = model.invoke_until(Request::new([Message::user("Hi")]), tokio::task::yield_now());
        assert_eq!(soon(given_up).await.unwrap_err().kind, ErrorKind::Cancelled);
    }
    provider.let_answer(2);
    first.await.unwrap().unwrap();
    ask(&model).await.unwrap();
}

#[tokio::test]
async fn with_bypass_calls_skip_an_overloaded_module() {
    let provider = Arc::new(Provider::closed());
    let sandbox = "on_trap = \"bypass\"\nmax_concurrent = 1\nmax_instances = 1\nmax_queued = 1";
    let model = Pair::load(&provider, "", sandbox).await.good;
    let calls: Vec<_> = (0..5).map(|_| asking(&model)).collect();
    // One is served, one waits, three skip the module.
    provider.wait_until_asked(4).await;
    provider.let_answer(5);
    let asked_by = join_all(calls).await.into_iter().map(|ended| ended.unwrap().unwrap().trail[0].asked_by.clone());
    assert_eq!(asked_by.filter(Option::is_none).count(), 3);
}

#[tokio::test]
async fn a_guest_that_ignores_cancellation_does_not_block_the_next_call() {
    for (fault, when) in [("linger", "before"), ("hang", "before"), ("spin", "before"), ("linger", "after")] {
        let fault = format!("fault = \"{fault}\"\nwhen = \"{when}\"");
        let pair =
            Pair::load(&Arc::new(Provider::open()), &fault, "max_concurrent = 1\nmax_instances = 1\ncpu_seconds = 60")
                .await;
        let given_up = tokio::time::timeout(Duration::from_millis(50), ask(&pair.bad)).await;
        assert!(given_up.is_err(), "{fault}: it goes on for ever");
        ask(&pair.good).await.unwrap();
    }
}
