//! Reads JSON whose objects have each key once. A provider may read the first of two values and a module the second, so that
//! nobody has looked at what the model reads.

use std::{collections::HashSet, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value, map::Entry};

use crate::client::{place::Place, problem::Problem};

/// The longest key that an error repeats, in characters.
const LONGEST_SHOWN: usize = 200;

/// Reads JSON. Costs about a tenth more than reading it otherwise does: keys are compared where they are kept.
///
/// # Errors
///
/// If it is no JSON, or has a key twice: [`repeated`] tells which.
pub(crate) fn read(json: &[u8]) -> Result<Value, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_slice(json);
    let value = Unique.deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

/// The error for the first key that stands twice in an object of this JSON, which itself stands at `place`.
pub(crate) fn repeated(json: &[u8], place: &Place<'_>) -> Option<Problem> {
    let mut found = None;
    // What is no JSON ends the search.
    let _ = Search { place, found: &mut found }.deserialize(&mut serde_json::Deserializer::from_slice(json));
    found
}

/// Reads a value. The limit of nesting is that of `serde_json`.
struct Unique;

impl<'de> DeserializeSeed<'de> for Unique {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Number::from_f64(number).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Self)? {
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            match object.entry(name) {
                Entry::Vacant(field) => field.insert(fields.next_value_seed(Self)?),
                Entry::Occupied(_) => return Err(A::Error::custom("an object has a key twice")),
            };
        }
        Ok(object.into())
    }
}

/// Looks for a key that stands twice, and ends with an error once it is found.
struct Search<'a> {
    place: &'a Place<'a>,
    found: &'a mut Option<Problem>,
}

impl<'de> DeserializeSeed<'de> for Search<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Search<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut at = 0;
        while items.next_element_seed(Search { place: &self.place.item(at), found: self.found })?.is_some() {
            at += 1;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let mut names = HashSet::new();
        while let Some(name) = fields.next_key::<String>()? {
            if names.contains(&name) {
                let shown = arcllm::plain::line(&name, LONGEST_SHOWN);
                *self.found = Some(self.place.problem(format!("has the key `{shown}` twice: leave one of them out")));
                return Err(A::Error::custom("found"));
            }
            fields.next_value_seed(Search { place: &self.place.field(&name), found: self.found })?;
            names.insert(name);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_stands_twice_is_named_with_its_place() {
        for (json, place, key) in [
            (r#"{"a": 1, "a": 1}"#, "body", "a"),
            (r#"{"a": [{}, {"b": {"c": 1, "d": 2, "\u0063": 3}}]}"#, "a[1].b", "c"),
            (r#"{"x": {"": 1, "": 2}, "x": 1}"#, "x", ""),
        ] {
            assert!(read(json.as_bytes()).is_err(), "{json}");
            let problem = repeated(json.as_bytes(), &Place::Body).unwrap();
            assert_eq!(problem.param.as_deref(), Some(place), "{json}");
            assert!(problem.message.contains(&format!("has the key `{key}` twice")), "{}", problem.message);
        }
    }

    #[test]
    fn all_else_is_read_as_serde_reads_it() {
        for json in [
            r#"{"b": [1, -2, 1.5, 18446744073709551615, 1e300, true, null, "x\u00e4"], "a": {"b": {}, "c": {"b": []}}}"#,
            "[[[]]]",
            "1",
            r#""""#,
            " {} ",
            "{} x",
            "[1,",
            r#"{"a": NaN}"#,
            "1e999",
            "",
            &format!("{}{}", "[".repeat(127), "]".repeat(127)),
            &format!("{}{}", "[".repeat(128), "]".repeat(128)),
        ] {
            let (ours, theirs) = (read(json.as_bytes()), serde_json::from_str::<Value>(json));
            assert_eq!(ours.map_err(|error| error.to_string()), theirs.map_err(|error| error.to_string()), "{json}");
            assert!(repeated(json.as_bytes(), &Place::Body).is_none(), "{json}");
        }
    }
}
