//! Writes streamed answers.

use std::collections::HashMap;

use arcllm::{ContentBlock, Event, Response};
use serde_json::{Map, Value, json};

use crate::client::{
    chat_completions::{
        answer::write_json,
        choice::{self, REASONING, reasoning_fields},
        error,
        kept::IDENTITY,
    },
    client::{EventWriter, Heading},
    kept::adopt,
    problem::Problem,
    refusal::is_refusal,
};

/// Writes the chunks of one answer.
pub(crate) struct Chunks {
    heading: Heading,
    /// What names the answer in each chunk, where the provider says it.
    identity: Option<Value>,
    /// A chunk up to its choices.
    head: Vec<u8>,
    /// What ends each chunk. A client that asks for the usage gets it in a chunk of its own, and null in all others.
    tail: &'static [u8],
    /// Whether the chunk with the role was written.
    has_role: bool,
    /// How many bytes of text, of reasoning, and of refusals were written.
    text: usize,
    reasoning: usize,
    refusal: usize,
    /// The fields that reasoning is written in: those of the provider, where a module has rewritten its answer.
    reasoning_fields: Vec<&'static str>,
    /// In the order in which they began.
    calls: Vec<Call>,
    /// The places of the calls in `calls`, by their numbers in the events. SDKs take the index for a place in a list, so no index
    /// may come before a smaller one, as where a provider tells a call without arguments last.
    places: HashMap<usize, usize>,
}

/// What was written of a tool call.
struct Call {
    is_custom: bool,
    has_arguments: bool,
}

impl Chunks {
    pub(crate) fn new(heading: Heading) -> Self {
        let tail: &[u8] = if heading.wants_usage { b",\"usage\":null}\n\n" } else { b"}\n\n" };
        let (calls, places) = Default::default();
        let head = head(&identity(&heading));
        let (text, reasoning, refusal, has_role) = Default::default();
        let reasoning_fields = vec![REASONING];
        Self {
            heading,
            identity: None,
            head,
            tail,
            has_role,
            text,
            reasoning,
            refusal,
            reasoning_fields,
            calls,
            places,
        }
    }

    /// Writes a chunk around what `delta` writes.
    fn delta(&self, out: &mut Vec<u8>, delta: impl FnOnce(&mut Vec<u8>)) {
        out.extend_from_slice(&self.head);
        out.extend_from_slice(b"[{\"index\":0,\"delta\":");
        delta(out);
        out.extend_from_slice(b",\"logprobs\":null,\"finish_reason\":null}]");
        out.extend_from_slice(self.tail);
    }

    /// Writes a chunk with one text in its delta.
    fn text_delta(&self, before: &[u8], text: &str, after: &[u8], out: &mut Vec<u8>) {
        self.delta(out, |out| {
            out.extend_from_slice(before);
            write_json(text, out);
            out.extend_from_slice(after);
        });
    }

    fn json_delta(&self, delta: &Value, out: &mut Vec<u8>) {
        self.delta(out, |out| write_json(delta, out));
    }

