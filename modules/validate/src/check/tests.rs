use proptest::prelude::*;
use serde_json::json;

use super::*;

fn found(schema: Value, value: Value) -> Vec<String> {
    let schema = Schema::new(&schema.to_string()).unwrap();
    let found = problems(&schema, &value).unwrap();
    found.into_iter().map(|Problem { path, message }| format!("{path}: {message}")).collect()
}

#[test]
fn each_problem_is_named_with_its_path() {
    let schema = json!({
        "type": "object",
        "properties": {
            "name": {"type": "string", "minLength": 2, "pattern": "^[a-z]+$"},
            "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 2, "uniqueItems": true},
            "a name": {"const": 1},
            "count": {"type": "integer", "minimum": 1, "exclusiveMaximum": 10, "multipleOf": 2},
        },
        "required": ["name", "id"],
        "additionalProperties": false,
    });
    let value = json!({"name": "A", "tags": ["a", "x", "a"], "a name": 2, "count": 11, "more": 1});
    assert_eq!(
        found(schema.clone(), value),
        [
            "$: lacks the property \"id\"",
            "$.name: has 1 characters, and 2 are the fewest",
            "$.name: must match the pattern \"^[a-z]+$\", not \"A\"",
            "$.tags: has 3 items, and 2 are the most",
            "$.tags[1]: must be one of [\"a\",\"b\"], not \"x\"",
            "$.tags: the items 0 and 2 are the same",
            "$[\"a name\"]: must be 1, not 2",
            "$.count: must be below 10, not 11",
            "$.count: must be a multiple of 2, not 11",
            "$.more: is a property that may not be there",
        ]
    );
    assert_eq!(
        found(schema, json!({"name": "ab", "id": null, "count": 2.0})),
        ["$.id: is a property that may not be there"]
    );
}

/// Schema, a value that fits, and one that does not.
#[test]
fn every_keyword_is_checked() {
    for (schema, good, bad) in [
        (json!({"type": ["string", "null"]}), json!(null), json!(1)),
        (json!({"type": "integer"}), json!(1.0), json!(1.5)),
        (json!({"enum": [1, {"a": [2]}]}), json!({"a": [2.0]}), json!({"a": [2, 3]})),
        (json!({"anyOf": [{"type": "string"}, {"minimum": 5}]}), json!(6), json!(4)),
        (json!({"oneOf": [{"multipleOf": 2}, {"multipleOf": 3}]}), json!(4), json!(6)),
        (json!({"allOf": [{"minimum": 2}, {"maximum": 3}]}), json!(2), json!(4)),
        (json!({"not": {"type": "object"}}), json!([]), json!({})),
        (json!({"if": {"minimum": 5}, "then": {"maximum": 8}, "else": {"const": 1}}), json!(7), json!(9)),
        (json!({"prefixItems": [{"type": "string"}], "items": {"type": "number"}}), json!(["a", 1]), json!(["a", "b"])),
        (json!({"items": [{"type": "string"}], "additionalItems": false}), json!(["a"]), json!(["a", 1])),
        (json!({"contains": {"const": 1}, "maxContains": 1}), json!([1, 2]), json!([1, 1])),
        (
            json!({"patternProperties": {"^x": {"type": "number"}}, "additionalProperties": false}),
            json!({"xa": 1}),
            json!({"y": 1}),
        ),
        (json!({"propertyNames": {"maxLength": 2}}), json!({"ab": 1}), json!({"abc": 1})),
        (json!({"minProperties": 1}), json!({"a": 1}), json!({})),
        (json!({"dependentRequired": {"a": ["b"]}}), json!({"a": 1, "b": 1}), json!({"a": 1})),
        (json!({"dependencies": {"a": {"required": ["c"]}}}), json!({"b": 1}), json!({"a": 1})),
        (json!({"minimum": 1, "exclusiveMinimum": true}), json!(2), json!(1)),
        (json!({"multipleOf": 0.1}), json!(0.3), json!(0.35)),
        (json!({"multipleOf": 2}), json!(9_007_199_254_740_992_u64), json!(9_007_199_254_740_993_u64)),
        (
            json!({"exclusiveMaximum": 9_007_199_254_740_993_u64}),
            json!(9_007_199_254_740_992_u64),
            json!(9_007_199_254_740_993_u64),
        ),
        (
            json!({"const": 9_007_199_254_740_993_u64}),
            json!(9_007_199_254_740_993_u64),
            json!(9_007_199_254_740_992_u64),
        ),
        (json!({"uniqueItems": true}), json!([9_007_199_254_740_993_u64, 9_007_199_254_740_992_u64]), json!([1, 1.0])),
        (json!({"$ref": "#/$defs/a~1b%20c", "$defs": {"a/b c": {"type": "string"}}}), json!("x"), json!(1)),
        (json!({"$ref": "#here", "$defs": {"x": {"$anchor": "here", "type": "string"}}}), json!("x"), json!(1)),
        (
            json!({"properties": {"next": {"$ref": "#"}, "v": {"type": "number"}}, "required": ["v"]}),
            json!({"v": 1, "next": {"v": 2}}),
            json!({"v": 1, "next": {}}),
        ),
        (
            json!({"$id": "https://a/s", "$ref": "https://a/s#/$defs/x", "$defs": {"x": {"const": 1}}}),
            json!(1),
            json!(2),
        ),
        (json!(true), json!(1), json!(null)),
    ] {
        assert_eq!(found(schema.clone(), good), [""; 0], "{schema}");
        assert_eq!(found(schema.clone(), bad).is_empty(), schema == json!(true), "{schema}");
    }
    assert_eq!(found(json!(false), json!(1)).len(), 1);
}

