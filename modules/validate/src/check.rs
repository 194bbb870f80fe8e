//! Checks a value against a schema, in bounded time.

use std::cmp::Ordering;

use serde_json::{Map, Number, Value};

use crate::{
    number::{compare, is_multiple},
    schema::Schema,
    shown::{SHOWN, shown},
};

/// The most problems that are named.
const MOST: usize = 10;
/// The most steps of a check: schemas that are applied, and values that are compared.
const STEPS: usize = 200_000;
/// The most schemas that are applied inside of each other.
const DEPTH: usize = 128;

/// Something that does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where, such as `$.items[2].name`.
    pub path: String,
    /// What is wrong.
    pub message: String,
}

/// The check took too long: the schema repeats itself too often, or the value is too large for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong;

/// Returns what in a value does not fit a schema, at most ten problems.
///
/// # Errors
///
/// Where the check takes too long.
pub fn problems(schema: &Schema, value: &Value) -> Result<Vec<Problem>, TooLong> {
    let mut check = Check { schema, steps: STEPS };
    let mut found = Vec::new();
    check.apply(&schema.root, value, "$", 0, &mut found)?;
    Ok(found)
}

struct Check<'a> {
    schema: &'a Schema,
    steps: usize,
}

type Checked = Result<(), TooLong>;

fn add(found: &mut Vec<Problem>, path: &str, message: impl Into<String>) {
    if found.len() < MOST {
        found.push(Problem { path: path.to_owned(), message: message.into() });
    }
}

