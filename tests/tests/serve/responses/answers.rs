//! Answers of providers of each format, whole and streamed.

use arcllm_simulator::{Fault, Format, Place, Reply, Usage};
use serde_json::{Value, json};

use crate::serve::responses::stage::{FORMATS, OTHERS, Stage, name, question};

/// The items in short, such as `message: Hello`.
fn short(output: &Value) -> Vec<String> {
    let item = |item: &Value| match item["type"].as_str().unwrap() {
        "message" => {
            let part = &item["content"][0];
            let text = part["text"].as_str().or(part["refusal"].as_str()).unwrap();
            format!("{}: {text}", part["type"].as_str().unwrap())
        }
        "reasoning" => format!("reasoning: {}", item["summary"][0]["text"].as_str().unwrap()),
        kind => format!("{kind} {}: {}({})", item["call_id"], item["name"], item["arguments"]).replace(['"', '\\'], ""),
    };
    output.as_array().unwrap().iter().map(item).collect()
}

fn look() -> Value {
    let parameters = json!({"type": "object", "properties": {"at": {"type": "string"}}});
    json!({"input": "Hi", "tools": [{"type": "function", "name": "look", "parameters": parameters, "strict": false}]})
}

#[tokio::test]
async fn say_the_same_whole_and_streamed() {
    let stage = Stage::new().await;
    let calls =
        Reply::text("I look.").tool_call("call_a", "look", json!({"at": "sky"})).tool_call("call_b", "look", json!({}));
    let cases = [
        (Reply::text("Hello 🌍."), "completed", vec!["output_text: Hello 🌍."]),
        (Reply::text("Yes.").thinking("Hm.", "sig"), "completed", vec!["reasoning: Hm.", "output_text: Yes."]),
        (
            calls,
            "completed",
            vec!["output_text: I look.", "function_call call_a: look({at:sky})", "function_call call_b: look({})"],
        ),
        (Reply::text("It is").stop_reason("max_tokens"), "incomplete", vec!["output_text: It is"]),
    ];
    for (reply, status, expected) in &cases {
        for format in FORMATS {
            let answer = stage.both(format, reply, &look()).await;
            assert_eq!(short(&answer["output"]), *expected, "{format}");
            assert_eq!(answer["status"], **status, "{format}");
            let is_cut = *status == "incomplete";
            let details = is_cut.then(|| json!({"reason": "max_output_tokens"}));
            assert_eq!(answer["incomplete_details"], json!(details), "{format}");
            for item in answer["output"].as_array().unwrap() {
                assert!(item["type"] == "reasoning" || item["status"] == **status, "{format}: {item}");
            }
        }
    }
}

#[tokio::test]
async fn have_all_that_clients_need() {
    let stage = Stage::new().await;
    let body = json!({
        "input": "Hi", "instructions": "Be brief.", "temperature": 0.5, "metadata": {"a": "b"}, "store": true,
        "parallel_tool_calls": false, "text": {"format": {"type": "text"}, "verbosity": "low"}, "user": null,
    });
    for format in OTHERS {
        let answer = stage.both(format, &Reply::text("Hello."), &body).await;
        let id = answer["id"].as_str().unwrap();
        assert!(id.starts_with("resp_") && answer["created_at"].as_u64() > Some(1_700_000_000), "{answer}");
        let item = &answer["output"][0];
        assert!(item["id"].as_str().unwrap().starts_with("msg_"), "{item}");
        let part = json!({"type": "output_text", "text": "Hello.", "annotations": [], "logprobs": []});
        assert_eq!((&item["role"], &item["content"]), (&json!("assistant"), &json!([part])));
        for (field, expected) in [
            ("object", json!("response")),
            ("model", json!(name(format))),
            ("error", Value::Null),
            ("store", json!(false)),
            ("tools", json!([])),
            ("tool_choice", json!("auto")),
            ("instructions", json!("Be brief.")),
            ("temperature", json!(0.5)),
            ("metadata", json!({"a": "b"})),
            ("parallel_tool_calls", json!(false)),
            ("text", json!({"format": {"type": "text"}, "verbosity": "low"})),
            ("reasoning", json!({"effort": null, "summary": null})),
            ("previous_response_id", Value::Null),
            ("user", Value::Null),
        ] {
            assert_eq!(answer.get(field), Some(&expected), "{format}: {field}");
        }
    }
}

