//! Reads the content of messages: texts and blocks.

use arcllm::{ContentBlock, ExtensionLevel, Media, Text, Thinking, ToolCall, ToolResult};
use serde_json::{Map, Value, json};

use crate::client::{
    fields::Fields,
    messages::{cache_control, citations, signature},
    place::Place,
    problem::Problem,
};

/// Reads a text or a list of blocks.
pub(crate) fn read(content: Value, place: &Place<'_>) -> Result<Vec<ContentBlock>, Problem> {
    match content {
        Value::String(text) => Ok(vec![ContentBlock::text(text)]),
        Value::Array(blocks) => {
            let blocks = blocks.into_iter().enumerate();
            blocks.map(|(at, block_json)| block(block_json, &place.item(at))).collect()
        }
        other => Err(place.expected("a string or a list of blocks", &other)),
    }
}

/// A block of a type that is not known here stays as it is.
fn block(value: Value, place: &Place<'_>) -> Result<ContentBlock, Problem> {
    let fields = Fields::of(value, *place)?;
    let kind = place.field("type");
    match fields.peek("type") {
        None => Err(kind.missing()),
        Some(Value::String(kind)) => match kind.as_str() {
            "text" => text(fields),
            "image" => media(fields, "image").map(ContentBlock::Image),
            "document" => media(fields, "document").map(ContentBlock::Document),
            "tool_use" => tool_use(fields),
            "tool_result" => tool_result(fields),
            "thinking" => thinking(fields),
            "redacted_thinking" => redacted(fields),
            _ => Ok(ContentBlock::Other(fields.into_value())),
        },
        Some(other) => Err(kind.expected("a string", other)),
    }
}

fn text(mut fields: Fields<'_>) -> Result<ContentBlock, Problem> {
    fields.take("type");
    let mut text = Text::new(fields.need_text("text")?);
    text.cache = cache_control::take(&mut fields, &mut text.extensions)?;
    text.extensions.extend(fields.others(ExtensionLevel::Text, "anthropic."));
    if let Some(citations) = text.extensions.get_mut("anthropic.citations") {
        citations::without_made(citations);
        if citations.as_array().is_some_and(Vec::is_empty) {
            text.extensions.remove("anthropic.citations");
        }
    }
    Ok(ContentBlock::Text(text))
}

/// An image or a document. The library knows the sources.
fn media(mut fields: Fields<'_>, kind: &str) -> Result<Media, Problem> {
    fields.take("type");
    let outer = fields.place;
    let place = outer.field("source");
    let source = fields.object("source")?.ok_or_else(|| place.missing())?;
    match source.get("type") {
        Some(Value::String(_)) => {}
        None => return Err(place.field("type").missing()),
        Some(other) => return Err(place.field("type").expected("a string", other)),
    }
    let mut json = json!({"type": kind});
    let name = if kind == "document" { fields.text("title")? } else { None };
    if let Some(json) = json.as_object_mut() {
        json.insert("source".to_owned(), source.into());
    }
    let mut media = match serde_json::from_value(json) {
        Ok(ContentBlock::Image(media) | ContentBlock::Document(media)) => media,
        Ok(_) => return Err(place.problem("is no source".to_owned())),
        Err(error) => return Err(place.problem(error.to_string())),
    };
    media.name = name.unwrap_or_default();
    media.cache = cache_control::take(&mut fields, &mut media.extensions)?;
    media.extensions.extend(fields.others(ExtensionLevel::Media, "anthropic."));
    Ok(media)
}

fn tool_use(mut fields: Fields<'_>) -> Result<ContentBlock, Problem> {
    fields.take("type");
    let (id, name) = (fields.need_text("id")?, fields.need_text("name")?);
    let input = fields.object("input")?.unwrap_or_else(Map::new);
    let mut call = ToolCall::new(id, name, input);
    call.cache = cache_control::take(&mut fields, &mut call.extensions)?;
    call.extensions.extend(fields.others(ExtensionLevel::ToolUse, "anthropic."));
    Ok(ContentBlock::ToolUse(call))
}

fn tool_result(mut fields: Fields<'_>) -> Result<ContentBlock, Problem> {
    fields.take("type");
    let id = fields.need_text("tool_use_id")?;
    let outer = fields.place;
    let place = outer.field("content");
    let content = fields.take("content").map(|content| read(content, &place)).transpose()?;
    let mut result = ToolResult::new(id, content.unwrap_or_default());
    result.is_error = fields.flag("is_error")?.unwrap_or_default();
    result.cache = cache_control::take(&mut fields, &mut result.extensions)?;
    result.extensions.extend(fields.others(ExtensionLevel::ToolResult, "anthropic."));
    Ok(ContentBlock::ToolResult(result))
}

/// Reasoning of a provider that does not sign it comes back with an empty signature.
fn thinking(mut fields: Fields<'_>) -> Result<ContentBlock, Problem> {
    fields.take("type");
    let (text, signature) = (fields.need_text("thinking")?, fields.text("signature")?);
    let mut thinking = signature::read(text, signature);
    thinking.extensions.extend(fields.others(ExtensionLevel::Thinking, "anthropic."));
    Ok(ContentBlock::Thinking(thinking))
}

fn redacted(mut fields: Fields<'_>) -> Result<ContentBlock, Problem> {
    fields.take("type");
    let mut thinking = Thinking::new("");
    thinking.redacted = Some(fields.need_text("data")?);
    thinking.extensions = fields.others(ExtensionLevel::Thinking, "anthropic.");
    Ok(ContentBlock::Thinking(thinking))
}
