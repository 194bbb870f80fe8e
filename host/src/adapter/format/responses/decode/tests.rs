use serde_json::{Value, json};

use crate::{
    adapter::{
        format::{
            format::Decoded,
            malformed::Unreadable,
            table::format,
            tool_names::ToolNames,
            tree::{self, MemoryBudget},
        },
        http::fixture,
    },
    chat::wire_format::WireFormat::OpenAiResponses,
    chat::{content::ContentBlock, message::Message, request::Request, response::Response},
};

fn read(body: Value) -> Result<Decoded, Unreadable> {
    let budget = MemoryBudget::new(1 << 20);
    let body = tree::read(body.to_string().as_bytes(), format(OpenAiResponses).keeps(), &budget).unwrap();
    format(OpenAiResponses).decode(&body, &ToolNames::default(), &budget)
}

fn answered(output: Value) -> Decoded {
    read(json!({"id": "resp_1", "object": "response", "status": "completed", "error": null, "output": output})).unwrap()
}

fn message(content: Value) -> Value {
    json!({"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": content})
}

fn said(text: &str) -> Value {
    message(json!([{"type": "output_text", "text": text, "annotations": []}]))
}

fn call(arguments: Value) -> Value {
    json!({"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "look", "arguments": arguments})
}

/// What the provider that answered is sent next.
fn sent_back(output: Value) -> Value {
    let decoded = answered(output);
    let response =
        Response { extensions: decoded.extensions, ..Response::new(decoded.content) }.with_provider("here", "m");
    let mut provider = fixture::provider(OpenAiResponses, "http://localhost:1");
    provider.repair_history = true;
    let request = Request::new([Message::user("Hi"), response.message()]);
    let body = format(OpenAiResponses).encode(&request, &provider, "m", false).unwrap();
    let mut body: Value = serde_json::from_slice(&body).unwrap();
    let items = body["input"].as_array_mut().unwrap();
    items.drain(1..).filter(|item| !item["type"].as_str().unwrap().ends_with("_output")).collect()
}

#[test]
fn a_whole_answer() {
    let usage = json!({
        "input_tokens": 100, "input_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 7}, "output_tokens": 30,
        "output_tokens_details": {"reasoning_tokens": 20}, "total_tokens": 130,
    });
    let decoded = read(json!({
        "id": "resp_1", "model": "gpt-5", "status": "completed", "error": null, "output": [said("Hi")], "usage": usage,
    }))
    .unwrap();
    assert_eq!((decoded.model.as_deref(), decoded.stop_reason.as_str()), (Some("gpt-5"), "end_turn"));
    assert_eq!(decoded.extensions["openai.id"], "resp_1");
    let usage = decoded.usage;
    assert_eq!((usage.input_tokens, usage.output_tokens, usage.total_tokens), (100, 30, 130));
    let details = (usage.cache_read_tokens, usage.cache_write_tokens, usage.reasoning_tokens);
    assert_eq!(details, (Some(40), Some(7), Some(20)));
    assert!(usage.extensions.is_empty());
}

#[test]
fn what_an_answer_holds_comes_back() {
    let cited = json!({"type": "output_text", "text": "b", "annotations": [{"type": "url_citation", "url": "u"}]});
    let reasoning = |fields: Value| {
        let mut item = json!({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "e"});
        item.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        item
    };
    let part = |text: &str| json!({"type": "summary_text", "text": text});
    for output in [
        json!([reasoning(json!({})), said("a")]),
        json!([reasoning(json!({"summary": [part("a")]})), said("a")]),
        json!([reasoning(json!({"summary": [part("a"), part("b")], "status": "completed"})), said("a")]),
        json!([reasoning(json!({"content": [{"type": "reasoning_text", "text": "c"}]})), said("a")]),
        json!([message(json!([{"type": "output_text", "text": "a", "annotations": []}, cited])), call(json!("{}"))]),
        json!([message(json!([{"type": "refusal", "refusal": "No."}]))]),
        json!([message(
            json!([{"type": "output_audio", "data": "d"}, {"type": "output_text", "text": "a", "annotations": []}])
        )]),
        json!([
            {"type": "message", "id": "msg_1", "phase": "commentary", "role": "assistant", "content": [{"type": "output_text", "text": "a", "annotations": []}]},
            said("b"),
        ]),
        json!([{"type": "custom_tool_call", "id": "ct_1", "call_id": "call_1", "name": "patch", "input": "not JSON"}]),
        json!([{"type": "function_call", "call_id": "call_1", "name": "look", "namespace": "n", "arguments": "{}"}]),
        json!([{"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search"}}, said("a")]),
        json!([{"type": "compaction", "id": "c_1", "encrypted_content": "e"}, said("a")]),
    ] {
        assert_eq!(sent_back(output.clone()), output);
    }
}

#[test]
fn the_text_of_reasoning() {
    let parts = json!([{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}]);
    let content = answered(json!([{"type": "reasoning", "summary": parts}, said("c")])).content;
    let ContentBlock::Thinking(thinking) = &content[0] else { panic!("{content:?}") };
    assert_eq!((thinking.text.as_str(), &thinking.signature), ("a\n\nb", &None));
}

#[test]
fn why_it_ended() {
    let ended = |status: Value, reason: Value, output: Value| {
        let details = json!({"reason": reason});
        read(json!({"status": status, "incomplete_details": details, "output": output}))
            .map(|read| read.stop_reason.as_str().to_owned())
    };
    let none = Value::Null;
    let refusal = message(json!([{"type": "refusal", "refusal": "No."}]));
    for (status, reason, output, expected) in [
        (json!("completed"), &none, json!([said("a")]), "end_turn"),
        (json!("completed"), &none, json!([said("a"), call(json!("{}"))]), "tool_use"),
        (json!("completed"), &none, json!([refusal]), "refusal"),
        (json!("incomplete"), &json!("max_output_tokens"), json!([said("a")]), "max_tokens"),
        (json!("incomplete"), &json!("max_output_tokens"), json!([]), "max_tokens"),
        (json!("incomplete"), &json!("content_filter"), json!([refusal]), "content_filter"),
        (json!("incomplete"), &json!("max_messages"), json!([said("a")]), "max_messages"),
        (none.clone(), &none, json!([said("a")]), "end_turn"),
    ] {
        assert_eq!(ended(status.clone(), reason.clone(), output).as_deref(), Ok(expected), "{status} {reason}");
    }
    let cut = read(json!({
        "status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}, "output": [call(json!("{\"at\": "))],
    }));
    assert!(cut.unwrap().content[0].is_partial_tool_use());
    assert!(matches!(ended(json!("in_progress"), none.clone(), json!([said("a")])), Err(Unreadable::Malformed(_))));
    assert!(matches!(ended(json!("queued"), none.clone(), json!([])), Err(Unreadable::Malformed(_))));
}

