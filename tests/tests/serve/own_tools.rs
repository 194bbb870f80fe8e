//! Tools that only one format has: custom tools, namespaces, and the older `functions`. Something rewrites the request, and client
//! and provider speak the same format.

use arcllm_simulator::{Format, Reply};
use serde_json::{Value, json};

use crate::{
    scene::replies,
    serve::{
        gateway::{Answer, Gateway},
        responses::accumulate::accumulate,
    },
    support::Chain,
    verbatim::streams::sends,
};

/// What writes a request anew: an option of the model's table, or a module.
const REWRITERS: [&str; 2] = ["options", "redact"];

/// A gateway whose model `fast` writes each request anew, in front of a provider that gives these replies.
async fn rewriting(what: &str, format: Format, given: &[Reply]) -> (Gateway, arcllm_simulator::Simulator) {
    let provider = replies(given.iter().cloned()).await;
    let chain = Chain::new().provider("a", format, &provider.url());
    let chain = match what {
        "options" => chain.table("models.fast", "provider = \"a\"\noptions = { temperature = 0.3 }"),
        _ => chain.table("models.fast", "provider = \"a\"").module("redact", ""),
    };
    (Gateway::start(&chain).await, provider)
}

fn tools() -> Value {
    let schema = json!({"type": "object", "properties": {"path": {"type": "string"}}});
    let grammar = json!({"type": "grammar", "syntax": "lark", "definition": "start: x", "zz_format": 1});
    json!([
        {"type": "custom", "name": "patch", "description": "Patches.", "format": grammar, "zz_custom": {"a": [1]}},
        {"type": "namespace", "name": "files", "description": "All files.", "zz_namespace": true, "tools": [
            {"type": "function", "name": "list", "parameters": schema, "strict": false, "zz_function": "f"},
            {"type": "custom", "name": "patch", "format": {"type": "text"}, "zz_inner": 2},
            {"type": "web_search", "zz_hosted": 3},
        ]},
        {"type": "function", "name": "list", "parameters": schema, "strict": false},
        {"type": "namespace", "name": "empty", "zz_empty": 1, "tools": []},
    ])
}

/// Calls of these tools, and their results.
fn history() -> Vec<Value> {
    let call = |id: &str, fields: Value| {
        let mut call = json!({"id": format!("item_{id}"), "call_id": id, "status": "completed", "zz_call": id});
        call.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        call
    };
    let output = |kind: &str, id: &str| json!({"type": kind, "call_id": id, "output": "ok", "zz_output": id});
    vec![
        call("c1", json!({"type": "custom_tool_call", "name": "patch", "input": "*** \"x\""})),
        call(
            "c2",
            json!({"type": "function_call", "namespace": "files", "name": "list", "arguments": "{\"path\":\"/\"}"}),
        ),
        call("c3", json!({"type": "custom_tool_call", "namespace": "files", "name": "patch", "input": ""})),
        call("c4", json!({"type": "function_call", "name": "list", "arguments": "{}"})),
        output("custom_tool_call_output", "c1"),
        output("function_call_output", "c2"),
        output("custom_tool_call_output", "c3"),
        output("function_call_output", "c4"),
    ]
}

fn request(streamed: bool) -> Value {
    let mut input = vec![json!({"role": "user", "content": "I am jane@example.com"})];
    input.extend(history());
    json!({"model": "fast", "stream": streamed, "tools": tools(), "input": input})
}

/// The answer of a provider with these items, whole or in events.
fn answers(items: &[Value], streamed: bool) -> Reply {
    let response = |status: &str, output: &[Value]| {
        json!({"id": "resp_p", "object": "response", "created_at": 1, "model": "m", "status": status, "output": output,
            "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}})
    };
    if !streamed {
        return Reply::json(&response("completed", items));
    }
    let mut events = vec![json!({"type": "response.created", "response": response("in_progress", &[])})];
    for (at, item) in items.iter().enumerate() {
        let mut begun = item.clone();
        let (field, kind) = match item["type"].as_str() {
            Some("custom_tool_call") => ("input", "custom_tool_call_input"),
            _ => ("arguments", "function_call_arguments"),
        };
        begun[field] = "".into();
        events.push(json!({"type": "response.output_item.added", "output_index": at, "item": begun}));
        let piece = |end: &str, name: &str| json!({"type": format!("response.{kind}.{end}"), "output_index": at, "item_id": item["id"], name: item[field]});
        events.extend([piece("delta", "delta"), piece("done", field)]);
        events.push(json!({"type": "response.output_item.done", "output_index": at, "item": item}));
    }
    events.push(json!({"type": "response.completed", "response": response("completed", items)}));
    events.iter_mut().zip(0..).for_each(|(event, number)| event["sequence_number"] = number.into());
    sends(events.iter().map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap())))
}

