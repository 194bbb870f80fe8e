//! Fallback from one provider to others.

use std::{sync::Arc, time::Duration};

use arcllm::{Error, ErrorKind, Overrides};
use arcllm_simulator::{Fault, Format, Reply, Simulator};
use serde_json::json;

use crate::{
    scene::{LONG, around, around_both, ask, ask_with, count, dead, load_over, replies, say_hi, steps},
    support::{Chain, Provider},
};

/// A variable that is not set.
const NO_KEY: &str = "api_key_env = \"ARCLLM_TEST_NO_SUCH_KEY\"";

const CHAIN: &str = "chain = [\"a\", \"b\"]";

fn falling_back(a: &Simulator, b: &Simulator) -> Chain {
    around_both(a, b).module("fallback", CHAIN)
}

async fn fails(chain: &Chain) -> Error {
    ask(chain).await.unwrap_err()
}

#[tokio::test]
async fn another_provider_answers_in_its_own_format() {
    let (a, b) = (replies([Reply::status(500)]).await, replies([Reply::text("Hello from b.")]).await);
    let answer = ask(&falling_back(&a, &b)).await.unwrap();
    assert_eq!(answer.text().as_deref(), Some("Hello from b."));
    assert_eq!((answer.provider.as_str(), answer.model.as_str()), ("b", "b-model"));
    assert_eq!(steps(&answer.trail), ["fallback asks a: 500", "fallback asks b: ok"]);
    let (asked_a, asked_b) = (&a.requests()[0], &b.requests()[0]);
    assert_eq!((asked_a.format, asked_b.format), (Some(Format::Anthropic), Some(Format::OpenAi)));
    assert_eq!((&asked_a.body["model"], &asked_b.body["model"]), (&json!("a-model"), &json!("b-model")));
    assert_eq!(asked_a.body["messages"], asked_b.body["messages"]);
}

#[tokio::test]
async fn if_the_first_answers_no_other_is_asked() {
    let (a, b) = (replies([]).await, replies([]).await);
    let answer = ask(&falling_back(&a, &b)).await.unwrap();
    assert_eq!(steps(&answer.trail), ["fallback asks a: ok"]);
    assert_eq!((count(&b), b.connections()), (0, 0));
}

#[tokio::test]
async fn any_error_makes_it_ask_the_next() {
    let broken = [
        (Reply::status(400), "400"),
        (Reply::status(401), "401"),
        (Reply::status(429).header("retry-after", "3600"), "429"),
        (Reply::status(529).header("x-should-retry", "false"), "529"),
        (Reply::fault(Fault::Reset), "connection"),
        (Reply::fault(Fault::Truncate), "connection"),
        (Reply::fault(Fault::Malformed), "parse"),
    ];
    for (reply, outcome) in broken {
        let (a, b) = (replies([reply]).await, replies([]).await);
        let answer = ask(&falling_back(&a, &b)).await.unwrap();
        assert_eq!(steps(&answer.trail), [&*format!("fallback asks a: {outcome}"), "fallback asks b: ok"]);
        assert_eq!((count(&a), count(&b)), (1, 1));
    }
}

#[tokio::test]
async fn silence_and_dead_servers_make_it_ask_the_next() {
    let (a, b) = (replies([Reply::fault(Fault::Silence)]).await, replies([]).await);
    let chain = Chain::new().provider_with("a", Format::Anthropic, &a.url(), "timeout_seconds = 0.2");
    let chain = chain.provider("b", Format::OpenAi, &b.url()).module("fallback", "chain = [\"a\", \"b\"]");
    assert_eq!(steps(&ask(&chain).await.unwrap().trail), ["fallback asks a: timeout", "fallback asks b: ok"]);

    let (a, b) = (dead().await, replies([]).await);
    let answer = ask(&falling_back(&a, &b)).await.unwrap();
    assert_eq!(steps(&answer.trail), ["fallback asks a: connection", "fallback asks b: ok"]);
}

#[tokio::test]
async fn excepted_statuses_pass_through() {
    let (a, b) = (replies([Reply::status(400)]).await, replies([]).await);
    let settings = "chain = [\"a\", \"b\"]\nexcept_status_codes = [400]";
    let error = fails(&around_both(&a, &b).module("fallback", settings)).await;
    assert_eq!(steps(&error.trail), ["fallback asks a: 400"]);
    assert!(matches!(&error.kind, ErrorKind::Api(api) if api.status == 400), "{error:?}");
    assert_eq!(count(&b), 0);
}

#[tokio::test]
async fn an_excepted_status_ends_the_chain() {
    let (a, b, c) = (replies([Reply::status(500)]).await, replies([Reply::status(400)]).await, replies([]).await);
    let settings = "chain = [\"a\", \"b\", \"c\"]\nexcept_status_codes = [400]";
    let chain = around_both(&a, &b).provider("c", Format::OpenAi, &c.url()).module("fallback", settings);
    assert_eq!(steps(&fails(&chain).await.trail), ["fallback asks a: 500", "fallback asks b: 400"]);
    assert_eq!(count(&c), 0);
}

