//! What the providers check of a request. Each rule is one that a provider answers with a 400.

use std::collections::HashSet;

use arcllm_simulator::Format;
use serde_json::Value;

/// Checks the body of a request to this preset.
#[track_caller]
pub(crate) fn check(preset: &str, format: Format, body: &Value) {
    match format {
        Format::Anthropic => anthropic(body),
        Format::Responses => responses(body),
        _ => openai(preset, body),
    }
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn has_only(value: &Value, known: &[&str], what: &str) {
    for name in value.as_object().unwrap().keys() {
        assert!(known.contains(&name.as_str()), "{what} has `{name}`: {value}");
    }
}

fn openai(preset: &str, body: &Value) {
    let mut known = vec![
        "model",
        "messages",
        "max_tokens",
        "max_completion_tokens",
        "tools",
        "tool_choice",
        "temperature",
        "top_p",
        "stop",
        "stream",
        "response_format",
        "parallel_tool_calls",
    ];
    match preset {
        "mistral" => known.extend(["random_seed", "reasoning_effort", "metadata"]),
        "groq" => known.extend(["seed", "user", "stream_options", "reasoning_effort"]),
        "deepseek" => {
            known.extend(["seed", "user", "stream_options", "reasoning_effort", "thinking", "top_k", "metadata"])
        }
        "openai" => known.extend(["seed", "user", "stream_options", "reasoning_effort"]),
        _ => known.extend([
            "seed",
            "user",
            "stream_options",
            "reasoning_effort",
            "metadata",
            "top_k",
            "chat_template_kwargs",
        ]),
    }
    has_only(body, &known, "the body");
    assert!(!list(&body["messages"]).is_empty(), "no messages");
    assert!(body.get("tool_choice").is_none() || !list(&body["tools"]).is_empty(), "a choice without tools: {body}");
    for tool in list(&body["tools"]) {
        assert_eq!(tool["type"], "function");
        assert_eq!(tool["function"]["parameters"]["type"], "object");
        assert!(tool["function"]["parameters"]["properties"].is_object(), "{tool}");
    }
    let (mut open, mut ids) = (Vec::new(), HashSet::new());
    let mut before = "";
    for (at, message) in list(&body["messages"]).iter().enumerate() {
        let role = text_of(&message["role"]);
        let reasoning = ["deepseek", "together", "fireworks", "huggingface", "tgi", "ollama", "vllm"].contains(&preset);
        let known: &[&str] = match role {
            "system" | "user" => &["role", "content"],
            "assistant" if reasoning => &["role", "content", "tool_calls", "reasoning_content"],
            "assistant" => &["role", "content", "tool_calls"],
            "tool" => &["role", "content", "tool_call_id"],
            _ => panic!("the role {role}"),
        };
        has_only(message, known, "a message");
        if role == "tool" {
            let id = text_of(&message["tool_call_id"]);
            let place = open.iter().position(|open| *open == id);
            open.remove(place.unwrap_or_else(|| panic!("nobody asked for {id}: {body}")));
        } else {
            assert!(open.is_empty(), "{open:?} have no result: {body}");
        }
        if ["mistral", "tgi", "ollama", "vllm"].contains(&preset) {
            assert!(role != "system" || at == 0, "a system message in the middle: {body}");
        }
        if preset == "mistral" {
            assert!(!(before == "tool" && role == "user"), "a user after a tool: {body}");
        }
        for call in list(&message["tool_calls"]) {
            let id = text_of(&call["id"]);
            assert!(ids.insert(id.to_owned()), "{id} is there twice");
            assert!((1..=40).contains(&id.len()), "the id {id}");
            if preset == "mistral" {
                assert!(id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()), "the id {id}");
            }
            assert_eq!(call["type"], "function");
            has_only(call, &["id", "type", "function"], "a call");
            has_only(&call["function"], &["name", "arguments"], "a function");
            assert!(serde_json::from_str::<Value>(text_of(&call["function"]["arguments"])).unwrap().is_object());
            open.push(id);
        }
        content_of_openai(preset, role, message);
        before = role;
    }
    assert!(open.is_empty(), "{open:?} have no result: {body}");
}

