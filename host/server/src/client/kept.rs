//! What only a provider knows of an answer that a module has rewritten.
//!
//! The answer is written anew from what the module says. Then the fields and the events that ArcLLM does not know are added, as the
//! provider sent them. A known field never comes from the provider if it can hold a text of the answer: the module may have
//! removed something from that text.

use std::collections::VecDeque;

use serde_json::{Map, Value};

use crate::client::{
    sse::{Frame, frames},
    waiting::Room,
};

/// Adds to a streamed answer what only its provider knows.
pub(crate) trait Keeper: Send {
    /// Reads the JSON of an event of the provider. Writes it if it stands for itself. Some servers say only in the name of which type
    /// it is.
    fn read(&mut self, name: &str, event: Value, out: &mut Vec<u8>);

    /// Writes an event of the gateway, with what goes with it.
    fn write(&mut self, event: Value, out: &mut Vec<u8>);

    /// Reads an event of the provider that has a text and nothing to keep, as most have, without making a tree of it. `false` if it
    /// may be another one: then nothing was read.
    fn read_text(&mut self, _event: &[u8]) -> bool {
        false
    }

    /// Notes a piece of text that is written. `false` if the provider may have something to add to it: then nothing was noted.
    fn passes(&mut self, _piece: &str) -> bool {
        false
    }
}

/// Writes these events of the gateway, each with what goes with it. Comments and markers stay as they are.
pub(crate) fn write_events(keeper: &mut dyn Keeper, written: &[u8], out: &mut Vec<u8>) {
    for frame in frames(written) {
        match frame {
            Frame::Json(event) => keeper.write(event, out),
            Frame::Other(bytes) => out.extend_from_slice(bytes),
        }
    }
}

/// What is known of an object.
pub(crate) struct Shape {
    /// Fields that the gateway writes, or leaves out.
    pub(crate) known: &'static [&'static str],
    /// Fields with an object of which the same is known.
    pub(crate) inside: &'static [&'static str],
}

impl Shape {
    /// The fields of an object that are not known, at each level.
    pub(crate) fn unknown(&self, theirs: Value) -> Map<String, Value> {
        let Value::Object(fields) = theirs else { return Map::new() };
        let unknown = fields.into_iter().filter_map(|(name, value)| {
            if self.known.contains(&name.as_str()) {
                return None;
            }
            if !self.inside.contains(&name.as_str()) {
                return Some((name, value));
            }
            let inner = self.unknown(value);
            (!inner.is_empty()).then(|| (name, inner.into()))
        });
        unknown.collect()
    }

    /// Adds these fields where they are missing.
    pub(crate) fn add(&self, ours: &mut Value, unknown: Map<String, Value>) {
        let Value::Object(ours) = ours else { return };
        for (name, value) in unknown {
            match ours.get_mut(&name) {
                None => drop(ours.insert(name, value)),
                Some(inner) if self.inside.contains(&name.as_str()) => {
                    if let Value::Object(value) = value {
                        self.add(inner, value);
                    }
                }
                Some(_) => {}
            }
        }
    }

    /// Adds the fields of this object that are not known.
    pub(crate) fn keep(&self, ours: &mut Value, theirs: Value) {
        self.add(ours, self.unknown(theirs));
    }
}

/// Sets these fields to those of the provider, where it has them: no module can change them.
pub(crate) fn adopt(ours: &mut Value, theirs: &Value, names: &[&str]) {
    let Value::Object(ours) = ours else { return };
    for name in names {
        if let Some(value) = theirs.get(name).filter(|value| !value.is_null()) {
            ours.insert((*name).to_owned(), value.clone());
        }
    }
}

/// Sets a field of an object.
pub(crate) fn set(object: &mut Value, name: &str, value: impl Into<Value>) {
    if let Value::Object(fields) = object {
        fields.insert(name.to_owned(), value.into());
    }
}

/// The text of a field, empty if there is none.
pub(crate) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The type of an event of the provider.
pub(crate) fn kind(name: &str, event: &Value) -> String {
    event.get("type").and_then(Value::as_str).unwrap_or(name).to_owned()
}

/// The list in a field, empty if there is none.
pub(crate) fn items<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

/// Whether these probabilities are of the tokens of this text. A character can be in several tokens: then `bytes` has its parts.
pub(crate) fn are_of(logprobs: Option<&Value>, text: &str) -> bool {
    let Some(list) = logprobs.and_then(Value::as_array).filter(|list| !list.is_empty()) else { return true };
    let byte = |byte: &Value| byte.as_u64().and_then(|byte| u8::try_from(byte).ok());
    let bytes = list.iter().flat_map(|token| match token.get("bytes").and_then(Value::as_array) {
        Some(bytes) => bytes.iter().filter_map(byte).collect(),
        None => token.get("token").and_then(Value::as_str).unwrap_or_default().as_bytes().to_vec(),
    });
    bytes.eq(text.bytes())
}

