//! Reads the content of a message.

use arcllm::{ContentBlock, ExtensionLevel, Extensions, Media, MediaSource, Text};
use serde_json::{Value, json};

use crate::client::{chat_completions::cache_mark::cache_mark, fields::Fields, place::Place, problem::Problem};

/// The blocks of a content: a text, or a list of parts. `is_answer` says that the model has written it.
pub(crate) fn read(content: Option<Value>, place: &Place<'_>, is_answer: bool) -> Result<Vec<ContentBlock>, Problem> {
    match content {
        None => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![ContentBlock::text(text)]),
        Some(Value::Array(parts)) => {
            let parts = parts.into_iter().enumerate();
            parts.map(|(at, value)| part(value, place.item(at), is_answer)).collect()
        }
        Some(other) => Err(place.expected("a string or a list of parts", &other)),
    }
}

fn part(value: Value, place: Place<'_>, is_answer: bool) -> Result<ContentBlock, Problem> {
    let kind = match value.get("type") {
        _ if !value.is_object() => return Err(place.expected("an object", &value)),
        None | Some(Value::Null) => return Err(place.field("type").missing()),
        Some(Value::String(kind)) => kind.as_str(),
        Some(other) => return Err(place.field("type").expected("a string", other)),
    };
    let read = match kind {
        "text" => text,
        // What a model has drawn goes back as it came.
        "image_url" if !is_answer => image,
        "file" if !is_answer => file,
        "input_audio" if !is_answer => audio,
        "refusal" => {
            return match value.get("refusal") {
                Some(Value::String(_)) => Ok(ContentBlock::Other(value)),
                other => Err(place.field("refusal").expected("a string", other.unwrap_or(&Value::Null))),
            };
        }
        _ => return Ok(ContentBlock::Other(value)),
    };
    let mut fields = Fields::of(value, place)?;
    fields.take("type");
    read(fields)
}

fn text(mut fields: Fields<'_>) -> Result<ContentBlock, Problem> {
    let mut text = Text::new(fields.need_text("text")?);
    text.cache = cache_mark(&fields)?;
    text.extensions.extend(fields.others(ExtensionLevel::Text, "openai."));
    Ok(ContentBlock::Text(text))
}

fn image(mut fields: Fields<'_>) -> Result<ContentBlock, Problem> {
    let place = fields.place;
    let place = place.field("image_url");
    let mut inner = match fields.need("image_url")? {
        // Some servers take the address alone.
        Value::String(url) => Fields::of(json!({"url": url}), place)?,
        other => Fields::of(other, place)?,
    };
    let image = media(inner.need_text("url")?, &place.field("url"))?;
    whole(image, fields, inner, "image_url").map(ContentBlock::Image)
}

fn file(mut fields: Fields<'_>) -> Result<ContentBlock, Problem> {
    let place = fields.place;
    let place = place.field("file");
    let mut inner = Fields::of(fields.need("file")?, place)?;
    let document = match (inner.text("file_data")?, inner.text("file_id")?) {
        (Some(data), _) => {
            let name = inner.text("filename")?.unwrap_or_default();
            let place = place.field("file_data");
            let is_address = ["data:", "http:", "https:"].iter().any(|scheme| data.starts_with(scheme));
            let document = if is_address { media(data, &place)? } else { decoded(type_of(&name), data, &place)? };
            document.with_name(name)
        }
        (None, Some(id)) => Media::new("", MediaSource::File(id)),
        (None, None) => return Err(place.problem("expected `file_data` or `file_id`")),
    };
    whole(document, fields, inner, "file").map(ContentBlock::Document)
}

fn audio(mut fields: Fields<'_>) -> Result<ContentBlock, Problem> {
    let place = fields.place;
    let place = place.field("input_audio");
    let mut inner = Fields::of(fields.need("input_audio")?, place)?;
    let (data, format) = (inner.need_text("data")?, inner.need_text("format")?);
    let kind = if format == "mp3" { "mpeg" } else { &format };
    let audio = decoded(format!("audio/{kind}"), data, &place.field("data"))?;
    whole(audio, fields, inner, "input_audio").map(ContentBlock::Audio)
}

/// Adds what stands around the source and beside it.
fn whole(mut media: Media, fields: Fields<'_>, inner: Fields<'_>, kind: &str) -> Result<Media, Problem> {
    media.cache = cache_mark(&fields)?;
    let mut extensions = Extensions::new();
    extensions.extend(fields.others(ExtensionLevel::Media, "openai."));
    extensions.extend(inner.others(ExtensionLevel::Media, &format!("openai.{kind}.")));
    media.extensions = extensions;
    Ok(media)
}

/// Media at an address, which may be one with the data in it.
fn media(url: String, place: &Place<'_>) -> Result<Media, Problem> {
    let parts = url.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,"));
    match parts.filter(|(media_type, _)| !media_type.is_empty()) {
        Some((media_type, data)) => decoded(media_type.to_owned(), data.to_owned(), place),
        None if url.starts_with("data:") => Err(place.problem("expected `data:MEDIA_TYPE;base64,DATA`")),
        None => Ok(Media::new("", MediaSource::Url(url))),
    }
}

/// The media type of a file, by its name.
fn type_of(name: &str) -> String {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    let media_type = match ending.as_deref() {
        Some("txt" | "md") => "text/plain",
        Some("csv") => "text/csv",
        Some("html" | "htm") => "text/html",
        _ => "application/pdf",
    };
    media_type.to_owned()
}

fn decoded(media_type: String, data: String, place: &Place<'_>) -> Result<Media, Problem> {
    // The macro `json` would copy the data.
    let fields = [("media_type".to_owned(), media_type.into()), ("data".to_owned(), data.into())];
    serde_json::from_value(Value::Object(fields.into_iter().collect()))
        .map_err(|_| place.problem("its data is not base64"))
}
