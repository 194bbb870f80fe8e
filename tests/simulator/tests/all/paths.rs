//! Paths and methods: what is no endpoint of a format gets an error and takes no reply.

use arcllm_simulator::{Fault, Format, Reply, Script, Simulator};
use serde_json::json;

use crate::client::{Client, MESSAGES, ask, request, whole_exchange};

async fn simulator(replies: impl IntoIterator<Item = Reply>) -> Simulator {
    Simulator::start(Script::new(replies)).await.unwrap()
}

/// The status, the `allow` header and the JSON of the answer to a request without a body.
async fn plain(simulator: &Simulator, request: &str) -> (u16, Option<String>, serde_json::Value) {
    let mut client = Client::connect(simulator).await;
    client.send(format!("{request} HTTP/1.1\r\n\r\n").as_bytes()).await;
    let response = client.read().await;
    (response.status, response.header("allow").map(str::to_owned), response.json())
}

#[tokio::test]
async fn endpoints_may_have_anything_before_them() {
    let simulator = simulator([]).await;
    for (path, format) in [
        ("/v1/messages", Format::Anthropic),
        ("/some/proxy/v1/messages?beta=true", Format::Anthropic),
        ("/v1/chat/completions", Format::OpenAi),
        ("/openai/v1/chat/completions", Format::OpenAi),
        ("/inference/v1/chat/completions", Format::OpenAi),
        ("/openai/v1/chat/completions?api-version=1", Format::OpenAi),
        ("/chat/completions", Format::OpenAi),
        ("/api/paas/v4/chat/completions", Format::OpenAi),
        ("/v1/responses", Format::Responses),
        ("/openai/v1/responses?api-version=1", Format::Responses),
    ] {
        assert_eq!(ask(&simulator, path).await.status, 200, "{path}");
        assert_eq!(simulator.requests().last().unwrap().format, Some(format), "{path}");
    }
}

#[tokio::test]
async fn a_post_elsewhere_gets_a_404_and_takes_no_reply() {
    let body = Reply::json(&json!({"any": "thing"})).header("connection", "close");
    for reply in [Reply::error(500, "kept").header("connection", "close"), body, Reply::fault(Fault::Reset)] {
        let simulator = simulator([reply.clone()]).await;
        for (path, kind) in [
            ("/", "invalid_request_error"),
            ("/v1", "invalid_request_error"),
            ("/v1/responses/resp_1/cancel", "invalid_request_error"),
            ("/v1/completions", "invalid_request_error"),
            ("/v1/v1/chat/completions", "invalid_request_error"),
            ("/v1/chat/completions/", "invalid_request_error"),
            ("/v1/messages/batches", "not_found_error"),
            ("/v1/v1/messages", "not_found_error"),
            ("/messages", "not_found_error"),
        ] {
            let response = ask(&simulator, path).await;
            assert_eq!((response.status, &response.json()["error"]["type"]), (404, &json!(kind)), "{path}");
            assert!(response.json()["error"]["message"].as_str().unwrap().contains(path));
            assert_eq!(simulator.requests().last().unwrap().format, None);
        }
        let mut client = Client::connect(&simulator).await;
        client.send(&request("/v2/other", "anthropic-version: 2023-06-01\r\n", &json!({}))).await;
        assert_eq!(client.read().await.json()["type"], "error");
        // The reply is still there.
        whole_exchange(&simulator, MESSAGES).await;
        assert_eq!(simulator.requests().last().unwrap().reply, reply.to_string());
    }
}

#[tokio::test]
async fn a_get_takes_a_reply_that_needs_no_format() {
    let simulator = simulator([Reply::text("kept")]).await;
    for path in ["/v1/models", "/health", "/"] {
        let (status, _, body) = plain(&simulator, &format!("GET {path}")).await;
        assert_eq!(status, 404);
        assert!(body["error"]["message"].as_str().unwrap().contains(path));
    }
    assert_eq!(ask(&simulator, MESSAGES).await.json()["content"][0]["text"], "kept");
    simulator.push(Reply::json(&json!({"data": []}))).unwrap();
    assert_eq!(plain(&simulator, "GET /v1/models").await, (200, None, json!({"data": []})));
}

#[tokio::test]
async fn other_methods_get_a_405() {
    let simulator = simulator([]).await;
    for (request, is_anthropic) in [
        ("GET /v1/messages", true),
        ("GET /v1/chat/completions", false),
        ("PUT /v1/chat/completions", false),
        ("DELETE /v1/messages?a=b", true),
        ("PATCH /elsewhere", false),
        ("OPTIONS /v1/models", false),
    ] {
        let (status, allow, body) = plain(&simulator, request).await;
        assert_eq!((status, allow.as_deref()), (405, Some("POST")), "{request}");
        assert_eq!(body["type"] == "error", is_anthropic, "{request}");
        assert!(body["error"]["message"].as_str().unwrap().contains("POST to a path that ends in /v1/messages"));
    }
    assert!(simulator.requests().iter().all(|request| request.format.is_none()));
}