fn content_of_openai(preset: &str, role: &str, message: &Value) {
    match &message["content"] {
        Value::Null => assert!(!list(&message["tool_calls"]).is_empty(), "{message}"),
        Value::String(text) => {
            let is_answer = role == "assistant" && list(&message["tool_calls"]).is_empty();
            assert!(preset != "mistral" || !is_answer || !text.is_empty(), "an empty answer");
        }
        parts => {
            for part in list(parts) {
                let kind = text_of(&part["type"]);
                let known: &[&str] = match role {
                    "user" | "tool" => &["text", "image_url", "input_audio", "file"],
                    _ => &["text", "refusal"],
                };
                assert!(known.contains(&kind), "a part {kind} of {role}");
                has_only(part, &["type", kind], "a part");
            }
        }
    }
}

fn responses(body: &Value) {
    let known = [
        "model",
        "input",
        "max_output_tokens",
        "tools",
        "tool_choice",
        "temperature",
        "top_p",
        "stream",
        "store",
        "include",
        "text",
        "reasoning",
        "parallel_tool_calls",
        "user",
        "metadata",
    ];
    has_only(body, &known, "the body");
    assert_eq!(body["store"], false);
    assert!(!list(&body["input"]).is_empty(), "no items");
    assert!(body.get("tool_choice").is_none() || !list(&body["tools"]).is_empty(), "a choice without tools: {body}");
    for tool in list(&body["tools"]) {
        assert_eq!((&tool["type"], &tool["parameters"]["type"]), (&"function".into(), &"object".into()));
        assert!(tool["parameters"]["properties"].is_object(), "{tool}");
    }
    let (mut open, mut ids, mut before) = (Vec::new(), HashSet::new(), "");
    for item in list(&body["input"]) {
        let kind = text_of(&item["type"]);
        let role = text_of(&item["role"]);
        match kind {
            "function_call" => {
                has_only(item, &["type", "call_id", "name", "arguments", "id", "status"], "a call");
                let id = text_of(&item["call_id"]);
                assert!(ids.insert(id.to_owned()), "{id} is there twice");
                assert!((1..=64).contains(&id.len()), "the id {id}");
                assert!(serde_json::from_str::<Value>(text_of(&item["arguments"])).unwrap().is_object());
                open.push(id);
            }
            "function_call_output" => {
                has_only(item, &["type", "call_id", "output"], "a result");
                let id = text_of(&item["call_id"]);
                let place = open.iter().position(|open| *open == id);
                open.remove(place.unwrap_or_else(|| panic!("nobody asked for {id}: {body}")));
            }
            "reasoning" => {
                has_only(item, &["type", "id", "summary", "encrypted_content"], "reasoning");
                assert!(item["summary"].is_array() && item["encrypted_content"].is_string(), "{item}");
            }
            "message" => content_of_responses(role, item),
            _ => panic!("an item {kind}"),
        }
        let is_said = role == "assistant" || ["function_call", "reasoning"].contains(&kind);
        assert!(before != "reasoning" || is_said, "reasoning before {item}");
        assert!(open.is_empty() || is_said || kind == "function_call_output", "{open:?} have no result: {body}");
        before = kind;
    }
    assert!(before != "reasoning", "reasoning at the end: {body}");
    assert!(open.is_empty(), "{open:?} have no result: {body}");
}

fn content_of_responses(role: &str, message: &Value) {
    has_only(message, &["type", "role", "content", "id", "status"], "a message");
    let known: &[&str] = match role {
        "user" | "system" => &["input_text", "input_image", "input_file"],
        "assistant" => &["output_text", "refusal"],
        _ => panic!("the role {role}"),
    };
    assert!(message["content"].is_string() || !list(&message["content"]).is_empty(), "{message}");
    for part in list(&message["content"]) {
        assert!(known.contains(&text_of(&part["type"])), "a part {part} of {role}");
    }
}

