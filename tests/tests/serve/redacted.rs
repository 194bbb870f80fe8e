//! What `redact` leaves of personal data, in each format of a client and before each format of a provider.

use arcllm_simulator::{Format, Reply, Simulator};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{
    scene::replies,
    serve::gateway::{Answer, Gateway},
    support::Chain,
    verbatim::streams::sends,
};

const FORMATS: [Format; 3] = [Format::OpenAi, Format::Anthropic, Format::Responses];

const SECRET: &str = "jane@example.com";

async fn gateway(format: Format, provider: &Simulator, settings: &str) -> Gateway {
    Gateway::start(&Chain::new().provider("a", format, &provider.url()).module("redact", settings)).await
}

/// Where clients of each format ask, and what with.
fn asked(client: Format, messages: Value) -> (&'static str, Value) {
    match client {
        Format::Anthropic => ("/v1/messages", json!({"model": "a", "max_tokens": 50, "messages": messages})),
        Format::Responses => ("/v1/responses", json!({"model": "a", "input": messages})),
        _ => ("/v1/chat/completions", json!({"model": "a", "messages": messages})),
    }
}

/// What providers of all formats are sent for a request of this client.
async fn sent(client: Format, messages: &Value, settings: &str) -> Vec<(Format, Value)> {
    let mut sent = Vec::new();
    for format in FORMATS {
        let provider = replies([Reply::text("It is [EMAIL_1].")]).await;
        let (path, body) = asked(client, messages.clone());
        let answer = gateway(format, &provider, settings).await.post(path, &body).await;
        assert_eq!(answer.status, 200, "{client}, {format}: {answer:?}");
        let told = if settings.is_empty() { "It is [EMAIL_1]." } else { "It is jane@example.com." };
        assert!(answer.body.contains(told), "{client}, {format}: {}", answer.body);
        sent.push((format, provider.requests()[0].body.clone()));
    }
    sent
}

/// The texts of a body, also those in base64.
fn texts(value: &Value) -> String {
    match value {
        Value::String(text) => {
            let data = text.split_once(";base64,").map_or(text.as_str(), |(_, data)| data);
            let decoded = STANDARD.decode(data).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            format!("{text}\n{}\n", decoded.unwrap_or_default())
        }
        Value::Array(items) => items.iter().map(texts).collect(),
        Value::Object(fields) => fields.values().map(texts).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => String::new(),
    }
}

#[tokio::test]
async fn documents_of_text_reach_no_provider_as_they_are() {
    let (text, name) = (format!("Write to {SECRET}."), format!("Of {SECRET}"));
    let base64 = STANDARD.encode(&text);
    let plain = json!({"type": "text", "media_type": "text/plain", "data": text});
    let document = |source: &Value| json!({"type": "document", "title": name, "context": name, "source": source});
    let mut further = plain.clone();
    further["new"] = 1.into();
    let sources = [plain.clone(), further, json!({"type": "base64", "media_type": "text/plain", "data": base64})];
    let mut requests: Vec<(Format, Value)> = sources
        .iter()
        .map(|source| (Format::Anthropic, json!([{"role": "user", "content": [document(source)]}])))
        .collect();
    requests.push((
        Format::Anthropic,
        json!([
            {"role": "user", "content": "Look it up"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "find", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": [
                document(&plain),
                {"type": "search_result", "source": "https://a.test", "title": name, "content": [{"type": "text", "text": text}]},
            ]}]},
        ]),
    ));
    for (name, data) in [
        (format!("{SECRET}.txt"), format!("data:text/plain;base64,{base64}")),
        (format!("{SECRET}.txt"), format!("data:text/csv;charset=utf-8;base64,{base64}")),
    ] {
        let file = json!({"filename": name, "file_data": data});
        requests.push((Format::OpenAi, json!([{"role": "user", "content": [{"type": "file", "file": file}]}])));
        let file = json!({"type": "input_file", "filename": name, "file_data": data});
        requests.push((Format::Responses, json!([{"role": "user", "content": [file]}])));
        requests.push((
            Format::Responses,
            json!([
                {"role": "user", "content": "Look it up"},
                {"type": "function_call", "call_id": "t", "name": "find", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "t", "output": [file]},
            ]),
        ));
    }
    // Data alone: the name of the file tells the type.
    let file = json!({"filename": "notes.md", "file_data": base64});
    requests.push((Format::OpenAi, json!([{"role": "user", "content": [{"type": "file", "file": file}]}])));
    for (client, messages) in requests {
        for settings in ["", "restore = true"] {
            for (format, body) in sent(client, &messages, settings).await {
                let said = texts(&body);
                assert!(!said.contains(SECRET), "{client}, {format}, {messages}: {body}");
                assert!(said.contains("Write to [EMAIL_1]."), "{client}, {format}, {messages}: {body}");
            }
        }
    }
}

