//! Asks a model to go on.

use arcllm_module::types::{ContentBlock, Message, RequestParts, Role};

use crate::seam::Asked;

/// The bytes of a token of text, rather too many than too few.
const BYTES: usize = 4;

/// The fewest tokens of output that are asked for: OpenAI Responses takes no fewer.
const FEWEST: u32 = 16;

/// Makes the request for the rest of an answer, of which `said` was received.
pub fn question(mut parts: RequestParts, said: &str, asked: Asked, instruction: &str) -> RequestParts {
    // The caller has limited the whole of the answer.
    let spent = u32::try_from(said.len() / BYTES).unwrap_or(u32::MAX);
    parts.options.max_tokens = parts.options.max_tokens.map(|most| most.saturating_sub(spent).max(FEWEST.min(most)));
    let said = match asked {
        // Anthropic refuses a beginning that ends in white space.
        Asked::WithPrefix => said.trim_end(),
        Asked::WithInstruction => said,
    };
    let begun = ContentBlock::from_text(said);
    match parts.messages.last_mut() {
        // The caller has begun the answer.
        Some(last) if matches!(last.role, Role::Assistant) => last.content.push(begun),
        _ => parts.messages.push(message(Role::Assistant, begun)),
    }
    if asked == Asked::WithInstruction {
        parts.messages.push(message(Role::User, ContentBlock::from_text(instruction)));
    }
    parts
}

fn message(role: Role, block: ContentBlock) -> Message {
    Message { role, content: vec![block], extensions: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_has_what_is_left_of_the_most_tokens() {
        for (most, bytes, left) in
            [(Some(1000), 400, Some(900)), (Some(50), 1000, Some(16)), (Some(3), 40, Some(3)), (None, 40, None)]
        {
            let mut parts = RequestParts::from_text("Hi");
            parts.options.max_tokens = most;
            let asked = question(parts, &"x".repeat(bytes), Asked::WithPrefix, "");
            assert_eq!(asked.options.max_tokens, left);
        }
    }
}