fn anthropic(body: &Value) {
    let is_forced = ["any", "tool"].contains(&text_of(&body["tool_choice"]["type"]));
    let reasons = ["enabled", "adaptive"].contains(&text_of(&body["thinking"]["type"]));
    assert!(!is_forced || !reasons, "reasoning with a tool that must be used: {body}");
    assert!(body.get("tool_choice").is_none() || !list(&body["tools"]).is_empty(), "a choice without tools: {body}");
    assert!(!list(&body["messages"]).is_empty(), "no messages");
    assert!(body.to_string().matches("\"cache_control\"").count() <= 4, "{body}");
    let known = [
        "model",
        "max_tokens",
        "system",
        "messages",
        "tools",
        "tool_choice",
        "temperature",
        "top_p",
        "top_k",
        "stop_sequences",
        "metadata",
        "thinking",
        "output_config",
        "stream",
    ];
    has_only(body, &known, "the body");
    let max_tokens = body["max_tokens"].as_u64().unwrap();
    assert!(
        body["thinking"]["budget_tokens"].as_u64().is_none_or(|budget| budget >= 1024 && budget < max_tokens),
        "{body}"
    );
    for tool in list(&body["tools"]) {
        assert_eq!(tool["input_schema"]["type"], "object");
    }
    let (mut before, mut ids) = ("", HashSet::new());
    let mut open: Vec<String> = Vec::new();
    for (at, message) in list(&body["messages"]).iter().enumerate() {
        let role = text_of(&message["role"]);
        has_only(message, &["role", "content"], "a message");
        assert!(["user", "assistant", "system"].contains(&role), "the role {role}");
        assert_ne!(before, role, "messages of one role in a row: {body}");
        assert!(at > 0 || role == "user", "{role} begins: {body}");
        assert!(role != "system" || before == "user", "system behind {before}: {body}");
        let text = [serde_json::json!({"type": "text", "text": message["content"]})];
        let blocks = if message["content"].is_string() { &text } else { list(&message["content"]) };
        assert!(!blocks.is_empty(), "an empty message");
        let last = blocks.last().map_or("", |block| text_of(&block["type"]));
        assert!(!["thinking", "redacted_thinking"].contains(&last), "an answer ends with thinking: {body}");
        for (place, block) in blocks.iter().enumerate() {
            anthropic_block(role, place, block, &mut open, &mut ids);
        }
        if role == "user" {
            assert!(open.is_empty(), "{open:?} have no result: {body}");
        }
        before = role;
    }
    assert!(open.is_empty(), "{open:?} have no result: {body}");
}

fn anthropic_block(role: &str, place: usize, block: &Value, open: &mut Vec<String>, ids: &mut HashSet<String>) {
    let kind = text_of(&block["type"]);
    match (role, kind) {
        ("user" | "assistant" | "system", "text") => assert!(!text_of(&block["text"]).trim().is_empty(), "blank text"),
        ("user", "image" | "document") => assert!(block["source"].is_object(), "{block}"),
        ("assistant", "thinking") => assert!(block["signature"].is_string(), "{block}"),
        ("assistant", "redacted_thinking" | "server_tool_use" | "web_search_tool_result") => {}
        ("assistant", "tool_use") => {
            let id = text_of(&block["id"]);
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
            assert!(!id.is_empty() && id.bytes().all(is_plain), "the id {id}");
            assert!(ids.insert(id.to_owned()), "{id} is there twice");
            assert!(block["input"].is_object());
            open.push(id.to_owned());
        }
        ("user", "tool_result") => {
            let id = text_of(&block["tool_use_id"]);
            let found = open.iter().position(|open| open == id);
            open.remove(found.unwrap_or_else(|| panic!("nobody asked for {id} (place {place})")));
        }
        _ => panic!("a block {kind} of {role}"),
    }
    assert!(kind == "tool_result" || role != "user" || open.is_empty(), "a {kind} before the results");
}

