//! Streams as OpenAI's Responses API sends them.

use serde_json::{Value, json};

use super::Asked;
use super::object::set;
use super::responses::{self, Item};
use super::stream::Texts;
use crate::answer::Answer;
use crate::event::Event;

/// An answer as events: the response without items, its items one after the other, and the whole response.
pub(super) fn answer(answer: &Answer, asked: &Asked<'_>, texts: &Texts) -> Vec<Event> {
    let mut events = vec![begun(answer, asked, "response.created"), begun(answer, asked, "response.in_progress")];
    let mut items = Vec::new();
    for (index, item) in responses::items(answer, asked).into_iter().enumerate() {
        items.push(write(index, item, texts, &mut events));
    }
    let whole = responses::ended(answer, asked, items);
    let is_complete = whole.get("status").is_some_and(|status| status == "completed");
    let kind = if is_complete { "response.completed" } else { "response.incomplete" };
    events.push(Event::named(kind, json!({"type": kind, "response": whole})));
    events
}

fn begun(answer: &Answer, asked: &Asked<'_>, kind: &'static str) -> Event {
    let response = responses::response(answer, asked, "in_progress", Vec::new());
    Event::named(kind, json!({"type": kind, "response": response}))
}

/// Writes an item. Returns it as it was sent, which a fault may have changed.
fn write(index: usize, item: Item, texts: &Texts, events: &mut Vec<Event>) -> Value {
    let Item { value, text } = item;
    let mut writer = ItemWriter { index, id: value.get("id").cloned().unwrap_or_default(), events };
    match value.get("type").and_then(Value::as_str) {
        Some("reasoning") => writer.reasoning(value, &text, texts),
        Some("function_call") => writer.call(value, &text, texts),
        _ => writer.message(value, &text, texts),
    }
}

struct ItemWriter<'a> {
    index: usize,
    id: Value,
    events: &'a mut Vec<Event>,
}

impl ItemWriter<'_> {
    fn message(&mut self, value: Value, text: &str, texts: &Texts) -> Value {
        self.begin(&value, &[("status", json!("in_progress")), ("content", json!([]))]);
        let part = value.pointer("/content/0").cloned().unwrap_or_default();
        let is_refusal = part.get("type").is_some_and(|kind| kind == "refusal");
        let (field, delta, done) = match is_refusal {
            true => ("refusal", "response.refusal.delta", "response.refusal.done"),
            false => ("text", "response.output_text.delta", "response.output_text.done"),
        };
        let mut empty = part.clone();
        set(&mut empty, field, "");
        self.event("response.content_part.added", &[("content_index", json!(0)), ("part", empty)]);
        for piece in texts.pieces(text) {
            let logprobs = (!is_refusal).then(|| ("logprobs", json!([])));
            let fields = [("content_index", json!(0)), ("delta", json!(piece))].into_iter().chain(logprobs);
            self.event(delta, &fields.collect::<Vec<_>>());
        }
        self.event(done, &[("content_index", json!(0)), (field, json!(text))]);
        self.event("response.content_part.done", &[("content_index", json!(0)), ("part", part)]);
        self.end(value)
    }

    fn reasoning(&mut self, value: Value, text: &str, texts: &Texts) -> Value {
        self.begin(&value, &[("summary", json!([])), ("encrypted_content", Value::Null)]);
        let part = |text: &str| json!({"type": "summary_text", "text": text});
        self.event("response.reasoning_summary_part.added", &[("summary_index", json!(0)), ("part", part(""))]);
        for piece in texts.pieces(text) {
            let fields = [("summary_index", json!(0)), ("delta", json!(piece))];
            self.event("response.reasoning_summary_text.delta", &fields);
        }
        self.event("response.reasoning_summary_text.done", &[("summary_index", json!(0)), ("text", json!(text))]);
        self.event("response.reasoning_summary_part.done", &[("summary_index", json!(0)), ("part", part(text))]);
        self.end(value)
    }

    fn call(&mut self, mut value: Value, text: &str, texts: &Texts) -> Value {
        self.begin(&value, &[("status", json!("in_progress")), ("arguments", json!(""))]);
        let pieces = texts.argument_pieces(text);
        let sent = pieces.concat();
        for piece in pieces {
            self.event("response.function_call_arguments.delta", &[("delta", json!(piece))]);
        }
        self.event("response.function_call_arguments.done", &[("arguments", json!(sent))]);
        set(&mut value, "arguments", sent);
        self.end(value)
    }

    /// Begins an item, with these fields instead of its own.
    fn begin(&mut self, value: &Value, fields: &[(&str, Value)]) {
        let mut begun = value.clone();
        for (name, field) in fields {
            set(&mut begun, name, field.clone());
        }
        let kind = "response.output_item.added";
        let data = json!({"type": kind, "output_index": self.index, "item": begun});
        self.events.push(Event::named(kind, data));
    }

    fn event(&mut self, kind: &'static str, fields: &[(&str, Value)]) {
        let mut data = json!({"type": kind, "item_id": self.id, "output_index": self.index});
        for (name, field) in fields {
            set(&mut data, name, field.clone());
        }
        self.events.push(Event::named(kind, data));
    }

    fn end(&mut self, value: Value) -> Value {
        let kind = "response.output_item.done";
        let data = json!({"type": kind, "output_index": self.index, "item": value});
        self.events.push(Event::named(kind, data));
        value
    }
}

/// The API repeats this event to keep the connection open.
pub(super) fn ping(answer: &Answer, asked: &Asked<'_>) -> Event {
    begun(answer, asked, "response.in_progress")
}

/// The API may add kinds of events at any time.
pub(super) fn unknown() -> Event {
    Event::named("simulated_event", json!({"type": "simulated_event", "detail": {"type": "simulated"}}))
}
