//! Turns pictures and documents in the JSON of Anthropic's format into that of a request, so that every format can write them.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};

/// The fields of a document here. Others become extensions.
const OF_DOCUMENT: [&str; 9] = ["type", "media_type", "data", "url", "file", "source", "name", "cache", "extensions"];

/// The JSON of a picture, a document or a recording with a source that every format can write. A source with anything that is
/// not known stays as it is. The title of a document is its name, and fields that only Anthropic's format has are extensions.
pub(crate) fn translated(mut block: Value) -> Value {
    let is_document = block.get("type").is_some_and(|kind| kind == "document");
    if let Some(fields) = block.as_object_mut().filter(|fields| fields.get("source").is_some_and(Value::is_object)) {
        if is_document {
            read_title(fields);
            read_others(fields);
        }
        read_source(fields);
    }
    block
}

fn read_title(fields: &mut Map<String, Value>) {
    let is_name = fields.get("title").is_some_and(Value::is_string) && !fields.contains_key("name");
    if let Some(title) = is_name.then(|| fields.shift_remove("title")).flatten() {
        fields.insert("name".to_owned(), title);
    }
}

fn read_others(fields: &mut Map<String, Value>) {
    let others: Vec<String> = fields.keys().filter(|name| !OF_DOCUMENT.contains(&name.as_str())).cloned().collect();
    let mut extensions = Map::new();
    for name in others {
        let value = fields.shift_remove(&name).filter(|value| !value.is_null());
        extensions.extend(value.map(|value| (format!("anthropic.{name}"), value)));
    }
    if extensions.is_empty() {
        return;
    }
    if let Value::Object(given) = fields.entry("extensions").or_insert_with(|| Map::new().into()) {
        given.extend(extensions);
    }
}

fn read_source(fields: &mut Map<String, Value>) {
    let Some(Value::Object(source)) = fields.get_mut("source") else { return };
    let field = |name: &str| source.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let has = |names: &[&str]| source.len() == names.len() + 1 && names.iter().all(|name| field(name).is_some());
    let (from, to) = match field("type") {
        Some("url") if has(&["url"]) => ("url", "url"),
        Some("file") if has(&["file_id"]) => ("file_id", "file"),
        Some("base64") if has(&["media_type", "data"]) => ("data", "data"),
        Some("text") if has(&["media_type", "data"]) && field("media_type") == Some("text/plain") => ("data", "data"),
        _ => return,
    };
    let is_text = field("type") == Some("text");
    let mut value = source.get_mut(from).map(Value::take).unwrap_or_default();
    if let Some(text) = value.as_str().filter(|_| is_text) {
        value = STANDARD.encode(text).into();
    }
    let media_type = source.shift_remove("media_type");
    fields.shift_remove("source");
    fields.insert(to.to_owned(), value);
    if let Some(media_type) = media_type {
        fields.insert("media_type".to_owned(), media_type);
    }
}
