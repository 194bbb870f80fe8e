//! Writes an answer in OpenAI's format, with tool calls numbered in the ways that servers use.

use serde_json::{Value, json};

use crate::fuzzing::{
    input::Input,
    script::{AnswerScript, Piece, ScriptBlock, ScriptCall, joined, quoted},
};

/// The words for the end of an answer.
pub(crate) const STOPS: [&str; 7] =
    ["stop", "length", "tool_calls", "new", "content_filter", "eos_token", "MAX_TOKENS"];

/// How the pieces of calls say which call they belong to.
#[derive(Clone, Copy, PartialEq)]
enum Numbering {
    /// By an index, which only the first piece has an id beside.
    Index,
    /// By an index that is a text.
    Text,
    /// All calls have the same index, and each piece has an id.
    SameIndex,
    /// By an id alone.
    Id,
    /// Not at all: one call comes after the other.
    Order,
}

/// An answer as this format writes it.
pub(crate) struct Written {
    pub(crate) whole: Value,
    /// The data of the events.
    pub(crate) events: Vec<String>,
}

/// Writes the answer. This format has one reasoning, then one text, then the calls.
pub(crate) fn written(answer: &AnswerScript, input: &mut Input<'_>) -> Written {
    let pieces = |of: fn(&ScriptBlock) -> Option<&Vec<Piece>>| answer.blocks.iter().filter_map(of).flatten().cloned();
    let thinking: Vec<Piece> =
        pieces(|block| if let ScriptBlock::Thinking(pieces) = block { Some(pieces) } else { None }).collect();
    let text: Vec<Piece> =
        pieces(|block| if let ScriptBlock::Text(pieces) = block { Some(pieces) } else { None }).collect();
    let calls =
        answer.blocks.iter().filter_map(|block| if let ScriptBlock::Call(call) = block { Some(call) } else { None });
    let (deltas, order) = deltas(&calls.collect::<Vec<_>>(), input);

    let mut events = Vec::new();
    if input.flag() {
        events.push(chunk(r#"{"role":"assistant","content":""}"#, None));
    }
    events.extend(thinking.iter().map(|piece| chunk(&format!(r#"{{"reasoning_content":{}}}"#, quoted(piece)), None)));
    events.extend(text.iter().map(|piece| chunk(&format!(r#"{{"content":{}}}"#, quoted(piece)), None)));
    let together = usize::from(input.below(3)) + 1;
    events.extend(
        deltas.chunks(together).map(|deltas| chunk(&format!(r#"{{"tool_calls":[{}]}}"#, deltas.join(",")), None)),
    );
    events.push(chunk("{}", Some(answer.stop)));
    events.push(
        json!({"id": "c1", "object": "chat.completion", "model": "m", "choices": [], "usage": usage(answer)})
            .to_string(),
    );
    if input.flag() {
        events.push("[DONE]".to_owned());
    }

    let said = |pieces: &[Piece]| Some(joined(pieces)).filter(|text| !text.is_empty());
    let mut message = json!({"role": "assistant", "content": said(&text), "reasoning_content": said(&thinking)});
    if !order.is_empty() {
        let call = |call: &&ScriptCall| json!({"id": call.id, "type": "function", "function": {"name": call.name, "arguments": joined(&call.pieces)}});
        message["tool_calls"] = order.iter().map(call).collect();
    }
    let whole = json!({
        "id": "c1", "object": "chat.completion", "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": answer.stop}],
        "usage": usage(answer),
    });
    Written { whole, events }
}

fn usage(answer: &AnswerScript) -> Value {
    let total = answer.input_tokens + answer.output_tokens;
    json!({"prompt_tokens": answer.input_tokens, "completion_tokens": answer.output_tokens, "total_tokens": total})
}

fn chunk(delta: &str, stop: Option<&str>) -> String {
    let stop = json!(stop);
    let choice = format!(r#"{{"index":0,"delta":{delta},"finish_reason":{stop}}}"#);
    format!(r#"{{"id":"c1","object":"chat.completion","model":"m","choices":[{choice}]}}"#)
}

/// The entries of `tool_calls` in the order in which they are sent, and the calls in the order of the answer.
fn deltas<'a>(calls: &[&'a ScriptCall], input: &mut Input<'_>) -> (Vec<String>, Vec<&'a ScriptCall>) {
    use Numbering::{Id, Index, Order, SameIndex, Text};
    let numbering = [Index, Text, SameIndex, Id, Order][usize::from(input.below(5))];
    let (cuts_names, repeats_names) = (input.flag(), input.flag());
    let mut queues: Vec<_> = calls
        .iter()
        .enumerate()
        .map(|(at, call)| (*call, of_call(at, call, numbering, cuts_names, repeats_names).into_iter().peekable()))
        .collect();
    let (mut sent, mut begun) = (Vec::new(), Vec::new());
    while !queues.is_empty() {
        let which = if numbering == Order { 0 } else { usize::from(input.byte()) % queues.len() };
        let (call, queue) = &mut queues[which];
        if !begun.iter().any(|other: &&ScriptCall| other.id == call.id) {
            begun.push(*call);
        }
        sent.extend(queue.next());
        if queue.peek().is_none() {
            drop(queues.remove(which));
        }
    }
    match numbering {
        Index | Text => (sent, calls.to_vec()),
        SameIndex | Id | Order => (sent, begun),
    }
}

/// The pieces of one call.
fn of_call(at: usize, call: &ScriptCall, numbering: Numbering, cuts_name: bool, repeats_name: bool) -> Vec<String> {
    let index = match numbering {
        Numbering::Index => Some(json!(at)),
        Numbering::Text => Some(json!(at.to_string())),
        Numbering::SameIndex => Some(json!(0)),
        Numbering::Id | Numbering::Order => None,
    };
    let by_id = matches!(numbering, Numbering::SameIndex | Numbering::Id);
    let entry = |is_first: bool, name: &str, arguments: &[u16]| {
        let index = index.as_ref().map(|index| format!(r#""index":{index},"#)).unwrap_or_default();
        let id = if is_first || by_id { format!(r#""id":"{}","#, call.id) } else { r#""id":null,"#.to_owned() };
        let name = if name.is_empty() { String::new() } else { format!(r#""name":"{name}","#) };
        format!(r#"{{{index}{id}"type":"function","function":{{{name}"arguments":{}}}}}"#, quoted(arguments))
    };
    let (first, second) = call.name.split_at(if cuts_name { 3 } else { call.name.len() });
    let mut entries = vec![entry(true, first, &[])];
    if !second.is_empty() {
        entries.push(entry(false, second, &[]));
    }
    let name = if repeats_name { &*call.name } else { "" };
    entries.extend(call.pieces.iter().map(|piece| entry(false, name, piece)));
    entries
}
