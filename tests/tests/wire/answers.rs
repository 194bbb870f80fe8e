//! What the command prints of an answer, in all formats.

use crate::scene::replies;
use crate::wire::stage::{FORMATS, answer, folder, invoke, read};
use arcllm_simulator::{Format, Reply, Usage};
use insta::assert_snapshot;
use serde_json::{Value, json};

#[tokio::test]
async fn an_answer_has_these_keys_of_these_types() {
    for format in FORMATS {
        let answer = read(format, Reply::text("Hello")).await;
        assert_eq!(answer["content"], "Hello");
        assert_eq!(answer["tool_calls"], json!([]));
        let count = |value: &Value| value.is_u64() || value.is_null();
        assert_eq!(answer["usage"]["input_tokens"], 10);
        assert_eq!(answer["usage"]["output_tokens"], 5);
        assert_eq!(answer["usage"]["total_tokens"], 15);
        for name in ["cache_read_tokens", "cache_write_tokens", "reasoning_tokens"] {
            assert!(answer["usage"].get(name).is_some_and(count), "{name}: {answer}");
        }
        assert_eq!((&answer["model"], &answer["provider"]), (&json!("main-model"), &json!("main")));
        assert_eq!(answer["stop_reason"], "end_turn");
        assert_eq!(answer.get("thinking"), Some(&Value::Null));
        let [attempt] = answer["trail"].as_array().unwrap().as_slice() else { panic!("{answer}") };
        assert_eq!((&attempt["provider"], &attempt["model"]), (&json!("main"), &json!("main-model")));
        assert_eq!((&attempt["outcome"], attempt.get("status")), (&json!("ok"), Some(&Value::Null)));
        assert!(attempt["waited_seconds"].is_number() && attempt["took_seconds"].is_number());
        let mut keys: Vec<_> = answer.as_object().unwrap().keys().map(String::as_str).collect();
        keys.retain(|key| !["request_id", "message", "extensions"].contains(key));
        keys.sort_unstable();
        let expected = [
            "content",
            "cost",
            "model",
            "notes",
            "provider",
            "stop_reason",
            "thinking",
            "tool_calls",
            "trail",
            "usage",
        ];
        assert_eq!(keys, expected);
    }
}

#[tokio::test]
async fn tool_calls_have_arguments_that_are_objects() {
    for format in FORMATS {
        let reply = Reply::text("Let me look.")
            .tool_call("call_1", "weather", json!({"city": "Paris", "days": 2}))
            .tool_call("call_2", "now", json!({}));
        let mut answer = read(format, reply).await;
        assert_eq!(answer["content"], "Let me look.");
        assert_eq!(answer["stop_reason"], "tool_use");
        let expected = json!([
            {"id": "call_1", "name": "weather", "arguments": {"city": "Paris", "days": 2}},
            {"id": "call_2", "name": "now", "arguments": {}},
        ]);
        // OpenAI Responses has an id and a status for each item besides.
        for call in answer["tool_calls"].as_array_mut().unwrap() {
            let extensions = call.as_object_mut().unwrap().remove("extensions");
            assert_eq!(extensions.is_some(), format == Format::Responses, "{extensions:?}");
        }
        assert_eq!(answer["tool_calls"], expected, "{format}");
    }
}

#[tokio::test]
async fn an_answer_of_a_tool_call_alone_has_no_content() {
    for format in FORMATS {
        let answer = read(format, Reply::default().tool_call("call_1", "now", json!({}))).await;
        assert_eq!(answer["content"], Value::Null, "{format}");
    }
}

#[tokio::test]
async fn malformed_arguments_are_a_parse_error_that_shows_them() {
    for arguments in ["[1, 2]", "{\"city\": \"Par"] {
        let provider = replies([Reply::default().tool_call("call_1", "weather", json!(arguments))]).await;
        let output = invoke(&folder(Format::OpenAi, &provider), &["Hi"]).await;
        let error = &output.json().unwrap()["error"];
        assert_eq!((output.code, &error["kind"]), (1, &json!("parse")));
        let start = arguments.replace('"', "\\\"");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(&start) || message.contains(arguments), "{message}");
    }
    let answer = read(Format::OpenAi, Reply::default().tool_call("call_1", "now", json!(""))).await;
    assert_eq!(answer["tool_calls"][0]["arguments"], json!({}));
}

