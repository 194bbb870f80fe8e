//! Reasoning. The client keeps it as an item and sends it back with the next request.

use arcllm::{ContentBlock, Thinking};
use serde_json::Value;

use crate::client::{
    fields::Fields,
    problem::Problem,
    responses::extensions::{extension, others},
};

/// What begins an `encrypted_content` that the gateway wrote. The block of reasoning follows as JSON: with its signature and
/// the name of the provider, which alone can read it.
const OURS: &str = "arcllm:";

/// The `encrypted_content` for this block.
pub(crate) fn sealed(thinking: &Thinking) -> String {
    let json = serde_json::to_string(thinking).unwrap_or_default();
    format!("{OURS}{json}")
}

/// A reasoning item of the past, and whether the gateway wrote it.
pub(crate) fn read(mut fields: Fields<'_>) -> Result<(ContentBlock, bool), Problem> {
    let encrypted = match fields.peek("encrypted_content") {
        Some(Value::String(encrypted)) if !encrypted.is_empty() => encrypted.as_str(),
        None | Some(Value::String(_)) => return Ok((plain(fields)?, false)),
        Some(other) => return Err(fields.place.field("encrypted_content").expected("a string", other)),
    };
    let Some(json) = encrypted.strip_prefix(OURS) else {
        // Only a provider of this format can read it. It gets the item as it is.
        return Ok((ContentBlock::Other(fields.into_value()), false));
    };
    match serde_json::from_str(json) {
        Ok(thinking) => Ok((ContentBlock::Thinking(thinking), true)),
        // Its text is still there.
        Err(_) => {
            fields.take("encrypted_content");
            Ok((plain(fields)?, true))
        }
    }
}

/// Reasoning that only has a text.
fn plain(mut fields: Fields<'_>) -> Result<ContentBlock, Problem> {
    let mut texts = Vec::new();
    let mut kept = Vec::new();
    for name in ["summary", "content"] {
        let Some(list) = fields.list(name)? else { continue };
        let outer = fields.place;
        let at = outer.field(name);
        for (index, part) in list.iter().enumerate() {
            match part.get("text") {
                Some(Value::String(text)) => texts.push(text.clone()),
                Some(other) => return Err(at.item(index).field("text").expected("a string", other)),
                None => return Err(at.item(index).field("text").problem("is missing")),
            }
        }
        if !list.is_empty() {
            kept.push((extension(name), Value::from(list)));
        }
    }
    let mut thinking = Thinking::new(texts.join("\n\n"));
    fields.take("encrypted_content");
    thinking.extensions = others(fields);
    thinking.extensions.extend(kept);
    Ok(ContentBlock::Thinking(thinking))
}
