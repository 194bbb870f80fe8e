//! Errors of providers, and streams that break off.

use arcllm_simulator::{Fault, Place, Reply};
use serde_json::{Value, json};

use super::stage::{UPSTREAMS, gateway, question};

#[tokio::test]
async fn errors_have_the_words_of_this_format() {
    let kinds = [
        (400, "bad", "invalid_request_error", None),
        (
            400,
            "prompt is too long: maximum context length is 10 tokens",
            "invalid_request_error",
            Some("context_length_exceeded"),
        ),
        (401, "who", "invalid_request_error", Some("invalid_api_key")),
        (403, "no", "invalid_request_error", Some("insufficient_permissions")),
        (404, "none", "invalid_request_error", Some("model_not_found")),
        (429, "slow down", "requests", Some("rate_limit_exceeded")),
        (500, "oh", "server_error", None),
        (503, "busy", "service_unavailable_error", Some("server_is_overloaded")),
    ];
    for format in UPSTREAMS {
        let replies = kinds
            .iter()
            .flat_map(|(status, message, ..)| [Reply::error(*status, *message), Reply::error(*status, *message)]);
        let (gateway, _provider) = gateway(format, replies).await;
        for (status, message, kind, code) in kinds {
            for stream in [false, true] {
                let answer = gateway.ask(&question(json!({"stream": stream}))).await;
                assert_eq!(answer.status, status, "{format}: {}", answer.text);
                let error = answer.json()["error"].take();
                // A provider of OpenAI's formats has its own word.
                let kind =
                    if status == 503 && format != arcllm_simulator::Format::Anthropic { "server_error" } else { kind };
                assert_eq!(
                    (&error["type"], &error["code"]),
                    (&json!(kind), &json!(code)),
                    "{format} {status}: {error}"
                );
                assert!(error["message"].as_str().unwrap().contains(message), "{format} {status}: {error}");
                assert!(error.get("param").is_some_and(Value::is_null), "{format} {status}: {error}");
            }
        }
    }
}

#[tokio::test]
async fn a_stream_that_breaks_ends_with_an_error() {
    for format in UPSTREAMS {
        for fault in [Fault::Truncate, Fault::EndEarly] {
            let reply =
                Reply::text("Hello, world, and goodbye.").pieces(8).with_fault(fault).fault_at(Place::BeforeEvent(7));
            let (gateway, _provider) = gateway(format, [reply]).await;
            let answer = gateway.ask(&question(json!({"stream": true}))).await;
            let last: Value = serde_json::from_str(answer.events().last().unwrap()).unwrap();
            assert_eq!(last["error"]["type"], "server_error", "{format}, {fault:?}: {}", answer.text);
            assert!(last["error"]["message"].is_string(), "{format}, {fault:?}: {last}");
            let ends = ["[DONE]", "\"finish_reason\":\"stop\""];
            assert!(!ends.iter().any(|end| answer.text.contains(end)), "{format}, {fault:?}: {}", answer.text);
        }
    }
}

#[tokio::test]
async fn the_same_request_again_without_stream() {
    for format in UPSTREAMS {
        let broken = Reply::text("Hello, world, and goodbye.")
            .pieces(8)
            .with_fault(Fault::EndEarly)
            .fault_at(Place::BeforeEvent(7));
        let replies = [broken, Reply::text("Whole.")];
        let (gateway, _provider) = gateway(format, replies).await;
        assert!(gateway.ask(&question(json!({"stream": true}))).await.text.contains("\"error\""), "{format}");
        let got = gateway.ask(&question(json!({}))).await.json();
        assert_eq!(got["choices"][0]["message"]["content"], "Whole.", "{format}");
    }
}
