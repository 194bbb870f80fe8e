//! Reads the mark up to where a provider should keep the conversation, as OpenRouter and LiteLLM have it.

use std::time::Duration;

use arcllm::{CacheMark, ExtensionLevel};

use crate::client::{fields::Fields, problem::Problem};

/// The field with the mark.
const FIELD: &str = "cache_control";

/// Reads the mark of a part, a message or a tool. It also stays among the other fields, so that a server of this format gets it at
/// its place.
pub(crate) fn cache_mark(fields: &Fields<'_>) -> Result<Option<CacheMark>, Problem> {
    let Some(mark) = fields.peek(FIELD).filter(|mark| !mark.is_null()).cloned() else { return Ok(None) };
    let place = fields.place;
    let mut fields = Fields::of(mark, place.field(FIELD))?;
    fields.text("type")?;
    let mut mark = CacheMark::new();
    mark.ttl = match fields.text("ttl")?.as_deref() {
        None => None,
        Some("1h") => Some(Duration::from_secs(3600)),
        Some(_) => Some(Duration::from_secs(300)),
    };
    mark.extensions = fields.others(ExtensionLevel::CacheMark, "anthropic.");
    Ok(Some(mark))
}
