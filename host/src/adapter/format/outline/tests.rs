use proptest::prelude::*;
use serde_json::json;

use super::*;

fn written(json: Json<'_>) -> Value {
    let bytes = Object::new([("it", json)]).into_bytes().unwrap();
    serde_json::from_slice::<Value>(&bytes).unwrap()["it"].take()
}

#[test]
fn extensions_of_this_vendor_only_and_over_what_is_there() {
    let extensions = Extensions::from([
        ("anthropic.cache_control".into(), json!({"type": "ephemeral"})),
        ("anthropic.text".into(), json!("other")),
        ("anthropic.gone".into(), json!(null)),
        ("anthropics.a".into(), json!(1)),
        ("openai.name".into(), json!("x")),
        ("bare".into(), json!(1)),
    ]);
    let object = Object::new([("text", "a".into()), ("gone", 1.into()), ("b", 2.into())]);
    let json = object.extended(&extensions, "anthropic");
    let bytes = serde_json::to_string(&json).unwrap();
    assert_eq!(bytes, r#"{"text":"other","cache_control":{"type":"ephemeral"},"b":2}"#);
}

#[test]
fn plain_text_is_a_block_of_nothing_else() {
    let text = || Object::new([("type", "text".into()), ("text", "a".into())]);
    let extensions = Extensions::from([("v.x".into(), json!(1)), ("w.text".into(), json!("b"))]);
    assert_eq!(Json::from(text()).plain_text().as_deref(), Some("a"));
    assert_eq!(text().extended(&extensions, "w").plain_text().as_deref(), Some("b"));
    assert_eq!(text().extended(&extensions, "v").plain_text(), None);
    assert_eq!(Json::Value(&json!({"type": "text", "text": "c"})).plain_text().as_deref(), Some("c"));
    assert_eq!(Json::Value(&json!({"type": "x", "text": "c"})).plain_text(), None);
    assert_eq!(Json::Value(&json!("text")).plain_text(), None);
}

proptest! {
    #[test]
    fn what_is_written_can_be_read_again(texts: Vec<String>, bytes: Vec<u8>, number: i64) {
        let joined = texts.iter().map(|text| text.as_str().into()).collect();
        prop_assert_eq!(written(Json::Joined(joined, "\n\n")), json!(texts.join("\n\n")));
        let list: Json<'_> = texts.iter().map(|text| text.as_str().into()).collect();
        prop_assert_eq!(written(list), json!(texts));
        let base64 = crate::chat::content::encode_base64(&bytes);
        prop_assert_eq!(written(Json::Base64("data:\"".into(), &bytes)), json!(format!("data:\"{base64}")));
        let fields = Map::from_iter(texts.iter().map(|text| (text.clone(), number.into())));
        prop_assert_eq!(written(Json::Fields(&fields)), Value::Object(fields.clone()));
        let text = Value::Object(fields.clone()).to_string();
        prop_assert_eq!(written(Json::AsText(&fields)), json!(text));
    }

    #[test]
    fn capacity_is_enough_and_little_more(texts in proptest::collection::vec("[ -~\n]{0,60}", 1..9)) {
        let list: Json<'_> = texts.iter().map(|text| text.as_str().into()).collect();
        let (length, bytes) = (list.length(), serde_json::to_vec(&list).unwrap().len());
        prop_assert!((bytes..=bytes + 8).contains(&length), "{} for {}", length, bytes);
    }
}