#[test]
fn what_stands_beside_a_reference_counts_since_draft_8() {
    let schema = |draft: &str| json!({"$schema": draft, "$ref": "#/definitions/x", "maxItems": 1, "definitions": {"x": {"type": "array"}}});
    let old = ["http://json-schema.org/draft-04/schema#", "http://json-schema.org/draft-07/schema"];
    for draft in old {
        assert_eq!(found(schema(draft), json!([1, 2])), [""; 0]);
    }
    for draft in ["https://json-schema.org/draft/2019-09/schema", "https://json-schema.org/draft/2020-12/schema", ""] {
        assert_eq!(found(schema(draft), json!([1, 2])).len(), 1);
    }
}

#[test]
fn what_cannot_be_checked_is_known_before() {
    for (schema, says) in [
        ("{", "not JSON"),
        ("5", "no schema"),
        (r#"{"$ref": "http://example.test/x.json"}"#, "not in it"),
        (r#"{"$ref": "file:///etc/passwd"}"#, "not in it"),
        (r##"{"properties": {"a": {"$ref": "#/nowhere"}}}"##, "not in it"),
        (r#"{"pattern": "(?=a)b"}"#, "cannot be checked"),
        (r#"{"pattern": "((a{1,1000}){1,1000}){1,1000}"}"#, "cannot be checked"),
        (r#"{"unevaluatedProperties": false}"#, "cannot be checked"),
        (r#"{"properties": {"a": {"items": 7}}}"#, "no schema"),
        (r#"{"$defs": {"a": {"$anchor": "x"}, "b": {"$anchor": "x"}}}"#, "names two of its parts"),
        // What is no schema, with its place.
        (r#"{"type": "strin"}"#, "`/type` is \"strin\", and must be null, boolean"),
        (
            r#"{"properties": {"a/b": {"minLength": -1}}}"#,
            "`/properties/a~1b/minLength` is -1, and must be a whole number",
        ),
        (r#"{"items": [true, {"multipleOf": 0}]}"#, "`/items/1/multipleOf` is 0, and must be a number above 0"),
        (r#"{"anyOf": [{"required": "a"}]}"#, "`/anyOf/0/required` is \"a\", and must be a list of names"),
        (r#"{"properties": []}"#, "`/properties` is [], and must be an object"),
        (r##"{"$ref": "#/kept/here", "kept": {"here": {"uniqueItems": 1}}}"##, "`/kept/here/uniqueItems` is 1"),
        (
            r##"{"$ref": "#/kept/here", "kept": {"here": {"pattern": "(?=a)"}}}"##,
            "`/kept/here/pattern` cannot be checked",
        ),
        // Patterns that are not matched as their writer means them.
        (r#"{"properties": {"a": {"pattern": "\\p{L}"}}}"#, "`/properties/a/pattern` cannot be checked"),
        (r#"{"pattern": "\\cA"}"#, "cannot be checked"),
        (r#"{"pattern": "[a[b]]"}"#, "cannot be checked"),
    ] {
        let problem = Schema::new(schema).unwrap_err();
        assert!(problem.contains(says), "{schema}: {problem}");
    }
    let deep = format!("{}true{}", r#"{"not":"#.repeat(5000), "}".repeat(5000));
    assert!(Schema::new(&deep).unwrap_err().contains("not JSON"));
    // A property may have the name of a keyword.
    assert!(Schema::new(r#"{"properties": {"unevaluatedItems": true, "$ref": {}}, "enum": [{"$ref": "x"}]}"#).is_ok());
}

#[test]
fn hostile_schemas_end_in_bounded_time() {
    let round = Schema::new(r##"{"$ref": "#"}"##).unwrap();
    assert_eq!(problems(&round, &json!(1)), Err(TooLong));
    let mut parts = serde_json::Map::new();
    for number in 0..60 {
        let next = json!({"$ref": format!("#/$defs/{}", number + 1)});
        parts.insert(number.to_string(), json!({"anyOf": [next.clone(), next]}));
    }
    parts.insert("60".to_owned(), json!({"type": "string"}));
    let doubling = Schema::new(&json!({"$ref": "#/$defs/0", "$defs": parts}).to_string()).unwrap();
    assert_eq!(problems(&doubling, &json!(1)), Err(TooLong));
    let unique = Schema::new(r#"{"uniqueItems": true}"#).unwrap();
    assert_eq!(problems(&unique, &(0..10_000).collect::<Value>()), Err(TooLong));
    let pattern = Schema::new(r#"{"items": {"pattern": "(a+)+$"}}"#).unwrap();
    let long = "a".repeat(1_000_000) + "b";
    assert_eq!(problems(&pattern, &json!([long])).unwrap().len(), 1);
    let pattern = Schema::new(r#"{"items": {"pattern": "^a{1,999}.*b$"}}"#).unwrap();
    assert_eq!(problems(&pattern, &json!(vec![long; 100])), Err(TooLong));
}

proptest! {
    #[test]
    fn any_schema_and_any_value_are_no_trouble(schema: String, key in "[a-zA-Z$]{1,12}", value: String) {
        let _ = Schema::new(&schema);
        for schema in [json!({key.clone(): schema.clone()}), json!({"properties": {key.clone(): {"pattern": schema}}})] {
            if let Ok(schema) = Schema::new(&schema.to_string()) {
                let _ = problems(&schema, &json!({key.clone(): value.clone()}));
            }
        }
    }
}
