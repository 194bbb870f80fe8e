//! What the provider has sent and the gateway has not written yet. A provider that sends more than there is room for loses what is
//! unknown of it.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Map, Value};

/// How much waits at most in one answer, in bytes of memory.
const MOST: usize = 4 << 20;

/// What a value takes besides its texts, in bytes of memory.
const NODE: usize = 64;

/// The room that is left in an answer.
pub(crate) struct Room(usize);

impl Default for Room {
    fn default() -> Self {
        Self(MOST)
    }
}

impl Room {
    /// Takes room for this value. `None` if there is not enough.
    pub(crate) fn take(&mut self, value: &Value) -> Option<usize> {
        let weight = weight(value);
        self.0 = self.0.checked_sub(weight)?;
        Some(weight)
    }

    /// Gives room back that was taken.
    pub(crate) fn give_back(&mut self, weight: usize) {
        self.0 = self.0.saturating_add(weight);
    }
}

fn weight(value: &Value) -> usize {
    let inner = match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(weight).sum(),
        Value::Object(fields) => fields.iter().map(|(name, value)| NODE + name.len() + weight(value)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    };
    NODE + inner
}

/// The kind of an event, and the place of the part that it is about.
type About = (String, Option<u64>);

/// Fields, and the room that they take.
type Weighed = (Map<String, Value>, usize);

/// Unknown fields of events that wait, by the kind of the event and the place of the part that it is about.
#[derive(Default)]
pub(crate) struct WaitingFields(BTreeMap<About, VecDeque<Weighed>>);

impl WaitingFields {
    /// Adds fields, if there is room.
    pub(crate) fn push(&mut self, kind: &str, part: Option<u64>, fields: Map<String, Value>, room: &mut Room) {
        let fields = Value::from(fields);
        let Some(weight) = room.take(&fields) else { return };
        if let Value::Object(fields) = fields {
            self.0.entry((kind.to_owned(), part)).or_default().push_back((fields, weight));
        }
    }

    /// Takes the first fields for an event of this kind.
    pub(crate) fn pop(&mut self, kind: &str, part: Option<u64>, room: &mut Room) -> Map<String, Value> {
        let waiting = self.0.get_mut(&(kind.to_owned(), part));
        let (fields, weight) = waiting.and_then(VecDeque::pop_front).unwrap_or_default();
        room.give_back(weight);
        fields
    }

    /// Takes all of the fields for events of this kind.
    pub(crate) fn take(&mut self, kind: &str, part: Option<u64>, room: &mut Room) -> Vec<Map<String, Value>> {
        let waiting = self.0.remove(&(kind.to_owned(), part)).unwrap_or_default();
        let give_back = |(fields, weight)| {
            room.give_back(weight);
            fields
        };
        waiting.into_iter().map(give_back).collect()
    }

    /// Takes all that is left, with the kinds of the events.
    pub(crate) fn take_all(&mut self, room: &mut Room) -> Vec<(String, Map<String, Value>)> {
        let mut all = Vec::new();
        for ((kind, _), waiting) in std::mem::take(&mut self.0) {
            for (fields, weight) in waiting {
                room.give_back(weight);
                all.push((kind.clone(), fields));
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn fields_wait_by_kind_and_part_as_long_as_there_is_room() {
        let (mut waiting, mut room) = (WaitingFields::default(), Room::default());
        waiting.push("a", Some(1), fields(json!({"x": 1})), &mut room);
        waiting.push("a", Some(1), fields(json!({"x": 2})), &mut room);
        waiting.push("b", None, fields(json!({"x": "é".repeat(MOST)})), &mut room);
        assert_eq!(waiting.pop("a", Some(1), &mut room), fields(json!({"x": 1})));
        assert!(waiting.pop("a", None, &mut room).is_empty());
        assert_eq!(waiting.take("a", Some(1), &mut room), [fields(json!({"x": 2}))]);
        assert!(waiting.take_all(&mut room).is_empty(), "there was no room for it");
        assert_eq!(room.0, MOST);
    }
}
