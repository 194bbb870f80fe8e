//! Blocks that have no type of their own here: their JSON.

use serde_json::Value;

use crate::rewrite::{Rewrite, set};

/// The texts of blocks that have no type of their own here: a type, and the field with its text.
const KNOWN: [(&str, &str); 4] =
    [("text", "text"), ("refusal", "refusal"), ("search_result", "title"), ("content", "content")];

/// Rewrites a block in JSON: a tool call that was cut off, which has its arguments as text, or one of the [`KNOWN`] types.
pub(crate) fn other(block: &str, rewrite: &mut Rewrite<'_>) -> Option<String> {
    let is_partial = is_partial(block);
    // Most blocks are of other types, and some are large.
    if !is_partial && !KNOWN.iter().any(|(kind, _)| block.contains(kind)) {
        return None;
    }
    let mut block: Value = serde_json::from_str(block).ok()?;
    let is_changed = match is_partial {
        true => field(&mut block, "arguments", rewrite),
        false => known(&mut block, rewrite),
    };
    is_changed.then(|| block.to_string())
}

/// Rewrites the texts in JSON of a type that is known, and returns whether one has changed.
pub(crate) fn known(block: &mut Value, rewrite: &mut Rewrite<'_>) -> bool {
    let kind = block.get("type").and_then(Value::as_str);
    let Some((kind, name)) = KNOWN.into_iter().find(|(known, _)| kind == Some(known)) else { return false };
    let mut is_changed = field(block, name, rewrite);
    if let Some(Value::Array(blocks)) =
        block.get_mut("content").filter(|_| ["search_result", "content"].contains(&kind))
    {
        for block in blocks {
            is_changed |= known(block, rewrite);
        }
    }
    is_changed
}

fn field(block: &mut Value, name: &str, rewrite: &mut Rewrite<'_>) -> bool {
    match block.get_mut(name) {
        Some(Value::String(text)) => set(text, rewrite),
        _ => false,
    }
}

/// Returns whether this block, in JSON, is a tool call that was cut off.
pub(crate) fn is_partial(block: &str) -> bool {
    #[derive(serde::Deserialize)]
    struct Typed<'a> {
        #[serde(borrow)]
        r#type: std::borrow::Cow<'a, str>,
    }
    // The first check is cheap, and excludes most blocks.
    block.contains("partial_tool_use")
        && serde_json::from_str::<Typed<'_>>(block).is_ok_and(|block| block.r#type == "partial_tool_use")
}
