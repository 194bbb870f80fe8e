//! Calls that share an instance and threads: what one of them does costs the others nothing.

use std::sync::Arc;

use arcllm::{Config, Error, ErrorKind, Host, Model, Overrides};
use futures::future::join_all;
use serde_json::json;
use tokio::task::JoinHandle;

use crate::{
    sandbox::patient::{ask, asking, load, patient},
    scene::soon,
    support::Provider,
};

/// A model with this built-in module alone.
async fn around(provider: &Arc<Provider>, module: &str) -> Model {
    // On a busy machine, computing takes longer than it should.
    let config = format!("[modules.{module}.sandbox]\ncpu_seconds = 600");
    let host = Host::builder().config(Config::parse(&config, None).unwrap());
    let host = host.adapter("a", "m", provider.clone()).build().unwrap();
    soon(host.load_model("a", Overrides::new().module(module, true))).await.unwrap()
}

fn of_the_module(error: &Error) -> (&str, Option<&str>) {
    let ErrorKind::Module(failure) = &error.kind else { panic!("an error of the module: {error:?}") };
    (&failure.message, failure.extensions.get("limit").and_then(|limit| limit.as_str()))
}

#[tokio::test]
async fn calls_that_sent_nothing_survive_the_end_of_their_instance() {
    let provider = Arc::new(Provider::open());
    let (_folder, host) = patient(&provider, "max_concurrent = 20");
    let model = load(&host).await;
    let calls: Vec<_> =
        ["wait", "trap", "wait", "wait", "trap", "wait"].map(|said| (said, asking(&model, said))).into();
    for (said, call) in calls {
        match (said, call.await.unwrap()) {
            ("wait", answer) => assert_eq!(answer.unwrap().trail.len(), 1),
            (_, answer) => {
                let error = answer.unwrap_err();
                assert_eq!(of_the_module(&error).1, None);
                assert!(!error.to_string().contains("shared"), "it was alone in the end: {error}");
            }
        }
    }
    assert_eq!(provider.asked(), 4, "each that is served is asked for once");
}

#[tokio::test]
async fn calls_that_sent_a_request_end_with_their_instance() {
    let provider = Arc::new(Provider::closed());
    let (_folder, host) = patient(&provider, "max_concurrent = 20\nmax_instances = 1");
    let model = load(&host).await;
    let asked: Vec<_> = (0..3).map(|_| asking(&model, "at once")).collect();
    provider.wait_until_asked(3).await;
    ask(&model, "trap").await.unwrap_err();
    for ended in join_all(asked).await {
        let error = ended.unwrap().unwrap_err();
        assert!(of_the_module(&error).0.contains("4 calls shared the instance (max_concurrent"), "{error}");
        assert_eq!(error.trail.len(), 1);
    }
    assert_eq!(provider.asked(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_do_not_wait_behind_those_that_compute() {
    let provider = Arc::new(Provider::open());
    let (_folder, host) = patient(&provider, "max_concurrent = 20\ncpu_seconds = 600");
    let (model, other) = (load(&host).await, around(&provider, "retry").await);
    let computing: Vec<_> = (0..6).map(|_| asking(&model, "compute 300000")).collect();
    // Of the same module, where some come to instances that compute, and of another one.
    for ended in join_all((0..20).map(|_| asking(&model, "at once"))).await {
        ended.unwrap().unwrap();
    }
    for _ in 0..20 {
        ask(&other, "at once").await.unwrap();
    }
    assert!(!computing.iter().any(|call| call.is_finished()), "they compute for five minutes");
    computing.iter().for_each(JoinHandle::abort);
}

#[tokio::test]
async fn a_request_that_is_too_large_ends_its_own_call() {
    let provider = Arc::new(Provider::closed());
    let model = around(&provider, "redact").await;
    let held: Vec<_> = (0..50).map(|_| asking(&model, "I am jane@example.com.")).collect();
    provider.wait_until_asked(50).await;
    for text in [format!("jane@example.com{}", " x".repeat(9 << 20)), "1 ".repeat(9 << 20)] {
        let error = ask(&model, text).await.unwrap_err();
        let (message, limit) = of_the_module(&error);
        assert_eq!(limit, Some("memory_mb"));
        assert!(
            message.contains("the request is too large for it: 18.0 MB, and it takes at most 16.0 MB (memory_mb)"),
            "{message}"
        );
        assert_eq!(error.trail.len(), 0);
    }
    provider.let_answer(50);
    for ended in join_all(held).await {
        ended.unwrap().unwrap();
    }
}

#[tokio::test]
async fn an_answer_that_is_too_large_ends_its_own_call() {
    let provider = Arc::new(Provider::closed().saying("x ".repeat(9 << 20)));
    let model = around(&provider, "redact").await;
    let calls: Vec<_> = (0..3).map(|_| asking(&model, "Hi")).collect();
    provider.wait_until_asked(3).await;
    provider.let_answer(3);
    for ended in join_all(calls).await {
        let error = ended.unwrap().unwrap_err();
        assert!(of_the_module(&error).0.contains("the answer is too large for it: 18.0 MB"), "{error}");
        assert_eq!(error.trail.len(), 1, "it has been paid for, and the trail says so");
    }
}

#[tokio::test]
async fn any_size_within_the_limit_passes() {
    let provider = Arc::new(Provider::open().saying("Write to jane@example.com. ".repeat(600_000)));
    let model = around(&provider, "redact").await;
    // The largest text it accepts, of the content that grows most when it is changed.
    let said = "a@b.co ".repeat((15 << 20) / 7);
    let calls: Vec<_> = (0..4).map(|_| asking(&model, said.clone())).collect();
    for ended in join_all(calls).await {
        assert!(!ended.unwrap().unwrap().text().unwrap().contains("jane@"));
    }
}

#[tokio::test]
async fn the_log_limit_counts_per_call() {
    let provider = Arc::new(Provider::open());
    let config = "[modules.telemetry.sandbox]\nlog_lines_per_second = 20\n";
    let host = Host::builder().config(Config::parse(config, None).unwrap()).adapter("a", "m", provider.clone());
    let host = host.build().unwrap();
    let model = soon(host.load_model("a", Overrides::new().module("telemetry", json!(true)))).await.unwrap();
    for ended in join_all((0..200).map(|_| asking(&model, "Hi"))).await {
        ended.unwrap().unwrap();
    }
}
