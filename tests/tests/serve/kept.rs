//! What only the provider knows survives a module that rewrites: unknown fields and events of requests, answers and streams.

use arcllm_simulator::{Format, Reply, Simulator};
use proptest::{
    collection::vec,
    prelude::{Just, Strategy, any, prop_oneof},
    strategy::ValueTree as _,
    test_runner::TestRunner,
};
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::{
    scene::{FAST, replies},
    serve::gateway::Gateway,
    support::{Chain, Folder},
    verbatim::streams::sends,
};

/// The formats, and where their clients ask.
const FORMATS: [(Format, &str); 3] = [
    (Format::OpenAi, "/v1/chat/completions"),
    (Format::Anthropic, "/v1/messages"),
    (Format::Responses, "/v1/responses"),
];

/// What `redact` finds in each answer.
const SECRET: &str = "jane@example.com";

/// How often random fields are put everywhere.
const CASES: usize = 12;

/// A request in this format, with all that has a place of its own.
fn request(format: Format) -> Value {
    let schema = json!({"type": "object", "properties": {}});
    match format {
        Format::Anthropic => json!({
            "model": "a", "max_tokens": 50, "system": [{"type": "text", "text": "Be kind."}],
            "tools": [{"name": "send", "input_schema": schema}], "tool_choice": {"type": "auto"},
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": format!("I am {SECRET}")}]},
                {"role": "assistant", "content": [{"type": "tool_use", "id": "c1", "name": "send", "input": {}}]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "ok"}]}]},
            ],
        }),
        Format::Responses => json!({
            "model": "a", "text": {"format": {"type": "text"}}, "tool_choice": {"type": "function", "name": "send"},
            "tools": [{"type": "function", "name": "send", "parameters": schema}],
            "input": [
                {"role": "user", "content": [{"type": "input_text", "text": format!("I am {SECRET}")}]},
                {"type": "function_call", "call_id": "c1", "name": "send", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c1", "output": "ok"},
            ],
        }),
        _ => json!({
            "model": "a", "tools": [{"type": "function", "function": {"name": "send", "parameters": schema}}],
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": format!("I am {SECRET}")}]},
                {"role": "assistant", "content": null, "tool_calls":
                    [{"id": "c1", "type": "function", "function": {"name": "send", "arguments": "{}"}}]},
                {"role": "tool", "tool_call_id": "c1", "content": "ok"},
            ],
        }),
    }
}

