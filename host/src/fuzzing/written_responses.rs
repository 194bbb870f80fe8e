//! Writes an answer in OpenAI's Responses format, with the events that servers send and leave out.

use serde_json::{Value, json};

use crate::fuzzing::{
    input::Input,
    script::{AnswerScript, Piece, ScriptBlock, joined, quoted},
};

/// The words for the end of an answer: statuses, and reasons why it is incomplete.
pub(crate) const STOPS: [&str; 5] = ["completed", "max_output_tokens", "content_filter", "new", "MAX_TOKENS"];

/// An answer as this format writes it.
pub(crate) struct Written {
    pub(crate) whole: Value,
    /// The data of the events.
    pub(crate) events: Vec<String>,
}

/// What a server leaves out.
struct Leaves {
    /// The index of the item, the id of the item.
    index: bool,
    id: bool,
    /// The beginnings of items and parts.
    begins: bool,
    /// The whole texts and parts.
    wholes: bool,
    /// The whole items.
    items: bool,
    /// The items in the whole response.
    output: bool,
}

/// Writes the answer. What the pieces say stands in the whole item as well, or in the whole response.
pub(crate) fn written(answer: &AnswerScript, input: &mut Input<'_>) -> Written {
    let index = input.flag();
    let leaves = Leaves {
        index,
        id: !index && input.flag(),
        begins: input.flag(),
        wholes: input.flag(),
        items: input.flag(),
        output: false,
    };
    // One of the two has the ids of calls, if their beginning is left out.
    let leaves = Leaves { output: !leaves.items && input.flag(), ..leaves };
    let blocks = answer.blocks.iter().filter(
        |block| !matches!(block, ScriptBlock::Text(pieces) | ScriptBlock::Thinking(pieces) if pieces.is_empty()),
    );
    let items: Vec<(Value, &ScriptBlock)> = blocks.enumerate().map(|(at, block)| (item(at, block), block)).collect();
    let response = |status: &str, items: Value| json!({"id": "r1", "object": "response", "model": "m", "status": status, "error": null, "output": items});
    let mut events =
        vec![json!({"type": "response.created", "response": response("in_progress", json!([]))}).to_string()];
    for (at, (item, block)) in items.iter().enumerate() {
        write(at, item, block, &leaves, &mut events);
    }
    let (kind, status) = match answer.stop {
        "completed" => ("response.completed", "completed"),
        _ => ("response.incomplete", "incomplete"),
    };
    let all: Value = items.iter().map(|(item, _)| item.clone()).collect();
    let mut whole = response(status, all);
    whole["usage"] = json!({"input_tokens": answer.input_tokens, "output_tokens": answer.output_tokens});
    if status == "incomplete" {
        whole["incomplete_details"] = json!({"reason": answer.stop});
    }
    let mut last = whole.clone();
    if leaves.output {
        last["output"] = json!([]);
    }
    events.push(json!({"type": kind, "response": last}).to_string());
    if input.flag() {
        events.push("[DONE]".to_owned());
    }
    Written { whole, events }
}

fn item(at: usize, block: &ScriptBlock) -> Value {
    let id = format!("i{at}");
    match block {
        ScriptBlock::Text(pieces) => {
            json!({"id": id, "type": "message", "role": "assistant", "content": [{"type": "output_text", "text": joined(pieces), "annotations": []}]})
        }
        ScriptBlock::Thinking(pieces) => {
            json!({"id": id, "type": "reasoning", "summary": [{"type": "summary_text", "text": joined(pieces)}], "encrypted_content": "e"})
        }
        ScriptBlock::Call(call) => {
            json!({"id": id, "type": "function_call", "call_id": call.id, "name": call.name, "arguments": joined(&call.pieces)})
        }
    }
}

fn write(at: usize, item: &Value, block: &ScriptBlock, leaves: &Leaves, events: &mut Vec<String>) {
    let index = if leaves.index { String::new() } else { format!(r#""output_index":{at},"#) };
    let id = if leaves.id { String::new() } else { format!(r#""item_id":"i{at}","#) };
    let event = |kind: &str, rest: &str| format!(r#"{{"type":"response.{kind}",{index}{id}{rest}}}"#);
    let (name, field, pieces): (&str, &str, &[Piece]) = match block {
        ScriptBlock::Text(pieces) => ("output_text", "text", pieces),
        ScriptBlock::Thinking(pieces) => ("reasoning_summary_text", "text", pieces),
        ScriptBlock::Call(call) => ("function_call_arguments", "arguments", &call.pieces),
    };
    // A call needs its name before its pieces can be told, and an item without index and id its beginning.
    if !leaves.begins || matches!(block, ScriptBlock::Call(_)) || (leaves.index && leaves.id) {
        let mut begun = item.clone();
        for (name, empty) in [("content", json!([])), ("summary", json!([])), ("arguments", json!(""))] {
            if begun.get(name).is_some() {
                begun[name] = empty;
            }
        }
        events.push(event("output_item.added", &format!(r#""item":{begun}"#)));
    }
    for piece in pieces {
        events.push(event(&format!("{name}.delta"), &format!(r#""delta":{}"#, quoted(piece))));
    }
    if !leaves.wholes {
        let whole = json!(joined(pieces));
        events.push(event(&format!("{name}.done"), &format!(r#""{field}":{whole}"#)));
    }
    if !leaves.items {
        events.push(event("output_item.done", &format!(r#""item":{item}"#)));
    }
}
