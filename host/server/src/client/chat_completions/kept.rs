//! What only the provider knows of an answer of this format that a module has rewritten.

use std::{borrow::Cow, collections::VecDeque};

use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Map, Value, json};

use crate::client::{
    chat_completions::choice::{REASONING, reasoning_fields},
    kept::{FollowedText, Keeper, Shape, adopt, are_of, items, set, text},
    sse,
    waiting::Room,
};

/// What names the answer. No module can change it.
pub(super) const IDENTITY: [&str; 5] = ["id", "created", "model", "system_fingerprint", "service_tier"];

/// Of a body or a chunk.
const BODY: Shape = Shape {
    known: &["id", "object", "created", "model", "system_fingerprint", "service_tier", "choices", "usage", "error"],
    inside: &[],
};

/// Of a choice. Unknown fields of a message are shown to modules, so the answer has them already.
const CHOICE: Shape =
    Shape { known: &["index", "message", "delta", "text", "logprobs", "finish_reason", "usage", "error"], inside: &[] };

/// The provider's own word for why the answer ends. It goes where a module says otherwise.
const NATIVE_REASON: &str = "native_finish_reason";

/// Of the counts, which hold no text.
const USAGE: Shape = Shape { known: &[], inside: &["prompt_tokens_details", "completion_tokens_details"] };

/// Adds to a whole answer what only its provider knows.
pub(crate) fn keep(ours: &mut Value, mut theirs: Value) {
    adopt(ours, &theirs, &IDENTITY);
    let mut choice = items(&theirs, "choices").min_by_key(|choice| index_of(choice)).cloned().unwrap_or_default();
    if let Some(usage) = ours.get_mut("usage") {
        USAGE.keep(usage, theirs.get_mut("usage").map(Value::take).unwrap_or_default());
    }
    BODY.keep(ours, theirs);
    let Some(own) = ours.pointer_mut("/choices/0") else { return };
    let none = Value::Null;
    let [message, own_message] = [choice.get("message"), own.get("message")].map(|message| message.unwrap_or(&none));
    let is_same = said(message) == said(own_message);
    // Some servers count the tokens of calls and of reasoning too.
    let is_all_same = is_same && beside_texts(message) == beside_texts(own_message);
    let has_own = choice.get("logprobs").is_some_and(|logprobs| is_all_same || are_of_texts(logprobs, &said(message)));
    match is_same {
        true => adopt(own, &choice, if has_own { &["index", "logprobs"] } else { &["index"] }),
        false => forget_places(own.get_mut("message")),
    }
    if let Some(own_message) = own.get_mut("message").and_then(Value::as_object_mut) {
        name_reasoning(own_message, choice.get("message").unwrap_or(&none));
    }
    if own.get("finish_reason") != choice.get("finish_reason")
        && let Some(choice) = choice.as_object_mut()
    {
        choice.shift_remove(NATIVE_REASON);
    }
    CHOICE.keep(own, choice);
}

/// Puts the reasoning into the fields in which the provider has sent it.
fn name_reasoning(ours: &mut Map<String, Value>, theirs: &Value) {
    let fields = reasoning_fields(theirs);
    if fields.is_empty() {
        return;
    }
    if let Some(reasoning) = ours.shift_remove(REASONING) {
        ours.extend(fields.into_iter().map(|name| (name.to_owned(), reasoning.clone())));
    }
}

/// What a message says beside its texts: the arguments or the input of its calls, and its reasoning.
fn beside_texts(message: &Value) -> Vec<Value> {
    let read = |function: &Value| {
        let arguments = text(function, "arguments");
        serde_json::from_str(arguments).unwrap_or_else(|_| arguments.into())
    };
    let calls =
        items(message, "tool_calls").filter_map(|call| call.get("function")).chain(message.get("function_call"));
    let custom = items(message, "tool_calls").filter_map(|call| call.pointer("/custom/input").cloned());
    let reasoning = reasoning_fields(message).first().map(|name| message.get(name).cloned().unwrap_or_default());
    calls.map(read).chain(custom).chain(reasoning).collect()
}

/// Whether probabilities are of the tokens of these texts: the content, and the refusal. Together has a form of its own.
fn are_of_texts(logprobs: &Value, (content, refusal): &(String, String)) -> bool {
    let tokens: String = items(logprobs, "tokens").filter_map(Value::as_str).collect();
    are_of(logprobs.get("content"), content)
        && are_of(logprobs.get("refusal"), refusal)
        && (tokens.is_empty() || tokens == format!("{content}{refusal}"))
}

