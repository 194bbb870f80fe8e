//! Asks a model to go on.

use arcllm_module::types::{ContentBlock, Message, RequestParts, Role};

use crate::seam::Asked;

/// Makes the request for the rest of an answer, of which `said` was received.
pub fn question(mut parts: RequestParts, said: &str, asked: Asked, instruction: &str) -> RequestParts {
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
