//! Reads the sources that pictures and documents have in Anthropic's format, so that every format can write them.

use serde_json::{Map, Value};

use crate::chat::content::MediaSource;

/// Reads a provider's own JSON of a source, with the media type that stands beside it. JSON with anything that is not known
/// stays as it is.
pub(crate) fn read(media_type: String, source: Value) -> (String, MediaSource) {
    match source.as_object().and_then(|fields| known(&media_type, fields)) {
        Some((of_source, source)) => (of_source.unwrap_or(media_type), source),
        None => (media_type, MediaSource::Other(source)),
    }
}

fn known(media_type: &str, fields: &Map<String, Value>) -> Option<(Option<String>, MediaSource)> {
    let field = |name: &str| fields.get(name).and_then(Value::as_str);
    let has = |names: &[&str]| fields.len() == names.len() && names.iter().all(|name| field(name).is_some());
    match field("type")? {
        "url" if has(&["type", "url"]) => Some((None, MediaSource::Url(field("url")?.to_owned()))),
        "file" if has(&["type", "file_id"]) => Some((None, MediaSource::File(field("file_id")?.to_owned()))),
        kind @ ("base64" | "text") if has(&["type", "media_type", "data"]) => {
            let (of_source, data) = (field("media_type")?, field("data")?);
            let is_clear = !of_source.is_empty() && ["", of_source].contains(&media_type);
            let bytes = match kind {
                "text" if of_source == "text/plain" => data.as_bytes().to_vec(),
                "base64" => base64::Engine::decode(&base64::engine::general_purpose::STANDARD, data).ok()?,
                _ => return None,
            };
            is_clear.then(|| (Some(of_source.to_owned()), MediaSource::Data(bytes)))
        }
        _ => None,
    }
}

/// The fields of a document here. Others become extensions.
const OF_DOCUMENT: [&str; 6] = ["type", "media_type", "source", "name", "cache", "extensions"];

/// A document in the JSON of Anthropic's format as one of a request: its title is its name, and other fields that only that
/// format has are extensions.
pub(crate) fn document(mut block: Value) -> Value {
    let Some(fields) = block.as_object_mut().filter(|fields| fields.get("source").is_some_and(Value::is_object)) else {
        return block;
    };
    if let Some(title) = fields.get("title").filter(|title| title.is_string() && !fields.contains_key("name")).cloned()
    {
        fields.shift_remove("title");
        fields.insert("name".to_owned(), title);
    }
    let others: Vec<String> = fields.keys().filter(|name| !OF_DOCUMENT.contains(&name.as_str())).cloned().collect();
    let mut extensions = Map::new();
    for name in others {
        let value = fields.shift_remove(&name).filter(|value| !value.is_null());
        extensions.extend(value.map(|value| (format!("anthropic.{name}"), value)));
    }
    if !extensions.is_empty() {
        match fields.entry("extensions").or_insert_with(|| Map::new().into()) {
            Value::Object(given) => given.extend(extensions),
            _ => {}
        }
    }
    block
}