#[test]
fn each_rule_finds_what_breaks_it() {
    use serde_json::json;
    let answer = |id: &str| {
        let function = json!({"name": "f", "arguments": "{}"});
        json!({"role": "assistant", "content": null, "tool_calls": [{"id": id, "type": "function", "function": function}]})
    };
    let said = |role: &str| json!({"role": role, "content": "a"});
    let tool = |id: &str| json!({"role": "tool", "tool_call_id": id, "content": "1"});
    let reasoned = json!({"role": "assistant", "content": "a", "reasoning_content": "b"});
    let long = "x".repeat(41);
    let ok = "aB3456789";
    for (preset, messages) in [
        ("openai", json!([said("user"), answer(ok)])),
        ("openai", json!([said("user"), answer(ok), said("user"), tool(ok)])),
        ("openai", json!([said("user"), tool(ok)])),
        ("openai", json!([said("user"), answer(&long), tool(&long)])),
        ("openai", json!([said("user"), answer(ok), tool(ok), answer(ok), tool(ok)])),
        ("openai", json!([said("user"), {"role": "assistant", "content": [{"type": "server_tool_use"}]}])),
        ("mistral", json!([said("user"), answer("call_1"), tool("call_1")])),
        ("mistral", json!([said("user"), answer(ok), tool(ok), said("user")])),
        ("mistral", json!([said("user"), said("assistant"), said("system")])),
        ("groq", json!([said("user"), reasoned])),
        ("vllm", json!([said("user"), said("system")])),
    ] {
        let body = json!({"model": "m", "messages": messages});
        std::panic::catch_unwind(|| check(preset, Format::OpenAi, &body)).expect_err(&body.to_string());
    }
    let calls = json!({"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {}}]});
    let dotted = json!({"role": "assistant", "content": [{"type": "tool_use", "id": "a.b", "name": "f", "input": {}}]});
    let results = |id: &str| json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": id}]});
    let late = json!({"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "tool_result", "tool_use_id": "a"}]});
    let unsigned = json!({"role": "assistant", "content": [{"type": "thinking", "thinking": "a"}]});
    for messages in [
        json!([said("assistant")]),
        json!([said("user"), said("user")]),
        json!([said("user"), calls]),
        json!([said("user"), calls, said("user")]),
        json!([said("user"), calls, late]),
        json!([said("user"), results("a")]),
        json!([said("user"), dotted, results("a.b")]),
        json!([said("user"), calls, results("a"), calls, results("a")]),
        json!([said("user"), unsigned]),
        json!([said("user"), {"role": "assistant", "content": [{"type": "thinking", "signature": "s"}]}]),
        json!([]),
        json!([said("user"), said("assistant"), said("system")]),
    ] {
        let body = json!({"model": "m", "max_tokens": 9, "messages": messages});
        std::panic::catch_unwind(|| check("anthropic", Format::Anthropic, &body)).expect_err(&body.to_string());
    }
}

#[test]
fn each_rule_of_responses_finds_what_breaks_it() {
    use serde_json::json;
    let said = |role: &str| json!({"type": "message", "role": role, "content": "a"});
    let call = json!({"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"});
    let result = json!({"type": "function_call_output", "call_id": "c", "output": "1"});
    let reasoning = json!({"type": "reasoning", "summary": [], "encrypted_content": "e"});
    let body = |input: Value| json!({"model": "m", "store": false, "input": input});
    check("responses", Format::Responses, &body(json!([said("user"), reasoning, call, result, said("user")])));
    for input in [
        json!([]),
        json!([said("user"), call]),
        json!([said("user"), result]),
        json!([said("user"), call, said("user"), result]),
        json!([said("user"), call, result, call, result]),
        json!([said("user"), reasoning]),
        json!([said("user"), reasoning, said("user")]),
        json!([said("user"), {"type": "reasoning", "summary": []}, said("assistant")]),
        json!([said("tool")]),
        json!([{"type": "message", "role": "user", "content": [{"type": "text", "text": "a"}]}]),
    ] {
        let body = body(input);
        std::panic::catch_unwind(|| check("responses", Format::Responses, &body)).expect_err(&body.to_string());
    }
}