    /// The first chunk. As OpenAI writes it, text begins empty, and is null where the answer begins with something else.
    fn role(&mut self, is_text: bool, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.has_role, true) {
            let content = is_text.then_some("");
            self.json_delta(&json!({"role": "assistant", "content": content, "refusal": null}), out);
        }
    }

    fn say(&mut self, piece: &str, out: &mut Vec<u8>) {
        self.role(true, out);
        self.text += piece.len();
        self.text_delta(b"{\"content\":", piece, b"}", out);
    }

    fn reason(&mut self, piece: &str, out: &mut Vec<u8>) {
        self.role(false, out);
        self.reasoning += piece.len();
        let delta: Map<String, Value> =
            self.reasoning_fields.iter().map(|name| ((*name).to_owned(), piece.into())).collect();
        self.json_delta(&delta.into(), out);
    }

    fn refuse(&mut self, text: &str, out: &mut Vec<u8>) {
        self.role(false, out);
        self.refusal += text.len();
        self.text_delta(b"{\"refusal\":", text, b"}", out);
    }

    fn begin_call(&mut self, number: usize, id: &str, name: &str, out: &mut Vec<u8>) {
        self.role(false, out);
        let is_custom = self.heading.call_forms.is_custom(name);
        let index = self.calls.len();
        self.places.insert(number, index);
        self.calls.push(Call { is_custom, has_arguments: false });
        let function = json!({"name": name, "arguments": ""});
        match (self.heading.call_forms.older, is_custom) {
            (true, _) if index > 0 => {}
            (true, _) => self.json_delta(&json!({"function_call": function}), out),
            (false, true) => {
                let custom = json!({"name": name, "input": ""});
                self.call_delta(&json!({"index": index, "id": id, "type": "custom", "custom": custom}), out);
            }
            (false, false) => {
                self.call_delta(&json!({"index": index, "id": id, "type": "function", "function": function}), out);
            }
        }
    }

    fn call_delta(&self, call: &Value, out: &mut Vec<u8>) {
        self.json_delta(&json!({"tool_calls": [call]}), out);
    }

    fn add_arguments(&mut self, number: usize, json: &str, out: &mut Vec<u8>) {
        let Some(index) = self.places.get(&number).copied() else { return };
        let Some(call) = self.calls.get_mut(index).filter(|call| !call.is_custom) else { return };
        call.has_arguments |= !json.is_empty();
        match self.heading.call_forms.older {
            true if index > 0 => {}
            true => self.text_delta(b"{\"function_call\":{\"arguments\":", json, b"}}", out),
            false => {
                let before = format!("{{\"tool_calls\":[{{\"index\":{index},\"function\":{{\"arguments\":");
                self.text_delta(before.as_bytes(), json, b"}}]}", out);
            }
        }
    }

    /// Writes what the pieces of a call have not said.
    fn end_call(&mut self, number: usize, call: &arcllm::ToolCall, out: &mut Vec<u8>) {
        let Some(index) = self.places.get(&number).copied() else { return };
        let Some(Call { is_custom, has_arguments }) = self.calls.get(index) else { return };
        let (is_custom, has_arguments) = (*is_custom, *has_arguments);
        let (name, mut inner): (_, Map<String, Value>) = match is_custom {
            true => {
                let input = choice::custom_input(call, &self.heading.call_forms).unwrap_or_default();
                let input = ("input".to_owned(), Value::from(input));
                ("custom", std::iter::once(input).chain(choice::custom_fields(call)).collect())
            }
            false => ("function", choice::function_fields(call).collect()),
        };
        if !is_custom && !has_arguments {
            self.add_arguments(number, &choice::arguments(call), out);
        }
        let mut further: Map<String, Value> = choice::further_fields(call).collect();
        if (!further.is_empty() || !inner.is_empty()) && !self.heading.call_forms.older {
            if !is_custom {
                // SDKs demand it in each piece of a call.
                inner.insert("arguments".to_owned(), "".into());
            }
            further.insert(name.to_owned(), inner.into());
            further.insert("index".to_owned(), index.into());
            self.call_delta(&further.into(), out);
        }
    }

    /// Writes what has come in no event, and the end.
    fn end(&mut self, response: &Response, out: &mut Vec<u8>) {
        self.catch_up(response, out);
        let mut further = choice::further(response);
        let rest = behind(choice::said(response).1.into_iter(), self.refusal).concat();
        match rest.is_empty() {
            true => drop(further.shift_remove("refusal")),
            false => drop(further.insert("refusal".to_owned(), rest.into())),
        }
        if !further.is_empty() {
            self.json_delta(&further.into(), out);
        }
        let reason = choice::finish_reason(response, &self.heading.call_forms);
        let mut choice = json!({"index": 0, "delta": {}, "logprobs": null, "finish_reason": reason});
        if let (Some(word), Some(choice)) = (choice::native_finish_reason(response), choice.as_object_mut()) {
            choice.insert("native_finish_reason".to_owned(), word.into());
        }
        out.extend_from_slice(&self.head);
        write_json(&[choice], out);
        out.extend_from_slice(self.tail);
        if self.heading.wants_usage {
            out.extend_from_slice(&self.head);
            out.extend_from_slice(b"[],\"usage\":");
            write_json(&choice::usage(response), out);
            out.extend_from_slice(b"}\n\n");
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
    }

    /// A module can put an answer at the end without events before it.
    fn catch_up(&mut self, response: &Response, out: &mut Vec<u8>) {
        for piece in behind(choice::reasoning(response), self.reasoning) {
            self.reason(piece, out);
        }
        let (texts, refusal) = choice::said(response);
        for piece in behind(texts.into_iter(), self.text) {
            self.say(piece, out);
        }
        let calls = choice::calls(response, &self.heading.call_forms);
        if self.text == 0 && calls.is_empty() && refusal.is_empty() {
            self.role(true, out);
            self.json_delta(&json!({"content": ""}), out);
        }
        for (index, mut call) in calls.into_iter().enumerate().skip(self.calls.len()) {
            self.role(false, out);
            match (self.heading.call_forms.older, call.as_object_mut()) {
                (false, Some(fields)) => {
                    fields.insert("index".to_owned(), index.into());
                    self.call_delta(&call, out);
                }
                (true, Some(fields)) if index == 0 => {
                    let function = fields.remove("function");
                    self.json_delta(&json!({"function_call": function}), out);
                }
                _ => {}
            }
        }
    }
}

