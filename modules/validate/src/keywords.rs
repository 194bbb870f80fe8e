//! What the values of keywords must be: <https://json-schema.org/draft/2020-12/json-schema-validation>, and as in older drafts.

use serde_json::{Number, Value};

/// The types of JSON Schema.
const TYPES: [&str; 7] = ["null", "boolean", "object", "array", "number", "integer", "string"];

/// Returns what the value of this keyword must be, if it is something else. The values of `items`, `not` and other keywords that
/// have a schema are looked at as schemas.
pub(crate) fn must_be(keyword: &str, value: &Value) -> Option<&'static str> {
    let (is_right, expected) = match keyword {
        "type" => (is_type(value), "null, boolean, object, array, number, integer or string, or a list of these"),
        "enum" => (value.is_array(), "a list"),
        "pattern" | "$ref" | "$anchor" | "$id" | "$schema" => (value.is_string(), "a string"),
        "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties" | "maxProperties" | "minContains"
        | "maxContains" => (is_length(value), "a whole number that is not below 0"),
        "multipleOf" => (is_above_zero(value), "a number above 0"),
        "minimum" | "maximum" => (value.is_number(), "a number"),
        // In draft 4 they are true or false.
        "exclusiveMinimum" | "exclusiveMaximum" => (value.is_number() || value.is_boolean(), "a number"),
        "uniqueItems" => (value.is_boolean(), "true or false"),
        "required" => (is_names(value), "a list of names"),
        "properties" | "patternProperties" | "$defs" | "definitions" | "dependentSchemas" => {
            (value.is_object(), "an object of schemas")
        }
        "dependentRequired" => (has_names(value, |_| false), "an object of lists of names"),
        "dependencies" => (has_names(value, |value| !value.is_array()), "an object of schemas and lists of names"),
        "allOf" | "anyOf" | "oneOf" | "prefixItems" => {
            (value.as_array().is_some_and(|schemas| !schemas.is_empty()), "a list of schemas that is not empty")
        }
        _ => return None,
    };
    (!is_right).then_some(expected)
}

fn is_type(value: &Value) -> bool {
    let is_one = |value: &Value| value.as_str().is_some_and(|name| TYPES.contains(&name));
    is_one(value) || value.as_array().is_some_and(|types| !types.is_empty() && types.iter().all(is_one))
}

/// Whether it is a length. `2.0` counts too.
fn is_length(value: &Value) -> bool {
    value.is_u64() || value.as_f64().is_some_and(|number| number >= 0.0 && number.fract() == 0.0)
}

fn is_above_zero(value: &Value) -> bool {
    // A number that a float takes for zero has other digits.
    let is_zero = |number: &Number| {
        let text = number.to_string();
        text.split(['e', 'E']).next().is_none_or(|digits| !digits.contains(|digit: char| ('1'..='9').contains(&digit)))
    };
    value.as_number().is_some_and(|number| !is_zero(number) && !number.to_string().starts_with('-'))
}

fn is_names(value: &Value) -> bool {
    value.as_array().is_some_and(|names| names.iter().all(Value::is_string))
}

/// Whether it is an object of lists of names, or of what else may be there.
fn has_names(value: &Value, may_be: fn(&Value) -> bool) -> bool {
    value.as_object().is_some_and(|fields| fields.values().all(|value| may_be(value) || is_names(value)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_of_their_type() {
        let lengths = [
            "minLength",
            "maxLength",
            "minItems",
            "maxItems",
            "minProperties",
            "maxProperties",
            "minContains",
            "maxContains",
        ];
        let rows: [(&[&str], Value, Value); 15] = [
            (
                &["type"],
                json!(["string", ["null", "integer"], ["object"]]),
                json!(["strin", "any", [], ["a"], [1], 1, null, {}]),
            ),
            (&["enum"], json!([[], [null]]), json!(["a", {}, null])),
            (&["pattern", "$ref", "$anchor", "$id", "$schema"], json!(["a"]), json!([1, null, {}])),
            (&lengths, json!([0, 2.0, 1e30]), json!([-1, 1.5, "1", null, true])),
            (&["multipleOf"], json!([0.01, 5e-324, 3]), json!([0, -1, 0.0, -0.5, "2", null])),
            (&["minimum", "maximum"], json!([-1, 0.5]), json!(["1", true, null])),
            (&["exclusiveMinimum", "exclusiveMaximum"], json!([-1, true]), json!(["1", null])),
            (&["uniqueItems"], json!([true, false]), json!(["true", 1, null])),
            (&["required"], json!([[], ["a"]]), json!(["a", true, [1], null, {}])),
            (
                &["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"],
                json!([{}]),
                json!([[], true, null]),
            ),
            (&["dependentRequired"], json!([{}, {"a": ["b"]}]), json!([[], {"a": "b"}, {"a": {}}])),
            (&["dependencies"], json!([{}, {"a": ["b"], "c": {}}]), json!([[], {"a": [1]}])),
            (&["allOf", "anyOf", "oneOf", "prefixItems"], json!([[true]]), json!([[], {}, null])),
            (&["items", "not", "if"], json!([{}, true, null]), json!([])),
            (&["title", "format", "default", "const", "x-any"], json!([1, null, []]), json!([])),
        ];
        for (keywords, right, wrong) in rows {
            for keyword in keywords {
                for value in right.as_array().unwrap() {
                    assert_eq!(must_be(keyword, value), None, "{keyword}: {value}");
                }
                for value in wrong.as_array().unwrap() {
                    assert!(must_be(keyword, value).is_some(), "{keyword}: {value}");
                }
            }
        }
    }
}