#[test]
fn errors() {
    let failed = |error: Value, output: Value| {
        read(json!({"object": "response", "status": "failed", "error": error, "output": output}))
    };
    for (code, expected) in [
        ("server_error", 500),
        ("rate_limit_exceeded", 429),
        ("invalid_prompt", 400),
        ("bio_policy", 400),
        ("new", 500),
    ] {
        let Err(Unreadable::Error { status, body }) = failed(json!({"code": code, "message": "m"}), json!([])) else {
            panic!("{code}")
        };
        assert_eq!((status, &body["error"]["message"]), (expected, &json!("m")), "{code}");
    }
    let Err(Unreadable::Ended { received, .. }) =
        failed(json!({"code": "server_error", "message": "m"}), json!([said("a")]))
    else {
        panic!("what was said before is kept")
    };
    assert_eq!(received.len(), 1);
    for status in ["failed", "cancelled", "incomplete"] {
        assert!(
            matches!(read(json!({"status": status, "output": []})), Err(Unreadable::Error { status: 500, .. })),
            "{status}"
        );
    }
    for body in [json!({"output": null}), json!({"output": [], "status": "completed"}), json!("x")] {
        assert!(matches!(read(body.clone()), Err(Unreadable::NoAnswer(_))), "{body}");
    }
    for body in [
        json!({"object": "response"}),
        json!({"output": "x"}),
        json!({"output": [{}]}),
        json!({"output": [call(json!("x"))]}),
    ] {
        assert!(matches!(read(body.clone()), Err(Unreadable::Malformed(_))), "{body}");
    }
    assert!(read(json!({"output": [], "usage": {"output_tokens": 5}})).unwrap().content.is_empty());
}

#[test]
fn what_servers_leave_out() {
    let texts = |output: Value| Response::new(answered(output).content).text();
    assert_eq!(texts(json!([{"role": "assistant", "content": "a"}])).as_deref(), Some("a"));
    assert_eq!(
        texts(json!([{"type": "message", "content": [{"type": "text", "text": "a"}, "b", null]}])).as_deref(),
        Some("ab")
    );
    assert_eq!(texts(json!([{"type": "message", "content": null}, said("a"), null])).as_deref(), Some("a"));
    let decoded = read(json!({"status": "completed", "output_text": "a"})).unwrap();
    assert_eq!(decoded.content, [ContentBlock::text("a")]);
    for (item, id) in [
        (json!({"type": "function_call", "id": "fc_1", "name": "look", "arguments": {"a": 1}}), "fc_1"),
        (json!({"type": "function_call", "name": "look"}), "call_0"),
    ] {
        let content = answered(json!([item])).content;
        let ContentBlock::ToolUse(call) = &content[0] else { panic!("{content:?}") };
        assert_eq!(call.id, id);
    }
}
