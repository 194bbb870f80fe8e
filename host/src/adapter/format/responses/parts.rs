//! Writes the parts of a message, or of a result, of OpenAI Responses.

use std::borrow::Cow;

use serde_json::Value;

use crate::{
    adapter::format::{
        foreign,
        outline::{Json, Object, Unwritable},
        responses::fields,
    },
    chat::{
        content::{ContentBlock, Media, MediaSource},
        wire_format::WireFormat,
    },
    config::quirks::Quirks,
};

/// What an extension of media cannot set.
const OF_MEDIA: [&str; 6] = ["type", "image_url", "file_id", "file_url", "file_data", "filename"];

/// The block as a part, if the format has one like it. `at` is the place of its message, for errors.
pub(crate) fn part<'a>(block: &'a ContentBlock, at: usize, quirks: &Quirks) -> Result<Option<Json<'a>>, Unwritable> {
    let part = match block {
        ContentBlock::Text(said) => {
            let mut part = Object::new([("type", "input_text".into()), ("text", said.text.as_str().into())]);
            fields::apply(&mut part, &said.extensions, &fields::OF_TEXT, quirks);
            Ok(part.into())
        }
        ContentBlock::Image(image) => image_part(image).map(|part| extended(part, image, quirks)),
        ContentBlock::Document(document) => document_part(document).map(|part| extended(part, document, quirks)),
        ContentBlock::Audio(_) => Err("a recording, which OpenAI's Responses format does not take".to_owned()),
        ContentBlock::Other(_) if block.is_partial_tool_use() => return Ok(None),
        ContentBlock::Other(value) => translated(value),
        ContentBlock::ToolUse(_) | ContentBlock::ToolResult(_) | ContentBlock::Thinking(_) => return Ok(None),
    };
    let refused =
        |problem| Unwritable::refused(format!("messages[{at}] has {problem}\n  help: leave it out, or send its text"));
    part.map(Some).map_err(refused)
}

/// A part that is a text.
pub(crate) fn text<'a>(text: impl Into<Json<'a>>) -> Json<'a> {
    Json::object([("type", "input_text".into()), ("text", text.into())])
}

/// The text of a part that is nothing but text.
pub(crate) fn plain_text<'a>(part: &Json<'a>) -> Option<Cow<'a, str>> {
    part.only_text("input_text")
}

/// A string for plain text, because old servers accept nothing else; else a list of parts.
pub(crate) fn content(parts: Vec<Json<'_>>) -> Json<'_> {
    let only = match parts.as_slice() {
        [part] => plain_text(part),
        _ => None,
    };
    only.map_or_else(|| parts.into(), Json::from)
}

/// Whether the JSON is a part of what somebody asks, in a format of OpenAI.
pub(crate) fn is_content(value: &Value) -> bool {
    foreign::kind(value).starts_with("input_") || foreign::is_media(value)
}

/// Whether the JSON is a part of what the model says.
pub(crate) fn is_said(value: &Value) -> bool {
    foreign::kind(value) == "refusal" || foreign::kind(value).starts_with("output_")
}

/// Whether the JSON is an item of its own, and not a part of a message.
pub(crate) fn is_item(value: &Value) -> bool {
    let is_unknown = matches!(foreign::format_of_block(value), None | Some(WireFormat::OpenAiResponses));
    is_unknown && foreign::kind(value) != "text"
}

/// An item in the JSON of its author.
pub(crate) fn item(value: &Value) -> Json<'_> {
    match value.as_object().filter(|fields| fields.contains_key(foreign::ITEM)) {
        Some(fields) => {
            let mut item = Object::default();
            fields.iter().filter(|(name, _)| *name != foreign::ITEM).for_each(|(name, field)| item.insert(name, field));
            item.into()
        }
        None => value.into(),
    }
}

fn extended<'a>(mut part: Object<'a>, media: &'a Media, quirks: &Quirks) -> Json<'a> {
    fields::apply(&mut part, &media.extensions, &OF_MEDIA, quirks);
    part.into()
}

fn data_url(media: &Media) -> String {
    format!("data:{};base64,", media.media_type)
}

fn image_part(image: &Media) -> Result<Object<'_>, String> {
    let mut part = Object::new([("type", "input_image".into())]);
    match &image.source {
        MediaSource::Data(bytes) => part.insert("image_url", Json::Base64(data_url(image), bytes)),
        MediaSource::Url(url) => part.insert("image_url", url.as_str()),
        MediaSource::File(file) => part.insert("file_id", file.as_str()),
        MediaSource::Other(source) => add_source(&mut part, "an image", source)?,
    }
    Ok(part)
}

/// A file, or the text of one that is plain text.
fn document_part(document: &Media) -> Result<Object<'_>, String> {
    let mut part = Object::new([("type", "input_file".into())]);
    match &document.source {
        MediaSource::Data(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) if document.media_type.starts_with("text/") => {
                let text = match document.name.is_empty() {
                    true => text.into(),
                    false => Json::Owned(format!("{}\n\n{text}", document.name)),
                };
                return Ok(Object::new([("type", "input_text".into()), ("text", text)]));
            }
            _ => {
                let name = if document.name.is_empty() { "document" } else { document.name.as_str() };
                part.insert("filename", name);
                part.insert("file_data", Json::Base64(data_url(document), bytes));
            }
        },
        MediaSource::Url(url) => part.insert("file_url", url.as_str()),
        MediaSource::File(file) => part.insert("file_id", file.as_str()),
        MediaSource::Other(source) => add_source(&mut part, "a document", source)?,
    }
    Ok(part)
}

/// Adds the provider's own JSON of a source. Those of Anthropic's format have a type.
fn add_source<'a>(part: &mut Object<'a>, what: &str, source: &'a Value) -> Result<(), String> {
    match (source, source.get("type")) {
        (Value::Object(fields), None) => fields.iter().for_each(|(name, value)| {
            // OpenAI Chat Completions has the address of an image there.
            part.insert(if name == "url" { "image_url" } else { name }, value);
        }),
        (Value::String(address), _) => part.insert("image_url", address.as_str()),
        (_, kind) => {
            let kind = kind.map_or_else(|| source.to_string(), Value::to_string);
            return Err(format!("{what} with a source of the type {kind}, which OpenAI's format does not take"));
        }
    }
    Ok(())
}

/// A part in the JSON of a format.
fn translated(value: &Value) -> Result<Json<'_>, String> {
    let said = |name: &str| value.get(name).and_then(Value::as_str).map(text);
    let kind = foreign::kind(value);
    match kind {
        "input_audio" => Err("a recording, which OpenAI's Responses format does not take".to_owned()),
        "refusal" => said("refusal").ok_or_else(|| "a refusal without its text".to_owned()),
        "output_text" | "text" => said("text").ok_or_else(|| "a text without its text".to_owned()),
        "image_url" => inner("input_image", "an image", value.get(kind)),
        "file" => inner("input_file", "a document", value.get(kind)),
        _ if foreign::format_of_block(value) == Some(WireFormat::Anthropic) => {
            Err(format!("a block of the type {kind:?}, which only Anthropic's format has"))
        }
        _ => Ok(value.into()),
    }
}

fn inner<'a>(kind: &'static str, what: &str, source: Option<&'a Value>) -> Result<Json<'a>, String> {
    let mut part = Object::new([("type", kind.into())]);
    add_source(&mut part, what, source.unwrap_or(&Value::Null))?;
    Ok(part.into())
}

/// A message of this role.
pub(crate) fn message<'a>(role: &'a str, content: Json<'a>) -> Object<'a> {
    Object::new([("type", "message".into()), ("role", role.into()), ("content", content)])
}
