//! Documents whose data are text.

use std::borrow::Cow;

use arcllm_module::types::{Media, MediaSource};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

use crate::{
    json_block::known,
    rewrite::{Rewrite, set},
};

/// The media type of a text that names none.
const PLAIN: &str = "text/plain";
/// The extension with what the model is told of a document.
const CONTEXT: &str = "anthropic.context";
/// Endings of names of files. None of them can end an address.
const ENDINGS: [&str; 14] =
    ["pdf", "txt", "csv", "json", "html", "htm", "xml", "docx", "xlsx", "pptx", "yaml", "log", "png", "jpeg"];

/// Rewrites the text, the title and the context of a document, and returns whether one has changed.
pub(crate) fn document(media: &mut Media, rewrite: &mut Rewrite<'_>) -> bool {
    about(media, rewrite) | data(media, true, rewrite)
}

/// Rewrites a picture or a recording: its name, and data that say of themselves that they are text.
pub(crate) fn other(media: &mut Media, rewrite: &mut Rewrite<'_>) -> bool {
    about(media, rewrite) | data(media, false, rewrite)
}

fn about(media: &mut Media, rewrite: &mut Rewrite<'_>) -> bool {
    let mut is_changed = set(&mut media.name, |name| named(name, rewrite));
    for (_, value) in media.extensions.iter_mut().filter(|(key, _)| key == CONTEXT) {
        is_changed |= set(value, |value| {
            let context: String = serde_json::from_str(value).ok()?;
            serde_json::to_string(&rewrite(&context)?).ok()
        });
    }
    is_changed
}

/// Rewrites a title, or the name of a file. Its ending tells providers the kind of the file.
fn named(name: &str, rewrite: &mut Rewrite<'_>) -> Option<String> {
    let is_ending = |ending: &str| ENDINGS.contains(&ending.to_ascii_lowercase().as_str());
    match name.rsplit_once('.').filter(|(_, ending)| is_ending(ending)) {
        Some((stem, ending)) => Some(format!("{}.{ending}", rewrite(stem)?)),
        None => rewrite(name),
    }
}

fn data(media: &mut Media, is_document: bool, rewrite: &mut Rewrite<'_>) -> bool {
    let given = media.media_type.as_str();
    let rewritten = match &media.source {
        MediaSource::Data(bytes) => bytes_of(given, bytes, is_document, rewrite).map(|bytes| (given.to_owned(), bytes)),
        MediaSource::Url(url) => inline(url).and_then(|(kind, bytes)| {
            let kind = if kind.is_empty() { PLAIN } else { kind };
            Some((kind.to_owned(), bytes_of(kind, &bytes, is_document, rewrite)?))
        }),
        MediaSource::File(_) => None,
        MediaSource::Other(json) => match serde_json::from_str::<Value>(json) {
            Ok(mut source) if source.get("type").is_some_and(|kind| kind == "content") => {
                let is_changed = known(&mut source, rewrite);
                if is_changed {
                    media.source = MediaSource::Other(source.to_string());
                }
                return is_changed;
            }
            Ok(source) => of_source(&source, is_document, rewrite),
            Err(_) => None,
        },
    };
    let is_changed = rewritten.is_some();
    if let Some((media_type, bytes)) = rewritten {
        (media.media_type, media.source) = (media_type, MediaSource::Data(bytes));
    }
    is_changed
}

/// Rewrites a source of Anthropic's format with fields that are not known: a text, or data in base64.
fn of_source(source: &Value, is_document: bool, rewrite: &mut Rewrite<'_>) -> Option<(String, Vec<u8>)> {
    let field = |name: &str| source.get(name).and_then(Value::as_str);
    let (kind, data) = (field("media_type").unwrap_or(PLAIN), field("data")?);
    let bytes = match field("type")? {
        "text" => rewrite(data)?.into_bytes(),
        "base64" => bytes_of(kind, &STANDARD.decode(data).ok()?, is_document, rewrite)?,
        _ => return None,
    };
    Some((kind.to_owned(), bytes))
}

/// The media type and the data of an address that has them in it.
fn inline(url: &str) -> Option<(&str, Vec<u8>)> {
    let (scheme, rest) = url.split_at_checked("data:".len())?;
    let (kind, data) = rest.split_once(',').filter(|_| scheme.eq_ignore_ascii_case("data:"))?;
    Some((kind.strip_suffix(";base64")?, STANDARD.decode(data).ok()?))
}

/// Rewrites data if they are text. Returns none if nothing changes.
fn bytes_of(media_type: &str, bytes: &[u8], is_document: bool, rewrite: &mut Rewrite<'_>) -> Option<Vec<u8>> {
    let is_text = media_type.get(.."text/".len()).is_some_and(|start| start.eq_ignore_ascii_case("text/"));
    match std::str::from_utf8(bytes) {
        Ok(text) if is_text || (is_document && !is_binary(text)) => Some(rewrite(text)?.into_bytes()),
        Err(_) if is_text => of_older_text(bytes, rewrite),
        _ => None,
    }
}

/// Whether data that could be text are something else: some clients name no type, or a wrong one.
fn is_binary(text: &str) -> bool {
    let start = text.get(..text.floor_char_boundary(1024)).unwrap_or_default();
    start.contains("%PDF-") || text.contains('\0')
}

/// Rewrites a text in UTF-16, or in an encoding with a byte for each character. What was UTF-16 becomes UTF-8.
fn of_older_text(bytes: &[u8], rewrite: &mut Rewrite<'_>) -> Option<Vec<u8>> {
    let units = |unit: fn([u8; 2]) -> u16| -> Vec<u16> {
        bytes.chunks_exact(2).skip(1).filter_map(|pair| Some(unit(pair.try_into().ok()?))).collect()
    };
    let text: Cow<'_, str> = match bytes {
        [0xff, 0xfe, ..] => String::from_utf16_lossy(&units(u16::from_le_bytes)).into(),
        [0xfe, 0xff, ..] => String::from_utf16_lossy(&units(u16::from_be_bytes)).into(),
        _ => {
            let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
            let byte = |character: char| u8::try_from(u32::from(character)).unwrap_or(b'?');
            return Some(rewrite(&text)?.chars().map(byte).collect());
        }
    };
    Some(rewrite(&text)?.into_bytes())
}
