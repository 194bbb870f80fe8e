use proptest::prelude::*;
use serde_json::json;

use super::*;

const SOME: Keep = Keep::Fields(&[("a", Keep::All), ("each", Keep::Each(&Keep::Fields(&[("b", Keep::All)])))]);

fn kept(json: &Value) -> Value {
    read(json.to_string().as_bytes(), &SOME, &MemoryBudget::new(0)).unwrap()
}

#[test]
fn unread_fields_are_left_out() {
    let body = json!({"x": [[]], "a": {"x": 1}, "each": [{"x": 1}, {"b": 2}]});
    let expected = json!({"a": {"x": 1}, "each": [{}, {"b": 2}]});
    assert_eq!(kept(&body), expected);
    let body = json!({"each": {"b": 1}, "a": null});
    assert_eq!(kept(&body), json!({"each": {}, "a": null}));
    assert_eq!(kept(&json!([1, 2])), json!([1]));
    assert_eq!(kept(&json!([{"a": 1, "x": 2}, {"a": 3}])), json!([{"a": 1}]));
    assert_eq!(kept(&json!("text")), json!("text"));
}

#[test]
fn unread_fields_cost_nothing() {
    let body =
        format!(r#"{{"y":[{{}}{}],"x":{}1{}}}"#, ",{}".repeat(1 << 20), "[".repeat(1 << 20), "]".repeat(1 << 20));
    assert_eq!(read(body.as_bytes(), &SOME, &MemoryBudget::new(0)).unwrap(), json!({}));
}

#[test]
fn dense_json_does_not_fit() {
    let unit = ["[],", "0,", "[1],", "{},", r#"{"":0},"#, r#""","#];
    for unit in unit {
        let body = format!("[{}0]", unit.repeat(1 << 20));
        let error = read(body.as_bytes(), &Keep::All, &MemoryBudget::new(0)).unwrap_err();
        assert!(
            matches!(&error, TreeError::TooLarge(Malformed(says)) if says.contains("max_response_mb")),
            "{error:?}"
        );
    }
}

#[test]
fn text_and_little_else_fits() {
    let body = json!({"a": "x".repeat(8 << 20)});
    assert_eq!(kept(&body), body);
}

#[test]
fn what_is_no_json_says_where() {
    for (body, is_eof) in [("{\"a\":", true), ("{} x", false), ("", true), ("{a}", false)] {
        let error = read(body.as_bytes(), &Keep::All, &MemoryBudget::new(0)).unwrap_err();
        assert!(matches!(&error, TreeError::NotJson(error) if error.is_eof() == is_eof), "{body}: {error:?}");
    }
}

#[test]
fn what_is_almost_json_is_repaired_within_the_budget() {
    let read = |json: &[u8]| read(json, &Keep::All, &MemoryBudget::new(0));
    assert_eq!(read(br#"{"a": "\ud83d", "b": 1e999, "a": "x"}"#).unwrap(), json!({"a": "x", "b": null}));
    assert_eq!(
        read(b"\xef\xbb\xbf[-0, 123456789012345678901234567890]").unwrap(),
        json!([-0.0, 123456789012345678901234567890_f64])
    );
    let dense = format!("[{}1e999]", "[],".repeat(1 << 20));
    assert!(matches!(read(dense.as_bytes()), Err(TreeError::TooLarge(_))));
    // The place is that in the text as it came.
    let Err(TreeError::NotJson(error)) = read(b"[\"\n\n\n\", nope]") else { panic!() };
    assert_eq!(error.line(), 2, "{error}");
    let Err(TreeError::NotJson(error)) = read(b"[\"\\ud83d\", ") else { panic!() };
    assert!(error.is_eof(), "{error}");
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 8, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            proptest::collection::vec((".{0,3}", inner), 0..8)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn it_reads_as_any_other_reader_does(value in any_json()) {
        let text = value.to_string();
        let tree = read(text.as_bytes(), &Keep::All, &MemoryBudget::new(0)).unwrap();
        prop_assert_eq!(tree, serde_json::from_str::<Value>(&text).unwrap());
    }

    #[test]
    fn what_any_other_reader_reads_is_read_as_by_it(bytes: Vec<u8>, text in r#"[\[\]{},:"a0 -e.\\u]{0,12}"#) {
        for bytes in [bytes, text.into_bytes()] {
            let tree = read(&bytes, &Keep::All, &MemoryBudget::new(0)).ok();
            let other = serde_json::from_slice::<Value>(&bytes).ok();
            prop_assert!(other.is_none() || tree == other, "{:?} is not {:?}", tree, other);
        }
    }
}