/// The texts of a message or of a delta. A content of several parts is none.
fn said(message: &Value) -> (String, String) {
    (text(message, "content").to_owned(), text(message, "refusal").to_owned())
}

/// Removes what points into a text that has changed.
fn forget_places(message: Option<&mut Value>) {
    if let Some(message) = message.and_then(Value::as_object_mut) {
        message.shift_remove("annotations");
    }
}

fn index_of(choice: &Value) -> u64 {
    choice.get("index").and_then(Value::as_u64).unwrap_or_default()
}

/// Adds to the chunks of an answer what only its provider knows.
#[derive(Default)]
pub(crate) struct ChunkKeeper {
    identity: Value,
    /// The choice that is read.
    choice: Option<u64>,
    /// What belongs to chunks of content, in their order.
    content: VecDeque<(Extra, usize)>,
    room: Room,
    /// Why the answer ends.
    reason: Value,
    /// What belongs to the chunk that tells why the answer ends, and to the one with the counts.
    last: Extra,
    usage: Extra,
    counts: Map<String, Value>,
    said: FollowedText,
}

/// A chunk with a piece of text and nothing to keep. Any further field makes it another one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TextChunk<'a> {
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(rename = "object")]
    _object: Option<IgnoredAny>,
    created: Option<u64>,
    #[serde(borrow)]
    model: Option<Cow<'a, str>>,
    #[serde(borrow)]
    system_fingerprint: Option<Cow<'a, str>>,
    #[serde(borrow)]
    service_tier: Option<Cow<'a, str>>,
    #[serde(borrow)]
    choices: (TextChoice<'a>,),
    #[serde(rename = "usage")]
    _usage: Option<()>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TextChoice<'a> {
    index: u64,
    #[serde(borrow)]
    delta: TextDelta<'a>,
    #[serde(rename = "logprobs")]
    _logprobs: Option<()>,
    #[serde(rename = "finish_reason")]
    _finish_reason: Option<()>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TextDelta<'a> {
    #[serde(borrow)]
    content: Cow<'a, str>,
    #[serde(rename = "role")]
    _role: Option<IgnoredAny>,
    #[serde(rename = "refusal")]
    _refusal: Option<()>,
}

/// The unknown fields of a chunk.
#[derive(Default)]
struct Extra {
    body: Map<String, Value>,
    choice: Map<String, Value>,
}

impl Extra {
    fn is_empty(&self) -> bool {
        self.body.is_empty() && self.choice.is_empty()
    }

    fn add_to(self, chunk: &mut Value) {
        BODY.add(chunk, self.body);
        if let Some(choice) = chunk.pointer_mut("/choices/0") {
            CHOICE.add(choice, self.choice);
        }
    }
}

impl Keeper for ChunkKeeper {
    fn read(&mut self, _name: &str, mut chunk: Value, _out: &mut Vec<u8>) {
        if !self.identity.is_object() {
            self.identity = json!({"object": "chat.completion.chunk"});
        }
        adopt(&mut self.identity, &chunk, &IDENTITY);
        self.counts.extend(USAGE.unknown(chunk.get_mut("usage").map(Value::take).unwrap_or_default()));
        let choice = self.choice_of(&mut chunk);
        let said = choice.get("delta").map(said).unwrap_or_default();
        let logprobs = choice.get("logprobs");
        let logprobs = logprobs.filter(|logprobs| logprobs.is_object() && are_of_texts(logprobs, &said)).cloned();
        let (content, refusal) = said;
        self.said.read(&(content + &refusal), logprobs, &mut self.room);
        let ends = choice.get("finish_reason").is_some_and(Value::is_string);
        if ends {
            self.reason = choice.get("finish_reason").cloned().unwrap_or_default();
        }
        let is_empty = choice.is_null();
        let extra = Extra { body: BODY.unknown(chunk), choice: CHOICE.unknown(choice) };
        match (ends, is_empty) {
            _ if extra.is_empty() => {}
            (true, _) => self.last = extra,
            // The counts come alone, behind all else.
            (false, true) if !self.last.is_empty() || !self.counts.is_empty() => self.usage = extra,
            (false, _) => {
                let weight = |fields: &Map<String, Value>| self.room.take(&fields.clone().into());
                let weights: Option<Vec<usize>> = [&extra.body, &extra.choice].into_iter().map(weight).collect();
                self.content.extend(weights.map(|weights| (extra, weights.into_iter().sum())));
            }
        }
    }

