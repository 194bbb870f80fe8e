//! An answer of Anthropic Messages.

use serde_json::Value;

use crate::{
    adapter::format::{
        anthropic::anthropic::VENDOR,
        extensions::others,
        format::{Decoded, Unreadable},
        json::{Node, are_cut, arguments, arguments_text},
        malformed::Malformed,
        tree::{Keep, Room},
    },
    chat::{
        content::{ContentBlock, Text, Thinking, ToolCall},
        message::Extensions,
        response::{StopReason, Usage},
    },
};

/// Why an answer ends that may not be longer.
pub(crate) const CUT: &str = "max_tokens";

/// What is read of a body, and what may tell of an error.
pub(crate) const KEEPS: Keep = Keep::Fields(&[
    ("type", Keep::All),
    ("id", Keep::All),
    ("model", Keep::All),
    ("content", Keep::All),
    ("stop_reason", Keep::All),
    ("stop_sequence", Keep::All),
    ("usage", Keep::All),
    ("request_id", Keep::All),
    ("error", Keep::All),
    ("message", Keep::All),
    ("detail", Keep::All),
]);

/// What the body says.
pub(crate) fn response(body: &Value, room: &Room) -> Result<Decoded, Unreadable> {
    let root = Node::root(body, room);
    root.object()?;
    refuse_errors(&root)?;
    let mut content = Vec::new();
    let mut blocks = root.need("content")?.list()?.enumerate().peekable();
    while let Some((at, node)) = blocks.next() {
        let ends_here = blocks.peek().is_none() && root.text("stop_reason") == Some(CUT);
        content.push(match ends_here.then(|| partial(at, &node)).flatten() {
            Some(partial) => partial,
            None => block(at, &node)?,
        });
    }
    Ok(Decoded {
        stop_reason: stop_reason(&root, &content),
        content,
        usage: usage(&root),
        model: root.text("model").map(str::to_owned),
        extensions: extensions(&root),
    })
}

/// An error is one whatever the status says.
pub(crate) fn refuse_errors(root: &Node<'_>) -> Result<(), Unreadable> {
    let Some(error) = root.get("error") else {
        return match root.text("type") {
            Some("error") => Err(root.malformed("is an error that does not say which").into()),
            _ => Ok(()),
        };
    };
    let kind = error.text("type").unwrap_or_default();
    match status(kind) {
        Some(status) => Err(Unreadable::Error { status, body: root.value.clone() }),
        None => Err(error.malformed("is of no known `type`").into()),
    }
}

/// The status that belongs to a type of error, by the documentation.
fn status(error_type: &str) -> Option<u16> {
    Some(match error_type {
        "invalid_request_error" => 400,
        "authentication_error" => 401,
        "billing_error" => 402,
        "permission_error" => 403,
        "not_found_error" => 404,
        "request_too_large" => 413,
        "rate_limit_error" => 429,
        "api_error" => 500,
        "timeout_error" => 504,
        "overloaded_error" => 529,
        _ => return None,
    })
}

pub(crate) fn block(at: usize, node: &Node<'_>) -> Result<ContentBlock, Malformed> {
    Ok(match node.need("type")?.str()? {
        "text" => {
            let text = node.need("text")?.str()?.to_owned();
            ContentBlock::Text(Text { text, extensions: rest(node, &["type", "text"])? })
        }
        "thinking" => ContentBlock::Thinking(Thinking {
            text: node.need("thinking")?.str()?.to_owned(),
            // Compatible servers that sign nothing leave it empty.
            signature: node.text("signature").map(str::to_owned),
            redacted: None,
            extensions: rest(node, &["type", "thinking", "signature"])?,
        }),
        "redacted_thinking" => ContentBlock::Thinking(Thinking {
            text: String::new(),
            signature: None,
            redacted: Some(node.need("data")?.str()?.to_owned()),
            extensions: rest(node, &["type", "data"])?,
        }),
        "tool_use" => ContentBlock::ToolUse(tool_call(at, node)?),
        _ => ContentBlock::Other(node.value.clone()),
    })
}

fn tool_call(at: usize, node: &Node<'_>) -> Result<ToolCall, Malformed> {
    Ok(ToolCall {
        id: call_id(at, node),
        name: node.need("name")?.str()?.to_owned(),
        arguments: arguments(node.get("input").as_ref())?,
        extensions: rest(node, &["type", "id", "name", "input"])?,
    })
}

/// The call for a tool that this block is, if it is the beginning of one.
pub(crate) fn partial(at: usize, node: &Node<'_>) -> Option<ContentBlock> {
    let input = node.get("input");
    let is_it = node.text("type") == Some("tool_use") && are_cut(input.as_ref());
    let name = node.text("name").unwrap_or_default();
    is_it.then(|| ContentBlock::partial_tool_use(&call_id(at, node), name, &arguments_text(input.as_ref())))
}

/// The name of the call, or one for the block at this place.
pub(crate) fn call_id(at: usize, node: &Node<'_>) -> String {
    node.text("id").map_or_else(|| format!("call_{at}"), str::to_owned)
}

/// What has no place of its own here goes back with the block, which the provider wants unchanged.
fn rest(node: &Node<'_>, known: &[&str]) -> Result<Extensions, Malformed> {
    Ok(others(node.object()?, known, VENDOR))
}

fn stop_reason(root: &Node<'_>, content: &[ContentBlock]) -> StopReason {
    let calls = content.iter().any(|block| matches!(block, ContentBlock::ToolUse(_)));
    match root.text("stop_reason") {
        Some(word) => StopReason::from(word.to_owned()),
        None if calls => StopReason::ToolUse,
        None => StopReason::EndTurn,
    }
}

fn usage(root: &Node<'_>) -> Usage {
    root.get("usage").as_ref().map(counts).unwrap_or_default()
}

/// What was counted.
pub(crate) fn counts(node: &Node<'_>) -> Usage {
    const KNOWN: [&str; 4] =
        ["input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"];
    let count = |name| node.count(name).unwrap_or_default();
    let (input_tokens, output_tokens) = (count("input_tokens"), count("output_tokens"));
    Usage {
        input_tokens,
        output_tokens,
        total_tokens: input_tokens.saturating_add(output_tokens),
        cache_read_tokens: node.count("cache_read_input_tokens"),
        cache_write_tokens: node.count("cache_creation_input_tokens"),
        reasoning_tokens: node.get("output_tokens_details").and_then(|details| details.count("thinking_tokens")),
        extensions: node.numbers(&KNOWN, VENDOR),
    }
}

fn extensions(root: &Node<'_>) -> Extensions {
    let fields = [("anthropic.id", "id"), ("anthropic.stop-sequence", "stop_sequence")];
    let found = fields.into_iter().filter_map(|(key, name)| Some((key.to_owned(), root.text(name)?.into())));
    found.collect()
}

#[cfg(test)]
mod tests;