fn output(answer: &Answer, streamed: bool) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.body);
    let response = if streamed { accumulate(answer) } else { answer.json() };
    response["output"].clone()
}

/// Without fields that are null: the gateway's reader of strict events has them all.
fn calls() -> Vec<Value> {
    history().into_iter().filter(|item| item["type"].as_str().unwrap().ends_with("_call")).collect()
}

#[tokio::test]
async fn custom_tools_and_namespaces_stay_what_they_are() {
    for what in REWRITERS {
        for streamed in [false, true] {
            let (gateway, provider) = rewriting(what, Format::Responses, &[answers(&calls(), streamed)]).await;
            let answer = gateway.post("/v1/responses", &request(streamed)).await;
            assert_eq!(output(&answer, streamed), json!(calls()), "{what}, streamed: {streamed}");
            let sent = provider.requests().pop().unwrap().body;
            assert_eq!(sent["tools"].as_array().unwrap().len(), 4, "{sent}");
            for tool in tools().as_array().unwrap() {
                assert!(sent["tools"].as_array().unwrap().contains(tool), "{what}: {tool} in {:#}", sent["tools"]);
            }
            for item in history() {
                assert!(sent["input"].as_array().unwrap().contains(&item), "{what}: {item} in {:#}", sent["input"]);
            }
        }
    }
}

/// A module reads the answer and writes another one.
#[tokio::test]
async fn a_rewritten_answer_calls_them_as_the_client_knows_them() {
    let secret = "jane@example.com";
    let mut said = calls();
    (said[0]["input"], said[1]["arguments"]) = (secret.into(), json!({"path": secret}).to_string().into());
    for streamed in [false, true] {
        let reply = answers(&said, streamed);
        let (gateway, provider) = rewriting("redact", Format::Responses, &[reply.clone(), reply]).await;
        // The second request goes as its bytes: nothing in it is redacted.
        let mut plain = request(streamed);
        plain["input"][0]["content"] = "Hi".into();
        for body in [request(streamed), plain] {
            let output = output(&gateway.post("/v1/responses", &body).await, streamed);
            let named =
                |item: &Value| json!([item["type"], item["namespace"], item["name"], item["call_id"], item["zz_call"]]);
            let names = |items: &[Value]| items.iter().map(named).collect::<Vec<_>>();
            assert_eq!(names(output.as_array().unwrap()), names(&said), "streamed: {streamed}");
            assert_eq!(output[0]["input"], "[EMAIL_1]", "{output}");
            assert_eq!(output[1]["arguments"], "{\"path\":\"[EMAIL_1]\"}", "{output}");
        }
        assert_eq!(provider.requests().len(), 2);
    }
}

#[tokio::test]
async fn a_choice_names_the_tool_as_the_provider_knows_it() {
    for choice in [
        json!({"type": "custom", "name": "patch"}),
        json!({"type": "function", "name": "list", "namespace": "files"}),
        json!({"type": "function", "name": "list"}),
    ] {
        let (gateway, provider) = rewriting("options", Format::Responses, &[answers(&calls(), false)]).await;
        let mut body = request(false);
        body["tool_choice"] = choice.clone();
        assert_eq!(gateway.post("/v1/responses", &body).await.status, 200);
        assert_eq!(provider.requests().pop().unwrap().body["tool_choice"], choice);
    }
}

