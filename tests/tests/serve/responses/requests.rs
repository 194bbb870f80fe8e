//! What providers of each format are asked.

use arcllm_simulator::{Format, Reply};
use serde_json::{Value, json};

use crate::serve::responses::{
    accumulate::accumulate,
    stage::{FORMATS, OTHERS, Stage},
};

const PNG: &str = "data:image/png;base64,iVBORw0KGgo=";

/// Asks each provider, and gives what it was asked.
async fn sent(stage: &Stage, format: Format, body: &Value) -> Value {
    let answer = stage.ask(format, &Reply::text("Yes."), false, body.clone()).await;
    assert_eq!(answer.status, 200, "{format}: {}", answer.body);
    stage.sent(format)
}

/// A conversation with all that has a counterpart in each format.
fn conversation() -> Value {
    json!([
        {"type": "message", "id": "msg_1", "role": "developer", "content": [{"type": "input_text", "text": "Be kind."}]},
        {"role": "user", "content": [
            {"type": "input_text", "text": "What is this?"},
            {"type": "input_image", "image_url": PNG, "detail": "low"},
            {"type": "input_image", "image_url": "https://a.test/b.png"},
            {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="},
        ]},
        {"type": "reasoning", "id": "rs_1", "summary": [], "content": null, "encrypted_content": "gAAAA"},
        {"type": "message", "id": "msg_2", "role": "assistant", "status": "completed", "phase": "commentary", "content": [
            {"type": "output_text", "text": "I look.", "annotations": [], "logprobs": []},
        ]},
        {"type": "function_call", "id": "fc_1", "call_id": "call_a", "name": "look", "arguments": "{\"at\":1}", "status": "completed"},
        {"type": "function_call", "id": "fc_2", "call_id": "call_b", "name": "look", "arguments": "not JSON"},
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "x"}},
        {"type": "a_new_item", "id": "new_1"},
        {"type": "function_call_output", "call_id": "call_b", "output": [{"type": "input_text", "text": "Wrong."}]},
        {"type": "function_call_output", "call_id": "call_a", "output": "A cat."},
        {"role": "user", "content": "And now?"},
    ])
}

fn request() -> Value {
    let parameters = json!({"type": "object", "properties": {"at": {"type": "integer"}}});
    json!({
        "instructions": "Be brief.",
        "input": conversation(),
        "tools": [
            {"type": "function", "name": "look", "description": "Looks.", "parameters": parameters, "strict": false},
            {"type": "web_search", "search_context_size": "low"},
        ],
        "tool_choice": {"type": "function", "name": "look"},
        "parallel_tool_calls": false,
        "max_output_tokens": 500,
        "temperature": 0.5,
        "text": {"verbosity": "low"},
        "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": "k",
        "client_metadata": {"a": "b"},
        "truncation": "auto",
        "store": true,
        "a_new_field": {"a": 1},
    })
}

#[tokio::test]
async fn a_provider_of_the_same_format_gets_the_clients_own_request() {
    let stage = Stage::new().await;
    let mut sent = sent(&stage, Format::Responses, &request()).await;
    let model = sent["model"].take();
    assert_eq!(model, "responses-model");
    let mut expected = request();
    // The gateway sets these.
    (expected["model"], expected["stream"], expected["store"]) = (Value::Null, json!(false), json!(false));
    assert_eq!(sent, expected);
}