impl Check<'_> {
    fn step(&mut self, steps: usize) -> Checked {
        self.steps = self.steps.checked_sub(steps).ok_or(TooLong)?;
        Ok(())
    }

    fn apply(&mut self, part: &Value, value: &Value, path: &str, depth: usize, found: &mut Vec<Problem>) -> Checked {
        self.step(1)?;
        if found.len() >= MOST {
            return Ok(());
        }
        if depth > DEPTH {
            return Err(TooLong);
        }
        let fields = match part {
            Value::Object(fields) => fields,
            Value::Bool(false) => {
                add(found, path, "nothing may stand here");
                return Ok(());
            }
            _ => return Ok(()),
        };
        if let Some(Value::String(reference)) = fields.get("$ref")
            && let Some(named) = self.schema.find(reference)
        {
            self.apply(named, value, path, depth + 1, found)?;
            if self.schema.ref_stands_alone {
                return Ok(());
            }
        }
        self.kind(fields, value, path, found)?;
        match value {
            Value::String(text) => self.text(fields, text, path, found)?,
            Value::Number(number) => numbers(fields, number, path, found),
            Value::Array(items) => self.array(fields, items, path, depth, found)?,
            Value::Object(properties) => self.object(fields, properties, value, path, depth, found)?,
            Value::Null | Value::Bool(_) => {}
        }
        self.combined(fields, value, path, depth, found)
    }

    fn kind(&mut self, fields: &Map<String, Value>, value: &Value, path: &str, found: &mut Vec<Problem>) -> Checked {
        let wanted: Vec<&str> = match fields.get("type") {
            Some(Value::String(kind)) => vec![kind],
            Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        if !wanted.is_empty() && !wanted.iter().any(|kind| is_kind(value, kind)) {
            add(found, path, format!("must be {}, not {}", wanted.join(" or "), kind_of(value)));
        }
        if let Some(Value::Array(allowed)) = fields.get("enum") {
            let mut fits = false;
            for one in allowed {
                fits |= self.same(one, value)?;
            }
            if !fits {
                add(
                    found,
                    path,
                    format!("must be one of {}, not {}", shown(&Value::Array(allowed.clone())), shown(value)),
                );
            }
        }
        if let Some(only) = fields.get("const")
            && !self.same(only, value)?
        {
            add(found, path, format!("must be {}, not {}", shown(only), shown(value)));
        }
        Ok(())
    }

    fn text(&mut self, fields: &Map<String, Value>, text: &str, path: &str, found: &mut Vec<Problem>) -> Checked {
        if fields.contains_key("minLength") || fields.contains_key("maxLength") {
            between(fields, ("minLength", "maxLength"), text.chars().count(), "characters", path, found);
        }
        if let Some(pattern) = fields.get("pattern").and_then(Value::as_str)
            && !self.matches(pattern, text)?
        {
            add(found, path, format!("must match the pattern {pattern:?}, not {}", shown(&Value::from(text))));
        }
        Ok(())
    }

    fn matches(&mut self, pattern: &str, text: &str) -> Result<bool, TooLong> {
        let Some(compiled) = self.schema.patterns.get(pattern) else { return Ok(true) };
        // A match takes time in proportion to both.
        self.step((text.len() / 16 + 1).saturating_mul(compiled.cost))?;
        Ok(compiled.regex.is_match(text))
    }

    fn array(
        &mut self,
        fields: &Map<String, Value>,
        items: &[Value],
        path: &str,
        depth: usize,
        found: &mut Vec<Problem>,
    ) -> Checked {
        between(fields, ("minItems", "maxItems"), items.len(), "items", path, found);
        // Older drafts have the list in `items`, and the rest in `additionalItems`.
        let (first, rest) = match (fields.get("prefixItems"), fields.get("items")) {
            (Some(Value::Array(first)), rest) => (first.as_slice(), rest),
            (_, Some(Value::Array(first))) => (first.as_slice(), fields.get("additionalItems")),
            (_, rest) => (&[][..], rest),
        };
        for (at, item) in items.iter().enumerate() {
            if let Some(part) = first.get(at).or(rest) {
                self.apply(part, item, &format!("{path}[{at}]"), depth + 1, found)?;
            }
        }
        if let Some(part) = fields.get("contains") {
            let mut fitting = 0_u64;
            for item in items {
                fitting += u64::from(self.fits(part, item, depth)?);
            }
            let least = number(fields, "minContains").unwrap_or(1);
            if fitting < least || number(fields, "maxContains").is_some_and(|most| fitting > most) {
                add(found, path, format!("has {fitting} items that fit `contains`, which is too few or too many"));
            }
        }
        if fields.get("uniqueItems") == Some(&Value::Bool(true)) {
            for (at, item) in items.iter().enumerate() {
                for (before, other) in items.iter().take(at).enumerate() {
                    if self.same(item, other)? {
                        add(found, path, format!("the items {before} and {at} are the same"));
                    }
                }
            }
        }
        Ok(())
    }

    fn object(
        &mut self,
        fields: &Map<String, Value>,
        properties: &Map<String, Value>,
        value: &Value,
        path: &str,
        depth: usize,
        found: &mut Vec<Problem>,
    ) -> Checked {
        between(fields, ("minProperties", "maxProperties"), properties.len(), "properties", path, found);
        let missing = |names: &Value, found: &mut Vec<Problem>| {
            let names = names.as_array().into_iter().flatten().filter_map(Value::as_str);
            names.filter(|name| !properties.contains_key(*name)).for_each(|name| {
                add(found, path, format!("lacks the property {name:?}"));
            });
        };
        fields.get("required").into_iter().for_each(|names| missing(names, found));
        let object = |key: &str| fields.get(key).and_then(Value::as_object);
        for (name, of) in properties {
            let path = inner(path, name);
            let mut is_known = false;
            if let Some(part) = object("properties").and_then(|known| known.get(name)) {
                is_known = true;
                self.apply(part, of, &path, depth + 1, found)?;
            }
            for (pattern, part) in object("patternProperties").into_iter().flatten() {
                if self.matches(pattern, name)? {
                    is_known = true;
                    self.apply(part, of, &path, depth + 1, found)?;
                }
            }
            match fields.get("additionalProperties") {
                Some(Value::Bool(false)) if !is_known => add(found, &path, "is a property that may not be there"),
                Some(part) if !is_known => self.apply(part, of, &path, depth + 1, found)?,
                _ => {}
            }
            if let Some(part) = fields.get("propertyNames")
                && !self.fits(part, &Value::from(name.as_str()), depth)?
            {
                add(found, &path, "has a name that may not be there");
            }
        }
        for key in ["dependentRequired", "dependentSchemas", "dependencies"] {
            for (name, then) in object(key).into_iter().flatten().filter(|(name, _)| properties.contains_key(*name)) {
                match then {
                    Value::Array(_) => missing(then, found),
                    part => {
                        self.step(name.len())?;
                        self.apply(part, value, path, depth + 1, found)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn combined(
        &mut self,
        fields: &Map<String, Value>,
        value: &Value,
        path: &str,
        depth: usize,
        found: &mut Vec<Problem>,
    ) -> Checked {
        let list = |key: &str| fields.get(key).and_then(Value::as_array);
        for part in list("allOf").into_iter().flatten() {
            self.apply(part, value, path, depth + 1, found)?;
        }
        if let Some(parts) = list("anyOf") {
            self.one_of_several(parts, value, path, depth, found, "anyOf")?;
        }
        if let Some(parts) = list("oneOf")
            && self.one_of_several(parts, value, path, depth, found, "oneOf")? > 1
        {
            add(found, path, "fits more than one of the alternatives of `oneOf`");
        }
        if let Some(part) = fields.get("not")
            && self.fits(part, value, depth)?
        {
            add(found, path, format!("must not be like this: {}", shown(value)));
        }
        if let Some(condition) = fields.get("if") {
            let then = if self.fits(condition, value, depth)? { "then" } else { "else" };
            if let Some(part) = fields.get(then) {
                self.apply(part, value, path, depth + 1, found)?;
            }
        }
        Ok(())
    }

    /// Returns how many of the parts fit. If none does, the problems of the nearest one are found.
    fn one_of_several(
        &mut self,
        parts: &[Value],
        value: &Value,
        path: &str,
        depth: usize,
        found: &mut Vec<Problem>,
        key: &str,
    ) -> Result<usize, TooLong> {
        let (mut fitting, mut nearest) = (0, None::<Vec<Problem>>);
        for part in parts {
            let mut problems = Vec::new();
            self.apply(part, value, path, depth + 1, &mut problems)?;
            fitting += usize::from(problems.is_empty());
            // What is wrong further in is nearer.
            let wrong_here = |problems: &Vec<Problem>| problems.iter().filter(|problem| problem.path == path).count();
            let rank = |problems: &Vec<Problem>| (wrong_here(problems), problems.len());
            if nearest.as_ref().is_none_or(|nearest| rank(&problems) < rank(nearest)) {
                nearest = Some(problems);
            }
        }
        if fitting == 0 && !parts.is_empty() {
            add(found, path, format!("fits none of the {} alternatives of `{key}`; of the nearest:", parts.len()));
            nearest.into_iter().flatten().for_each(|problem| add(found, &problem.path, problem.message));
        }
        Ok(fitting)
    }

    fn fits(&mut self, part: &Value, value: &Value, depth: usize) -> Result<bool, TooLong> {
        let mut problems = Vec::new();
        self.apply(part, value, "", depth + 1, &mut problems)?;
        Ok(problems.is_empty())
    }

    /// Whether two values are the same. Numbers are by their value: `1` is `1.0`.
    fn same(&mut self, one: &Value, other: &Value) -> Result<bool, TooLong> {
        self.step(1)?;
        match (one, other) {
            (Value::Number(one), Value::Number(other)) => Ok(compare(one, other).is_eq()),
            (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
                for (one, other) in one.iter().zip(other) {
                    if !self.same(one, other)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            (Value::Object(one), Value::Object(other)) if one.len() == other.len() => {
                for (key, one) in one {
                    let is_same = match other.get(key) {
                        Some(other) => self.same(one, other)?,
                        None => false,
                    };
                    if !is_same {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            (Value::String(one), Value::String(other)) => {
                self.step(one.len().min(other.len()) / 64)?;
                Ok(one == other)
            }
            (one, other) => Ok(one == other),
        }
    }
}

fn number(fields: &Map<String, Value>, key: &str) -> Option<u64> {
    let number = fields.get(key)?;
    // `2.0` counts too.
    number.as_u64().or_else(|| {
        number.as_f64().filter(|number| *number >= 0.0 && number.fract() == 0.0).map(|number| number as u64)
    })
}

fn between(
    fields: &Map<String, Value>,
    (least, most): (&str, &str),
    length: usize,
    what: &str,
    path: &str,
    found: &mut Vec<Problem>,
) {
    let length = length as u64;
    if let Some(least) = number(fields, least).filter(|least| length < *least) {
        add(found, path, format!("has {length} {what}, and {least} are the fewest"));
    }
    if let Some(most) = number(fields, most).filter(|most| length > *most) {
        add(found, path, format!("has {length} {what}, and {most} are the most"));
    }
}

/// Whether a number that compares like this with a limit keeps to it.
type Fits = fn(Ordering) -> bool;

fn numbers(fields: &Map<String, Value>, number: &Number, path: &str, found: &mut Vec<Problem>) {
    let limit = |key: &str| match fields.get(key) {
        Some(Value::Number(limit)) => Some(limit),
        _ => None,
    };
    // In draft 4 these are `true`, and the limits are those of `minimum` and `maximum`.
    let is_set = |key: &str| fields.get(key) == Some(&Value::Bool(true));
    let (above, below) = (is_set("exclusiveMinimum"), is_set("exclusiveMaximum"));
    let limits: [(_, _, Fits); 6] = [
        (limit("minimum").filter(|_| !above), "at least", Ordering::is_ge),
        (limit("maximum").filter(|_| !below), "at most", Ordering::is_le),
        (limit("exclusiveMinimum"), "above", Ordering::is_gt),
        (limit("exclusiveMaximum"), "below", Ordering::is_lt),
        (limit("minimum").filter(|_| above), "above", Ordering::is_gt),
        (limit("maximum").filter(|_| below), "below", Ordering::is_lt),
    ];
    for (limit, word, fits) in limits {
        if let Some(limit) = limit.filter(|limit| !fits(compare(number, limit))) {
            add(found, path, format!("must be {word} {limit}, not {number}"));
        }
    }
    if let Some(step) = limit("multipleOf").filter(|step| !is_multiple(number, step)) {
        add(found, path, format!("must be a multiple of {step}, not {number}"));
    }
}

fn is_kind(value: &Value, kind: &str) -> bool {
    match kind {
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "number" => value.is_number(),
        kind => kind_of(value) == kind,
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The path of a property: `$.name`, or `$["a name"]`.
fn inner(path: &str, name: &str) -> String {
    let is_word = !name.is_empty()
        && name.len() <= SHOWN
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    match is_word {
        true => format!("{path}.{name}"),
        false => format!("{path}[{}]", shown(&Value::from(name))),
    }
}

#[cfg(test)]
mod tests;