    fn read_text(&mut self, event: &[u8]) -> bool {
        let Some(chunk) = sse::line(event).and_then(|data| serde_json::from_slice::<TextChunk<'_>>(data).ok()) else {
            return false;
        };
        let (choice,) = chunk.choices;
        let is_same = self.choice == Some(choice.index)
            && chunk
                .created
                .is_none_or(|created| self.identity.get("created").and_then(Value::as_u64) == Some(created))
            && [("id", chunk.id), ("model", chunk.model), ("system_fingerprint", chunk.system_fingerprint)]
                .into_iter()
                .chain([("service_tier", chunk.service_tier)])
                .all(|(name, said)| said.is_none_or(|said| text(&self.identity, name) == said));
        if is_same {
            self.said.read(&choice.delta.content, None, &mut self.room);
        }
        is_same
    }

    fn passes(&mut self, piece: &str) -> bool {
        let passes = self.identity.is_object() && self.content.is_empty() && !self.said.has_belongings();
        if passes {
            self.said.write(piece, &mut self.room);
        }
        passes
    }

    fn write(&mut self, mut chunk: Value, out: &mut Vec<u8>) {
        if chunk.get("error").is_some() {
            return sse::write("", &chunk, out);
        }
        adopt(&mut chunk, &self.identity, &IDENTITY);
        let choice = chunk.pointer_mut("/choices/0");
        let ends = choice.as_ref().and_then(|choice| choice.get("finish_reason")).is_some_and(Value::is_string);
        match choice {
            None => {
                if let Some(counts) = chunk.get_mut("usage") {
                    USAGE.add(counts, std::mem::take(&mut self.counts));
                }
                std::mem::take(&mut self.usage).add_to(&mut chunk);
            }
            Some(choice) if ends => {
                if choice.get("finish_reason") != Some(&self.reason) {
                    self.last.choice.shift_remove(NATIVE_REASON);
                }
                self.write_rest(&chunk, out);
                std::mem::take(&mut self.last).add_to(&mut chunk);
            }
            Some(choice) => {
                self.keep_logprobs(choice);
                let (extra, weight) = self.content.pop_front().unwrap_or_default();
                self.room.give_back(weight);
                extra.add_to(&mut chunk);
            }
        }
        sse::write("", &chunk, out);
    }
}

impl ChunkKeeper {
    /// Takes out the choice that is read: the first that comes.
    fn choice_of(&mut self, chunk: &mut Value) -> Value {
        let choices = chunk.get_mut("choices").map(Value::take).unwrap_or_default();
        let Value::Array(choices) = choices else { return Value::Null };
        let Some(first) = choices.iter().map(index_of).min() else { return Value::Null };
        let index = *self.choice.get_or_insert(first);
        choices.into_iter().find(|choice| index_of(choice) == index).unwrap_or_default()
    }

    /// Adds the probabilities of the tokens, as long as the module hands on the provider's text.
    fn keep_logprobs(&mut self, choice: &mut Value) {
        let (content, refusal) = choice.get("delta").map(said).unwrap_or_default();
        let mut joined = Map::new();
        for logprobs in self.said.write(&(content + &refusal), &mut self.room) {
            let Value::Object(lists) = logprobs else { continue };
            for (name, list) in lists {
                match (joined.get_mut(&name), list) {
                    (Some(Value::Array(before)), Value::Array(more)) => before.extend(more),
                    (_, list) => drop(joined.insert(name, list)),
                }
            }
        }
        if !joined.is_empty() {
            set(choice, "logprobs", joined);
        }
        if !self.said.is_same() {
            forget_places(choice.get_mut("delta"));
        }
    }

    /// Writes what belongs to chunks that were not written, in chunks without content.
    fn write_rest(&mut self, like: &Value, out: &mut Vec<u8>) {
        for (extra, weight) in std::mem::take(&mut self.content) {
            self.room.give_back(weight);
            let mut chunk = like.clone();
            let choice = json!({"index": 0, "delta": {}, "logprobs": null, "finish_reason": null});
            set(&mut chunk, "choices", vec![choice]);
            extra.add_to(&mut chunk);
            sse::write("", &chunk, out);
        }
    }
}
