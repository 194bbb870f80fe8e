//! What a client is told of an error: its own places, and nothing of the operator's. The log has that.

use std::time::Duration;

use arcllm_simulator::{Fault, Format, Reply};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    scene::{dead, replies},
    serve::gateway::Gateway,
    support::{Chain, test_module},
};

const PATHS: [&str; 3] = ["/v1/chat/completions", "/v1/messages", "/v1/responses"];

/// A question in each of the formats. No format takes the fields of another one for a part of it.
fn question(streamed: bool) -> Value {
    json!({"model": "oa", "stream": streamed, "max_tokens": 9, "input": "Hi",
        "messages": [{"role": "user", "content": "Hi"}]})
}

#[tokio::test]
async fn addresses_and_settings_are_the_operators() {
    let down = dead().await;
    let faults = [
        (None, 502, "cannot connect"),
        (Some(Reply::status(404)), 404, "check providers.oa.base_url"),
        (Some(Reply::status(405)), 405, "check providers.oa.base_url"),
        (Some(Reply::status(308).header("location", "https://elsewhere.example/v1")), 502, "elsewhere.example"),
        (Some(Reply::text("Hi").with_fault(Fault::ResetInBody)), 502, ""),
        (Some(Reply::text("Hi").delay(Duration::from_secs(100))), 504, "providers.oa.timeout_seconds"),
        (Some(Reply::body("text/html", "<html>secret.example</html>")), 502, ""),
    ];
    for (reply, status, cause) in faults {
        let provider = replies(std::iter::repeat_n(reply.clone(), 6).flatten()).await;
        let url = if reply.is_some() { provider.url() } else { down.url() };
        let chain = Chain::new().provider_with("oa", Format::OpenAi, &url, "timeout_seconds = 0.3");
        let gateway = Gateway::start(&chain).await;
        for path in PATHS {
            for streamed in [false, true] {
                let answer = gateway.post(path, &question(streamed)).await;
                let is_broken = answer.status == 200 && answer.body.contains("\"error\"");
                assert!(answer.status == status || streamed && is_broken, "{status} {streamed}: {answer:?}");
                let port = url.rsplit_once(':').unwrap().1;
                for secret in ["base_url", "_seconds", "127.0.0.1", port, ".example", "http://"] {
                    assert!(!answer.body.contains(secret), "{secret}: {}", answer.body);
                }
            }
        }
        let log = gateway.stop().await.stdout;
        assert!(
            log.lines().filter(|line| line.contains(" POST ") && line.contains(cause)).count() >= 3,
            "{cause}: {log}"
        );
    }
}

#[tokio::test]
async fn a_key_that_is_missing_is_the_operators() {
    let provider = replies([]).await;
    let key = "api_key_env = \"ARCLLM_TEST_NO_SUCH_KEY\"";
    let gateway = Gateway::start(&Chain::new().provider_with("oa", Format::OpenAi, &provider.url(), key)).await;
    for path in PATHS {
        let answer = gateway.post(path, &question(false)).await;
        assert_eq!(answer.status, 500, "{answer:?}");
        assert!(!answer.body.contains("ARCLLM_TEST") && !answer.body.contains("api_key"), "{}", answer.body);
    }
}

