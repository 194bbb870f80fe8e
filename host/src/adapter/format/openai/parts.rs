//! Writes the parts of a message of OpenAI Chat Completions.

use serde_json::{Map, Value};

use crate::{
    adapter::format::{
        extensions::{CUSTOM, FUNCTION, INPUT, OPENAI},
        foreign,
        history::Place,
        outline::{Json, Object, Unwritable},
    },
    chat::{
        content::{ContentBlock, Media, MediaSource, Text, ToolCall},
        extensions::Extensions,
        wire_format::WireFormat,
    },
    config::quirks::Quirks,
};

/// The block as a part of the content. Thinking is left out: it stands beside tool calls, or nowhere.
pub(crate) fn part<'a>(block: &'a ContentBlock, place: Place, quirks: &Quirks) -> Result<Option<Json<'a>>, Unwritable> {
    let part = match block {
        ContentBlock::Text(text) if text.text.is_empty() && matches!(place, Place::Answer) => return Ok(None),
        ContentBlock::Text(said) => Ok(text(said, quirks)),
        ContentBlock::Image(image) => image_part(image, quirks),
        ContentBlock::Document(document) => document_part(document, quirks),
        ContentBlock::Audio(audio) => audio_part(audio, quirks),
        ContentBlock::Other(_) if block.is_partial_tool_use() => return Ok(None),
        ContentBlock::Other(value) if foreign::format_of_block(value) == Some(WireFormat::Anthropic) => {
            Err(format!("a block of the type {:?}, which only Anthropic's format has", foreign::kind(value)))
        }
        ContentBlock::Other(value) if foreign::format_of_block(value) == Some(WireFormat::OpenAiResponses) => {
            Err(format!("an item of the type {:?}, which only OpenAI's Responses format has", foreign::kind(value)))
        }
        ContentBlock::Other(value) => Ok(value.into()),
        ContentBlock::ToolUse(_) | ContentBlock::ToolResult(_) | ContentBlock::Thinking(_) => return Ok(None),
    };
    match (part, place) {
        (Ok(part), _) => Ok(Some(part)),
        (Err(_), Place::Answer) => Ok(None),
        (Err(problem), Place::Question(at)) => {
            Err(Unwritable::refused(format!("messages[{at}] has {problem}\n  help: leave it out, or send its text")))
        }
    }
}

/// A text as a part.
pub(crate) fn text<'a>(text: &'a Text, quirks: &Quirks) -> Json<'a> {
    let mut part = Object::new([("type", "text".into()), ("text", text.text.as_str().into())]);
    extend(&mut part, &text.extensions, quirks);
    part.into()
}

/// Adds the extensions that this provider takes.
pub(crate) fn extend<'a>(object: &mut Object<'a>, extensions: &'a Extensions, quirks: &Quirks) {
    object.apply_those(extensions, OPENAI, |name| takes(quirks, name));
}

/// The same for a tool call: without those that stand in its `function` or in its `custom`.
pub(crate) fn extend_call<'a>(call: &mut Object<'a>, extensions: &'a Extensions, quirks: &Quirks) {
    let is_elsewhere = |name: &str| name.starts_with(FUNCTION) || name == CUSTOM;
    call.apply_those(extensions, OPENAI, |name| !is_elsewhere(name) && takes(quirks, name));
}

/// The custom tool that a call is of, with its input, if the provider made it as such a call.
pub(crate) fn custom<'a>(call: &'a ToolCall, quirks: &Quirks) -> Option<(&'a Map<String, Value>, &'a str)> {
    let fields = call.extensions.get("openai.custom")?.as_object().filter(|_| takes(quirks, CUSTOM))?;
    let input = call.arguments.get(INPUT).filter(|_| call.arguments.len() == 1)?.as_str()?;
    Some((fields, input))
}

/// Adds the extensions that stand in the object whose name and dot are `inside`, such as `function.`.
pub(crate) fn extend_inside<'a>(object: &mut Object<'a>, inside: &str, extensions: &'a Extensions, quirks: &Quirks) {
    for (key, value) in extensions {
        let name = key.strip_prefix(OPENAI).and_then(|rest| rest.strip_prefix('.')?.strip_prefix(inside));
        if let Some(name) = name.filter(|name| takes(quirks, name) && !value.is_null()) {
            object.insert(name, value);
        }
    }
}