/// An answer in this format in which something is redacted.
fn whole(format: Format) -> Value {
    let said = format!("Write to {SECRET} today.");
    let arguments = json!({"to": SECRET}).to_string();
    match format {
        Format::Anthropic => json!({
            "id": "msg_p", "type": "message", "role": "assistant", "model": "real", "stop_reason": "tool_use", "stop_sequence": null,
            "content": [
                {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
                {"type": "text", "text": said},
                {"type": "new_block", "k": 1},
                {"type": "tool_use", "id": "c2", "name": "send", "input": {"to": SECRET}},
            ],
            "usage": {"input_tokens": 3, "output_tokens": 2, "cache_creation": {"ephemeral_5m_input_tokens": 0}, "service_tier": "standard"},
        }),
        Format::Responses => json!({
            "id": "resp_p", "object": "response", "created_at": 7, "model": "real", "status": "completed", "service_tier": "priority",
            "output": [
                {"type": "reasoning", "id": "rs_p", "summary": [{"type": "summary_text", "text": "Hm."}], "encrypted_content": "enc"},
                {"type": "message", "id": "msg_p", "role": "assistant", "status": "completed",
                    "content": [{"type": "output_text", "text": said, "annotations": []}]},
                {"type": "new_item", "id": "new_p"},
                {"type": "function_call", "id": "fc_p", "call_id": "c2", "name": "send", "arguments": arguments, "status": "completed"},
            ],
            "usage": {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5, "input_tokens_details": {"cached_tokens": 0}},
        }),
        _ => json!({
            "id": "chatcmpl-p", "object": "chat.completion", "created": 7, "model": "real", "system_fingerprint": "fp_p",
            "choices": [{"index": 0, "finish_reason": "tool_calls", "message": {"role": "assistant", "content": said,
                "tool_calls": [{"id": "c2", "type": "function", "function": {"name": "send", "arguments": arguments}}]}}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5, "prompt_tokens_details": {"cached_tokens": 1}},
        }),
    }
}

/// The same answer in events. The secret comes in pieces.
fn events(format: Format) -> Vec<Value> {
    let pieces = ["Write to ja", "ne@exam", "ple.com to", "day."];
    match format {
        Format::Anthropic => {
            let at = |kind: &str, index: u64, field: &str, value: Value| json!({"type": format!("content_block_{kind}"), "index": index, field: value});
            let stop = |index: u64| json!({"type": "content_block_stop", "index": index});
            let mut message = whole(format);
            message["content"] = json!([]);
            message["stop_reason"] = Value::Null;
            let mut events = vec![json!({"type": "message_start", "message": message})];
            events.push(at("start", 0, "content_block", json!({"type": "thinking", "thinking": "", "signature": ""})));
            events.push(at("delta", 0, "delta", json!({"type": "thinking_delta", "thinking": "Hm."})));
            events.push(at("delta", 0, "delta", json!({"type": "signature_delta", "signature": "c2ln"})));
            events.push(stop(0));
            events.push(at("start", 1, "content_block", json!({"type": "text", "text": ""})));
            events.extend(pieces.map(|piece| at("delta", 1, "delta", json!({"type": "text_delta", "text": piece}))));
            events.push(at("delta", 1, "delta", json!({"type": "new_delta"})));
            events.push(stop(1));
            events.push(at(
                "start",
                2,
                "content_block",
                json!({"type": "tool_use", "id": "c2", "name": "send", "input": {}}),
            ));
            let halves = ["{\"to\": \"jane@", "example.com\"}"];
            events.extend(
                halves.map(|half| at("delta", 2, "delta", json!({"type": "input_json_delta", "partial_json": half}))),
            );
            events.push(stop(2));
            let delta = json!({"stop_reason": "tool_use", "stop_sequence": null});
            events.push(json!({"type": "message_delta", "delta": delta, "usage": {"output_tokens": 2}}));
            events.push(json!({"type": "message_stop"}));
            events
        }
        Format::Responses => {
            let response = whole(format);
            let mut begun = response.clone();
            (begun["status"], begun["output"], begun["usage"]) = ("in_progress".into(), json!([]), Value::Null);
            let at = |kind: &str, index: usize, more: Value| {
                let mut event = json!({"type": format!("response.{kind}"), "output_index": index});
                event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
                event
            };
            let text = |kind: &str, more: Value| {
                let mut event = at(kind, 1, more);
                (event["item_id"], event["content_index"]) = ("msg_p".into(), 0.into());
                event
            };
            let item = |index: usize| json!({"item": response["output"][index]});
            let mut message = response["output"][1].clone();
            message["content"] = json!([]);
            let mut reasoning = response["output"][0].clone();
            reasoning["summary"] = json!([]);
            let mut call = response["output"][3].clone();
            (call["arguments"], call["status"]) = ("".into(), "in_progress".into());
            let part = &response["output"][1]["content"][0];
            let mut events = vec![
                json!({"type": "response.created", "response": begun}),
                at("output_item.added", 0, json!({"item": reasoning})),
                at("output_item.done", 0, item(0)),
                at("output_item.added", 1, json!({"item": message})),
                text("content_part.added", json!({"part": {"type": "output_text", "text": "", "annotations": []}})),
            ];
            events.extend(pieces.map(|piece| text("output_text.delta", json!({"delta": piece, "logprobs": []}))));
            events.push(text("output_text.done", json!({"text": part["text"], "logprobs": []})));
            events.push(text("content_part.done", json!({"part": part})));
            events.push(at("output_item.done", 1, item(1)));
            events.push(at("output_item.added", 2, item(2)));
            events.push(at("new_item.progress", 2, json!({"item_id": "new_p"})));
            events.push(at("output_item.done", 2, item(2)));
            events.push(at("output_item.added", 3, json!({"item": call})));
            let arguments = &response["output"][3]["arguments"];
            events.push(at("function_call_arguments.delta", 3, json!({"item_id": "fc_p", "delta": arguments})));
            events.push(at("function_call_arguments.done", 3, json!({"item_id": "fc_p", "arguments": arguments})));
            events.push(at("output_item.done", 3, item(3)));
            events.push(json!({"type": "response.completed", "response": response}));
            let number = |(number, mut event): (usize, Value)| {
                event["sequence_number"] = number.into();
                event
            };
            events.into_iter().enumerate().map(number).collect()
        }
        _ => {
            let answer = whole(format);
            let chunk = |choices: Value| {
                let mut chunk = answer.clone();
                (chunk["object"], chunk["choices"], chunk["usage"]) =
                    ("chat.completion.chunk".into(), choices, Value::Null);
                chunk
            };
            let delta = |delta: Value| chunk(json!([{"index": 0, "delta": delta, "finish_reason": null}]));
            let call = &answer["choices"][0]["message"]["tool_calls"][0];
            let mut begun = call.clone();
            (begun["index"], begun["function"]["arguments"]) = (0.into(), "".into());
            let piece = json!({"index": 0, "function": {"arguments": call["function"]["arguments"]}});
            let mut events = vec![delta(json!({"role": "assistant", "content": ""}))];
            events.extend(pieces.map(|piece| delta(json!({"content": piece}))));
            events.push(delta(json!({"tool_calls": [begun]})));
            events.push(delta(json!({"tool_calls": [piece]})));
            events.push(chunk(json!([{"index": 0, "delta": {}, "finish_reason": "tool_calls"}])));
            let mut counts = chunk(json!([]));
            counts["usage"] = answer["usage"].clone();
            events.push(counts);
            events
        }
    }
}

/// Fields that hold what others have said, or what a schema says: there is nothing unknown in them.
const SPOKEN: [&str; 4] = ["input_schema", "parameters", "arguments", "metadata"];

/// Puts unknown fields into each object. Returns their names and values.
struct Fields<'a> {
    runner: &'a mut TestRunner,
    put: Map<String, Value>,
}