#[tokio::test]
async fn tokens_are_counted() {
    let usage = Usage {
        input_tokens: 100,
        output_tokens: 50,
        cache_read_tokens: 30,
        cache_write_tokens: 20,
        reasoning_tokens: 40,
        ..Usage::default()
    };
    let anthropic = read(Format::Anthropic, Reply::default().usage(usage)).await["usage"].clone();
    assert_eq!((&anthropic["input_tokens"], &anthropic["output_tokens"]), (&json!(100), &json!(50)));
    assert_eq!((&anthropic["cache_read_tokens"], &anthropic["cache_write_tokens"]), (&json!(30), &json!(20)));
    assert_eq!(anthropic["reasoning_tokens"], 40);
    let openai = read(Format::OpenAi, Reply::default().usage(usage)).await["usage"].clone();
    assert_eq!((&openai["input_tokens"], &openai["output_tokens"]), (&json!(100), &json!(50)));
    assert_eq!(openai["cache_read_tokens"], 30);
    assert_eq!((&openai["reasoning_tokens"], &openai["total_tokens"]), (&json!(40), &json!(150)));
}

/// Anthropic counts them in `usage.output_tokens_details.thinking_tokens`.
#[tokio::test]
async fn thinking_tokens_of_anthropic_are_counted() {
    let body = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn",
        "content": [{"type": "text", "text": "Hi"}],
        "usage": {"input_tokens": 3, "output_tokens": 50, "output_tokens_details": {"thinking_tokens": 40}},
    });
    assert_eq!(read(Format::Anthropic, Reply::json(&body)).await["usage"]["reasoning_tokens"], 40);
}

#[tokio::test]
async fn why_the_answer_ended() {
    let words = [
        ("end_turn", "end_turn", "end_turn"),
        ("max_tokens", "max_tokens", "max_tokens"),
        ("tool_use", "tool_use", "tool_use"),
        // OpenAI does not tell stop sequences apart, and knows refusals only as `content_filter`.
        ("stop_sequence", "stop_sequence", "end_turn"),
        ("refusal", "refusal", "content_filter"),
        ("pause_turn", "pause_turn", "pause_turn"),
        ("something_new", "something_new", "something_new"),
    ];
    for (word, anthropic, openai) in words {
        assert_eq!(read(Format::Anthropic, Reply::text("x").stop_reason(word)).await["stop_reason"], anthropic);
        assert_eq!(read(Format::OpenAi, Reply::text("x").stop_reason(word)).await["stop_reason"], openai);
    }
}

/// Sends the printed message back, with the result of the tool.
async fn second_request(format: Format) -> String {
    let first = Reply::text("I look.").thinking("Paris, then.", "c2lnbmF0dXJl").tool_call("call_1", "now", json!({}));
    let provider = replies([first, Reply::text("Noon.")]).await;
    let folder = folder(format, &provider);
    let first = answer(&folder, &["What time is it?"]).await;
    assert_eq!(first["thinking"], "Paris, then.");
    let request = json!({
        "messages": [
            {"role": "user", "content": "What time is it?"},
            first["message"],
            {"role": "tool", "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": "12:00"}]},
        ],
        "tools": [{"name": "now"}],
    });
    folder.write("second.json", request.to_string()).unwrap();
    assert_eq!(answer(&folder, &["--request", "second.json"]).await["content"], "Noon.");
    serde_json::to_string_pretty(&provider.requests()[1].body["messages"]).unwrap()
}

#[tokio::test]
async fn a_printed_answer_can_be_sent_back() {
    assert_snapshot!(second_request(Format::Anthropic).await, @r#"
    [
      {
        "role": "user",
        "content": "What time is it?"
      },
      {
        "role": "assistant",
        "content": [
          {
            "type": "thinking",
            "thinking": "Paris, then.",
            "signature": "c2lnbmF0dXJl"
          },
          {
            "type": "text",
            "text": "I look."
          },
          {
            "type": "tool_use",
            "id": "call_1",
            "name": "now",
            "input": {}
          }
        ]
      },
      {
        "role": "user",
        "content": [
          {
            "type": "tool_result",
            "tool_use_id": "call_1",
            "content": "12:00"
          }
        ]
      }
    ]
    "#);
    assert_snapshot!(second_request(Format::OpenAi).await, @r#"
    [
      {
        "role": "user",
        "content": "What time is it?"
      },
      {
        "role": "assistant",
        "content": "I look.",
        "tool_calls": [
          {
            "id": "call_1",
            "type": "function",
            "function": {
              "name": "now",
              "arguments": "{}"
            }
          }
        ]
      },
      {
        "role": "tool",
        "tool_call_id": "call_1",
        "content": "12:00"
      }
    ]
    "#);
}
