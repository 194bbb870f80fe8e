//! A JSON Schema that answers can be checked against.
//!
//! Both the schema and the answer come from strangers. So nothing is fetched, patterns are matched in linear time, and what cannot be
//! checked is found before anything is asked.

use std::collections::{BTreeMap, BTreeSet};

use regex_lite::{Regex, RegexBuilder};
use serde_json::Value;

use crate::{keywords::must_be, shown::shown as cut};

/// The most bytes of a schema.
const LONGEST: usize = 1 << 20;
/// The most different patterns of a schema, and the most bytes of one.
const MOST_PATTERNS: usize = 200;
const LONGEST_PATTERN: usize = 1000;
/// The memory of a compiled pattern in bytes, and what a match costs then. A larger pattern cannot be checked.
const SIZES: [(usize, usize); 4] = [(4 << 10, 1), (16 << 10, 4), (64 << 10, 16), (256 << 10, 64)];

/// Keywords that say something of a value and that are not checked.
const UNKNOWN: [&str; 4] = ["unevaluatedProperties", "unevaluatedItems", "$dynamicRef", "$recursiveRef"];
/// Keywords whose value is data and no schema.
const DATA: [&str; 4] = ["enum", "const", "default", "examples"];
/// Keywords whose value has schemas by names that may be any word.
pub(crate) const BY_NAME: [&str; 6] =
    ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"];

/// A compiled pattern.
#[derive(Debug)]
pub(crate) struct Pattern {
    pub(crate) regex: Regex,
    /// How much a match costs, for its size.
    pub(crate) cost: usize,
}

/// A JSON Schema, of any of the drafts in use.
#[derive(Debug)]
pub struct Schema {
    pub(crate) root: Value,
    /// The compiled patterns, by their text.
    pub(crate) patterns: BTreeMap<String, Pattern>,
    /// The places of schemas that `$anchor` or `$id` names.
    anchors: BTreeMap<String, String>,
    /// Whether `$ref` hides the words beside it, as up to draft 7.
    pub(crate) ref_stands_alone: bool,
}

/// What was found while a schema is read.
#[derive(Default)]
struct Found {
    /// The places of the parts that were read.
    places: BTreeSet<String>,
    /// What `$ref` names.
    references: Vec<String>,
}

impl Schema {
    /// Reads a schema.
    ///
    /// # Errors
    ///
    /// Why answers cannot be checked against it.
    pub fn new(text: &str) -> Result<Self, String> {
        if text.len() > LONGEST {
            return Err(format!("it has {} bytes, and {LONGEST} are the most", text.len()));
        }
        let root = serde_json::from_str(text).map_err(|error| format!("it is not JSON: {error}"))?;
        let mut schema = Self {
            root: Value::Null,
            patterns: BTreeMap::new(),
            anchors: BTreeMap::new(),
            ref_stands_alone: is_old(&root),
        };
        let mut found = Found::default();
        schema.read(&root, "", &mut found)?;
        while let Some(reference) = found.references.pop() {
            let place = schema.place(&reference);
            let named = place.and_then(|place| root.pointer(&place).map(|part| (part, place)));
            let (part, place) = named.ok_or_else(|| {
                format!("`$ref` names {reference:?}, which is not in it: only parts of the schema itself can be named")
            })?;
            // It may stand in a place that has no schema otherwise.
            schema.read(part, &place, &mut found)?;
        }
        schema.root = root;
        Ok(schema)
    }

    /// Returns the part that a `$ref` names.
    pub(crate) fn find(&self, reference: &str) -> Option<&Value> {
        self.root.pointer(&self.place(reference)?)
    }

    /// Returns the place that a `$ref` names.
    fn place(&self, reference: &str) -> Option<String> {
        match reference.strip_prefix('#') {
            Some("") => Some(String::new()),
            Some(pointer) if pointer.starts_with('/') => Some(decoded(pointer)),
            _ => match (self.anchors.get(reference), reference.split_once('#')) {
                (Some(place), _) => Some(place.clone()),
                // The whole schema by its own address.
                (None, Some((base, rest))) if self.anchors.get(base)?.is_empty() => self.place(&format!("#{rest}")),
                (None, _) => None,
            },
        }
    }