/// The library counts messages as it has them. A client reads its own places.
#[tokio::test]
async fn places_are_the_clients_own() {
    let provider = replies([]).await;
    let chain = |format| Chain::new().provider("oa", format, &provider.url());
    let to_chat = Gateway::start(&chain(Format::OpenAi)).await;
    let to_messages = Gateway::start(&chain(Format::Anthropic)).await;
    let (use_tool, user) = (
        json!({"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]}),
        json!({"role": "user", "content": "Hi"}),
    );
    let messages = |fields: Value| {
        let mut body = json!({"model": "oa", "max_tokens": 9, "messages": [user, use_tool, user]});
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        body
    };
    let call = json!({"type": "function_call", "call_id": "t", "name": "f", "arguments": "{}"});
    let said = |role: &str| json!({"role": role, "content": "Hi"});
    let responses =
        json!({"model": "oa", "input": [said("user"), said("assistant"), said("user"), call, said("user")]});
    let mut instructed = responses.clone();
    instructed["instructions"] = json!("Be kind.");
    let chat_call = json!({"id": "t", "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let chat = json!({"model": "oa", "messages": [said("system"), said("user"),
        {"role": "assistant", "tool_calls": [chat_call]}, said("user")]});
    for (gateway, path, body, place) in [
        (&to_chat, "/v1/messages", messages(json!({})), "messages[1]"),
        (&to_chat, "/v1/messages", messages(json!({"system": "Be kind."})), "messages[1]"),
        (&to_chat, "/v1/messages", messages(json!({"system": [{"type": "text", "text": "Be kind."}]})), "messages[1]"),
        (&to_chat, "/v1/messages", messages(json!({"system": ""})), "messages[1]"),
        (&to_messages, "/v1/responses", responses, "input[3]"),
        (&to_messages, "/v1/responses", instructed, "input[3]"),
        (&to_messages, "/v1/chat/completions", chat, "messages[2]"),
    ] {
        let answer = gateway.post(path, &body).await;
        let error = answer.json();
        let message = error["error"]["message"].as_str().unwrap();
        assert_eq!(answer.status, 400, "{path}: {}", answer.body);
        assert!(message.starts_with(&format!("{place} has the tool call")), "{path}: {message}");
        assert!(!message.contains("host."), "{message}");
        assert!(path == "/v1/messages" || error["error"]["param"] == place, "{error}");
    }
}

#[tokio::test]
async fn an_error_repeats_a_part_of_a_long_path_and_nothing_that_a_terminal_obeys() {
    let provider = replies([]).await;
    let gateway = Gateway::start(&Chain::new().provider("oa", Format::OpenAi, &provider.url())).await;
    let path = format!("/{}", "x".repeat(20_000));
    for (method, path, status) in [(Method::GET, path.as_str(), 404), (Method::PUT, "/v1/messages", 405)] {
        let answer = gateway.send(method, path, &[], "").await;
        assert_eq!(answer.status, status);
        assert!(answer.body.len() < 600, "{}", answer.body.len());
    }
}

/// All routes of OpenAI's shape have the same words for what a key may not do.
#[tokio::test]
async fn what_is_forbidden_has_one_shape() {
    let provider = replies([]).await;
    let gateway = Gateway::start(&Chain::new().provider("oa", Format::OpenAi, &provider.url())).await;
    let origin = [("origin", "https://example.com")];
    let mut shapes = Vec::new();
    for path in ["/v1/chat/completions", "/v1/responses"] {
        shapes.push(gateway.post_with(path, &origin, &question(false)).await);
    }
    for path in ["/v1/models", "/v1/models/oa"] {
        shapes.push(gateway.send(Method::GET, path, &origin, "").await);
    }
    for answer in shapes {
        let error = &answer.json()["error"];
        assert_eq!((answer.status, &error["type"]), (403, &json!("invalid_request_error")), "{error}");
        assert_eq!(error["code"], "insufficient_permissions");
    }
}

/// A provider that knows how much a model writes gets no more, and reasoning stays below it.
#[tokio::test]
async fn a_lowered_limit_leaves_room_for_an_answer_beside_reasoning() {
    for (most, asked, budget, sent) in [
        (4096, 8192, 6000, Some(4095)),
        (4096, 8192, 2000, Some(2000)),
        (4096, 4096, 5000, Some(5000)),
        (1000, 8192, 2000, None),
    ] {
        let provider = replies([]).await;
        let facts = format!("default_model = \"m\"\n[providers.oa.models.m]\nmax_output_tokens = {most}");
        let chain = Chain::new().provider_with("oa", Format::Anthropic, &provider.url(), &facts);
        let gateway = Gateway::start(&chain).await;
        for other in [json!({}), json!({"display": "omitted"})] {
            let mut thinking = json!({"type": "enabled", "budget_tokens": budget});
            thinking.as_object_mut().unwrap().extend(other.as_object().unwrap().clone());
            let body = json!({"model": "oa", "thinking": thinking, "max_tokens": asked, "messages": [
                {"role": "user", "content": "Hi"}]});
            let answer = gateway.post("/v1/messages", &body).await;
            assert!(answer.status == 200 || asked == most, "{answer:?}");
            let body = provider.requests().pop().unwrap().body;
            assert_eq!(body["thinking"].get("budget_tokens").and_then(Value::as_u64), sent, "{body}");
            assert_eq!(body["max_tokens"], asked.min(most));
        }
    }
}

/// A whole answer that has not said why it ended is cut off, as a stream is.
#[tokio::test]
async fn a_whole_answer_that_goes_on_is_none() {
    for stop in [Value::Null, json!("")] {
        let cut = json!({"id": "m", "type": "message", "role": "assistant", "model": "m", "stop_reason": stop,
            "content": [{"type": "text", "text": "Half of"}], "usage": {"input_tokens": 1, "output_tokens": 2}});
        let provider = replies(std::iter::repeat_n(Reply::json(&cut), 3)).await;
        let gateway = Gateway::start(&Chain::new().provider("oa", Format::Anthropic, &provider.url())).await;
        for path in PATHS {
            let answer = gateway.post(path, &question(false)).await;
            assert_eq!(answer.status, 502, "{path}: {answer:?}");
        }
    }
}

/// The operator reads in the line of a call which module failed and why. What a module wrote last may repeat what was said.
#[tokio::test]
async fn the_log_says_which_module_failed_and_why_and_nothing_that_was_said() {
    let provider = replies([]).await;
    let chain = || Chain::new().provider("oa", Format::OpenAi, &provider.url());
    for (fault, sandbox, cause) in [
        ("trap", "", "wasm trap"),
        ("spin", "cpu_seconds = 0.2", "(cpu_seconds)"),
        ("recurse", "stack_kb = 256", "(stack_kb)"),
        ("hang", "stall_seconds = 0.5", "(stall_seconds)"),
    ] {
        let chain = chain().module("chaos", &format!("fault = \"{fault}\"")).table("modules.chaos.sandbox", sandbox);
        let gateway = Gateway::start(&chain).await;
        for path in PATHS {
            let answer = gateway.post(path, &question(path == PATHS[0])).await;
            assert!(answer.status == 500 && !answer.body.contains("_seconds"), "{answer:?}");
        }
        let log = gateway.stop().await.stdout;
        let lines: Vec<_> = log.lines().filter(|line| line.contains(" POST ")).collect();
        assert_eq!(lines.len(), 3, "{log}");
        for line in lines {
            assert!(
                line.contains("error=module cause=\"the module `chaos` failed: ") && line.contains(cause),
                "{line}"
            );
        }
    }
    let chain = chain().host("order = [\"outcry\"]").module("outcry", "");
    let folder = chain.folder().unwrap().trusted();
    folder.write("modules/outcry.wasm", std::fs::read(test_module("outcry")).unwrap()).unwrap();
    let gateway = Gateway::of(folder, &[]).await;
    let said = json!({"model": "oa", "messages": [{"role": "user", "content": "err my-secret\ntrap now"}]});
    assert_eq!(gateway.post(PATHS[0], &said).await.status, 500);
    let log = gateway.stop().await.stdout;
    assert!(log.contains("cause=\"the module `outcry` failed: ") && !log.contains("my-secret"), "{log}");
}
