//! Reads JSON of servers. It accepts more than the documentation allows, and its errors name the place.

use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use crate::{
    adapter::format::{
        lenient::{self, Halves},
        malformed::Malformed,
        tree::{self, Keep, MemoryBudget, TreeError},
    },
    chat::extensions::Extensions,
};

/// A value in a body, and its path there.
#[derive(Debug, Clone)]
pub(crate) struct JsonNode<'a> {
    pub(crate) value: &'a Value,
    path: String,
    /// For JSON inside of texts.
    budget: &'a MemoryBudget,
}

impl<'a> JsonNode<'a> {
    /// Counts one more copy of this value.
    pub(crate) fn count_copy(&self, value: &Value) -> Result<(), Malformed> {
        self.budget.take_for_copy(value)
    }

    /// The whole body. The budget is for JSON inside of its texts.
    pub(crate) fn root(value: &'a Value, budget: &'a MemoryBudget) -> Self {
        Self { value, path: String::new(), budget }
    }

    /// The field; `None` if it is missing or null.
    pub(crate) fn get(&self, name: &str) -> Option<Self> {
        let value = self.value.get(name).filter(|value| !value.is_null())?;
        let path = if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
        Some(Self { value, path, budget: self.budget })
    }

    /// The field. A missing field is an error.
    pub(crate) fn need(&self, name: &str) -> Result<Self, Malformed> {
        self.get(name).ok_or_else(|| self.malformed(&format!("has no `{name}`")))
    }

    pub(crate) fn str(&self) -> Result<&'a str, Malformed> {
        self.value.as_str().ok_or_else(|| self.malformed("is not a string"))
    }

    pub(crate) fn object(&self) -> Result<&'a Map<String, Value>, Malformed> {
        self.value.as_object().ok_or_else(|| self.malformed("is not an object"))
    }

    pub(crate) fn list(&self) -> Result<impl Iterator<Item = JsonNode<'a>> + use<'a>, Malformed> {
        let (path, budget) = (self.path.clone(), self.budget);
        let list = self.value.as_array().ok_or_else(|| self.malformed("is not a list"))?;
        Ok(list.iter().enumerate().map(move |(at, value)| JsonNode { value, path: format!("{path}[{at}]"), budget }))
    }

    /// The field, if it is a string that is not empty.
    pub(crate) fn text(&self, name: &str) -> Option<&'a str> {
        self.value.get(name)?.as_str().filter(|text| !text.is_empty())
    }

    /// The field, if it is a number that is not negative. Some servers write it as a text.
    pub(crate) fn count(&self, name: &str) -> Option<u64> {
        count(self.value.get(name)?)
    }

    /// The `name` of a tool. An empty name is an error: no tool has it.
    pub(crate) fn need_name(&self) -> Result<&'a str, Malformed> {
        let name = self.need("name")?;
        Some(name.str()?).filter(|text| !text.trim().is_empty()).ok_or_else(|| name.malformed("is empty"))
    }

    /// The fields that are numbers and not known, as extensions. Only the first ones, up to a limit.
    pub(crate) fn numbers(&self, known: &[&str], vendor: &str) -> Extensions {
        let fields = self.value.as_object().into_iter().flatten();
        let numbers = fields.filter(|(name, value)| value.is_number() && !known.contains(&name.as_str()));
        numbers.take(MOST_COUNTS).map(|(name, value)| (format!("{vendor}.{name}"), value.clone())).collect()
    }

    fn no_arguments(&self, shown: &str) -> Malformed {
        // Enough for an error message.
        let shown = shown.get(..shown.floor_char_boundary(4096)).unwrap_or_default();
        self.malformed(&format!("is not a JSON object: {shown}"))
    }

    /// An error about this value.
    pub(crate) fn malformed(&self, what: &str) -> Malformed {
        let subject = if self.path.is_empty() { "the body" } else { &self.path };
        Malformed(format!("{subject} {what}"))
    }
}

/// Some servers write counts as decimal fractions or as texts.
fn count(value: &Value) -> Option<u64> {
    let whole = |number: f64| Some(number).filter(|count| *count >= 0.0).map(|count| count as u64);
    match value {
        Value::String(text) => text.trim().parse().ok(),
        _ => value.as_u64().or_else(|| whole(value.as_f64()?)),
    }
}

/// Adds counts that came later to those of the answer so far. Each is for the whole answer, so a smaller one counts
/// something else and is left out.
pub(crate) fn merge_counts(
    usage: &mut Map<String, Value>,
    more: &Map<String, Value>,
    budget: &MemoryBudget,
) -> Result<(), Malformed> {
    for (name, value) in more.iter().filter(|(_, value)| !value.is_null()) {
        let room = usage.len() < MOST_COUNTS;
        match (usage.get_mut(name), value) {
            (Some(Value::Object(before)), Value::Object(more)) => merge_counts(before, more, budget)?,
            (Some(before), _) if count(value) < count(before) => {}
            (Some(before), _) => {
                budget.take_for_instead(value, Some(before))?;
                *before = value.clone();
            }
            (None, _) if room => {
                budget.take(BLOCK + name.len())?;
                budget.take_for(value)?;
                usage.insert(name.clone(), value.clone());
            }
            (None, _) => {}
        }
    }
    Ok(())
}

