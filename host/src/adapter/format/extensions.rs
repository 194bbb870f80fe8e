//! Extensions on the wire. The extension `VENDOR.NAME` is the field `NAME` in the JSON of that vendor's format.

use serde_json::{Map, Value};

use crate::chat::{
    extensions::Extensions,
    reserved::{self, Level},
    response::OF_MESSAGE,
};

/// The vendor of Anthropic Messages.
pub(crate) const ANTHROPIC: &str = "anthropic";

/// The vendor of OpenAI Chat Completions.
pub(crate) const OPENAI: &str = "openai";

/// The vendor of OpenAI Responses. It has a word of its own: fields such as the `id` of an item are unknown to Chat Completions.
pub(crate) const RESPONSES: &str = "openai.responses";

/// The unknown fields as extensions, so that they can be sent back. Leaves out a field that an adapter writes itself.
pub(crate) fn others(object: &Map<String, Value>, known: &[&str], vendor: &str) -> Extensions {
    let level = match object.get("type").and_then(Value::as_str) {
        Some("text" | "refusal") => Level::Text,
        Some("thinking" | "redacted_thinking") => Level::Thinking,
        _ => Level::ToolUse,
    };
    unknown(object, known, |name| format!("{vendor}.{name}"), level)
}

/// The unknown fields in the `function` of a tool call of OpenAI's format, as extensions of the call.
pub(crate) fn others_of_function(function: &Map<String, Value>) -> Extensions {
    unknown(function, &["name", "arguments"], |name| format!("{OPENAI}.{FUNCTION}{name}"), Level::ToolUse)
}

/// The unknown fields in the message of an answer of OpenAI's format, as extensions of the answer.
/// OpenAI sends an empty list of `annotations` in each whole answer and none in a stream, so it says nothing.
pub(crate) fn others_of_message(message: &Map<String, Value>, known: &[&str]) -> Extensions {
    let fields = unknown(message, known, |name| format!("{OPENAI}.{name}"), Level::Message);
    let of_message =
        |key: String| key.strip_prefix(OPENAI)?.strip_prefix('.').map(|name| format!("{OF_MESSAGE}{name}"));
    let fields =
        fields.into_iter().filter(|(key, value)| key != "openai.annotations" || *value != Value::Array(Vec::new()));
    fields.filter_map(|(key, value)| Some((of_message(key)?, value))).collect()
}

/// What begins the name of an extension that stands in the `function` of a tool call.
pub(crate) const FUNCTION: &str = "function.";

/// The extension of a call of a custom tool: the unknown fields of the `custom` object, which stands in the place of the
/// `function`.
pub(crate) const CUSTOM: &str = "custom";

/// The argument that holds the text which a custom tool is called with.
pub(crate) const INPUT: &str = "input";

fn unknown(object: &Map<String, Value>, known: &[&str], key: impl Fn(&str) -> String, level: Level) -> Extensions {
    let other = object.iter().filter(|(name, value)| !known.contains(&name.as_str()) && !value.is_null());
    let other = other.map(|(name, value)| (key(name), value.clone()));
    other.filter(|(key, _)| !reserved::is_reserved(level, key)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn others_come_back() {
        let object =
            json!({"type": "text", "text": "a", "citations": [1], "none": null, "Text": "b", "role": "system"});
        let extensions = others(object.as_object().unwrap(), &["type", "text"], ANTHROPIC);
        assert_eq!(extensions, Extensions::from([("anthropic.citations".into(), json!([1]))]));
        let text = json!({"type": "text", "text": "a", "id": "t1", "data": 1});
        let extensions = others(text.as_object().unwrap(), &["type", "text"], ANTHROPIC);
        let expected = [("anthropic.id".to_owned(), json!("t1")), ("anthropic.data".to_owned(), json!(1))];
        assert_eq!(extensions, Extensions::from(expected));
        let function = json!({"name": "f", "arguments": "{}", "note": 1, "Name": "g"});
        let extensions = others_of_function(function.as_object().unwrap());
        assert_eq!(extensions, Extensions::from([("openai.function.note".into(), json!(1))]));
        let message = json!({"content": "", "audio": 1, "none": null, "toolCalls": [], "annotations": []});
        let extensions = others_of_message(message.as_object().unwrap(), &["content"]);
        assert_eq!(extensions, Extensions::from([("openai.message.audio".into(), json!(1))]));
    }
}
