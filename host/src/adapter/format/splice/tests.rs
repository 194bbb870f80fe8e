use proptest::prelude::*;
use serde_json::{Map, Value};

use super::*;

/// Sets `model`, takes `gone` out, renames `old`, and adds `new`.
struct Several;

impl Editor for Several {
    fn change(&mut self, name: &str, _: &[u8]) -> Change {
        match name {
            "model" => Change::Set(b"\"m\"".to_vec()),
            "gone" => Change::Remove,
            "old" => Change::Rename("renamed"),
            _ => Change::Keep,
        }
    }

    fn add(&mut self) -> Vec<(&'static str, Vec<u8>)> {
        vec![("new", b"1".to_vec())]
    }
}

/// Changes nothing.
struct Nothing;

impl Editor for Nothing {
    fn change(&mut self, _: &str, _: &[u8]) -> Change {
        Change::Keep
    }

    fn add(&mut self) -> Vec<(&'static str, Vec<u8>)> {
        Vec::new()
    }
}

fn changed(object: &str) -> Option<String> {
    Some(String::from_utf8(splice(&object.to_owned().into(), &mut Several)?.concat()).unwrap())
}

#[test]
fn only_what_is_changed_changes() {
    for (object, expected) in [
        (r#"{}"#, r#"{"new":1}"#),
        (" {\n} \n", " {\"new\":1\n} \n"),
        (r#"{"model":"x"}"#, r#"{"model":"m","new":1}"#),
        (r#"{ "a" : {"model": 1} , "mod\u0065l" : null }"#, r#"{ "a" : {"model": 1} , "mod\u0065l" : "m","new":1 }"#),
        (r#"{"model":1,"model":{"a":[]}}"#, r#"{"model":"m","model":"m","new":1}"#),
        (r#"{"gone":1}"#, r#"{"new":1}"#),
        (r#"{ "gone": 1, "a": 2 }"#, r#"{"a": 2,"new":1 }"#),
        (r#"{"a": 2, "gone": [1]}"#, r#"{"a": 2,"new":1}"#),
        (r#"{"gone":0,"gone":1,"a":2,"gone":3,"b":4}"#, r#"{"a":2,"b":4,"new":1}"#),
        (r#"{"old": true}"#, r#"{"renamed": true,"new":1}"#),
        (r#"{"a":"}\"{\\","model":-1.5e3,"b":"\\"}"#, r#"{"a":"}\"{\\","model":"m","b":"\\","new":1}"#),
        (r#"{"a":[[{"model":"]"}],"["],"model":false}"#, r#"{"a":[[{"model":"]"}],"["],"model":"m","new":1}"#),
    ] {
        assert_eq!(changed(object).as_deref(), Some(expected), "{object}");
    }
}

#[test]
fn what_is_no_object_is_refused() {
    for text in [
        "",
        " ",
        "1",
        "[]",
        "{",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1",
        "{\"a\":1 \"b\":2}",
        "{\"a",
        "{\"a\":[}",
        "{,}",
        "{\"\\x\":1}",
    ] {
        assert_eq!(changed(text), None, "{text}");
    }
}

fn json() -> impl Strategy<Value = Value> {
    let text = "[a-z\"\\\\{}\\[\\],: é]{0,6}";
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, move |inner| {
        let name = prop_oneof![text.prop_map(|name| name.to_string()), name()];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::vec((name, inner), 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn name() -> impl Strategy<Value = String> {
    proptest::sample::select(vec!["model", "gone", "old", "other", "stream"]).prop_map(str::to_owned)
}

/// The name as JSON, with its first letter escaped if `escaped`.
fn written(name: &str, escaped: bool) -> String {
    match name.chars().next() {
        Some(first) if escaped && first.is_ascii_alphabetic() => format!("\"\\u{:04x}{}\"", first as u32, &name[1..]),
        _ => serde_json::to_string(name).unwrap(),
    }
}

proptest! {
    #[test]
    fn the_tree_changes_where_it_should(
        fields in proptest::collection::vec((name(), json(), any::<bool>(), any::<bool>()), 0..8),
        space in "[ \n\t\r]{0,2}",
    ) {
        let text = fields.iter().map(|(name, value, escaped, pretty)| {
            let value = if *pretty { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) };
            format!("{space}{}{space}:{space}{}{space}", written(name, *escaped), value.unwrap())
        });
        let text = format!("{space}{{{}}}{space}", text.collect::<Vec<_>>().join(","));
        let mut expected = Map::new();
        for (name, value, ..) in &fields {
            match name.as_str() {
                "model" => drop(expected.insert("model".to_owned(), "m".into())),
                "gone" => {}
                "old" => drop(expected.insert("renamed".to_owned(), value.clone())),
                name => drop(expected.insert(name.to_owned(), value.clone())),
            }
        }
        expected.insert("new".to_owned(), 1.into());
        let spliced = changed(&text).unwrap();
        prop_assert_eq!(serde_json::from_str::<Value>(&spliced).unwrap(), Value::Object(expected), "{}", text);
        prop_assert_eq!(splice(&text.clone().into(), &mut Nothing).unwrap().concat(), text.as_bytes());
    }

    #[test]
    fn no_text_makes_it_panic(text in "[{}\\[\\]\":,\\\\a1 ]{0,20}") {
        let _ = changed(&text);
    }
}
