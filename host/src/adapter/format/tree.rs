//! Reads JSON of servers into a tree of limited size. Two bytes of JSON such as `0,` become a value of 72 bytes, so an answer
//! of a few megabytes could fill the memory. So the tree counts its own size while it grows, and holds only the fields that
//! are read.

use std::{cell::Cell, fmt};

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::adapter::format::{
    halves,
    lenient::{self, Halves},
    malformed::{Malformed, Unreadable},
};

/// The memory of a text besides its bytes: its place in the heap, and rounding by the allocator.
const TEXT: usize = 32;

/// The memory of a field of an object besides its text: key, value, hash and place in the table.
const FIELD: usize = size_of::<String>() + size_of::<Value>() + 16;

/// The memory that the JSON of an answer may still take besides its text.
#[derive(Debug)]
pub(crate) struct MemoryBudget {
    most: usize,
    left: Cell<usize>,
}

impl MemoryBudget {
    /// Enough for some tool calls, also where bodies are limited to a megabyte.
    const LEAST: usize = 4 << 20;

    /// The budget for an answer whose body may have this many bytes: half of it. At any time there are at most the text of the
    /// answer and two trees, so an answer takes at most a few times its own size.
    pub(crate) fn new(max_response_bytes: usize) -> Self {
        let most = (max_response_bytes / 2).max(Self::LEAST);
        Self { most, left: Cell::new(most) }
    }

    /// A new budget of the same size.
    pub(crate) fn renewed(&self) -> Self {
        Self { most: self.most, left: Cell::new(self.most) }
    }

    /// Spends this many bytes.
    pub(crate) fn take(&self, bytes: usize) -> Result<(), Malformed> {
        match self.left.get().checked_sub(bytes) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => {
                self.left.set(0);
                Err(self.exceeded())
            }
        }
    }

    /// Spends what this value takes.
    pub(crate) fn take_for(&self, value: &Value) -> Result<(), Malformed> {
        self.take(weight(value))
    }

    /// Spends what one more copy of this value takes, with its text.
    pub(crate) fn take_for_copy(&self, value: &Value) -> Result<(), Malformed> {
        self.take(weight(value) + text_length(value))
    }

    /// Spends what this value takes more than the value that it replaces.
    pub(crate) fn take_for_instead(&self, value: &Value, before: Option<&Value>) -> Result<(), Malformed> {
        self.take(weight(value).saturating_sub(before.map_or(0, weight)))
    }

    fn exceeded(&self) -> Malformed {
        let mebibytes = self.most as f64 / (1024.0 * 1024.0);
        let limit = "(half of max_response_mb, but at least 4 MiB)";
        Malformed(format!("the JSON of the answer needs more than {mebibytes} MiB of memory besides its text {limit}"))
    }
}

/// The memory of a value besides its text and its own place, in bytes.
fn weight(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(_) => TEXT,
        Value::Array(items) => items.iter().map(weight).sum::<usize>() + items.capacity() * size_of::<Value>(),
        Value::Object(fields) => {
            let each = |(_, field): (&String, &Value)| TEXT + 2 * FIELD + weight(field);
            fields.iter().map(each).sum::<usize>() + 2 * FIELD
        }
    }
}

/// The bytes of all texts and names of a value.
fn text_length(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(text_length).sum(),
        Value::Object(fields) => fields.iter().map(|(name, field)| name.len() + text_length(field)).sum(),
    }
}

/// The part of a value that is kept. Texts and numbers are always kept, so that errors can tell what stands in a wrong place.
#[derive(Debug)]
pub(crate) enum Keep {
    /// Everything.
    All,
    /// These fields of an object, or of the first object in a list.
    Fields(&'static [(&'static str, Keep)]),
    /// Both of these.
    Both(&'static Keep, &'static Keep),
    /// This part of each item of a list.
    Each(&'static Keep),
}

impl Keep {
    fn field(&self, name: &str) -> Option<&Keep> {
        match self {
            Keep::All => Some(self),
            Keep::Fields(fields) => fields.iter().find(|(field, _)| *field == name).map(|(_, keep)| keep),
            Keep::Both(one, other) => one.field(name).or_else(|| other.field(name)),
            Keep::Each(_) => None,
        }
    }

    fn item(&self) -> &Keep {
        match self {
            Keep::All | Keep::Fields(_) | Keep::Both(..) => self,
            Keep::Each(keep) => keep,
        }
    }
}

/// Why JSON does not become a tree.
#[derive(Debug)]
pub(crate) enum TreeError {
    /// It is not JSON.
    NotJson(serde_json::Error),
    /// It exceeds the budget.
    TooLarge(Malformed),
}