/// What names the answer.
fn identity(heading: &Heading) -> Value {
    json!({
        "id": format!("chatcmpl-{}", heading.id),
        "object": "chat.completion.chunk",
        "created": heading.created,
        "model": heading.model,
    })
}

/// A chunk with these fields, up to its choices.
fn head(identity: &Value) -> Vec<u8> {
    let fields = identity.to_string();
    format!("data: {},\"choices\":", fields.strip_suffix('}').unwrap_or(&fields)).into_bytes()
}

/// What these texts have behind so many bytes.
fn behind<'a>(texts: impl Iterator<Item = &'a str>, mut bytes: usize) -> Vec<&'a str> {
    let rest = texts.filter_map(|text| {
        let rest = text.get(bytes.min(text.len())..);
        bytes = bytes.saturating_sub(text.len());
        rest.filter(|rest| !rest.is_empty())
    });
    rest.collect()
}

impl EventWriter for Chunks {
    /// The first chunk depends on what the answer begins with.
    fn begin(&mut self, _out: &mut Vec<u8>) {}

    fn event(&mut self, event: &Event, out: &mut Vec<u8>) {
        match event {
            Event::Text(piece) if !piece.is_empty() => self.say(piece, out),
            Event::Thinking(piece) if !piece.is_empty() => self.reason(piece, out),
            Event::ToolUseStart { index, id, name } => self.begin_call(*index, id, name, out),
            Event::ToolArguments { index, json } => self.add_arguments(*index, json, out),
            Event::ToolUseEnd { index, call } => self.end_call(*index, call, out),
            // Of a refusal no pieces come. Behind a text it is told at the end.
            Event::Block(ContentBlock::Text(text)) if is_refusal(text) && self.text == 0 => {
                self.refuse(&text.text, out);
            }
            Event::End(response) => self.end(response, out),
            // The pieces have said it, or the end does.
            _ => {}
        }
    }

    /// The chunks name the answer as the provider does.
    fn rewritten(&mut self, chunk: &Value) {
        let identity = self.identity.get_or_insert_with(|| identity(&self.heading));
        adopt(identity, chunk, &IDENTITY);
        self.head = head(identity);
        if let Some(fields) =
            chunk.pointer("/choices/0/delta").map(reasoning_fields).filter(|fields| !fields.is_empty())
        {
            self.reasoning_fields = fields;
        }
    }

    fn fail(&mut self, problem: &Problem, out: &mut Vec<u8>) {
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(&error::write(problem));
        out.extend_from_slice(b"\n\n");
    }

    fn keep_alive(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b": keep-alive\n\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::client::CallForms;

    #[test]
    fn each_piece_of_a_call_has_a_function() {
        let heading = Heading {
            id: "a".to_owned(),
            model: "m".to_owned(),
            created: 1,
            wants_usage: false,
            call_forms: CallForms::default(),
            echo: Value::Null,
        };
        let (mut chunks, mut out) = (Chunks::new(heading), Vec::new());
        let mut call = arcllm::ToolCall::new("call_1", "look", Map::new());
        call.extensions.insert("openai.note".to_owned(), json!("odd"));
        chunks.event(&Event::ToolUseStart { index: 0, id: "call_1".to_owned(), name: "look".to_owned() }, &mut out);
        chunks.event(&Event::ToolArguments { index: 0, json: "{}".to_owned() }, &mut out);
        chunks.event(&Event::ToolUseEnd { index: 0, call }, &mut out);
        let chunks = str::from_utf8(&out).unwrap().lines().filter_map(|line| line.strip_prefix("data: "));
        let chunks = chunks.map(|data| serde_json::from_str::<Value>(data).unwrap());
        let calls: Vec<_> =
            chunks.filter_map(|chunk| chunk["choices"][0]["delta"].get("tool_calls").cloned()).collect();
        assert_eq!(calls.len(), 3, "{calls:?}");
        assert!(calls.iter().all(|call| call[0]["function"]["arguments"].is_string()), "{calls:?}");
    }
}