fn takes(quirks: &Quirks, field: &str) -> bool {
    quirks.message_fields.as_ref().is_none_or(|known| known.iter().any(|known| known == field))
}

/// A part of this kind. Its content stands in a field of the same name.
fn media<'a>(kind: &'static str, content: Json<'a>, media: &'a Media, quirks: &Quirks) -> Json<'a> {
    let inside = format!("{kind}.");
    let content = match content {
        Json::Object(fields) if !media.extensions.is_empty() => {
            let mut object = Object::default();
            fields.into_iter().for_each(|(name, field)| object.insert(name, field));
            extend_inside(&mut object, &inside, &media.extensions, quirks);
            object.into()
        }
        content => content,
    };
    let mut part = Object::new([("type", kind.into()), (kind, content)]);
    part.apply_those(&media.extensions, OPENAI, |name| !name.starts_with(&inside) && takes(quirks, name));
    part.into()
}

fn data_url(media: &Media) -> String {
    format!("data:{};base64,", media.media_type)
}

/// The provider's own JSON of a source. Those of Anthropic's format have a type.
fn own<'a>(what: &str, source: &'a Value) -> Result<Json<'a>, String> {
    match source.get("type") {
        None => Ok(source.into()),
        Some(kind) => Err(format!("{what} with a source of the type {kind}, which OpenAI's format does not take")),
    }
}

fn image_part<'a>(image: &'a Media, quirks: &Quirks) -> Result<Json<'a>, String> {
    let address = match &image.source {
        MediaSource::Data(bytes) => Json::object([("url", Json::Base64(data_url(image), bytes))]),
        MediaSource::Url(url) => Json::object([("url", url.as_str().into())]),
        MediaSource::File(_) => {
            return Err("an image by the name of a file, which OpenAI's format does not take".to_owned());
        }
        MediaSource::Other(value) => own("an image", value)?,
    };
    Ok(media("image_url", address, image, quirks))
}

/// A file, or the text of one that is plain text: the API takes files of a few types only.
fn document_part<'a>(document: &'a Media, quirks: &Quirks) -> Result<Json<'a>, String> {
    let file = match &document.source {
        MediaSource::Data(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) if document.media_type.starts_with("text/") => return Ok(plain_document(document, text)),
            _ => {
                let name = if document.name.is_empty() { "document" } else { document.name.as_str() };
                Json::object([("filename", name.into()), ("file_data", Json::Base64(data_url(document), bytes))])
            }
        },
        MediaSource::File(file) => Json::object([("file_id", file.as_str().into())]),
        MediaSource::Other(value) => own("a document", value)?,
        MediaSource::Url(_) => {
            return Err("a document by its address, which OpenAI's format does not take".to_owned());
        }
    };
    Ok(media("file", file, document, quirks))
}

fn plain_document<'a>(document: &Media, text: &'a str) -> Json<'a> {
    let text = if document.name.is_empty() { text.into() } else { Json::Owned(format!("{}\n\n{text}", document.name)) };
    Json::object([("type", "text".into()), ("text", text)])
}

fn audio_part<'a>(audio: &'a Media, quirks: &Quirks) -> Result<Json<'a>, String> {
    let content = match &audio.source {
        MediaSource::Data(bytes) => Json::object([
            ("data", Json::Base64(String::new(), bytes)),
            ("format", audio_format(&audio.media_type).into()),
        ]),
        MediaSource::Other(value) => own("a recording", value)?,
        MediaSource::Url(_) | MediaSource::File(_) => {
            return Err("a recording that is not there as data, which OpenAI's format does not take".to_owned());
        }
    };
    Ok(media("input_audio", content, audio, quirks))
}

/// The format of a recording: the second half of its media type, or the usual word for that.
fn audio_format(media_type: &str) -> &str {
    let kind = media_type.split(';').next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
    match kind.trim() {
        "mpeg" | "mpeg3" | "x-mpeg" => "mp3",
        "wave" | "x-wav" | "vnd.wave" => "wav",
        kind => kind,
    }
}
