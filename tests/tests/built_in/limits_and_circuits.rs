//! `rate-limit` and `circuit-breaker` count for all models that share a store.

use std::{sync::Arc, time::Duration};

use arcllm::{Config, Error, ErrorKind, Event, Host, MemoryStore, Message, Model, Overrides, Response};
use arcllm_simulator::{Fault, Place, Reply, Simulator, Usage};
use futures::{StreamExt as _, future::join_all};
use serde_json::json;

use crate::{
    scene::{around, around_both, count, replies, soon},
    support::{Chain, Elsewhere, Odd, Provider, kept},
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

/// Two programs that share a store: what one learns holds for the other's next call.
#[tokio::test]
async fn an_answer_that_makes_no_sense_to_repeat_holds_back_the_calls_of_all_models() {
    for (reply, status) in [
        (Reply::status(401), 401),
        (Reply::status(402), 402),
        (Reply::status(404), 404),
        (Reply::status(429).header("retry-after", "60"), 429),
    ] {
        let (a, b) = (replies([reply]).await, replies([]).await);
        let [one, two, other] = models(around_both(&a, &b).module("circuit-breaker", "")).await;
        ask(&one).await.unwrap_err();
        let (said, by) = refused(ask(&two).await, status);
        assert_eq!(by, json!("circuit-breaker"));
        assert!(said.contains(&format!("since a answered with the status {status}")), "{said}");
        ask(&other).await.unwrap();
        assert_eq!((count(&a), count(&b)), (1, 1));
    }
}

/// What an answer has used counts for the next call, of another program too.
#[tokio::test]
async fn tokens_are_limited_for_all_models() {
    for streamed in [false, true] {
        let using = |tokens| Reply::text("Well").usage(Usage { output_tokens: tokens, ..Usage::default() });
        let (a, b) = (replies([using(90), using(1).times(100)]).await, replies([]).await);
        // All reserve next to nothing. The first one uses more than a minute has.
        let limit = "tokens_per_minute = 60.0\nexpected_output_tokens = 1\nmax_wait_seconds = 0.0";
        let [one, two, other] = models(around_both(&a, &b).module("rate-limit", limit)).await;
        if streamed {
            assert!(read(&one, true).await.is_none())
        } else {
            drop(ask(&one).await.unwrap())
        }
        // It is counted when the answer has gone on.
        let said = soon(async {
            loop {
                match ask(&two).await {
                    Ok(_) => tokio::task::yield_now().await,
                    Err(error) => break refused(Err(error), 429),
                }
            }
        })
        .await;
        assert_eq!(said.1, json!("rate-limit"));
        assert!(said.0.contains("no place for a in the next "), "{}", said.0);
        // Perhaps one or two calls went before the answer was counted. Without it there would be dozens.
        assert!(count(&a) <= 3, "{} calls", count(&a));
        ask(&other).await.unwrap();
    }
}

/// A call that is under way takes the only place, whichever program asks.
#[tokio::test]
async fn calls_at_once_are_limited_for_all_models() {
    let (a, b) = (replies([]).await, replies([]).await);
    let [one, two, other] =
        models(around_both(&a, &b).module("rate-limit", "max_in_flight = 1\nmax_wait_seconds = 0.0")).await;
    let mut slow = one.stream(&[Message::user("Hi")], &[]);
    assert!(soon(slow.next()).await.unwrap().is_ok());
    let (said, by) = refused(ask(&two).await, 429);
    assert_eq!(by, json!("rate-limit"));
    assert!(said.contains("no place for more calls at once of a in the next "), "{said}");
    ask(&other).await.unwrap();
    assert_eq!((count(&a), count(&b)), (1, 1));
    assert!(soon(slow.collect()).await.is_ok());
    soon(async { while ask(&two).await.is_err() {} }).await;
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
    assert!(operations == CALLS, "{operations} operations for {CALLS} calls");
}

/// The failures in a row that `circuit-breaker` has counted of `a`, and how often its circuit has opened.
async fn circuit(store: &MemoryStore) -> [Option<String>; 2] {
    [kept(store, "circuit-breaker", "failures/a").await, kept(store, "circuit-breaker", "opened/a").await]
}

/// Waits until these are kept; nothing, if they are empty.
async fn wait_until_kept(store: &MemoryStore, failures: &str, opened: &str) {
    let kept = [failures, opened].map(|kept| (!kept.is_empty()).then(|| kept.to_owned()));
    soon(async {
        while circuit(store).await != kept {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// Reads a stream up to its first text, and then the rest if it is wanted.
async fn read(model: &Model, to_the_end: bool) -> Option<Error> {
    let mut stream = model.stream(&[Message::user("Hi")], &[]);
    loop {
        match soon(stream.next()).await? {
            Ok(Event::Text(_)) if !to_the_end => return None,
            Ok(_) => {}
            Err(error) => return Some(error),
        }
    }
}

fn broken(fault: Fault) -> Reply {
    Reply::text("One two three four five six").with_fault(fault).fault_at(Place::BeforeEvent(6))
}

/// A model of `a` in one host, and its store.
async fn with_circuit(a: &Simulator, settings: &str) -> (Model, Arc<MemoryStore>) {
    let folder = around(a).module("circuit-breaker", settings).host("watch = false").folder().unwrap();
    let (store, config) = (Arc::new(MemoryStore::default()), Config::load(&folder.path().join("config.toml")).unwrap());
    let host = Host::builder().config(config).state_store(store.clone()).build().unwrap();
    (soon(host.load_model("a", Overrides::new())).await.unwrap(), store)
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_a_failure() {
    let faults = [Fault::Truncate, Fault::ResetInBody, Fault::ErrorEvent, Fault::Malformed];
    let a = replies(faults.map(broken)).await;
    let (model, store) = with_circuit(&a, "failures = 4").await;
    for (at, fault) in faults.into_iter().enumerate() {
        assert_eq!(circuit(&store).await[0].is_some(), at > 0);
        assert!(read(&model, true).await.is_some(), "{fault:?}");
        wait_until_kept(&store, &(at + 1).to_string(), if at < 3 { "" } else { "1" }).await;
    }
    refused(ask(&model).await, 503);
    assert_eq!(count(&a), 4);
}

#[tokio::test]
async fn a_stream_that_ends_well_ends_the_row_and_one_that_is_left_shows_nothing() {
    let long = || Reply::text("One ".repeat(500)).pace(Duration::from_millis(10));
    let a = replies([Reply::status(503), long(), Reply::text("Well")]).await;
    let (model, store) = with_circuit(&a, "failures = 2").await;
    ask(&model).await.unwrap_err();
    wait_until_kept(&store, "1", "").await;
    assert!(read(&model, false).await.is_none());
    soon(a.wait_until(|requests| requests[1].dropped())).await;
    assert_eq!(circuit(&store).await[0].as_deref(), Some("1"));
    assert!(read(&model, true).await.is_none());
    wait_until_kept(&store, "", "").await;
    assert_eq!(count(&a), 3);
}

#[tokio::test]
async fn a_probe_is_one_until_its_stream_has_ended() {
    let slow = Reply::text("One two three four five six").pace(Duration::from_millis(100));
    let a = replies([broken(Fault::Truncate), slow]).await;
    let (model, store) = with_circuit(&a, "failures = 1\nopen_seconds = 1.0").await;
    assert!(read(&model, true).await.is_some());
    wait_until_kept(&store, "1", "1").await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let mut probe = model.stream(&[Message::user("Hi")], &[]);
    assert!(soon(probe.next()).await.unwrap().is_ok());
    refused(ask(&model).await, 503);
    assert_eq!(count(&a), 2);
    soon(probe.collect()).await.unwrap();
    wait_until_kept(&store, "", "").await;
    ask(&model).await.unwrap();
}