/// A document in blocks. Only Anthropic's format has them.
#[tokio::test]
async fn documents_in_blocks_are_rewritten_block_by_block() {
    let provider = replies([]).await;
    let gateway = gateway(Format::Anthropic, &provider, "").await;
    let image = json!({"type": "image", "source": {"type": "url", "url": "https://a.test/a.png"}});
    let blocks = json!([{"type": "text", "text": SECRET}, image]);
    for (content, told) in
        [(json!(SECRET), json!("[EMAIL_1]")), (blocks, json!([{"type": "text", "text": "[EMAIL_1]"}, image]))]
    {
        let document = json!({"type": "document", "source": {"type": "content", "content": content}});
        let (path, body) = asked(Format::Anthropic, json!([{"role": "user", "content": [document]}]));
        let answer = gateway.post(path, &body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(provider.requests().pop().unwrap().body["messages"][0]["content"][0]["source"]["content"], told);
    }
}

#[tokio::test]
async fn a_refusal_in_a_request_is_rewritten() {
    let said = format!("I do not write to {SECRET}.");
    let part = json!([{"type": "refusal", "refusal": said}]);
    for (client, refused) in [
        (Format::OpenAi, json!({"role": "assistant", "content": null, "refusal": said})),
        (Format::OpenAi, json!({"role": "assistant", "content": part})),
        (Format::Responses, json!({"type": "message", "role": "assistant", "content": part})),
    ] {
        let messages = json!([{"role": "user", "content": SECRET}, refused, {"role": "user", "content": "Why?"}]);
        for (format, body) in sent(client, &messages, "").await {
            let body = body.to_string();
            assert!(
                !body.contains(SECRET) && body.contains("I do not write to [EMAIL_1]."),
                "{client}, {format}: {body}"
            );
            assert!(format != client || body.contains("\"refusal\""), "{client}, {format}: {body}");
        }
    }
}

/// Citations in the form of each client: of a text with something to redact, and of one without.
#[tokio::test]
async fn quotes_in_a_request_are_removed_where_they_have_personal_data() {
    let quote = format!("mailto:{SECRET}");
    let cited = json!({"type": "web_search_result_location", "url": quote, "title": quote, "encrypted_index": "x", "cited_text": quote});
    let annotation = json!({"type": "url_citation", "url": quote, "title": quote, "start_index": 0, "end_index": 4});
    let other =
        json!({"type": "url_citation", "url": "https://a.test", "title": "kept", "start_index": 0, "end_index": 4});
    let of_chat = |annotation: &Value| json!({"type": "url_citation", "url_citation": annotation});
    for text in ["Write to jane@example.com.", "Write to her."] {
        for (client, said) in [
            (
                Format::Anthropic,
                json!({"role": "assistant", "content": [{"type": "text", "text": text, "citations": [cited]}]}),
            ),
            (Format::OpenAi, json!({"role": "assistant", "content": text, "annotations": [of_chat(&annotation)]})),
            (
                Format::Responses,
                json!({"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text, "annotations": [annotation]}]}),
            ),
        ] {
            let messages = json!([{"role": "user", "content": SECRET}, said, {"role": "user", "content": "Why?"}]);
            for (format, body) in sent(client, &messages, "").await {
                let body = body.to_string();
                assert!(!body.contains(SECRET) && body.contains("Write to "), "{client}, {format}: {body}");
            }
        }
    }
    // Those that have none stay with their text.
    for (client, said) in [
        (Format::OpenAi, json!({"role": "assistant", "content": "Write to her.", "annotations": [of_chat(&other)]})),
        (
            Format::Responses,
            json!({"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Write to her.", "annotations": [other]}]}),
        ),
    ] {
        let messages = json!([{"role": "user", "content": SECRET}, said, {"role": "user", "content": "Why?"}]);
        let kept = sent(client, &messages, "").await.into_iter().find(|(format, _)| *format == client).unwrap();
        assert!(kept.1.to_string().contains("\"kept\""), "{client}: {}", kept.1);
    }
}

/// An answer that quotes, whole or in events.
fn quoting(format: Format, text: &str, quote: &str, is_streamed: bool) -> Reply {
    let annotation = json!({"type": "url_citation", "url": quote, "title": quote, "start_index": 0, "end_index": 4});
    match (format, is_streamed) {
        (Format::Anthropic, false) => {
            let citation =
                json!({"type": "char_location", "cited_text": quote, "document_title": quote, "document_index": 0});
            let page = json!({"type": "web_search_result_location", "url": quote, "title": quote, "encrypted_index": "x", "cited_text": quote});
            let content = json!([{"type": "text", "text": text, "citations": [citation, page]}]);
            Reply::body("application/json", json!({"id": "m", "type": "message", "role": "assistant", "model": "x", "content": content, "stop_reason": "end_turn", "stop_sequence": null, "usage": {"input_tokens": 1, "output_tokens": 1}}).to_string())
        }
        (Format::Anthropic, true) => {
            let page = json!({"type": "web_search_result_location", "url": quote, "title": quote, "encrypted_index": "x", "cited_text": quote});
            let delta = |delta: Value| json!({"type": "content_block_delta", "index": 0, "delta": delta});
            let events = [
                json!({"type": "message_start", "message": {"id": "m", "type": "message", "role": "assistant", "model": "x", "content": [], "usage": {"input_tokens": 1, "output_tokens": 1}}}),
                json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "", "citations": []}}),
                delta(json!({"type": "text_delta", "text": text})),
                delta(json!({"type": "citations_delta", "citation": page})),
                json!({"type": "content_block_stop", "index": 0}),
                json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}}),
                json!({"type": "message_stop"}),
            ];
            sends(events.iter().map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap())))
        }
        (Format::Responses, _) => {
            let part = json!({"type": "output_text", "text": text, "annotations": [annotation]});
            let item =
                json!({"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": [part]});
            let response = json!({"id": "r", "object": "response", "created_at": 1, "model": "x", "status": "completed", "output": [item], "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}});
            if !is_streamed {
                return Reply::body("application/json", response.to_string());
            }
            let place = |kind: &str, more: Value| {
                let mut event = json!({"type": kind, "item_id": "m", "output_index": 0, "content_index": 0});
                event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
                event
            };
            let events = [
                json!({"type": "response.created", "response": {"id": "r", "model": "x", "output": []}}),
                place(
                    "response.output_item.added",
                    json!({"item": {"type": "message", "id": "m", "role": "assistant", "content": []}}),
                ),
                place(
                    "response.content_part.added",
                    json!({"part": {"type": "output_text", "text": "", "annotations": []}}),
                ),
                place("response.output_text.delta", json!({"delta": text})),
                place(
                    "response.output_text.annotation.added",
                    json!({"annotation_index": 0, "annotation": annotation}),
                ),
                place("response.output_text.done", json!({"text": text})),
                place("response.content_part.done", json!({"part": part})),
                place("response.output_item.done", json!({"item": item})),
                json!({"type": "response.completed", "response": response}),
            ];
            sends(events.iter().map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap())))
        }
        (_, false) => {
            let message = json!({"role": "assistant", "content": text, "annotations": [{"type": "url_citation", "url_citation": annotation}]});
            Reply::body("application/json", json!({"id": "c", "object": "chat.completion", "created": 1, "model": "x", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}).to_string())
        }
        (_, true) => {
            let chunk = |delta: Value, reason: Value| json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "x", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]});
            let events = [
                chunk(json!({"role": "assistant", "content": text}), Value::Null),
                chunk(json!({"annotations": [{"type": "url_citation", "url_citation": annotation}]}), Value::Null),
                chunk(json!({}), "stop".into()),
            ];
            sends(events.iter().map(|event| format!("data: {event}\n\n")).chain(["data: [DONE]\n\n".to_owned()]))
        }
    }
}

