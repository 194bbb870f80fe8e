//! Answers of a provider of this format, whole and in events.

use serde_json::{Value, json};

/// A message as OpenAI writes it. Each text has a quote, unless it is empty.
pub(crate) fn message(id: &str, phase: &str, texts: &[&str]) -> Value {
    let part = |text: &&str| {
        let quote = json!({"type": "url_citation", "start_index": 0, "end_index": 1, "url": format!("https://{text}.test"), "title": text});
        let quotes = if text.is_empty() { json!([]) } else { json!([quote]) };
        json!({"type": "output_text", "text": text, "annotations": quotes, "logprobs": []})
    };
    let content: Vec<Value> = texts.iter().map(part).collect();
    json!({"id": id, "type": "message", "status": "completed", "role": "assistant", "phase": phase, "content": content})
}

/// What one server leaves out.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Without {
    /// The events whose types end so.
    pub(crate) events: &'static [&'static str],
    /// Fields of the events about items.
    pub(crate) fields: &'static [&'static str],
}

/// An answer with these items, whole and in events.
pub(crate) fn answer(items: &[Value], without: Without) -> (Value, String) {
    let response = |status: &str, output: &[Value]| {
        json!({"id": "r1", "object": "response", "created_at": 1, "status": status, "model": "m", "output": output,
            "usage": {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}})
    };
    let mut events = vec![json!({"type": "response.created", "response": response("in_progress", &[])})];
    for (place, item) in items.iter().enumerate() {
        let mut tell = |kind: &str, more: Value| {
            let mut event = json!({"type": format!("response.{kind}"), "output_index": place});
            if kind != "output_item.added" && kind != "output_item.done" {
                event["item_id"] = item["id"].clone();
            }
            let fields = event.as_object_mut().unwrap();
            fields.extend(more.as_object().unwrap().clone());
            fields.retain(|name, _| !without.fields.contains(&name.as_str()));
            events.push(event);
        };
        let mut begun = item.clone();
        begun["status"] = json!("in_progress");
        for (name, empty) in [("content", json!([])), ("summary", json!([])), ("arguments", json!(""))] {
            begun.get_mut(name).into_iter().for_each(|value| *value = empty.clone());
        }
        tell("output_item.added", json!({"item": begun}));
        for (at, part) in item["content"].as_array().into_iter().flatten().enumerate() {
            let is_text = part["type"] == "output_text";
            let (field, channel) = if is_text { ("text", "output_text") } else { ("refusal", "refusal") };
            let of = |name: &str, value: &Value| json!({"content_index": at, name: value});
            let mut empty = part.clone();
            empty[field] = json!("");
            empty.get_mut("annotations").into_iter().for_each(|quotes| *quotes = json!([]));
            tell("content_part.added", of("part", &empty));
            for piece in part[field].as_str().unwrap().split_inclusive(' ') {
                tell(&format!("{channel}.delta"), of("delta", &json!(piece)));
            }
            for quote in part["annotations"].as_array().into_iter().flatten() {
                let mut quote = of("annotation", quote);
                quote["annotation_index"] = json!(0);
                tell("output_text.annotation.added", quote);
            }
            tell(&format!("{channel}.done"), of(field, &part[field]));
            tell("content_part.done", of("part", part));
        }
        for (at, part) in item["summary"].as_array().into_iter().flatten().enumerate() {
            tell("reasoning_summary_text.delta", json!({"summary_index": at, "delta": part["text"]}));
            tell("reasoning_summary_text.done", json!({"summary_index": at, "text": part["text"]}));
        }
        if let Some(arguments) = item.get("arguments") {
            tell("function_call_arguments.delta", json!({"delta": arguments}));
            tell("function_call_arguments.done", json!({"arguments": arguments}));
        }
        tell("output_item.done", json!({"item": item}));
    }
    events.push(json!({"type": "response.completed", "response": response("completed", items)}));
    let kind = |event: &Value| event["type"].as_str().unwrap().to_owned();
    let write = |event: &Value| format!("event: {}\ndata: {event}\n\n", kind(event));
    let told = events.iter().filter(|event| !without.events.iter().any(|end| kind(event).ends_with(end)));
    (response("completed", items), told.map(write).collect())
}
