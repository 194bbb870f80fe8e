//! Writes an answer in Anthropic's format.

use serde_json::{Value, json};

use crate::fuzzing::{
    input::Input,
    script::{AnswerScript, ScriptBlock, joined, quoted},
};

/// The words for the end of an answer.
pub(crate) const STOPS: [&str; 7] = ["end_turn", "max_tokens", "tool_use", "refusal", "new", "length", "stop_sequence"];

/// The whole body.
pub(crate) fn whole(answer: &AnswerScript) -> Value {
    let content = answer.blocks.iter().map(|block| match block {
        ScriptBlock::Text(pieces) => json!({"type": "text", "text": joined(pieces)}),
        ScriptBlock::Thinking(pieces) => json!({"type": "thinking", "thinking": joined(pieces), "signature": "s"}),
        ScriptBlock::Call(call) => {
            json!({"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments})
        }
    });
    json!({
        "id": "m1", "type": "message", "role": "assistant", "model": "m", "content": content.collect::<Value>(),
        "stop_reason": answer.stop, "stop_sequence": null,
        "usage": {"input_tokens": answer.input_tokens, "output_tokens": answer.output_tokens},
    })
}

/// The data of the events.
pub(crate) fn events(answer: &AnswerScript, input: &mut Input<'_>) -> Vec<String> {
    let usage = json!({"input_tokens": answer.input_tokens, "output_tokens": 0});
    let message = json!({
        "id": "m1", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": null,
        "stop_sequence": null, "usage": usage,
    });
    let mut events = vec![json!({"type": "message_start", "message": message}).to_string()];
    let (has_index, has_stops) = (!input.flag(), !input.flag());
    for (index, block) in answer.blocks.iter().enumerate() {
        let (start, kind, field, pieces) = match block {
            ScriptBlock::Text(pieces) => (json!({"type": "text", "text": ""}), "text_delta", "text", pieces),
            ScriptBlock::Thinking(pieces) => {
                (json!({"type": "thinking", "thinking": "", "signature": ""}), "thinking_delta", "thinking", pieces)
            }
            ScriptBlock::Call(call) => {
                let start = json!({"type": "tool_use", "id": call.id, "name": call.name, "input": {}});
                (start, "input_json_delta", "partial_json", &call.pieces)
            }
        };
        let place = if has_index { format!(r#""index":{index},"#) } else { String::new() };
        let mut event = |kind: &str, rest: &str| events.push(format!(r#"{{"type":"{kind}",{place}{rest}}}"#));
        event("content_block_start", &format!(r#""content_block":{start}"#));
        for piece in pieces {
            let piece = quoted(piece);
            event("content_block_delta", &format!(r#""delta":{{"type":"{kind}","{field}":{piece}}}"#));
        }
        if matches!(block, ScriptBlock::Thinking(_)) {
            event("content_block_delta", r#""delta":{"type":"signature_delta","signature":"s"}"#);
        }
        if has_stops {
            event("content_block_stop", r#""x":null"#);
        }
    }
    let delta = json!({"stop_reason": answer.stop, "stop_sequence": null});
    let usage = json!({"output_tokens": answer.output_tokens});
    events.push(json!({"type": "message_delta", "delta": delta, "usage": usage}).to_string());
    match input.below(3) {
        0 => events.push(json!({"type": "message_stop"}).to_string()),
        1 => events.push("[DONE]".to_owned()),
        _ => {}
    }
    events
}