#[tokio::test]
async fn a_provider_of_chat_completions_gets_what_its_format_has() {
    let stage = Stage::new().await;
    let sent = sent(&stage, Format::OpenAi, &request()).await;
    let messages = json!([
        {"role": "system", "content": "Be brief."},
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": PNG}},
            {"type": "image_url", "image_url": {"url": "https://a.test/b.png"}},
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="}},
        ]},
        {"role": "assistant", "content": "I look.", "tool_calls": [
            {"id": "call_a", "type": "function", "function": {"name": "look", "arguments": "{\"at\":1}"}},
            {"id": "call_b", "type": "function", "function": {"name": "look", "arguments": "{\"arguments\":\"not JSON\"}"}},
        ]},
        {"role": "tool", "tool_call_id": "call_a", "content": "A cat."},
        {"role": "tool", "tool_call_id": "call_b", "content": "Wrong."},
        {"role": "user", "content": "And now?"},
    ]);
    assert_eq!(sent["messages"], messages, "{:#}", sent["messages"]);
    let names: Vec<&str> =
        sent["tools"].as_array().unwrap().iter().map(|tool| tool["function"]["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["look"], "the provider has no web search");
    assert_eq!(sent["tool_choice"], json!({"type": "function", "function": {"name": "look"}}));
    assert_eq!((&sent["parallel_tool_calls"], &sent["temperature"]), (&json!(false), &json!(0.5)));
    only_has(
        &sent,
        &[
            "max_tokens",
            "max_completion_tokens",
            "messages",
            "model",
            "parallel_tool_calls",
            "temperature",
            "tool_choice",
            "tools",
        ],
    );
}

#[tokio::test]
async fn a_provider_of_anthropics_format_gets_what_its_format_has() {
    let stage = Stage::new().await;
    let sent = sent(&stage, Format::Anthropic, &request()).await;
    let data = |kind: &str, data: &str| json!({"type": "base64", "media_type": kind, "data": data});
    let result = |id: &str, text: &str| json!({"type": "tool_result", "tool_use_id": id, "content": text});
    let messages = json!([
        {"role": "user", "content": [
            {"type": "text", "text": "What is this?"},
            {"type": "image", "source": data("image/png", "iVBORw0KGgo=")},
            {"type": "image", "source": {"type": "url", "url": "https://a.test/b.png"}},
            {"type": "document", "source": data("application/pdf", "JVBERg=="), "title": "a.pdf"},
        ]},
        {"role": "assistant", "content": [
            {"type": "text", "text": "I look."},
            {"type": "tool_use", "id": "call_a", "name": "look", "input": {"at": 1}},
            {"type": "tool_use", "id": "call_b", "name": "look", "input": {"arguments": "not JSON"}},
        ]},
        {"role": "user", "content": [result("call_a", "A cat."), result("call_b", "Wrong."), {"type": "text", "text": "And now?"}]},
    ]);
    assert_eq!(sent["messages"], messages, "{:#}", sent["messages"]);
    assert!(
        sent["system"].to_string().contains("Be brief.") && sent["system"].to_string().contains("Be kind."),
        "{sent}"
    );
    assert_eq!(sent["tool_choice"], json!({"type": "tool", "name": "look", "disable_parallel_tool_use": true}));
    assert_eq!((&sent["max_tokens"], sent["tools"].as_array().unwrap().len()), (&json!(500), 1));
    only_has(&sent, &["max_tokens", "messages", "model", "system", "temperature", "tool_choice", "tools"]);
}

fn only_has(sent: &Value, names: &[&str]) {
    let unknown: Vec<_> = sent.as_object().unwrap().keys().filter(|name| !names.contains(&name.as_str())).collect();
    assert_eq!(unknown, ["stream"; 0], "other formats do not know these");
}

#[tokio::test]
async fn reasoning_comes_back_to_the_provider_that_made_it() {
    let stage = Stage::new().await;
    let reply = Reply::text("Yes.").thinking("Hm.", "the-signature");
    for format in FORMATS {
        for streamed in [false, true] {
            let answer = stage.ask(format, &reply, streamed, json!({"input": "Hi"})).await;
            let response = match streamed {
                true => accumulate(&answer),
                false => answer.json(),
            };
            let mut input = vec![json!({"role": "user", "content": "Hi"})];
            input.extend(response["output"].as_array().unwrap().iter().cloned());
            input.push(json!({"role": "user", "content": "Go on."}));
            // Codex adds this.
            input[1]["content"] = Value::Null;
            let sent =
                sent(&stage, format, &json!({"input": input, "tools": [{"type": "web_search"}], "new": 1})).await;
            match format {
                Format::Anthropic => {
                    let thinking = json!({"type": "thinking", "thinking": "Hm.", "signature": "the-signature"});
                    assert_eq!(sent["messages"][1]["content"][0], thinking, "{sent}");
                }
                Format::Responses => assert_eq!(sent["input"][1], input[1], "{sent}"),
                _ => assert_eq!(sent["messages"][1]["content"], "Yes.", "{sent}"),
            }
        }
    }
}

/// The gateway's own form of reasoning is unknown to providers, so the request is written anew.
#[tokio::test]
async fn a_provider_of_the_same_format_keeps_what_only_its_format_has() {
    let stage = Stage::new().await;
    let reply = Reply::text("Yes.").thinking("Hm.", "the-signature");
    let answer = stage.ask(Format::Anthropic, &reply, false, json!({"input": "Hi"})).await.json();
    let mut body = request();
    body["tool_choice"] = json!({"type": "web_search"});
    let input = body["input"].as_array_mut().unwrap();
    input.extend(answer["output"].as_array().unwrap().iter().cloned());
    input.push(json!({"role": "user", "content": "Go on."}));
    let sent = sent(&stage, Format::Responses, &body).await;
    assert!(!sent.to_string().contains("arcllm:"), "{sent}");
    assert_eq!(sent["tools"][1], json!({"type": "web_search", "search_context_size": "low"}), "{sent}");
    assert_eq!(sent["tool_choice"], json!({"type": "web_search"}));
    for name in ["text", "prompt_cache_key", "client_metadata", "truncation", "a_new_field", "include", "temperature"] {
        assert_eq!(sent[name], body[name], "{name}");
    }
    assert_eq!(sent["store"], false);
    let items = sent["input"].as_array().unwrap();
    let kept = |expected: &Value| assert!(items.contains(expected), "{expected} in {:#}", sent["input"]);
    kept(&json!({"type": "reasoning", "id": "rs_1", "summary": [], "content": null, "encrypted_content": "gAAAA"}));
    kept(
        &json!({"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "x"}}),
    );
    let text = json!([{"type": "output_text", "text": "I look.", "annotations": []}]);
    let said = items.iter().find(|item| item["id"] == "msg_2").unwrap();
    assert_eq!((&said["phase"], &said["content"][0]["text"]), (&json!("commentary"), &text[0]["text"]), "{said}");
}

#[tokio::test]
async fn options_have_the_words_of_each_format() {
    let stage = Stage::new().await;
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": false});
    let format = json!({"type": "json_schema", "name": "it", "schema": schema, "strict": true});
    let body = json!({"input": "Hi", "text": {"format": format}, "reasoning": {"effort": "high", "summary": "auto"}, "top_p": 0.9, "user": "u"});
    let chat = sent(&stage, Format::OpenAi, &body).await;
    let asked = &chat["response_format"]["json_schema"];
    assert_eq!((&asked["name"], &asked["schema"], &asked["strict"]), (&json!("it"), &schema, &json!(true)), "{chat}");
    assert_eq!((&chat["top_p"], &chat["user"]), (&json!(0.9), &json!("u")));
    let anthropic = sent(&stage, Format::Anthropic, &body).await;
    assert!(anthropic.to_string().contains("\"additionalProperties\":false"), "{anthropic}");
}

#[tokio::test]
async fn a_choice_that_only_the_same_format_has_is_refused() {
    let stage = Stage::new().await;
    let body = json!({"input": "Hi", "tools": [{"type": "web_search"}], "tool_choice": {"type": "web_search"}});
    for format in OTHERS {
        let answer = stage.ask(format, &Reply::text("Yes."), false, body.clone()).await;
        assert_eq!((answer.status, &answer.json()["error"]["param"]), (400, &json!("tool_choice")), "{format}");
    }
    assert_eq!(sent(&stage, Format::Responses, &body).await["tool_choice"], body["tool_choice"]);
}

#[tokio::test]
async fn tools_that_take_a_text_are_functions_elsewhere() {
    let stage = Stage::new().await;
    let tool = json!({"type": "custom", "name": "patch", "description": "Patches.", "format": {"type": "grammar", "syntax": "lark", "definition": "start: x"}});
    let reply = Reply::text("I patch.").tool_call("call_a", "patch", json!({"input": "*** \"Begin\""}));
    for format in OTHERS {
        let body = json!({"input": "Hi", "tools": [tool]});
        let answer = stage.both(format, &reply, &body).await;
        let call = &answer["output"][1];
        assert_eq!(
            (&call["type"], &call["name"], &call["input"]),
            (&json!("custom_tool_call"), &json!("patch"), &json!("*** \"Begin\""))
        );
        assert!(stage.sent(format)["tools"].to_string().contains("start: x"), "the model knows the grammar");
        let output = json!({"type": "custom_tool_call_output", "call_id": "call_a", "output": "Done."});
        let body =
            json!({"input": [{"role": "user", "content": "Hi"}, answer["output"][0], call, output], "tools": [tool]});
        let messages = sent(&stage, format, &body).await["messages"].to_string();
        assert!(messages.contains("Begin") && messages.contains("Done."), "{messages}");
    }
}

/// A summary of the conversation so far, which only its provider can read: without it, the model would know nothing of that.
#[tokio::test]
async fn a_compacted_conversation_goes_to_providers_of_the_format_alone() {
    let stage = Stage::new().await;
    for kind in ["compaction", "compaction_summary"] {
        let item = json!({"type": kind, "id": "c_1", "encrypted_content": "enc"});
        let body = json!({"input": [{"role": "user", "content": "Hi"}, item, {"role": "user", "content": "Go on."}]});
        assert_eq!(sent(&stage, Format::Responses, &body).await["input"][1], item);
        for format in OTHERS {
            let answer = stage.ask(format, &Reply::text("Yes."), false, body.clone()).await;
            let error = &answer.json()["error"];
            assert_eq!((answer.status, &error["param"]), (400, &json!("input[1]")), "{format}: {}", answer.body);
            let message = error["message"].as_str().unwrap();
            assert!(message.contains(kind) && message.contains("only OpenAI's Responses format has"), "{message}");
        }
    }
}

#[tokio::test]
async fn no_answer_is_made_up_where_an_item_is_left_out() {
    let stage = Stage::new().await;
    for item in [
        json!({"type": "a_new_item", "id": "new_1"}),
        json!({"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": "AAAA"}),
        json!({"type": "web_search_call", "id": "ws_1", "status": "completed"}),
        json!({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA"}),
    ] {
        let body = json!({"input": [{"role": "user", "content": "Hi"}, item, {"role": "user", "content": "Go on."}]});
        for format in OTHERS {
            let sent = sent(&stage, format, &body).await;
            assert!(!sent["messages"].to_string().contains("assistant"), "{format}: {item}: {:#}", sent["messages"]);
        }
    }
}
