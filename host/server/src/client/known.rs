//! Checks the types of fields that a format knows, and that no reader of the gateway looks into.
//!
//! Such fields go on to providers of the same format. A wrong one is told here, where its place is the client's own.

use serde_json::Value;

use crate::client::{place::Place, problem::Problem};

/// What a known field may hold. Null is an absent field.
#[derive(Debug)]
pub(crate) enum Known {
    Text,
    Flag,
    Number,
    Whole,
    /// An object with these fields, and with any others.
    Object(&'static [(&'static str, Known)]),
    /// An object whose `type` says which fields it has.
    Typed(&'static [(&'static str, &'static [(&'static str, Known)])]),
    List(&'static Known),
    /// One of these two.
    Either(&'static Known, &'static Known),
    /// What has to be there.
    Needed(&'static Known),
}

impl Known {
    /// What the value must be, in words.
    fn words(&self) -> &'static str {
        match self {
            Known::Text => "a string",
            Known::Flag => "true or false",
            Known::Number => "a number",
            Known::Whole => "a whole number",
            Known::Object(_) | Known::Typed(_) => "an object",
            Known::List(_) => "a list",
            Known::Either(Known::Text, Known::Object(_) | Known::Typed(_)) => "a string or an object",
            Known::Either(Known::Text, _) => "a string or a list",
            Known::Either(..) => "an object or a list",
            Known::Needed(known) => known.words(),
        }
    }

    fn fits(&self, value: &Value) -> bool {
        match self {
            Known::Text => value.is_string(),
            Known::Flag => value.is_boolean(),
            Known::Number => value.is_number(),
            Known::Whole => {
                value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0)
            }
            Known::Object(_) | Known::Typed(_) => value.is_object(),
            Known::List(_) => value.is_array(),
            Known::Either(one, other) => one.fits(value) || other.fits(value),
            Known::Needed(known) => known.fits(value),
        }
    }

    /// Checks the value at this place, and all in it that is known.
    ///
    /// # Errors
    ///
    /// The place and what it must be.
    pub(crate) fn check(&self, value: &Value, place: &Place<'_>) -> Result<(), Problem> {
        if !self.fits(value) {
            return Err(place.expected(self.words(), value));
        }
        match (self, value) {
            (Known::Object(fields), Value::Object(_)) => check_fields(fields, value, place),
            (Known::Typed(kinds), Value::Object(object)) => {
                let kind = object.get("type").and_then(Value::as_str).unwrap_or_default();
                let fields = kinds.iter().find(|(known, _)| *known == kind);
                fields.map_or(Ok(()), |(_, fields)| check_fields(fields, value, place))
            }
            (Known::List(known), Value::Array(items)) => {
                items.iter().enumerate().try_for_each(|(at, item)| known.check(item, &place.item(at)))
            }
            (Known::Either(one, other), _) => if one.fits(value) { one } else { other }.check(value, place),
            (Known::Needed(known), _) => known.check(value, place),
            _ => Ok(()),
        }
    }
}

fn check_fields(fields: &[(&str, Known)], object: &Value, place: &Place<'_>) -> Result<(), Problem> {
    fields.iter().try_for_each(|(name, known)| match (object.get(name), known) {
        (None | Some(Value::Null), Known::Needed(_)) => Err(place.field(name).missing()),
        (None | Some(Value::Null), _) => Ok(()),
        (Some(value), known) => known.check(value, &place.field(name)),
    })
}