#[tokio::test]
async fn if_all_fail_the_last_error_comes_back_unchanged_with_all_attempts() {
    let last = Reply::error(503, "b is down").header("x-request-id", "req-b").header("retry-after", "7");
    let (a, b) = (replies([Reply::status(500)]).await, replies([last]).await);
    let error = fails(&falling_back(&a, &b)).await;
    assert_eq!(steps(&error.trail), ["fallback asks a: 500", "fallback asks b: 503"]);
    let ErrorKind::Api(api) = error.kind else { panic!("{error:?}") };
    assert_eq!((api.status, api.message.as_str(), api.provider.as_str()), (503, "b is down", "b"));
    assert_eq!((api.request_id.as_deref(), api.retry_after), (Some("req-b"), Some(Duration::from_secs(7))));
}

#[tokio::test]
async fn the_provider_that_failed_is_skipped_in_the_chain() {
    let (a, b) = (replies([Reply::status(500).times(9)]).await, replies([Reply::status(500).times(9)]).await);
    let chain = around_both(&a, &b).module("fallback", "chain = [\"b\", \"a\", \"b\"]");
    let error = fails(&chain).await;
    assert_eq!(steps(&error.trail), ["fallback asks a: 500", "fallback asks b: 500"]);
    assert_eq!((count(&a), count(&b)), (1, 1));
}

#[tokio::test]
async fn a_provider_outside_the_chain_falls_back_to_all_of_it() {
    let (a, b) = (replies([Reply::status(500)]).await, replies([]).await);
    let answer = ask(&around_both(&a, &b).module("fallback", "chain = [\"b\"]")).await.unwrap();
    assert_eq!(answer.provider, "b");
}

#[tokio::test]
async fn after_a_provider_without_a_key_the_next_is_asked() {
    let (a, b, c) = (replies([Reply::status(500)]).await, replies([]).await, replies([]).await);
    let chain = around(&a).provider_with("b", Format::OpenAi, &b.url(), NO_KEY).provider("c", Format::OpenAi, &c.url());
    let answer = ask(&chain.module("fallback", "chain = [\"a\", \"b\", \"c\"]")).await.unwrap();
    assert_eq!(steps(&answer.trail), ["fallback asks a: 500", "fallback asks c: ok"]);
    assert_eq!(count(&b), 0);
}

#[tokio::test]
async fn a_missing_key_of_the_last_provider_is_the_last_error() {
    let (a, b) = (replies([Reply::status(500)]).await, replies([]).await);
    let chain = around(&a).provider_with("b", Format::OpenAi, &b.url(), NO_KEY);
    let error = fails(&chain.module("fallback", "chain = [\"a\", \"b\"]")).await;
    let ErrorKind::Config(config) = &error.kind else { panic!("{error:?}") };
    assert_eq!((config.key.as_deref(), config.line.is_some()), (Some("providers.b.api_key_env"), true), "{config}");
    assert!(config.problem.contains("ARCLLM_TEST_NO_SUCH_KEY"), "{config}");
    assert_eq!(steps(&error.trail), ["fallback asks a: 500"]);
    assert_eq!(count(&b), 0);
}

#[tokio::test]
async fn an_unknown_provider_in_the_chain_is_an_error_before_anything_is_sent() {
    let a = replies([]).await;
    let folder = around(&a).module("fallback", "chain = [\"a\", \"opnai\"]").folder().unwrap();
    let error = folder.host().unwrap().load_model("a", Overrides::new()).await.unwrap_err();
    assert_eq!(error.key.as_deref(), Some("modules.fallback.chain[1]"));
    assert_eq!(error.file, Some(folder.path().join("config.toml")));
    assert_eq!(error.help.as_deref(), Some("did you mean `openai`?"));
    assert_eq!(a.connections(), 0);
}

#[tokio::test]
async fn a_call_can_bring_its_own_chain() {
    let (a, b) = (replies([Reply::status(500)]).await, replies([]).await);
    let own = Overrides::new().module("fallback", json!({"chain": ["b"]}));
    let answer = ask_with(&around_both(&a, &b), own).await.unwrap();
    assert_eq!(answer.provider, "b");

    let (a, b) = (replies([Reply::status(500)]).await, replies([]).await);
    let error = ask_with(&falling_back(&a, &b), Overrides::new().module("fallback", false)).await.unwrap_err();
    assert_eq!(steps(&error.trail), ["the caller asks a: 500"]);
    assert_eq!(count(&b), 0);
}

/// On virtual time.
#[tokio::test(start_paused = true)]
async fn after_the_deadline_no_other_is_asked() {
    let (a, b) = (Arc::new(Provider::closed()), Arc::new(Provider::open()));
    let chain = Chain::new().module("fallback", CHAIN).host("deadline_seconds = 20");
    let error = say_hi(&load_over(&chain, &a, &b).await).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::DeadlineExceeded), "{error:?}");
    assert_eq!(steps(&error.trail), ["fallback asks a: deadline_exceeded"]);
    tokio::time::sleep(LONG).await;
    assert_eq!((a.asked(), b.asked()), (1, 0));
}

/// On virtual time.
#[tokio::test(start_paused = true)]
async fn after_the_call_is_dropped_no_other_is_asked() {
    let (a, b) = (Arc::new(Provider::closed()), Arc::new(Provider::open()));
    let model = load_over(&Chain::new().module("fallback", CHAIN), &a, &b).await;
    let call = tokio::spawn(async move { say_hi(&model).await });
    a.wait_until_asked(1).await;
    call.abort();
    tokio::time::sleep(LONG).await;
    assert_eq!((a.asked(), b.asked()), (1, 0));
}