/// The arguments of a tool call: an object, or a text that contains one. Absent and empty arguments are an empty object.
pub(crate) fn arguments(node: Option<&JsonNode<'_>>) -> Result<Map<String, Value>, Malformed> {
    let Some(node) = node else { return Ok(Map::new()) };
    match node.value {
        Value::Object(arguments) => Ok(arguments.clone()),
        Value::String(text) if text.trim().is_empty() => Ok(Map::new()),
        Value::String(text) => match tree::read(text.as_bytes(), &Keep::All, node.budget) {
            Ok(Value::Object(arguments)) => Ok(arguments),
            Ok(Value::Null) => Ok(Map::new()),
            Ok(_) | Err(TreeError::NotJson(_)) => Err(node.no_arguments(text)),
            Err(TreeError::TooLarge(malformed)) => Err(malformed),
        },
        other => Err(node.no_arguments(&other.to_string())),
    }
}

/// Whether the answer with this usage costs any tokens.
pub(crate) fn has_counts(usage: &JsonNode<'_>) -> bool {
    is_counted(usage.value)
}

fn is_counted(usage: &Value) -> bool {
    match usage {
        Value::Object(fields) => fields.values().any(is_counted),
        value => count(value).is_some_and(|count| count > 0),
    }
}

/// The most unknown numbers that are kept of one answer. Each event of a stream may repeat all of them.
pub(crate) const MOST_COUNTS: usize = 64;

/// The memory of a block of a streamed answer besides its content, in bytes: while it arrives, in
/// [`Received`](crate::chat::received::Received), and in the response.
pub(crate) const BLOCK: usize = 1024;

/// Whether the arguments of a call are incomplete in an answer that was cut. Empty arguments are incomplete in the last
/// call.
pub(crate) fn are_cut(node: Option<&JsonNode<'_>>, is_last: bool) -> bool {
    match node.map(|node| node.value) {
        None => is_last,
        Some(Value::Object(arguments)) => is_last && arguments.is_empty(),
        Some(Value::String(text)) if text.trim().is_empty() => is_last,
        Some(Value::String(text)) => !is_whole(text),
        Some(_) => false,
    }
}

/// Whether the text is whole JSON, or becomes that when it is repaired.
fn is_whole(text: &str) -> bool {
    let is_json = |text: &[u8]| serde_json::from_slice::<IgnoredAny>(text).is_ok();
    is_json(text.as_bytes()) || lenient::repaired(text.as_bytes(), Halves::Replace).is_some_and(|text| is_json(&text))
}

/// The arguments of a call as text.
pub(crate) fn arguments_text(node: Option<&JsonNode<'_>>) -> String {
    match node.map(|node| node.value) {
        None => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn errors_name_the_place() {
        let body = json!({"a": [{"b": 1}], "n": null});
        let budget = MemoryBudget::new(0);
        let root = JsonNode::root(&body, &budget);
        let first = root.need("a").unwrap().list().unwrap().next().unwrap();
        assert_eq!(first.need("b").unwrap().str().unwrap_err().0, "a[0].b is not a string");
        assert_eq!(first.need("c").unwrap_err().0, "a[0] has no `c`");
        assert_eq!(root.need("n").unwrap_err().0, "the body has no `n`");
        assert_eq!(root.list().err().unwrap().0, "the body is not a list");
        assert_eq!(first.need("b").unwrap().object().unwrap_err().0, "a[0].b is not an object");
    }

    #[test]
    fn counts() {
        for (value, expected) in [
            (json!(7), Some(7)),
            (json!(7.0), Some(7)),
            (json!(1e300), Some(u64::MAX)),
            (json!(-1), None),
            (json!("7"), Some(7)),
            (json!("seven"), None),
            (json!(null), None),
        ] {
            assert_eq!(count(&value), expected, "{value}");
        }
    }

    #[test]
    fn counts_never_go_down() {
        let mut usage = Map::new();
        let budget = MemoryBudget::new(0);
        for more in [
            json!({"in": 100, "out": 1, "details": {"cached": 7}, "tier": "a"}),
            json!({"out": 5, "in": null, "details": {"written": 2}, "tier": "b"}),
            json!({"in": 0, "out": 0, "details": {"cached": 0}, "more": 0}),
        ] {
            merge_counts(&mut usage, more.as_object().unwrap(), &budget).unwrap();
        }
        let expected = json!({"in": 100, "out": 5, "details": {"cached": 7, "written": 2}, "tier": "b", "more": 0});
        assert_eq!(Value::from(usage), expected);
    }

    #[test]
    fn arguments_in_all_forms() {
        let read = |value: Value| arguments(Some(&JsonNode::root(&value, &MemoryBudget::new(0)))).map(Value::from);
        for none in [json!(""), json!(" \n"), json!("{}"), json!("null"), json!({})] {
            assert_eq!(read(none), Ok(json!({})));
        }
        assert_eq!(arguments(None), Ok(Map::new()));
        assert_eq!(read(json!("{\"a\": 1}")), Ok(json!({"a": 1})));
        assert_eq!(read(json!({"a": 1})), Ok(json!({"a": 1})));
        for wrong in [json!("{\"a\": "), json!("[1]"), json!("7"), json!([1]), json!(7)] {
            let raw = wrong.as_str().map_or_else(|| wrong.to_string(), str::to_owned);
            let error = read(wrong).unwrap_err().0;
            assert!(error.ends_with(&format!("is not a JSON object: {raw}")), "{error}");
        }
    }
}
