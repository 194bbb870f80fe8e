//! Where the parts of a conversation have their texts.

use arcllm_module::types::{ContentBlock, Message, ResponseParts, Text, ToolResultBlock};

use crate::{
    document,
    json::json,
    json_block::other,
    quotes::{self, Quotes},
    rewrite::{Rewrite, set},
};

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

#[cfg(test)]
mod tests;
