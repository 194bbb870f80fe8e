//! A client that reads a streamed answer more strictly than any real one.

use serde_json::{Value, json};

use crate::serve::gateway::Answer;

/// The response that the events of an answer say. Each event must fit to those before it.
pub(crate) fn accumulate(answer: &Answer) -> Value {
    let mut reader = Reader::default();
    for (number, (name, data)) in answer.events().into_iter().enumerate() {
        let event: Value = serde_json::from_str(&data).unwrap();
        assert_eq!(event["type"], json!(name), "the name is the type");
        assert_eq!(event["sequence_number"], json!(number), "events are numbered: {event}");
        assert!(reader.response.is_none(), "nothing follows the last event: {event}");
        assert_eq!(number == 0, name == "response.created", "it is the first event: {event}");
        reader.read(name.strip_prefix("response.").unwrap_or_else(|| panic!("{event}")), &event);
    }
    let response = reader.response.unwrap();
    assert_eq!(response["output"], json!(reader.items), "the last event has all items");
    assert_eq!(reader.done.len(), reader.items.len(), "all items have ended");
    response
}

#[derive(Default)]
struct Reader {
    items: Vec<Value>,
    /// The places of the items that have ended.
    done: Vec<u64>,
    response: Option<Value>,
}

impl Reader {
    fn read(&mut self, kind: &str, event: &Value) {
        match kind {
            "created" | "in_progress" => assert_eq!(event["response"]["status"], "in_progress"),
            "completed" | "incomplete" => {
                assert_eq!(event["response"]["status"], kind);
                self.response = Some(event["response"].clone());
            }
            "output_item.added" => {
                assert_eq!(event["output_index"], json!(self.items.len()), "{event}");
                assert!(event["item"]["id"].is_string(), "{event}");
                self.items.push(event["item"].clone());
            }
            "output_item.done" => self.end(event),
            "content_part.added" => add(&mut self.item(event)["content"], &event["content_index"], &event["part"]),
            "content_part.done" => assert_eq!(*self.part(event), event["part"], "{event}"),
            "output_text.delta" => append(&mut self.part(event)["text"], event),
            "output_text.done" => assert_eq!(self.part(event)["text"], event["text"]),
            "output_text.annotation.added" => {
                add(&mut self.part(event)["annotations"], &event["annotation_index"], &event["annotation"]);
            }
            "refusal.delta" => append(&mut self.part(event)["refusal"], event),
            "refusal.done" => assert_eq!(self.part(event)["refusal"], event["refusal"]),
            "function_call_arguments.delta" => append(&mut self.item(event)["arguments"], event),
            "function_call_arguments.done" => assert_eq!(self.item(event)["arguments"], event["arguments"]),
            "custom_tool_call_input.delta" => append(&mut self.item(event)["input"], event),
            "custom_tool_call_input.done" => assert_eq!(self.item(event)["input"], event["input"]),
            "reasoning_summary_part.added" => {
                add(&mut self.item(event)["summary"], &event["summary_index"], &event["part"]);
            }
            "reasoning_summary_part.done" => assert_eq!(*self.summary(event), event["part"], "{event}"),
            "reasoning_summary_text.delta" => append(&mut self.summary(event)["text"], event),
            "reasoning_summary_text.done" => assert_eq!(self.summary(event)["text"], event["text"]),
            _ => panic!("no client knows this event: {event}"),
        }
    }

    /// The item that an event is about.
    fn item(&mut self, event: &Value) -> &mut Value {
        let place = event["output_index"].as_u64().unwrap();
        assert!(!self.done.contains(&place), "the item has ended: {event}");
        let item = &mut self.items[usize::try_from(place).unwrap()];
        assert_eq!(item["id"], event["item_id"], "{event}");
        item
    }

    fn part(&mut self, event: &Value) -> &mut Value {
        &mut self.item(event)["content"][index(&event["content_index"])]
    }

    fn summary(&mut self, event: &Value) -> &mut Value {
        &mut self.item(event)["summary"][index(&event["summary_index"])]
    }

    fn end(&mut self, event: &Value) {
        let (place, whole) = (event["output_index"].as_u64().unwrap(), &event["item"]);
        let begun = &mut self.items[usize::try_from(place).unwrap()];
        for field in ["id", "type", "call_id", "name", "namespace", "content", "summary", "arguments", "input"] {
            assert_eq!(begun[field], whole[field], "the pieces are the whole: {event}");
        }
        *begun = whole.clone();
        assert!(!self.done.contains(&place), "an item ends once: {event}");
        self.done.push(place);
    }
}

fn index(value: &Value) -> usize {
    usize::try_from(value.as_u64().unwrap()).unwrap()
}

fn add(list: &mut Value, place: &Value, value: &Value) {
    let list = list.as_array_mut().unwrap();
    assert_eq!(*place, json!(list.len()), "{value}");
    list.push(value.clone());
}

fn append(text: &mut Value, event: &Value) {
    *text = format!("{}{}", text.as_str().unwrap(), event["delta"].as_str().unwrap()).into();
}
