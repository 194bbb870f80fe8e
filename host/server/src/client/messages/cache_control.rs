//! Reads `cache_control`: <https://platform.claude.com/docs/en/build-with-claude/prompt-caching>.

use std::time::Duration;

use arcllm::{CacheMark, ExtensionLevel, Extensions};
use serde_json::Value;

use crate::client::{fields::Fields, problem::Problem};

const FIELD: &str = "cache_control";

/// Takes the mark of a block or a tool. A mark of another kind than is known becomes an extension.
pub(crate) fn take(fields: &mut Fields<'_>, extensions: &mut Extensions) -> Result<Option<CacheMark>, Problem> {
    let outer = fields.place;
    let place = outer.field(FIELD);
    let Some(whole) = fields.take(FIELD) else { return Ok(None) };
    let is_known = whole.get("type").is_some_and(|kind| kind == "ephemeral")
        && (whole.get("ttl").is_none_or(Value::is_null) || ttl(&whole).is_some());
    if whole.is_object() && !is_known {
        extensions.insert(format!("anthropic.{FIELD}"), whole);
        return Ok(None);
    }
    let ttl = ttl(&whole);
    let mut control = Fields::of(whole, place)?;
    control.take("type");
    control.take("ttl");
    let mut mark = CacheMark::new();
    mark.ttl = ttl;
    mark.extensions = control.others(ExtensionLevel::CacheMark, "anthropic.");
    Ok(Some(mark))
}

/// The times that the API has.
fn ttl(control: &Value) -> Option<Duration> {
    match control.get("ttl")?.as_str()? {
        "5m" => Some(Duration::from_secs(300)),
        "1h" => Some(Duration::from_secs(3600)),
        _ => None,
    }
}