/// Follows a text of the provider through a module, as long as the module hands it on unchanged. What belongs to a piece of it
/// is given out once the piece was handed on.
#[derive(Default)]
pub(crate) struct FollowedText {
    /// The pieces that were not handed on, each with what belongs to it.
    pieces: VecDeque<(String, Option<(Value, usize)>)>,
    /// How much of the first was handed on.
    done: usize,
    is_changed: bool,
    /// How many of the pieces have something that belongs to them.
    belongings: usize,
}

impl FollowedText {
    /// Adds a piece of the provider's text, and what belongs to it if there is room.
    pub(crate) fn read(&mut self, piece: &str, belongings: Option<Value>, room: &mut Room) {
        let belongings = belongings.and_then(|value| {
            let weight = room.take(&value)?;
            Some((value, weight))
        });
        if !self.is_changed && (!piece.is_empty() || belongings.is_some()) {
            self.belongings += usize::from(belongings.is_some());
            self.pieces.push_back((piece.to_owned(), belongings));
        }
    }

    /// Notes what the module hands on. Returns what belongs to the pieces that are handed on with it.
    pub(crate) fn write(&mut self, mut piece: &str, room: &mut Room) -> Vec<Value> {
        let mut belongings = Vec::new();
        while !self.is_changed {
            let Some((theirs, _)) = self.pieces.front() else {
                self.is_changed = !piece.is_empty();
                break;
            };
            let rest = theirs.get(self.done..).unwrap_or_default();
            match (piece.strip_prefix(rest), rest.starts_with(piece)) {
                (Some(after), _) => {
                    piece = after;
                    self.done = 0;
                    if let Some((value, weight)) = self.pieces.pop_front().and_then(|(_, belongings)| belongings) {
                        room.give_back(weight);
                        self.belongings -= 1;
                        belongings.push(value);
                    }
                }
                (None, true) => {
                    self.done += piece.len();
                    break;
                }
                (None, false) => self.is_changed = true,
            }
        }
        if self.is_changed {
            self.pieces = VecDeque::new();
            self.belongings = 0;
        }
        belongings
    }

    /// Whether any piece has something that belongs to it.
    pub(crate) fn has_belongings(&self) -> bool {
        self.belongings > 0
    }

    /// Whether all of the text was handed on as it came.
    pub(crate) fn is_same(&self) -> bool {
        !self.is_changed && self.pieces.iter().all(|(text, _)| text.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SHAPE: Shape = Shape { known: &["text", "id"], inside: &["part"] };

    #[test]
    fn unknown_fields_are_added_and_known_ones_are_not() {
        let mut ours = json!({"text": "[EMAIL_1]", "part": {"text": "[EMAIL_1]", "b": 1}});
        let theirs = json!({"text": "a@b.c", "id": "x", "z": {"text": 1}, "part": {"text": "a@b.c", "y": [2], "b": 3}});
        SHAPE.keep(&mut ours, theirs);
        assert_eq!(
            ours,
            json!({"text": "[EMAIL_1]", "part": {"text": "[EMAIL_1]", "b": 1, "y": [2]}, "z": {"text": 1}})
        );
        assert!(SHAPE.unknown(json!({"text": "a", "part": {"id": 1}})).is_empty());
        assert!(SHAPE.unknown(json!([1])).is_empty());
    }

    #[test]
    fn probabilities_are_of_a_text_if_their_tokens_are() {
        let tokens = json!([{"token": "H"}, {"token": "\\xc3", "bytes": [195]}, {"token": "\\xa9", "bytes": [169]}]);
        assert!(are_of(Some(&tokens), "Hé") && are_of(None, "Hé") && are_of(Some(&json!([])), "Hé"));
        assert!(!are_of(Some(&tokens), "Hé!") && !are_of(Some(&tokens), "") && !are_of(Some(&json!([{}])), "H"));
    }

    #[test]
    fn what_belongs_to_a_text_comes_as_long_as_the_text_is_the_providers() {
        let (mut followed, mut room) = (FollowedText::default(), Room::default());
        for piece in ["Hé", "", "llo ", "you"] {
            followed.read(piece, Some(piece.into()), &mut room);
        }
        let write = |followed: &mut FollowedText, piece| followed.write(piece, &mut Room::default());
        assert!(write(&mut followed, "H").is_empty());
        assert_eq!(write(&mut followed, "éll"), ["Hé", ""]);
        assert!(!followed.is_same());
        assert_eq!(write(&mut followed, "o yo"), ["llo "]);
        assert_eq!(write(&mut followed, "u"), ["you"]);
        assert!(followed.is_same());
        assert!(write(&mut followed, "!").is_empty() && !followed.is_same());
        followed.read("more", Some(1.into()), &mut room);
        assert!(write(&mut followed, "more").is_empty(), "a changed text stays changed");
    }
}
