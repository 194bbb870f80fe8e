//! Streams as OpenAI's Chat Completions API sends them.

use serde_json::{Value, json};

use super::object::set;
use super::stream::Texts;
use super::{Asked, openai};
use crate::answer::Answer;
use crate::event::Event;

/// An answer as events: the role, the thinking, the text, the tool calls, and how it ended.
pub(super) fn answer(answer: &Answer, asked: &Asked<'_>, texts: &Texts) -> Vec<Event> {
    let delta = |delta: Value| Event::unnamed(chunk(answer, asked, &choice(&delta, None), Value::Null));
    let start = answer.text().map(|_| "");
    let mut events = vec![delta(json!({"role": "assistant", "content": start, "refusal": null}))];
    let thinking = answer.thinking.as_deref().map(|text| texts.pieces(text)).unwrap_or_default();
    events.extend(thinking.into_iter().map(|piece| delta(json!({"reasoning_content": piece}))));
    let text = answer.text().map(|text| texts.pieces(text)).unwrap_or_default();
    events.extend(text.into_iter().map(|piece| delta(json!({"content": piece}))));
    for (index, (id, call)) in answer.tool_calls().enumerate() {
        let mut start = openai::tool_call(id, &call.name, "");
        set(&mut start, "index", index);
        events.push(delta(json!({"tool_calls": [start]})));
        let arguments = openai::arguments(call);
        events.extend(texts.argument_pieces(&arguments).into_iter().map(|piece| {
            let call = json!({"index": index, "function": {"arguments": piece}});
            delta(json!({"tool_calls": [call]}))
        }));
    }
    let finish = choice(&json!({}), Some(openai::finish_reason(answer.stop_reason())));
    events.push(Event::unnamed(chunk(answer, asked, &finish, Value::Null)));
    if asked.include_usage {
        let usage = openai::usage(answer.usage());
        events.push(Event::unnamed(chunk(answer, asked, &json!([]), usage)));
    }
    events.push(Event::text("[DONE]"));
    events
}

fn choice(delta: &Value, finish_reason: Option<&str>) -> Value {
    json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish_reason}])
}

fn chunk(answer: &Answer, asked: &Asked<'_>, choices: &Value, usage: Value) -> Value {
    let mut chunk = openai::envelope("chat.completion.chunk", answer, asked, choices);
    // If the client asks for usage, each chunk has the field, and all but the last say null.
    if asked.include_usage {
        set(&mut chunk, "usage", usage);
    }
    chunk
}

/// Some compatible providers send chunks without content.
pub(super) fn ping(answer: &Answer, asked: &Asked<'_>) -> Event {
    Event::unnamed(chunk(answer, asked, &json!([]), Value::Null))
}

/// Its name and its object are unknown to clients.
pub(super) fn unknown() -> Event {
    Event::named("simulated_event", json!({"object": "simulated.event", "detail": {"type": "simulated"}}))
}