#[tokio::test]
async fn count_cached_tokens_as_input() {
    let stage = Stage::new().await;
    let usage =
        Usage { input_tokens: 100, output_tokens: 20, cache_read_tokens: 60, reasoning_tokens: 5, ..Usage::default() };
    for format in FORMATS {
        let answer = stage.both(format, &Reply::text("Hello.").usage(usage), &question()).await;
        // Anthropic's format counts them apart.
        let input = if format == Format::Anthropic { 160 } else { 100 };
        let usage = &answer["usage"];
        assert_eq!(usage["input_tokens"], input, "{format}");
        assert_eq!(usage["input_tokens_details"]["cached_tokens"], 60, "{format}");
        assert_eq!(usage["output_tokens"], 20, "{format}");
        assert_eq!(usage["output_tokens_details"]["reasoning_tokens"], 5, "{format}");
        assert_eq!(usage["total_tokens"], input + 20, "{format}");
    }
}

#[tokio::test]
async fn tell_refusals_and_citations() {
    let stage = Stage::new().await;
    let refused = json!({"id": "c", "object": "chat.completion", "model": "m", "choices": [{
        "index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": null, "refusal": "I cannot."},
    }]});
    let answer = stage.ask(Format::OpenAi, &Reply::json(&refused), false, question()).await.json();
    assert_eq!(answer["output"][0]["content"], json!([{"type": "refusal", "refusal": "I cannot."}]));
    let answer = stage.both(Format::Anthropic, &Reply::text("I will").stop_reason("refusal"), &question()).await;
    let parts = answer["output"][0]["content"].as_array().unwrap();
    assert_eq!((&parts[0]["text"], &parts[1]["type"]), (&json!("I will"), &json!("refusal")), "{answer}");

    let citation =
        json!({"type": "web_search_result_location", "url": "https://a.test", "title": "A", "cited_text": "b"});
    let cited = json!({"id": "m", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn",
        "content": [{"type": "text", "text": "Bä", "citations": [citation]}], "usage": {"input_tokens": 1, "output_tokens": 1}});
    let answer = stage.ask(Format::Anthropic, &Reply::json(&cited), false, question()).await.json();
    let expected =
        json!([{"type": "url_citation", "url": "https://a.test", "title": "A", "start_index": 0, "end_index": 2}]);
    assert_eq!(answer["output"][0]["content"][0]["annotations"], expected);
}

#[tokio::test]
async fn that_break_off_are_no_answers() {
    let stage = Stage::new().await;
    for fault in [Fault::Truncate, Fault::EndEarly, Fault::ErrorEvent] {
        for format in FORMATS {
            let text = "A text that is long enough to be cut.";
            let reply = Reply::text(text).with_fault(fault).fault_at(Place::BeforeEvent(8)).pieces(8);
            let events = stage.ask(format, &reply, true, question()).await.events();
            let event = |back: usize| -> (String, Value) {
                let (name, data) = &events[events.len() - back];
                (name.clone(), serde_json::from_str(data).unwrap())
            };
            let ((failed, response), (error, flat)) = (event(2), event(1));
            assert_eq!((&*failed, &*error), ("response.failed", "error"), "{format}, {fault:?}: {events:?}");
            let response = &response["response"];
            assert_eq!(response["status"], "failed", "{response}");
            // Some clients look for the text in one of these, some in another.
            let message = response["error"]["message"].as_str().unwrap();
            assert!(!message.is_empty() && response["error"]["code"].is_string(), "{response}");
            assert_eq!((&flat["message"], &flat["error"]["message"]), (&json!(message), &json!(message)));
            assert!(flat["code"].is_string() && flat.get("param").is_some(), "{flat}");
            assert!(!events.iter().any(|(name, _)| name == "response.completed"), "{events:?}");
        }
    }
}
