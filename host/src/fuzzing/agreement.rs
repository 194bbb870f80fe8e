//! Reads one answer whole and as events. The results must be the same.

use bytes::Bytes;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{
    adapter::fuzzing::{hear, read},
    chat::event::Event,
    config::wire_format::WireFormat,
    fuzzing::{FORMATS, answers::is_coherent, input::Input},
};

/// The content of an answer, from which both forms are made.
struct AnswerScript {
    blocks: Vec<ScriptBlock>,
    stop: &'static str,
    input_tokens: u64,
    output_tokens: u64,
}

enum ScriptBlock {
    Text(Vec<String>),
    Thinking(Vec<String>),
    Call { id: String, name: String, arguments: Value, cuts: u8 },
}

pub(crate) fn agree(data: &[u8]) {
    let mut input = Input(data);
    let format = FORMATS[usize::from(input.below(2))];
    let (line_end, noise, size) = (input.below(3), input.flag(), usize::from(input.byte()) + 1);
    let answer = match format {
        WireFormat::Anthropic => answer(&mut input, &["end_turn", "max_tokens", "tool_use", "refusal", "new"]),
        WireFormat::OpenAi => in_their_order(answer(&mut input, &["stop", "length", "tool_calls", "new"])),
    };
    let (whole, events) = match format {
        WireFormat::Anthropic => (anthropic(&answer), anthropic_events(&answer)),
        WireFormat::OpenAi => (openai(&answer), openai_events(&answer)),
    };
    let line_end = ["\n", "\r\n", "\r"][usize::from(line_end)];
    let between = if noise { format!(": so{line_end}event: ping{line_end}{line_end}") } else { String::new() };
    let event = |data: &String| format!("{between}data: {data}{line_end}{line_end}");
    let stream: String = events.iter().map(event).collect();
    let heard = hear(format, stream.as_bytes().chunks(size).map(Bytes::copy_from_slice).collect());
    let whole = read(format, StatusCode::OK, whole.to_string().as_bytes());
    match (&whole, heard.0.last()) {
        (Ok(whole), Some(Event::End(streamed))) => {
            assert_eq!(**streamed, *whole, "{stream}");
            let told = heard.0.iter().filter_map(|event| match event {
                Event::Text(piece) => Some(piece.as_str()),
                _ => None,
            });
            assert_eq!(told.collect::<String>(), whole.text().unwrap_or_default(), "what was told: {stream}");
        }
        (Err(_), _) if heard.1.is_some() => {}
        _ => panic!("whole {whole:?}, and in events {heard:?}: {stream}"),
    }
    is_coherent(&heard);
}

fn answer(input: &mut Input<'_>, stops: &[&'static str]) -> AnswerScript {
    let blocks = input.some(|input| match input.below(3) {
        0 => ScriptBlock::Text(input.some(Input::text)),
        1 => ScriptBlock::Thinking(input.some(Input::text)),
        _ => ScriptBlock::Call {
            id: format!("call-{}", input.byte()),
            name: format!("tool-{}", input.byte()),
            arguments: json!({input.text(): input.text(), "n": input.number()}),
            cuts: input.below(9),
        },
    });
    let stop = stops[usize::from(input.byte()) % stops.len()];
    AnswerScript { blocks, stop, input_tokens: input.number() >> 32, output_tokens: input.number() >> 32 }
}

/// Cuts JSON into pieces.
fn cut(json: &str, pieces: u8) -> Vec<String> {
    let letters: Vec<char> = json.chars().collect();
    letters.chunks(letters.len() / (usize::from(pieces) + 1) + 1).map(|piece| piece.iter().collect()).collect()
}

fn anthropic(answer: &AnswerScript) -> Value {
    let content = answer.blocks.iter().map(|block| match block {
        ScriptBlock::Text(pieces) => json!({"type": "text", "text": pieces.concat()}),
        ScriptBlock::Thinking(pieces) => json!({"type": "thinking", "thinking": pieces.concat(), "signature": "s"}),
        ScriptBlock::Call { id, name, arguments, .. } => {
            json!({"type": "tool_use", "id": id, "name": name, "input": arguments})
        }
    });
    json!({
        "id": "m1", "type": "message", "role": "assistant", "model": "m", "content": content.collect::<Value>(),
        "stop_reason": answer.stop, "stop_sequence": null,
        "usage": {"input_tokens": answer.input_tokens, "output_tokens": answer.output_tokens},
    })
}

