//! Reads the parts of messages and of results: texts, images, files, recordings.

use arcllm::{ContentBlock, Media, MediaSource, Text};
use serde_json::{Value, json};

use crate::client::{
    fields::Fields,
    place::Place,
    problem::Problem,
    responses::extensions::{extension, others},
};

/// The media type of a file that tells none.
const UNTOLD: &str = "application/pdf";

/// The blocks of a content: a text, or a list of parts.
pub(crate) fn content(at: &Place<'_>, content: Value) -> Result<Vec<ContentBlock>, Problem> {
    match content {
        Value::String(text) => Ok(vec![ContentBlock::text(text)]),
        Value::Array(parts) => {
            parts.into_iter().enumerate().map(|(index, value)| part(at.item(index), value)).collect()
        }
        other => Err(at.expected("a string or a list of parts", &other)),
    }
}

fn part(at: Place<'_>, value: Value) -> Result<ContentBlock, Problem> {
    if let Value::String(text) = value {
        return Ok(ContentBlock::text(text));
    }
    let fields = Fields::of(value, at)?;
    match fields.need_kind()? {
        "input_text" | "output_text" | "text" => text(fields),
        "refusal" => refusal(fields),
        "input_image" => image(fields),
        "input_file" => file(fields),
        "input_audio" => audio(fields),
        _ => Ok(ContentBlock::Other(fields.into_value())),
    }
}

fn text(mut fields: Fields<'_>) -> Result<ContentBlock, Problem> {
    let mut text = Text::new(fields.need_text("text")?);
    text.extensions = others(fields);
    Ok(ContentBlock::Text(text))
}

fn refusal(mut fields: Fields<'_>) -> Result<ContentBlock, Problem> {
    let mut text = Text::new(fields.need_text("refusal")?);
    text.extensions = others(fields);
    text.extensions.insert(extension("refusal"), true.into());
    Ok(ContentBlock::Text(text))
}

fn image(mut fields: Fields<'_>) -> Result<ContentBlock, Problem> {
    let (url, file) = (fields.text("image_url")?, fields.text("file_id")?);
    let mut image = match (url, file) {
        (Some(url), _) => by_address(&fields.place.field("image_url"), url)?,
        (None, Some(file)) => Media::new("", MediaSource::File(file)),
        (None, None) => return Err(fields.place.problem("has neither `image_url` nor `file_id`")),
    };
    image.extensions = others(fields);
    Ok(ContentBlock::Image(image))
}

fn file(mut fields: Fields<'_>) -> Result<ContentBlock, Problem> {
    let (data, url, id) = (fields.text("file_data")?, fields.text("file_url")?, fields.text("file_id")?);
    let mut file = match (data, url, id) {
        (Some(data), ..) if data.starts_with("data:") => by_address(&fields.place.field("file_data"), data)?,
        (Some(data), ..) => of_data(&fields.place.field("file_data"), UNTOLD, data)?,
        (None, Some(url), _) => by_address(&fields.place.field("file_url"), url)?,
        (None, None, Some(id)) => Media::new("", MediaSource::File(id)),
        (None, None, None) => return Err(fields.place.problem("has none of `file_data`, `file_url` and `file_id`")),
    };
    file.name = fields.text("filename")?.unwrap_or_default();
    file.extensions = others(fields);
    Ok(ContentBlock::Document(file))
}

fn audio(mut fields: Fields<'_>) -> Result<ContentBlock, Problem> {
    let outer = fields.place;
    let at = outer.field("input_audio");
    let mut inner = Fields::of(fields.need("input_audio")?, at)?;
    let (data, format) = (inner.need_text("data")?, inner.need_text("format")?);
    let mut audio = of_data(&at.field("data"), &format!("audio/{format}"), data)?;
    audio.extensions = others(fields);
    Ok(ContentBlock::Audio(audio))
}

/// Media at an address, which may be one with the data in it.
fn by_address(at: &Place<'_>, url: String) -> Result<Media, Problem> {
    let Some(rest) = url.strip_prefix("data:") else { return Ok(Media::new("", MediaSource::Url(url))) };
    let Some((head, data)) = rest.split_once(',') else {
        return Err(at.problem("is a data URL without a comma before its data"));
    };
    match head.strip_suffix(";base64") {
        Some(kind) => of_data(at, kind.split(';').next().unwrap_or_default(), data.to_owned()),
        None => Err(at.problem("is a data URL that is not base64")),
    }
}

fn of_data(at: &Place<'_>, media_type: &str, data: String) -> Result<Media, Problem> {
    serde_json::from_value(json!({"media_type": media_type, "data": Value::String(data)}))
        .map_err(|error| at.problem(error.to_string()))
}
