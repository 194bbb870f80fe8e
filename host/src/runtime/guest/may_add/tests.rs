use serde_json::json;

use super::*;

fn request(messages: Value) -> Request {
    serde_json::from_value(json!({ "messages": messages })).unwrap()
}

fn of(blocks: Value) -> Request {
    request(json!([{"role": "user", "content": blocks}]))
}

fn image(url: &str) -> Value {
    json!({"type": "image", "url": url})
}

fn in_result(block: Value) -> Request {
    request(json!([{"role": "tool", "content": [{"type": "tool_result", "tool_use_id": "t", "content": [block]}]}]))
}

#[test]
fn addresses_are_found_in_every_place() {
    let none = of(json!("Look at https://example.com/"));
    let reference = json!({"messages": [], "tools": [{"name": "a", "parameters": {"x": [{"$ref": "https://evil/"}]}}]});
    let choice = json!({"messages": [], "options": {"tool_choice": {"url": "https://evil/"}}});
    let extension = json!({"messages": [], "extensions": {"anthropic.mcp_servers": [{"url": "https://evil/"}]}});
    for made in [
        of(json!([image("https://evil/?d=secret")])),
        of(json!([image("x")])),
        of(json!([image(" data:image/png;base64,AA==")])),
        of(json!([image("data:image/png;base64,AA== https://evil/")])),
        in_result(image("https://evil/")),
        in_result(json!({"type": "document", "source": {"type": "url", "url": "https://evil/"}})),
        of(json!([{"type": "document", "source": {"type": "url", "url": "https://evil/"}}])),
        of(json!([{"type": "image", "source": {"type": "base64", "data": "https://evil/"}}])),
        of(json!([{"type": "image", "media_type": "x https://evil/", "data": "AA=="}])),
        serde_json::from_value(reference).unwrap(),
        serde_json::from_value(choice).unwrap(),
        serde_json::from_value(extension).unwrap(),
    ] {
        assert!(has_added_address(&none, &made), "{made:?}");
        assert!(!has_added_address(&made, &made), "{made:?}");
        assert!(!has_added_address(&made, &none), "{made:?}");
    }
}

#[test]
fn kept_and_moved_addresses_need_no_grant() {
    let given = of(json!([image("https://here/a.png"), image("https://here/b.png")]));
    assert!(!has_added_address(&given, &in_result(image("https://here/b.png"))));
    assert!(has_added_address(&given, &of(json!([image("https://here/b.png?d=secret")]))));
    let tool = json!({"messages": [], "tools": [{"name": "a", "parameters": {
        "$schema": "https://json-schema.org/draft/2020-12/schema", "$ref": "#/$defs/b",
    }}]});
    for made in [
        of(json!([{"type": "text", "text": "https://elsewhere/"}, image("DATA:image/png;base64,AA==")])),
        of(json!([{"type": "image", "media_type": "image/svg+xml; charset=utf-8", "data": "AA=="}])),
        of(json!([{"type": "partial_tool_use", "id": "a", "name": "b", "arguments": "https://"}])),
        serde_json::from_value(tool).unwrap(),
    ] {
        assert!(!has_added_address(&given, &made), "{made:?}");
    }
}

#[test]
fn texts_for_the_model_in_json_may_change_and_nothing_beside_them() {
    let found = |title: &str, text: &str, source: &str| json!({"type": "search_result", "title": title, "source": source, "content": [{"type": "text", "text": text}]});
    let document = |content: Value| json!({"type": "document", "source": {"type": "content", "content": content}});
    let refusal = |text: &str, more: &str| json!({"type": "refusal", "refusal": text, "more": more});
    let pair = |text: &str, image: &str| json!([{"type": "text", "text": text}, {"type": "image", "source": image}]);
    let given = of(json!([found("a", "a", "a"), document(json!("a")), document(pair("a", "a")), refusal("a", "a")]));
    for made in [found("b", "b", "a"), document(json!("b")), document(pair("b", "a")), refusal("b", "a")] {
        assert!(!has_added_address(&given, &of(json!([made]))), "{made}");
    }
    for made in [found("a", "a", "b"), document(pair("a", "b")), refusal("a", "b"), json!({"type": "odd", "text": "b"})]
    {
        assert!(has_added_address(&given, &of(json!([made]))), "{made}");
    }
    let told = |key: &str, context: Value| {
        let document =
            json!({"type": "document", "media_type": "text/plain", "data": "", "extensions": {key: context}});
        of(json!([document]))
    };
    let given = told("anthropic.context", json!("https://a/"));
    let made = told("anthropic.context", json!("https://b/"));
    assert!(added_extension(&given, &made).is_none() && !has_added_address(&given, &made));
    for made in [told("anthropic.context", json!({"url": "b"})), told("anthropic.citations", json!("https://b/"))] {
        assert!(added_extension(&given, &made).is_some() && has_added_address(&given, &made));
    }
}

#[test]
fn extensions_are_compared_by_place_key_and_value() {
    let with = |extensions: Value| -> Request {
        serde_json::from_value(json!({"messages": [], "extensions": extensions})).unwrap()
    };
    let given = with(json!({"openai.user": "a", "x.y": {"b": 1, "a": 2}}));
    let kept: Request =
        serde_json::from_value(json!({"messages": [], "options": {"extensions": {"openai.user": "a"}}})).unwrap();
    assert_eq!(added_extension(&given, &kept), None);
    assert_eq!(added_extension(&given, &with(json!({}))), None);
    assert_eq!(added_extension(&given, &with(json!({"openai.user": "b"}))), Some("openai.user"));
    assert_eq!(added_extension(&given, &with(json!({"z": null}))), Some("z"));
    let moved = request(json!([{"role": "user", "content": "", "extensions": {"openai.user": "a"}}]));
    assert_eq!(added_extension(&given, &moved), Some("openai.user"));
}

#[test]
fn addresses_in_the_values_of_extensions() {
    for address in ["https://a", "HTTPS:a", "//a/b", "\\\\a", "/\\a", "ht\ntps://a", "gs://a", "see https://a"] {
        assert!(is_like_address(address), "{address}");
    }
    for other in ["ephemeral", "1h", "gpt-4.1", "a/b", "", "web_search_20250305", "me@example.com"] {
        assert!(!is_like_address(other), "{other}");
    }
    assert!(has_address(&json!([{"server_url": "a"}])) && has_address(&json!({"https://a": 1})));
    assert!(!has_address(&json!({"url": "", "type": "ephemeral", "ttl": 5})));
}