fn anthropic_events(answer: &AnswerScript) -> Vec<String> {
    let mut events = vec![json!({"type": "message_start", "message": {
        "id": "m1", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": null,
        "stop_sequence": null, "usage": {"input_tokens": answer.input_tokens, "output_tokens": 1},
    }})];
    for (index, block) in answer.blocks.iter().enumerate() {
        let (start, deltas): (Value, Vec<Value>) = match block {
            ScriptBlock::Text(pieces) => (
                json!({"type": "text", "text": ""}),
                pieces.iter().map(|piece| json!({"type": "text_delta", "text": piece})).collect(),
            ),
            ScriptBlock::Thinking(pieces) => (
                json!({"type": "thinking", "thinking": "", "signature": ""}),
                pieces
                    .iter()
                    .map(|piece| json!({"type": "thinking_delta", "thinking": piece}))
                    .chain([json!({"type": "signature_delta", "signature": "s"})])
                    .collect(),
            ),
            ScriptBlock::Call { id, name, arguments, cuts } => (
                json!({"type": "tool_use", "id": id, "name": name, "input": {}}),
                cut(&arguments.to_string(), *cuts)
                    .iter()
                    .map(|piece| json!({"type": "input_json_delta", "partial_json": piece}))
                    .collect(),
            ),
        };
        events.push(json!({"type": "content_block_start", "index": index, "content_block": start}));
        let deltas = deltas.into_iter();
        events.extend(deltas.map(|delta| json!({"type": "content_block_delta", "index": index, "delta": delta})));
        events.push(json!({"type": "content_block_stop", "index": index}));
    }
    events.push(json!({
        "type": "message_delta", "delta": {"stop_reason": answer.stop, "stop_sequence": null},
        "usage": {"output_tokens": answer.output_tokens},
    }));
    events.push(json!({"type": "message_stop"}));
    events.iter().map(Value::to_string).collect()
}

/// Sorts the blocks: this format has one reasoning, then one text, then the calls.
fn in_their_order(mut answer: AnswerScript) -> AnswerScript {
    let place = |block: &ScriptBlock| match block {
        ScriptBlock::Thinking(_) => 0,
        ScriptBlock::Text(_) => 1,
        ScriptBlock::Call { .. } => 2,
    };
    answer.blocks.sort_by_key(place);
    answer.blocks.dedup_by(|later, earlier| match (later, earlier) {
        (ScriptBlock::Text(later), ScriptBlock::Text(earlier))
        | (ScriptBlock::Thinking(later), ScriptBlock::Thinking(earlier)) => {
            earlier.append(later);
            true
        }
        _ => false,
    });
    // Calls with the same id cannot be told apart.
    answer.blocks.dedup_by(|later, earlier| match (later, earlier) {
        (ScriptBlock::Call { id: later, .. }, ScriptBlock::Call { id: earlier, .. }) => later == earlier,
        _ => false,
    });
    answer
}

fn openai(answer: &AnswerScript) -> Value {
    let (mut content, mut reasoning, mut calls) = (Value::Null, Value::Null, Vec::new());
    for block in &answer.blocks {
        match block {
            ScriptBlock::Text(pieces) => content = pieces.concat().into(),
            ScriptBlock::Thinking(pieces) => reasoning = pieces.concat().into(),
            ScriptBlock::Call { id, name, arguments, .. } => {
                let function = json!({"name": name, "arguments": arguments.to_string()});
                calls.push(json!({"id": id, "type": "function", "function": function}));
            }
        }
    }
    let mut message = json!({"role": "assistant", "content": content, "reasoning_content": reasoning});
    if !calls.is_empty() {
        message["tool_calls"] = calls.into();
    }
    json!({
        "id": "c1", "object": "chat.completion", "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": answer.stop}],
        "usage": usage(answer),
    })
}

fn usage(answer: &AnswerScript) -> Value {
    let total = answer.input_tokens + answer.output_tokens;
    json!({"prompt_tokens": answer.input_tokens, "completion_tokens": answer.output_tokens, "total_tokens": total})
}

fn openai_events(answer: &AnswerScript) -> Vec<String> {
    let chunk = |delta: Value, stop: Option<&str>| {
        let choice = json!({"index": 0, "delta": delta, "finish_reason": stop});
        json!({"id": "c1", "object": "chat.completion", "model": "m", "choices": [choice]})
    };
    let mut events = vec![chunk(json!({"role": "assistant", "content": ""}), None)];
    let mut calls = 0;
    for block in &answer.blocks {
        match block {
            ScriptBlock::Text(pieces) => {
                events.extend(pieces.iter().map(|piece| chunk(json!({"content": piece}), None)));
            }
            ScriptBlock::Thinking(pieces) => {
                events.extend(pieces.iter().map(|piece| chunk(json!({"reasoning_content": piece}), None)));
            }
            ScriptBlock::Call { id, name, arguments, cuts } => {
                let function = json!({"name": name, "arguments": ""});
                let call = json!({"index": calls, "id": id, "type": "function", "function": function});
                events.push(chunk(json!({"tool_calls": [call]}), None));
                for piece in cut(&arguments.to_string(), *cuts) {
                    let call = json!({"index": calls, "function": {"arguments": piece}});
                    events.push(chunk(json!({"tool_calls": [call]}), None));
                }
                calls += 1;
            }
        }
    }
    events.push(chunk(json!({}), Some(answer.stop)));
    events.push(json!({"id": "c1", "object": "chat.completion", "model": "m", "choices": [], "usage": usage(answer)}));
    events.iter().map(Value::to_string).chain(["[DONE]".to_owned()]).collect()
}
