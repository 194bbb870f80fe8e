//! Where the parts of a conversation have their texts.

use arcllm_module::types::{ContentBlock, Message, ResponseParts, Text, ToolResultBlock};
use serde_json::Value;

use crate::{
    document,
    json::json,
    quotes::{self, Quotes},
    rewriter::is_partial,
};

/// Rewrites a text. Returns none if it does not change.
pub(crate) type Rewrite<'r> = dyn FnMut(&str) -> Option<String> + 'r;

/// The texts of blocks that have no type of their own here: a type, and the field with its text.
const KNOWN: [(&str, &str); 4] =
    [("text", "text"), ("refusal", "refusal"), ("search_result", "title"), ("content", "content")];

/// Rewrites the texts of a message of the request, and returns whether one has changed.
pub(crate) fn message(message: &mut Message, rewrite: &mut Rewrite<'_>) -> bool {
    let (mut is_changed, mut said) = (false, false);
    for part in &mut message.content {
        let changes = block(part, Quotes::Removed, rewrite);
        is_changed |= changes;
        said |= changes && matches!(part, ContentBlock::Text(_));
    }
    is_changed | quotes::of_message(&mut message.extensions, said, Quotes::Removed, rewrite)
}

/// Rewrites the texts of a whole answer, and returns whether one has changed.
pub(crate) fn answer(parts: &mut ResponseParts, rewrite: &mut Rewrite<'_>) -> bool {
    let (mut is_changed, mut said) = (false, false);
    for part in &mut parts.content {
        let changes = block(part, Quotes::WrittenAnew, rewrite);
        is_changed |= changes;
        said |= changes && matches!(part, ContentBlock::Text(_));
    }
    is_changed | quotes::of_message(&mut parts.extensions, said, Quotes::WrittenAnew, rewrite)
}

/// Rewrites the texts of a block, and returns whether one has changed.
pub(crate) fn block(block: &mut ContentBlock, quotes: Quotes, rewrite: &mut Rewrite<'_>) -> bool {
    match block {
        ContentBlock::Text(said) => text(said, quotes, rewrite),
        ContentBlock::ToolUse(call) => {
            set(&mut call.arguments, |arguments| json(arguments, &mut |text: &str| rewrite(text)))
        }
        ContentBlock::ToolResult(result) => {
            let mut is_changed = false;
            for block in &mut result.content {
                is_changed |= match block {
                    ToolResultBlock::Text(said) => text(said, quotes, rewrite),
                    ToolResultBlock::Document(media) => document::document(media, rewrite),
                    ToolResultBlock::Image(media) | ToolResultBlock::Audio(media) => document::other(media, rewrite),
                    ToolResultBlock::Other(json) => set(json, |json| other(json, rewrite)),
                };
            }
            is_changed
        }
        ContentBlock::Document(media) => document::document(media, rewrite),
        ContentBlock::Image(media) | ContentBlock::Audio(media) => document::other(media, rewrite),
        ContentBlock::Other(json) => set(json, |json| other(json, rewrite)),
        // It must be sent back unchanged.
        ContentBlock::Thinking(_) => false,
    }
}

fn text(text: &mut Text, quotes: Quotes, rewrite: &mut Rewrite<'_>) -> bool {
    let is_changed = set(&mut text.text, &mut *rewrite);
    is_changed | quotes::of_text(&mut text.extensions, is_changed, quotes, rewrite)
}

/// Rewrites a block in JSON: a tool call that was cut off, which has its arguments as text, or one of the [`KNOWN`] types.
fn other(block: &str, rewrite: &mut Rewrite<'_>) -> Option<String> {
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

/// Rewrites a text in place, and returns whether it has changed.
pub(crate) fn set(text: &mut String, rewrite: impl FnOnce(&str) -> Option<String>) -> bool {
    let rewritten = rewrite(text);
    let is_changed = rewritten.is_some();
    if let Some(rewritten) = rewritten {
        *text = rewritten;
    }
    is_changed
}

#[cfg(test)]
mod tests;