#[tokio::test]
async fn the_names_of_two_tools_never_meet() {
    let function = |name: &str| json!({"type": "function", "name": name, "parameters": {"type": "object", "properties": {}}, "strict": false});
    let tools = json!([function("a__b"), {"type": "namespace", "name": "a", "tools": [function("b")]}]);
    let call = json!({"type": "function_call", "id": "fc_1", "call_id": "c1", "namespace": "a", "name": "b",
        "arguments": "{\"to\":\"jane@example.com\"}", "status": "completed"});
    for streamed in [false, true] {
        let (gateway, provider) =
            rewriting("redact", Format::Responses, &[answers(std::slice::from_ref(&call), streamed)]).await;
        let body = json!({"model": "fast", "stream": streamed, "input": "I am jane@example.com", "tools": tools});
        let output = output(&gateway.post("/v1/responses", &body).await, streamed);
        assert_eq!((&output[0]["namespace"], &output[0]["name"]), (&json!("a"), &json!("b")), "{output}");
        assert_eq!(provider.requests().pop().unwrap().body["tools"], tools);
    }
}

/// The provider knows the tools of the older `functions` by another field, and so does its answer.
#[tokio::test]
async fn an_answer_has_the_older_form_for_a_client_that_has_asked_in_it() {
    let function = json!({"name": "look", "description": "Looks.", "parameters": {"type": "object", "properties": {}}});
    let call = json!({"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{\"a\":1}"}});
    let completion = json!({"id": "chatcmpl-p", "object": "chat.completion", "created": 7, "model": "m", "zz_new": 5, "choices": [
        {"index": 0, "message": {"role": "assistant", "content": null, "tool_calls": [call]}, "finish_reason": "tool_calls"}]});
    let chunk = |delta: Value, reason: Value| {
        json!({"id": "chatcmpl-p", "object": "chat.completion.chunk", "created": 7, "model": "m", "zz_new": 5,
            "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})
    };
    let mut begun = call.clone();
    begun["index"] = 0.into();
    let chunks = [
        chunk(json!({"role": "assistant", "content": null, "tool_calls": [begun]}), Value::Null),
        chunk(json!({}), "tool_calls".into()),
    ];
    let events: Vec<String> =
        chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).chain(["data: [DONE]\n\n".to_owned()]).collect();
    for what in REWRITERS {
        let given = [Reply::json(&completion), sends(events.clone())];
        let (gateway, provider) = rewriting(what, Format::OpenAi, &given).await;
        for streamed in [false, true] {
            let body = json!({"model": "fast", "stream": streamed, "functions": [function], "function_call": "auto",
                "messages": [{"role": "user", "content": "I am jane@example.com"}]});
            let answer = gateway.post("/v1/chat/completions", &body).await;
            let text = &answer.body;
            assert!(
                text.contains("\"function_call\":{") && text.contains("\"finish_reason\":\"function_call\""),
                "{text}"
            );
            assert!(!text.contains("tool_calls"), "{what}, streamed: {streamed}: {text}");
            assert!(
                text.contains("\"id\":\"chatcmpl-p\"") && text.contains("\"zz_new\":5"),
                "what the provider knows: {text}"
            );
            assert_eq!(text.matches("[DONE]").count(), usize::from(streamed), "{text}");
            let sent = provider.requests().pop().unwrap().body;
            assert_eq!(sent["tools"][0]["function"], function, "{sent}");
        }
    }
}

#[tokio::test]
async fn custom_tools_of_chat_completions_stay_what_they_are() {
    let grammar = json!({"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: x", "zz_grammar": 1}});
    let tool = json!({"type": "custom", "custom": {"name": "sh", "format": grammar, "zz_custom": 1}, "zz_tool": 1});
    let call =
        json!({"id": "c1", "type": "custom", "custom": {"name": "sh", "input": "ls", "zz_inner": 1}, "zz_call": 2});
    let completion = json!({"id": "chatcmpl-p", "object": "chat.completion", "created": 7, "model": "m", "choices": [
        {"index": 0, "message": {"role": "assistant", "content": null, "tool_calls": [call]}, "finish_reason": "tool_calls"}]});
    for what in REWRITERS {
        let (gateway, provider) = rewriting(what, Format::OpenAi, &[Reply::json(&completion)]).await;
        let messages = json!([
            {"role": "user", "content": "I am jane@example.com"},
            {"role": "assistant", "content": null, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "ok"},
        ]);
        let answer = gateway
            .post("/v1/chat/completions", &json!({"model": "fast", "tools": [tool], "messages": messages}))
            .await;
        assert_eq!(answer.json(), completion, "{what}");
        let sent = provider.requests().pop().unwrap().body;
        assert_eq!((&sent["tools"], &sent["messages"][1]["tool_calls"]), (&json!([tool]), &json!([call])), "{what}");
    }
}