async fn answered(client: Format, format: Format, reply: Reply, is_streamed: bool, settings: &str) -> Answer {
    let provider = replies([reply]).await;
    let (path, mut body) = asked(client, json!([{"role": "user", "content": format!("I am {SECRET}")}]));
    body["stream"] = is_streamed.into();
    let answer = gateway(format, &provider, settings).await.post(path, &body).await;
    assert_eq!(answer.status, 200, "{client}, {format}: {answer:?}");
    answer
}

#[tokio::test]
async fn quotes_in_an_answer_keep_nothing_that_was_redacted() {
    let quote = format!("mailto:{SECRET}");
    for format in FORMATS {
        for client in FORMATS {
            for is_streamed in [false, true] {
                let changed = quoting(format, &format!("Write to {SECRET} now."), &quote, is_streamed);
                let changed = answered(client, format, changed, is_streamed, "").await.body;
                let context = format!("{client} of {format}, streamed {is_streamed}");
                assert!(!changed.contains(SECRET) && changed.contains("[EMAIL_1]"), "{context}: {changed}");
                assert!(!changed.contains("mailto:"), "{context}: {changed}");
                // They are written anew beside a text that has nothing personal.
                let same = quoting(format, "Write to her now.", &quote, is_streamed);
                let same = answered(client, format, same, is_streamed, "").await.body;
                assert!(!same.contains(SECRET), "{context}: {same}");
                assert!(same.contains("mailto:[EMAIL_1]"), "{context}: {same}");
                // With `restore` they have the caller's own values again.
                let placeholder = quoting(format, "Write to her now.", "mailto:[EMAIL_1]", is_streamed);
                let restored = answered(client, format, placeholder, is_streamed, "restore = true").await.body;
                assert!(restored.contains(&quote) && !restored.contains("[EMAIL_1]"), "{context}: {restored}");
            }
        }
    }
}
