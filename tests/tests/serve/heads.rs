//! The status and the head of an answer: what they tell of the call.

use arcllm::Attempt;
use arcllm_simulator::{Fault, Format, Reply, Script, Simulator, Then};
use serde_json::{Value, json};

use crate::{
    scene::{FAST, dead, replies},
    serve::gateway::{Answer, Gateway},
    support::Chain,
};

const CHAT: &str = "/v1/chat/completions";

fn question(model: &str, streamed: bool) -> Value {
    json!({ "model": model, "stream": streamed, "messages": [{ "role": "user", "content": "Hi" }] })
}

async fn always(reply: Reply) -> Simulator {
    Simulator::start(Script::new([reply]).then(Then::Repeat)).await.unwrap()
}

fn trail(answer: &Answer) -> Vec<Attempt> {
    serde_json::from_str(answer.header("x-arcllm-trail")).unwrap()
}

#[tokio::test]
async fn tell_who_answered_after_how_many_attempts() {
    let (down, good) = (dead().await, replies([]).await);
    let chain = Chain::new().provider("down", Format::OpenAi, &down.url());
    let chain = chain.provider("good", Format::Anthropic, &good.url()).module("fallback", "chain = [\"good\"]");
    let gateway = Gateway::start(&chain).await;
    for streamed in [false, true] {
        let answer = gateway.post_with(CHAT, &[("x-arcllm-trail", "1")], &question("down", streamed)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let heads = ["x-arcllm-provider", "x-arcllm-model", "x-arcllm-attempts"].map(|name| answer.header(name));
        assert_eq!(heads, ["good", "good-model", "2"], "streamed: {streamed}");
        assert_eq!(trail(&answer).iter().map(|attempt| &*attempt.provider).collect::<Vec<_>>(), ["down", "good"]);
        let id = answer.header("x-request-id");
        assert!(id.len() == 24 && answer.body.contains(id), "{answer:?}");
    }
    let answer = gateway.post(CHAT, &question("down", false)).await;
    assert!(!answer.headers.contains_key("x-arcllm-trail"), "only if asked");
}

#[tokio::test]
async fn a_failure_has_the_status_of_its_cause() {
    let faults = [
        (Reply::status(503), 503),
        (Reply::status(529), 529),
        (Reply::error(404, "no such model"), 404),
        (Reply::fault(Fault::Reset), 502),
        (Reply::fault(Fault::TextBody), 502),
        (Reply::fault(Fault::Silence), 504),
    ];
    for (reply, status) in faults {
        let provider = always(reply.clone()).await;
        let chain = Chain::new().provider_with("a", Format::OpenAi, &provider.url(), "timeout_seconds = 0.2");
        let gateway = Gateway::start(&chain).await;
        for streamed in [false, true] {
            let answer = gateway.post_with(CHAT, &[("x-arcllm-trail", "1")], &question("a", streamed)).await;
            assert_eq!(answer.status, status, "{reply:?}: {answer:?}");
            assert_eq!(answer.header("content-type"), "application/json");
            assert_eq!((answer.header("x-should-retry"), trail(&answer).len()), ("", 1), "{reply:?}");
            assert!(answer.json()["error"]["message"].as_str().is_some_and(|message| !message.is_empty()));
        }
    }
}

#[tokio::test]
async fn a_client_is_told_not_to_ask_again_where_a_module_has() {
    let busy = always(Reply::status(429).header("retry-after", "90")).await;
    let chain = Chain::new().provider("a", Format::OpenAi, &busy.url());
    let alone = Gateway::start(&chain).await.post(CHAT, &question("a", false)).await;
    assert_eq!((alone.header("x-should-retry"), alone.header("retry-after")), ("", "40"), "{alone:?}");
    let gateway = Gateway::start(&chain.module("retry", FAST)).await;
    let tried = gateway.post(CHAT, &question("a", false)).await;
    assert_eq!((tried.status, tried.header("x-should-retry"), tried.header("retry-after")), (429, "false", "40"));
}

#[tokio::test]
async fn a_name_that_nothing_has_is_404_with_the_nearest_one_and_a_mistake_is_500_without_a_file() {
    let provider = replies([]).await;
    let chain = Chain::new().provider("alpha", Format::OpenAi, &provider.url());
    let gateway = Gateway::start(&chain.table("models.broken", "provider = \"keyless\"").provider_with(
        "keyless",
        Format::OpenAi,
        &provider.url(),
        "api_key_env = \"ARCLLM_TEST_NO_SUCH_KEY\"",
    ))
    .await;
    let unknown = gateway.post(CHAT, &question("alpah", false)).await;
    assert_eq!(unknown.status, 404);
    assert!(unknown.body.contains("did you mean `alpha`?"), "{unknown:?}");
    let mistaken = gateway.post(CHAT, &question("broken", false)).await;
    assert_eq!(mistaken.status, 500);
    let secrets = ["ARCLLM_TEST_NO_SUCH_KEY", "api_key", ".toml"];
    assert!(!secrets.iter().any(|secret| mistaken.body.contains(secret)), "{mistaken:?}");
    let ready = gateway.get("/health/ready").await;
    let words = "the provider `keyless` has no key";
    assert_eq!(ready.json()["failed_models"], json!({ "broken": words, "keyless": words }));
    let told = gateway.stop().await.stderr;
    assert!(told.contains("ARCLLM_TEST_NO_SUCH_KEY") && told.contains("providers.keyless"), "{told}");
}

#[tokio::test]
async fn every_error_has_the_name_of_its_request() {
    let provider = replies([]).await;
    let chain = Chain::new().provider("a", Format::OpenAi, &provider.url());
    let sha = "00".repeat(32);
    let keyed = Gateway::start(&chain.clone().table("serve.keys.team", &format!("sha256 = \"{sha}\""))).await;
    let open = Gateway::start(&chain.table("serve", "max_body_mb = 1")).await;
    let large = format!("{}{}", question("a", false), " ".repeat(1 << 20));
    let messages = "/v1/messages";
    for (gateway, path, body, status) in [
        (&keyed, CHAT, "{}", 401),
        (&keyed, messages, "{}", 401),
        (&open, CHAT, "[", 400),
        (&open, messages, "[", 400),
        (&open, messages, &*large, 413),
        (&open, "/v1/messages/count_tokens", "{}", 400),
        (&open, "/v1/none", "{}", 404),
        (&open, "/v1/models", "{}", 405),
    ] {
        let answer = gateway.send(reqwest::Method::POST, path, &[], body.to_owned()).await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        let id = answer.header("x-request-id");
        assert!(id.len() == 24 && answer.header("request-id") == id, "{path}: {answer:?}");
        if path.starts_with(messages) {
            assert_eq!(answer.json()["request_id"], id, "{path}");
        }
    }
}