impl Fields<'_> {
    fn put_into(&mut self, value: &mut Value, name: &str) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.put_into(item, "")),
            Value::Object(fields) => {
                let is_input = name == "input" && !fields.contains_key("type");
                if SPOKEN.contains(&name) || is_input {
                    return;
                }
                fields.iter_mut().for_each(|(name, value)| self.put_into(value, name));
                let name = format!("zz_{}_{name}", self.put.len());
                let value = json().new_tree(self.runner).unwrap().current();
                fields.insert(name.clone(), value.clone());
                self.put.insert(name, value);
            }
            _ => {}
        }
    }

    /// Checks that each of them is there.
    fn are_in(&self, text: &str) {
        let missing: Vec<_> =
            self.put.iter().filter(|(name, value)| !text.contains(&format!("\"{name}\":{value}"))).collect();
        assert!(missing.is_empty(), "{missing:?} in {text}");
    }
}

/// A value that is not null: a null field is an absent one.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-z \"\\\\é]{0,6}".prop_map(Value::from)
    ];
    leaf.prop_recursive(2, 6, 3, |inner| {
        let fields = vec(("[a-z]{1,4}", inner.clone()), 1..3);
        prop_oneof![
            vec(inner, 1..3).prop_map(Value::from),
            (fields, Just(())).prop_map(|(fields, ())| fields.into_iter().collect::<Map<_, _>>().into()),
        ]
    })
}

fn framed(format: Format, event: &Value) -> String {
    match format {
        Format::OpenAi => format!("data: {event}\n\n"),
        _ => format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap()),
    }
}

/// The events as a provider sends them.
fn stream(format: Format, events: &[Value]) -> Reply {
    let end = if format == Format::OpenAi { "data: [DONE]\n\n" } else { "" };
    sends(events.iter().map(|event| framed(format, event)).chain([end.to_owned()]).filter(|event| !event.is_empty()))
}

fn streamed(format: Format) -> Value {
    let mut body = request(format);
    body["stream"] = true.into();
    if format == Format::OpenAi {
        body["stream_options"] = json!({"include_usage": true});
    }
    body
}

