//! Rewrites the strings inside of JSON.

use std::borrow::Cow;

use serde::de::IgnoredAny;

/// Rewrites the strings inside of JSON, but no keys and no numbers. If the text is not JSON, rewrites it as text. Returns none
/// if nothing changes.
///
/// It makes no tree, which would take many times the size of the text.
pub fn json(text: &str, rewrite: &mut impl FnMut(&str) -> Option<String>) -> Option<String> {
    if serde_json::from_str::<IgnoredAny>(text).is_err() {
        return rewrite(text);
    }
    let (mut written, mut rest) = (None::<String>, text);
    while let Some((before, literal, after)) = next_literal(rest) {
        let is_name = after.trim_start().starts_with(':');
        let new = (!is_name).then(|| rewritten(literal, rewrite)).flatten();
        if new.is_some() && written.is_none() {
            written = Some(compact(text.get(..text.len() - rest.len())?));
        }
        if let Some(written) = &mut written {
            push_compact(written, before);
            written.push_str(new.as_deref().unwrap_or(literal));
        }
        rest = after;
    }
    if let Some(written) = &mut written {
        push_compact(written, rest);
    }
    written
}

/// Splits a text into the part before the next string, the string, and the rest.
fn next_literal(rest: &str) -> Option<(&str, &str, &str)> {
    let (before, from) = rest.split_at(rest.find('"')?);
    let (literal, after) = from.split_at(literal_length(from));
    Some((before, literal, after))
}

/// Copies JSON without the spaces between its parts.
fn compact(mut rest: &str) -> String {
    let mut written = String::with_capacity(rest.len());
    while let Some((before, literal, after)) = next_literal(rest) {
        push_compact(&mut written, before);
        written.push_str(literal);
        rest = after;
    }
    push_compact(&mut written, rest);
    written
}

/// Adds JSON that has no string, without its spaces.
fn push_compact(written: &mut String, between: &str) {
    written.extend(between.split_ascii_whitespace());
}

/// Returns the length of the string that begins with this quote.
fn literal_length(from: &str) -> usize {
    let (mut is_escaped, bytes) = (false, from.as_bytes());
    let end = bytes.iter().skip(1).position(|byte| match byte {
        b'"' => !std::mem::take(&mut is_escaped),
        b'\\' => {
            is_escaped = !is_escaped;
            false
        }
        _ => {
            is_escaped = false;
            false
        }
    });
    end.map_or(from.len(), |end| end + 2)
}

/// Rewrites the text of a JSON string. Returns none if it does not change.
fn rewritten(literal: &str, rewrite: &mut impl FnMut(&str) -> Option<String>) -> Option<String> {
    let inside = literal.get(1..literal.len().saturating_sub(1)).unwrap_or_default();
    let text = match literal.contains('\\') {
        false => Cow::Borrowed(inside),
        // A string with half a surrogate has no text, so its source is rewritten.
        true => serde_json::from_str::<String>(literal).map_or(Cow::Borrowed(inside), Cow::Owned),
    };
    rewrite(&text).and_then(|text| serde_json::to_string(&text).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn capitals(text: &str) -> Option<String> {
        text.contains('x').then(|| text.to_uppercase())
    }

    #[test]
    fn only_strings_are_rewritten() {
        for (text, expected) in [
            (
                r#"{"x": ["x", 1e400, 123456789012345678901234567890], "y": "\"x\" "}"#,
                Some(r#"{"x":["X",1e400,123456789012345678901234567890],"y":"\"X\" "}"#),
            ),
            (r#" "x" "#, Some(r#""X""#)),
            (r#"{"x" : "y"}"#, None),
            (r#"{"\"": "\\", "\\": "x\\"}"#, Some(r#"{"\"":"\\","\\":"X\\"}"#)),
            (r#"["\u0078"]"#, Some(r#"["X"]"#)),
            // Half a surrogate.
            (r#"["\ud800 x"]"#, Some(r#"["\\UD800 X"]"#)),
            ("x is no JSON", Some("X IS NO JSON")),
            ("", None),
        ] {
            assert_eq!(json(text, &mut capitals).as_deref(), expected, "{text}");
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::from),
            "[x\"\\\\ é\n:]{0,6}".prop_map(Value::from)
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[x\"\\\\:]{0,3}", inner, 0..4).prop_map(|map| map.into_iter().collect()),
            ]
        })
    }

    fn with_capitals(value: &Value) -> Value {
        match value {
            Value::String(text) => capitals(text).unwrap_or_else(|| text.clone()).into(),
            Value::Array(items) => items.iter().map(with_capitals).collect(),
            Value::Object(items) => items.iter().map(|(name, item)| (name.clone(), with_capitals(item))).collect(),
            other => other.clone(),
        }
    }

    proptest! {
        #[test]
        fn the_result_is_that_of_a_tree(value in any_json(), pretty: bool) {
            let text = if pretty { serde_json::to_string_pretty(&value).unwrap() } else { value.to_string() };
            let rewritten = json(&text, &mut capitals).unwrap_or(text);
            prop_assert_eq!(serde_json::from_str::<Value>(&rewritten).unwrap(), with_capitals(&value));
        }

        #[test]
        fn no_text_makes_it_fail(text in "[\\[\\]{}\":,\\\\x1é ]{0,20}") {
            let _ = json(&text, &mut capitals);
        }
    }
}