    /// Reads a part, unless it was read before: its patterns, its names, and what it refers to.
    fn read(&mut self, part: &Value, place: &str, found: &mut Found) -> Result<(), String> {
        if !found.places.insert(place.to_owned()) {
            return Ok(());
        }
        let fields = match part {
            Value::Object(fields) => fields,
            Value::Bool(_) => return Ok(()),
            _ => return Err(format!("{} is no schema: a schema is an object, true or false", shown(place))),
        };
        for (key, value) in fields {
            let inner = format!("{place}/{}", escaped(key));
            if let Some(expected) = must_be(key, value) {
                return Err(format!("{} is {}, and must be {expected}", shown(&inner), cut(value)));
            }
            match (key.as_str(), value) {
                ("pattern", Value::String(pattern)) => self.pattern(pattern, &inner)?,
                ("$ref", Value::String(reference)) => found.references.push(reference.clone()),
                ("$anchor", Value::String(name)) => self.name(format!("#{name}"), place)?,
                ("$id" | "id", Value::String(name)) => self.name(name.clone(), place)?,
                (key, _) if UNKNOWN.contains(&key) => {
                    return Err(format!("{} cannot be checked", shown(&inner)));
                }
                (key, _) if DATA.contains(&key) => {}
                (key, Value::Object(named)) if BY_NAME.contains(&key) => {
                    for (name, schema) in named {
                        if key == "patternProperties" {
                            self.pattern(name, &inner)?;
                        }
                        // `dependencies` of older drafts may have lists of names.
                        if !schema.is_array() {
                            self.read(schema, &format!("{inner}/{}", escaped(name)), found)?;
                        }
                    }
                }
                ("allOf" | "anyOf" | "oneOf" | "prefixItems" | "items", Value::Array(schemas)) => {
                    for (at, schema) in schemas.iter().enumerate() {
                        self.read(schema, &format!("{inner}/{at}"), found)?;
                    }
                }
                (
                    "items"
                    | "additionalItems"
                    | "additionalProperties"
                    | "propertyNames"
                    | "contains"
                    | "not"
                    | "if"
                    | "then"
                    | "else",
                    schema,
                ) => self.read(schema, &inner, found)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Gives a place a name.
    fn name(&mut self, name: String, place: &str) -> Result<(), String> {
        match self.anchors.insert(name.clone(), place.to_owned()) {
            Some(before) if before != place => Err(format!("it names two of its parts {name:?}")),
            _ => Ok(()),
        }
    }

    fn pattern(&mut self, pattern: &str, place: &str) -> Result<(), String> {
        if self.patterns.contains_key(pattern) {
            return Ok(());
        }
        if self.patterns.len() >= MOST_PATTERNS || pattern.len() > LONGEST_PATTERN {
            return Err(format!(
                "it has more than {MOST_PATTERNS} patterns, or one of more than {LONGEST_PATTERN} bytes"
            ));
        }
        let build = |size| RegexBuilder::new(pattern).size_limit(size).build();
        let built = SIZES.iter().find_map(|(size, cost)| Some(Pattern { regex: build(*size).ok()?, cost: *cost }));
        let why = || {
            build(SIZES.last().map_or(0, |(size, _)| *size)).err().map(|error| error.to_string()).unwrap_or_default()
        };
        let built =
            built.ok_or_else(|| format!("the pattern {pattern:?} of {} cannot be checked: {}", shown(place), why()))?;
        self.patterns.insert(pattern.to_owned(), built);
        Ok(())
    }
}

/// Whether a schema says that it is of draft 7 or before.
fn is_old(root: &Value) -> bool {
    let draft = root.get("$schema").and_then(Value::as_str).unwrap_or_default();
    ["draft-03", "draft-04", "draft-06", "draft-07"].iter().any(|old| draft.contains(old))
}

/// A part of a JSON pointer.
fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

fn shown(place: &str) -> String {
    if place.is_empty() { "it".to_owned() } else { format!("`{place}`") }
}

/// A pointer of a URL, without its escapes.
fn decoded(pointer: &str) -> String {
    let mut bytes = Vec::with_capacity(pointer.len());
    let mut rest = pointer.as_bytes();
    while let Some((first, then)) = rest.split_first() {
        let hex = then.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match (first, hex.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = then.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(*first);
                rest = then;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
