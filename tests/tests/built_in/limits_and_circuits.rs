//! `rate-limit` and `circuit-breaker` count for all models that share a store.

use std::sync::Arc;

use arcllm::{Config, Error, ErrorKind, Host, MemoryStore, Message, Model, Overrides, Response};
use arcllm_simulator::Reply;
use futures::future::join_all;
use serde_json::json;

use crate::{
    scene::{around_both, count, replies, soon},
    support::{Chain, Elsewhere, Odd, Provider},
};

/// Two hosts with this chain that share a store, as two programs may: the model of `a` from each, and that of `b`.
async fn models(chain: Chain) -> [Model; 3] {
    let folder = chain.host("watch = false").folder().unwrap();
    let store = Arc::new(MemoryStore::default());
    let load = async |provider: &str| {
        let config = Config::load(&folder.path().join("config.toml")).unwrap();
        let host = Host::builder().config(config).state_store(store.clone()).build().unwrap();
        soon(host.load_model(provider, Overrides::new())).await.unwrap()
    };
    [load("a").await, load("a").await, load("b").await]
}

async fn ask(model: &Model) -> Result<Response, Error> {
    soon(model.invoke(&[Message::user("Hi")], &[])).await
}

/// The message of a refused call, and the module that refused it.
fn refused(result: Result<Response, Error>, status: u16) -> (String, serde_json::Value) {
    let error = result.unwrap_err();
    let ErrorKind::Api(api) = &error.kind else { panic!("{error}") };
    assert_eq!((api.status, api.provider.as_str(), error.trail.len()), (status, "a", 0));
    assert!(api.retry_after.is_some_and(|wait| !wait.is_zero()));
    (error.to_string(), api.extensions["arcllm.refused-by"].clone())
}

#[tokio::test]
async fn a_limit_counts_the_calls_of_all_models() {
    let (a, b) = (replies([]).await, replies([]).await);
    let limit = "requests_per_minute = 1.0\nburst = 2\nmax_wait_seconds = 0.0";
    let [one, two, other] = models(around_both(&a, &b).module("rate-limit", limit)).await;
    ask(&one).await.unwrap();
    ask(&two).await.unwrap();
    for model in [&one, &two] {
        let (said, by) = refused(ask(model).await, 429);
        assert_eq!(by, json!("rate-limit"));
        assert!(
            said.starts_with("a was not asked (429): the module rate-limit has no place for a in the next "),
            "{said}"
        );
    }
    ask(&other).await.unwrap();
    assert_eq!((count(&a), count(&b)), (2, 1));
}

#[tokio::test]
async fn a_circuit_is_open_for_all_models_and_says_who_refused() {
    let (a, b) = (replies([Reply::status(503), Reply::status(503)]).await, replies([]).await);
    let [one, two, other] = models(around_both(&a, &b).module("circuit-breaker", "failures = 2")).await;
    for model in [&one, &two] {
        assert!(
            matches!(ask(model).await.unwrap_err().kind, ErrorKind::Api(error) if !error.extensions.contains_key("arcllm.refused-by"))
        );
    }
    for model in [&one, &two] {
        let (said, by) = refused(ask(model).await, 503);
        assert_eq!(by, json!("circuit-breaker"));
        assert!(
            said.starts_with("a was not asked (503): the module circuit-breaker lets the next call through in "),
            "{said}"
        );
    }
    ask(&other).await.unwrap();
    assert_eq!((count(&a), count(&b)), (2, 1));
}

/// Other calls take places while each waits for the store.
#[tokio::test]
async fn a_limit_holds_for_1500_calls_at_once_with_a_slow_store() {
    const CALLS: usize = 1500;
    let (provider, store) = (Arc::new(Provider::open()), Elsewhere::new(Odd::Yields));
    // No place becomes free while this runs.
    let limit = "requests_per_minute = 0.1\nburst = 25\nmax_wait_seconds = 0";
    let config = format!("[modules.rate-limit]\nenabled = true\n{limit}\n");
    let host = Host::builder().config(Config::parse(&config, None).unwrap()).state_store(store.clone());
    let host = host.adapter("a", "m", provider.clone()).build().unwrap();
    let model = soon(host.load_model("a", Overrides::new())).await.unwrap();
    let calls = (0..CALLS).map(|_| async { model.invoke(&[Message::user("Hi")], &[]).await });
    let outcomes = soon(join_all(calls)).await;
    assert_eq!((outcomes.iter().filter(|outcome| outcome.is_ok()).count(), provider.asked()), (25, 25));
    let refused = outcomes.into_iter().filter_map(Result::err);
    for error in refused {
        assert!(matches!(&error.kind, ErrorKind::Api(api) if api.status == 429), "{error:?}");
    }
    let operations = store.operations();
    assert!(operations <= 6 * CALLS, "{operations} operations for {CALLS} calls");
}