impl TreeError {
    /// The error for an event of a streamed answer.
    pub(crate) fn in_event(self) -> Unreadable {
        match self {
            TreeError::NotJson(error) => Unreadable::NoAnswer(Malformed(format!("an event is not JSON: {error}"))),
            TreeError::TooLarge(malformed) => malformed.into(),
        }
    }
}

/// Reads JSON and keeps this part of it. Repairs the text if that makes JSON of it.
pub(crate) fn read(json: &[u8], keep: &Keep, budget: &MemoryBudget) -> Result<Value, TreeError> {
    read_leniently(json, keep, budget, Halves::Replace)
}

/// Reads an event of a streamed answer. Texts in it may end with half a character, as [`halves`] describes.
pub(crate) fn read_event(json: &str, keep: &Keep, budget: &MemoryBudget) -> Result<Value, Unreadable> {
    read_leniently(json.as_bytes(), keep, budget, Halves::Keep).map_err(TreeError::in_event)
}

/// Reads the object at the start of a text that goes on with something else than JSON or events.
pub(crate) fn read_start(text: &[u8], keep: &Keep, budget: &MemoryBudget) -> Option<Value> {
    let full = Cell::new(false);
    let mut values = serde_json::Deserializer::from_slice(text);
    let value = Grow { keep, budget, full: &full }.deserialize(&mut values).ok().filter(Value::is_object)?;
    let mut raw = serde_json::Deserializer::from_slice(text).into_iter::<IgnoredAny>();
    raw.next()?.ok()?;
    let rest = text.get(raw.byte_offset()..)?.trim_ascii_start();
    let others: [&[u8]; 5] = [b"{", b"[", b",", b"data:", b"event:"];
    (!others.into_iter().any(|start| rest.starts_with(start))).then_some(value)
}

fn read_leniently(json: &[u8], keep: &Keep, budget: &MemoryBudget, halves: Halves) -> Result<Value, TreeError> {
    let left = budget.left.get();
    let error = match read_strictly(json, keep, budget) {
        Err(TreeError::NotJson(error)) => error,
        read => return read,
    };
    let Some(repaired) = lenient::repaired(json, halves) else { return Err(TreeError::NotJson(error)) };
    budget.left.set(left);
    match read_strictly(&repaired, keep, budget) {
        Ok(mut value) => {
            if halves == Halves::Keep {
                halves::replace(&mut value);
            }
            Ok(value)
        }
        // Its place is that in the text as it came.
        Err(TreeError::NotJson(again)) if !again.is_eof() => Err(TreeError::NotJson(error)),
        Err(again) => Err(again),
    }
}

fn read_strictly(json: &[u8], keep: &Keep, budget: &MemoryBudget) -> Result<Value, TreeError> {
    let full = Cell::new(false);
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let value = Grow { keep, budget, full: &full }.deserialize(&mut deserializer);
    let value = value.and_then(|value| deserializer.end().map(|()| value));
    value.map_err(|error| match full.get() {
        true => TreeError::TooLarge(budget.exceeded()),
        false => TreeError::NotJson(error),
    })
}

/// Makes the tree while the JSON is parsed.
#[derive(Clone, Copy)]
struct Grow<'a> {
    keep: &'a Keep,
    budget: &'a MemoryBudget,
    full: &'a Cell<bool>,
}

impl Grow<'_> {
    fn take<E: serde::de::Error>(&self, bytes: usize) -> Result<(), E> {
        self.budget.take(bytes).map_err(|malformed| {
            self.full.set(true);
            E::custom(malformed.0)
        })
    }
}

impl<'de> DeserializeSeed<'de> for Grow<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Grow<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Value, E> {
        self.take(TEXT)?;
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list: Vec<Value> = Vec::new();
        let keep = self.keep.item();
        while let Some(item) = items.next_element_seed(Grow { keep, ..self })? {
            if list.len() == list.capacity() {
                let more = list.len().max(4);
                self.take(more.saturating_mul(size_of::<Value>()))?;
                list.reserve_exact(more);
            }
            list.push(item);
            if matches!(self.keep, Keep::Fields(_) | Keep::Both(..)) {
                while items.next_element::<IgnoredAny>()?.is_some() {}
                break;
            }
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        let mut capacity = 0_usize;
        while let Some(name) = entries.next_key::<String>()? {
            let Some(keep) = self.keep.field(&name) else {
                entries.next_value::<IgnoredAny>()?;
                continue;
            };
            if fields.len() == capacity {
                // The capacities of the map: 3, 7, 14, 28 fields and so on.
                let more = match capacity {
                    0 => 3,
                    3 => 4,
                    more => more,
                };
                self.take(more.saturating_mul(FIELD))?;
                capacity = capacity.saturating_add(more);
            }
            self.take(TEXT)?;
            let field = entries.next_value_seed(Grow { keep, ..self })?;
            fields.insert(name, field);
        }
        Ok(fields.into())
    }
}

#[cfg(test)]
mod tests;