#[tokio::test]
async fn unknown_fields_survive_a_module_that_rewrites() {
    let mut runner = TestRunner::deterministic();
    for (format, path) in FORMATS {
        let mut sent = Vec::new();
        for case in 0..CASES {
            let (mut body, is_streamed) = (request(format), case % 2 == 1);
            let mut asked = Fields { runner: &mut runner, put: Map::new() };
            asked.put_into(&mut body, "");
            let asked = asked.put;
            let mut put = Fields { runner: &mut runner, put: Map::new() };
            let reply = if is_streamed {
                let mut events = events(format);
                for event in &mut events {
                    // An item of an unknown type comes as the module has seen it, which is when it ended.
                    let seen = event.pointer_mut("/response/output/2").map(Value::take);
                    put.put_into(event, "");
                    event.pointer_mut("/response/output/2").into_iter().zip(seen).for_each(|(item, seen)| *item = seen);
                }
                stream(format, &events)
            } else {
                let mut whole = whole(format);
                put.put_into(&mut whole, "");
                Reply::body("application/json", whole.to_string())
            };
            if is_streamed {
                body.as_object_mut().unwrap().extend(
                    streamed(format)
                        .as_object()
                        .unwrap()
                        .clone()
                        .into_iter()
                        .filter(|(name, _)| name.starts_with("stream")),
                );
            }
            sent.push((body, reply, asked, put.put));
        }
        let provider = replies(sent.iter().map(|(_, reply, ..)| reply.clone())).await;
        let gateway = redacting(format, &provider).await;
        for (body, _, asked, put) in sent {
            let answer = gateway.send(Method::POST, path, &[], body.to_string()).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            assert!(answer.body.contains("[EMAIL_1]") && !answer.body.contains(SECRET), "{}", answer.body);
            Fields { runner: &mut runner, put }.are_in(&answer.body);
            let upstream = provider.requests().pop().unwrap().body.to_string();
            assert!(!upstream.contains(SECRET), "{upstream}");
            Fields { runner: &mut runner, put: asked }.are_in(&upstream);
        }
    }
}

/// A gateway before this provider that redacts.
async fn redacting(format: Format, provider: &Simulator) -> Gateway {
    Gateway::start(&Chain::new().provider("a", format, &provider.url()).module("redact", "")).await
}

