//! The unknown fields of a streamed answer, as far as they have arrived.

use serde_json::{Map, Value};

use crate::adapter::format::{malformed::Malformed, tree::MemoryBudget};

/// The memory of a field or an id of a call besides its value, in bytes.
pub(crate) const FIELD: usize = 256;

/// The unknown fields of a message, a call or a function.
#[derive(Default)]
pub(crate) struct StreamedFields(pub(crate) Map<String, Value>);

impl StreamedFields {
    /// Adds those fields of a piece that are not known. Lists are appended, and objects are joined. Sound comes in
    /// pieces. Of other values the last one holds.
    pub(crate) fn join(
        &mut self,
        piece: &Map<String, Value>,
        known: &[&str],
        budget: &MemoryBudget,
    ) -> Result<(), Malformed> {
        unknown(piece, known).try_for_each(|(name, value)| join(&mut self.0, name, value, "", budget))
    }

    /// Adds those fields of a piece that are not known. The last value holds: some servers send a whole call twice.
    pub(crate) fn replace(
        &mut self,
        piece: &Map<String, Value>,
        known: &[&str],
        budget: &MemoryBudget,
    ) -> Result<(), Malformed> {
        unknown(piece, known).try_for_each(|(name, value)| replace(&mut self.0, name, value, budget))
    }

    pub(crate) fn take(&mut self) -> Map<String, Value> {
        std::mem::take(&mut self.0)
    }
}

fn unknown<'a>(piece: &'a Map<String, Value>, known: &[&str]) -> impl Iterator<Item = (&'a String, &'a Value)> {
    piece.iter().filter(|(name, value)| !value.is_null() && !known.contains(&name.as_str()))
}

/// The field with sound, and what comes in pieces of it.
const SOUND: &str = "audio";
const IN_PIECES: [&str; 2] = ["data", "transcript"];

/// Adds a field to those of an object. `of` is the name of the object.
fn join(
    fields: &mut Map<String, Value>,
    name: &str,
    value: &Value,
    of: &str,
    budget: &MemoryBudget,
) -> Result<(), Malformed> {
    match (fields.get_mut(name), value) {
        (Some(Value::Array(items)), Value::Array(more)) => {
            for item in more {
                budget.take(2 * size_of::<Value>() + text(item))?;
                budget.take_for(item)?;
                items.push(item.clone());
            }
            Ok(())
        }
        (Some(Value::Object(before)), Value::Object(more)) => {
            more.iter().try_for_each(|(inner, value)| join(before, inner, value, name, budget))
        }
        (Some(Value::String(before)), Value::String(more)) if of == SOUND && IN_PIECES.contains(&name) => {
            budget.take(more.len())?;
            before.push_str(more);
            Ok(())
        }
        (Some(_), Value::Null) => Ok(()),
        _ => replace(fields, name, value, budget),
    }
}

fn replace(fields: &mut Map<String, Value>, name: &str, value: &Value, budget: &MemoryBudget) -> Result<(), Malformed> {
    let before = fields.get(name);
    budget.take(if before.is_none() { FIELD + name.len() } else { 0 })?;
    budget.take_for_instead(value, before)?;
    budget.take(text(value).saturating_sub(before.map_or(0, text)))?;
    fields.insert(name.to_owned(), value.clone());
    Ok(())
}

/// The bytes of the texts in a value. The limit for the length of an answer does not count them, if text of the answer comes
/// in the same event.
fn text(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(text).sum(),
        Value::Object(fields) => fields.iter().map(|(name, field)| name.len() + text(field)).sum(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn joined(pieces: &[Value], budget: &MemoryBudget) -> Result<Value, Malformed> {
        let mut fields = StreamedFields::default();
        for piece in pieces {
            fields.join(piece.as_object().unwrap(), &["known"], budget)?;
        }
        Ok(fields.take().into())
    }

    #[test]
    fn lists_are_appended_objects_joined_and_the_rest_replaced() {
        let pieces = [
            json!({"known": 1, "none": null, "list": [1], "object": {"id": "a", "at": {"b": [1]}}, "text": "a", "any": [1]}),
            json!({"list": [], "object": {"id": null, "at": {"b": [2], "c": 3}}, "text": "b", "any": 2}),
            json!({"list": [{"d": null}], "object": {"end": null}, "text": null}),
        ];
        let expected = json!({
            "list": [1, {"d": null}], "object": {"id": "a", "at": {"b": [1, 2], "c": 3}, "end": null}, "text": "b", "any": 2,
        });
        assert_eq!(joined(&pieces, &MemoryBudget::new(0)), Ok(expected));
    }

    #[test]
    fn sound_comes_in_pieces() {
        let pieces = [
            json!({"audio": {"id": "a", "transcript": "Hello"}}),
            json!({"audio": {"id": "a", "data": "AA", "transcript": " there"}}),
            json!({"audio": {"data": "BB", "expires_at": 9}}),
        ];
        let expected = json!({"audio": {"id": "a", "transcript": "Hello there", "data": "AABB", "expires_at": 9}});
        assert_eq!(joined(&pieces, &MemoryBudget::new(0)), Ok(expected));
    }

    #[test]
    fn memory_is_bounded() {
        let long = "x".repeat(64 << 10);
        let piece = |kind: usize, at: usize| match kind {
            0 => json!({"list": [{"at": at}, long]}),
            1 => json!({ format!("field {at}"): long }),
            2 => json!({"audio": {"data": long}}),
            _ => json!({"object": { format!("{at}"): {"deep": [long] }}}),
        };
        for kind in 0..4 {
            let pieces: Vec<Value> = (0..100).map(|at| piece(kind, at)).collect();
            assert!(joined(&pieces, &MemoryBudget::new(0)).is_err(), "{}", pieces[0]);
        }
        let again: Vec<Value> =
            (0..10_000).map(|at| json!({"state": {"at": at, "text": long, "done": at % 2 == 0}})).collect();
        assert!(joined(&again, &MemoryBudget::new(0)).is_ok());
    }
}
