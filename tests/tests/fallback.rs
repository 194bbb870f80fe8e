//! Fallback from one provider to others.

use std::time::Duration;

use crate::support::Chain;
use arcllm::{Error, ErrorKind, Message, Overrides};
use arcllm_simulator::{Fault, Format, Reply, Simulator};
use serde_json::json;

use crate::scene::{around, around_both, ask, ask_with, count, dead, load, replies, soon, steps};

/// The name of a variable that nobody sets.
const NO_KEY: &str = "api_key_env = \"ARCLLM_TEST_NO_SUCH_KEY\"";

fn falling_back(a: &Simulator, b: &Simulator) -> Chain {
    around_both(a, b).module("fallback", "chain = [\"a\", \"b\"]")
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
async fn nobody_else_is_asked_where_the_first_answers() {
    let (a, b) = (replies([]).await, replies([]).await);
    let answer = ask(&falling_back(&a, &b)).await.unwrap();
    assert_eq!(steps(&answer.trail), ["fallback asks a: ok"]);
    assert_eq!((count(&b), b.connections()), (0, 0));
}

#[tokio::test]
async fn any_error_of_a_provider_is_worth_another() {
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
async fn silence_and_dead_servers_are_worth_another() {
    let (a, b) = (replies([Reply::fault(Fault::Silence)]).await, replies([]).await);
    let chain = Chain::new().provider_with("a", Format::Anthropic, &a.url(), "timeout_seconds = 0.2");
    let chain = chain.provider("b", Format::OpenAi, &b.url()).module("fallback", "chain = [\"a\", \"b\"]");
    assert_eq!(steps(&ask(&chain).await.unwrap().trail), ["fallback asks a: timeout", "fallback asks b: ok"]);

    let (a, b) = (dead().await, replies([]).await);
    let answer = ask(&falling_back(&a, &b)).await.unwrap();
    assert_eq!(steps(&answer.trail), ["fallback asks a: connection", "fallback asks b: ok"]);
}

#[tokio::test]
async fn except_for_these_statuses() {
    let (a, b) = (replies([Reply::status(400)]).await, replies([]).await);
    let settings = "chain = [\"a\", \"b\"]\nexcept_status_codes = [400]";
    let error = fails(&around_both(&a, &b).module("fallback", settings)).await;
    assert_eq!(steps(&error.trail), ["fallback asks a: 400"]);
    assert!(matches!(&error.kind, ErrorKind::Api(api) if api.status == 400), "{error:?}");
    assert_eq!(count(&b), 0);
}

#[tokio::test]
async fn the_chain_ends_at_such_a_status_too() {
    let (a, b, c) = (replies([Reply::status(500)]).await, replies([Reply::status(400)]).await, replies([]).await);
    let settings = "chain = [\"a\", \"b\", \"c\"]\nexcept_status_codes = [400]";
    let chain = around_both(&a, &b).provider("c", Format::OpenAi, &c.url()).module("fallback", settings);
    assert_eq!(steps(&fails(&chain).await.trail), ["fallback asks a: 500", "fallback asks b: 400"]);
    assert_eq!(count(&c), 0);
}

#[tokio::test]
async fn exhausted_it_gives_the_last_error_unchanged_and_all_attempts() {
    let last = Reply::error(503, "b is down").header("x-request-id", "req-b").header("retry-after", "7");
    let (a, b) = (replies([Reply::status(500)]).await, replies([last]).await);
    let error = fails(&falling_back(&a, &b)).await;
    assert_eq!(steps(&error.trail), ["fallback asks a: 500", "fallback asks b: 503"]);
    let ErrorKind::Api(api) = error.kind else { panic!("{error:?}") };
    assert_eq!((api.status, api.message.as_str(), api.provider.as_str()), (503, "b is down", "b"));
    assert_eq!((api.request_id.as_deref(), api.retry_after), (Some("req-b"), Some(Duration::from_secs(7))));
}

#[tokio::test]
async fn the_one_that_failed_is_skipped_wherever_it_stands() {
    let (a, b) = (replies([Reply::status(500).times(9)]).await, replies([Reply::status(500).times(9)]).await);
    let chain = around_both(&a, &b).module("fallback", "chain = [\"b\", \"a\", \"b\"]");
    let error = fails(&chain).await;
    assert_eq!(steps(&error.trail), ["fallback asks a: 500", "fallback asks b: 500"]);
    assert_eq!((count(&a), count(&b)), (1, 1));
}

#[tokio::test]
async fn one_that_is_not_in_the_chain_has_all_of_it_to_fall_back_to() {
    let (a, b) = (replies([Reply::status(500)]).await, replies([]).await);
    let answer = ask(&around_both(&a, &b).module("fallback", "chain = [\"b\"]")).await.unwrap();
    assert_eq!(answer.provider, "b");
}

#[tokio::test]
async fn a_provider_without_its_key_is_a_failed_hop_and_the_next_is_asked() {
    let (a, b, c) = (replies([Reply::status(500)]).await, replies([]).await, replies([]).await);
    let chain = around(&a).provider_with("b", Format::OpenAi, &b.url(), NO_KEY).provider("c", Format::OpenAi, &c.url());
    let answer = ask(&chain.module("fallback", "chain = [\"a\", \"b\", \"c\"]")).await.unwrap();
    assert_eq!(steps(&answer.trail), ["fallback asks a: 500", "fallback asks c: ok"]);
    assert_eq!(count(&b), 0);
}

#[tokio::test]
async fn a_provider_without_its_key_is_the_last_error_where_it_is_the_last() {
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
async fn an_unknown_provider_in_the_chain_is_found_before_anything_is_sent() {
    let a = replies([]).await;
    let folder = around(&a).module("fallback", "chain = [\"a\", \"opnai\"]").folder().unwrap();
    let error = folder.host().unwrap().load_model("a", Overrides::new()).await.unwrap_err();
    assert_eq!(error.key.as_deref(), Some("modules.fallback.chain[1]"));
    assert_eq!(error.file, Some(folder.path().join("config.toml")));
    assert_eq!(error.help.as_deref(), Some("did you mean `openai`?"));
    assert_eq!(a.connections(), 0);
}

#[tokio::test]
async fn the_call_can_bring_its_own_chain() {
    let (a, b) = (replies([Reply::status(500)]).await, replies([]).await);
    let own = Overrides::new().module("fallback", json!({"chain": ["b"]}));
    let answer = ask_with(&around_both(&a, &b), own).await.unwrap();
    assert_eq!(answer.provider, "b");

    let (a, b) = (replies([Reply::status(500)]).await, replies([]).await);
    let error = ask_with(&falling_back(&a, &b), Overrides::new().module("fallback", false)).await.unwrap_err();
    assert_eq!(steps(&error.trail), ["the caller asks a: 500"]);
    assert_eq!(count(&b), 0);
}

#[tokio::test]
async fn the_deadline_is_no_reason_to_ask_another() {
    let (a, b) = (replies([Reply::fault(Fault::Silence)]).await, replies([]).await);
    let error = fails(&falling_back(&a, &b).host("deadline_seconds = 0.3")).await;
    assert!(matches!(error.kind, ErrorKind::DeadlineExceeded), "{error:?}");
    assert_eq!(steps(&error.trail), ["fallback asks a: deadline_exceeded"]);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(b.connections(), 0);
}

#[tokio::test]
async fn dropping_the_call_is_no_reason_to_ask_another() {
    let (a, b) = (replies([Reply::fault(Fault::Silence)]).await, replies([]).await);
    let folder = falling_back(&a, &b).folder().unwrap();
    let model = load(&folder, Overrides::new()).await;
    let call = tokio::spawn(async move { model.invoke(&[Message::user("Hi")], &[]).await });
    soon(a.wait_for_requests(1)).await;
    call.abort();
    soon(a.wait_until(|requests| requests[0].dropped())).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(b.connections(), 0);
}