/// What a client gets whose answer `redact` reads.
async fn redacted(format: Format, reply: Reply, body: &Value) -> String {
    let provider = replies([reply]).await;
    let (_, path) = FORMATS.into_iter().find(|(known, _)| *known == format).unwrap();
    let answer = redacting(format, &provider).await.send(Method::POST, path, &[], body.to_string()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

/// The answer with quotes, places and tokens of its text, which is this one.
fn with_places(format: Format, text: &str, is_streamed: bool) -> Reply {
    let (logprobs, cited) = (json!([{"token": text, "logprob": -0.5, "top_logprobs": []}]), format!("quote {text}"));
    let citation = json!({"type": "char_location", "cited_text": cited, "document_index": 0});
    let annotation =
        json!({"type": "url_citation", "url": "https://a.test", "title": cited, "start_index": 0, "end_index": 4});
    if !is_streamed {
        let mut answer = whole(format);
        match format {
            Format::Anthropic => {
                (answer["content"][1]["text"], answer["content"][1]["citations"]) = (text.into(), json!([citation]));
            }
            Format::Responses => {
                let part = &mut answer["output"][1]["content"][0];
                (part["text"], part["annotations"], part["logprobs"]) = (text.into(), json!([annotation]), logprobs);
            }
            _ => {
                let choice = &mut answer["choices"][0];
                choice["logprobs"] = json!({"content": logprobs});
                choice["message"]["content"] = text.into();
                choice["message"]["annotations"] = json!([{"type": "url_citation", "url_citation": annotation}]);
            }
        }
        return Reply::body("application/json", answer.to_string());
    }
    let mut events = events(format);
    let mut is_said = false;
    for event in &mut events {
        match format {
            Format::Anthropic => match event["delta"]["type"].as_str() {
                Some("text_delta") => event["delta"]["text"] = if is_said { "".into() } else { text.into() },
                Some("new_delta") => event["delta"] = json!({"type": "citations_delta", "citation": citation}),
                _ => continue,
            },
            Format::Responses => {
                match event["type"].as_str() {
                    Some("response.output_text.delta") => {
                        event["delta"] = if is_said { "".into() } else { text.into() };
                        event["logprobs"] = if is_said { json!([]) } else { logprobs.clone() };
                    }
                    Some("response.output_text.done") => {
                        (event["text"], event["logprobs"]) = (text.into(), logprobs.clone())
                    }
                    Some("response.content_part.done") => {
                        event["part"] = json!({"type": "output_text", "text": text, "annotations": [annotation], "logprobs": logprobs});
                    }
                    Some("response.output_item.done") if event["output_index"] == 1 => {
                        let part = json!({"type": "output_text", "text": text, "annotations": [annotation], "logprobs": logprobs});
                        event["item"]["content"] = json!([part]);
                    }
                    Some("response.completed") => {
                        let part = json!({"type": "output_text", "text": text, "annotations": [annotation], "logprobs": logprobs});
                        event["response"]["output"][1]["content"] = json!([part]);
                    }
                    _ => continue,
                }
            }
            _ => match event["choices"][0]["delta"]["content"].as_str() {
                Some(piece) if !piece.is_empty() => {
                    event["choices"][0]["delta"]["content"] = if is_said { "".into() } else { text.into() };
                    event["choices"][0]["logprobs"] = if is_said { Value::Null } else { json!({"content": logprobs}) };
                }
                _ => continue,
            },
        }
        is_said = true;
    }
    stream(format, &events)
}

#[tokio::test]
async fn what_points_into_a_text_goes_when_the_text_changes() {
    for (format, _) in FORMATS {
        for is_streamed in [false, true] {
            let body = if is_streamed { streamed(format) } else { request(format) };
            let same = redacted(format, with_places(format, "Write to her today.", is_streamed), &body).await;
            let changed = redacted(format, with_places(format, "Write to jane@example.com.", is_streamed), &body).await;
            let places: &[&str] = match format {
                Format::Anthropic => &["cited_text"],
                Format::OpenAi if is_streamed => &["\"logprob\":-0.5"],
                _ => &["\"title\":\"quote", "\"logprob\":-0.5"],
            };
            for place in places {
                assert!(same.contains(place), "{format}, {is_streamed}: {place} in {same}");
                assert!(!changed.contains(place), "{format}, {is_streamed}: {place} in {changed}");
            }
            assert!(changed.contains("[EMAIL_1]") && !changed.contains("jane"), "{format}: {changed}");
        }
    }
}

#[tokio::test]
async fn the_fields_are_those_of_the_attempt_that_was_answered() {
    for (format, path) in FORMATS {
        let marked = |word: &str| {
            let mut events = events(format);
            events.iter_mut().for_each(|event| event["zz_from"] = word.into());
            events
        };
        // It breaks off before there is any content.
        let cut = stream(format, marked("first").get(..1).unwrap());
        let (a, b) = (
            replies([Reply::status(503), cut, Reply::status(400)]).await,
            replies([stream(format, &marked("second"))]).await,
        );
        let chain = Chain::new().provider("a", format, &a.url()).provider("b", format, &b.url());
        let chain = chain.module("redact", "").module("fallback", "chain = [\"b\"]").module("retry", FAST);
        let answer = Gateway::start(&chain).await.send(Method::POST, path, &[], streamed(format).to_string()).await;
        assert_eq!((answer.status, answer.header("x-arcllm-provider")), (200, "b"), "{answer:?}");
        assert!(answer.body.contains("\"zz_from\":\"second\"") && !answer.body.contains("first"), "{}", answer.body);
    }
}

/// A module that reads whole answers gets the events of a stream at once.
#[tokio::test]
async fn a_module_that_knows_no_streams_loses_nothing_of_one() {
    const UPPER: &[u8] = include_bytes!("../../prebuilt/upper.wasm");
    for (format, path) in FORMATS {
        let mut events = events(format);
        events.iter_mut().enumerate().for_each(|(number, event)| event[format!("zz_{number}")] = number.into());
        let provider = replies([stream(format, &events)]).await;
        let chain = Chain::new().provider("a", format, &provider.url()).host("watch = false\norder = [\"upper\"]");
        let folder = Folder::new(&chain.module("upper", "").to_string()).unwrap();
        folder.write("modules/upper.wasm", UPPER).unwrap();
        let gateway = Gateway::of(folder.trusted(), &[]).await;
        let answer = gateway.send(Method::POST, path, &[], streamed(format).to_string()).await;
        assert!(answer.body.contains("WRITE TO"), "{answer:?}");
        for number in 0..events.len() {
            assert!(
                answer.body.contains(&format!("\"zz_{number}\":{number}")),
                "{format}: {number} in {}",
                answer.body
            );
        }
    }
}

#[tokio::test]
async fn an_unknown_item_goes_to_providers_of_its_format_alone() {
    let item = json!({"type": "new_item", "note": 1});
    let mut body = request(Format::Responses);
    body["input"].as_array_mut().unwrap().insert(1, item.clone());
    for (format, _) in FORMATS {
        let provider = replies([Reply::text("ok")]).await;
        let gateway = redacting(format, &provider).await;
        let answer = gateway.send(Method::POST, "/v1/responses", &[], body.to_string()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let sent = provider.requests().pop().unwrap().body;
        match format {
            Format::Responses => assert_eq!(sent["input"][1], item, "{sent}"),
            _ => assert!(!sent.to_string().contains("new_item") && sent["messages"][0]["role"] == "user", "{sent}"),
        }
    }
}
