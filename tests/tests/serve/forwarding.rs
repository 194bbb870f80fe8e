//! The bytes of a client go to a provider of its format, and the provider's bytes come back.

use arcllm_simulator::Reply;
use serde_json::{Value, json};

use crate::{
    scene::replies,
    serve::gateway::Gateway,
    support::Chain,
    verbatim::{
        answers::answer,
        stage::FORMATS,
        streams::{asking, sends, stream},
    },
};

/// Where clients of the formats ask.
const PATHS: [&str; 3] = ["/v1/messages", "/v1/chat/completions", "/v1/responses"];

#[tokio::test]
async fn whole_and_streamed() {
    for ((format, _, body), path) in FORMATS.into_iter().zip(PATHS) {
        let whole = Reply::body("application/json", answer(format));
        let provider = replies([whole, sends(stream(format)), sends(stream(format))]).await;
        let gateway = Gateway::start(&Chain::new().provider("alias", format, &provider.url())).await;
        let post = async |body: String| {
            let answer = gateway.send(reqwest::Method::POST, path, &[], body).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            let sent = provider.requests().pop().unwrap();
            (answer.body, sent.body.clone(), sent.header("content-length").unwrap().to_owned())
        };
        let expected = body.replace("\"alias\"", "\"alias-model\"");
        let (came, sent, length) = post(body.to_owned()).await;
        assert_eq!(sent, serde_json::from_str::<Value>(&expected).unwrap());
        assert_eq!((came, length), (answer(format).to_owned(), expected.len().to_string()));

        let streamed = body.replacen('{', "{\"stream\": true,", 1);
        let (came, sent, _) = post(asking(format, &streamed)).await;
        assert_eq!(came, stream(format).concat());
        assert_eq!((&sent["model"], &sent["stream"]), (&json!("alias-model"), &json!(true)));
        assert!(sent.to_string().contains("\"x\":1.0"), "{sent}");

        let (came, ..) = post(streamed).await;
        let shown = stream(format).into_iter().filter(|event| !event.contains("\"prompt_tokens\""));
        assert_eq!(came, shown.collect::<String>(), "counts come only if the client asks for them");
    }
}

#[tokio::test]
async fn the_providers_words_for_an_error_come_back() {
    let errors = [
        json!({"type": "error", "x": 1, "error": {"type": "odd_error", "message": "No.", "details": {"a": [null]}}}),
        json!({"x": 1, "error": {"message": "No.", "type": "odd_error", "param": "messages[3]", "code": "odd_code", "y": [1]}}),
        json!({"x": 1, "error": {"message": "No.", "type": "odd_error", "param": "input[3]", "code": "odd_code", "y": {}}}),
    ];
    for (((format, _, body), path), error) in FORMATS.into_iter().zip(PATHS).zip(errors) {
        let refused = || Reply::body("application/json", error.to_string()).with_status(422);
        let provider = replies([refused(), refused()]).await;
        let gateway = Gateway::start(&Chain::new().provider("alias", format, &provider.url())).await;
        for body in [body.to_owned(), body.replacen('{', "{\"stream\": true,", 1)] {
            let answer = gateway.send(reqwest::Method::POST, path, &[], body).await;
            assert_eq!((answer.status, &answer.json()["error"]), (422, &error["error"]), "{answer:?}");
            assert_eq!(answer.json()["x"], 1, "{answer:?}");
        }
    }
}

#[tokio::test]
async fn the_clients_version_and_betas_go_along_with_the_gateways_key() {
    let (format, _, body) = FORMATS[0];
    let provider = replies([]).await;
    let key = "api_key_command = [\"echo\", \"sk-own\"]";
    let gateway = Gateway::start(&Chain::new().provider_with("alias", format, &provider.url(), key)).await;
    let headers = [("anthropic-version", "2026-10-21"), ("anthropic-beta", "a,b"), ("x-api-key", "sk-client")];
    assert_eq!(gateway.send(reqwest::Method::POST, PATHS[0], &headers, body.to_owned()).await.status, 200);
    let sent = provider.requests().pop().unwrap();
    let of = |name| sent.header(name).unwrap_or_default();
    let found = ["anthropic-version", "anthropic-beta", "x-api-key"].map(of);
    // The simulator shows no keys.
    assert_eq!(found, ["2026-10-21", "a,b", "[redacted]"]);
}
