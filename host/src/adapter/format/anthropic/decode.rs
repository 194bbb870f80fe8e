//! Reads an answer of Anthropic Messages.

use serde_json::Value;

use crate::{
    adapter::format::{
        extensions::{ANTHROPIC, others},
        format::{Decoded, Unreadable},
        json::{JsonNode, are_cut, arguments, arguments_text},
        malformed::Malformed,
        tree::{Keep, MemoryBudget},
    },
    chat::{
        content::{ContentBlock, Text, Thinking, ToolCall},
        extensions::Extensions,
        response::StopReason,
        usage::Usage,
    },
};

/// The stop reason of an answer that was cut at its token limit.
pub(crate) const CUT: &str = "max_tokens";

/// The fields of a body that are read, those of errors included.
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

/// Reads a body with a 2xx status.
pub(crate) fn response(body: &Value, budget: &MemoryBudget) -> Result<Decoded, Unreadable> {
    let root = JsonNode::root(body, budget);
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

/// Fails if the body is an error, although its status is 2xx.
pub(crate) fn refuse_errors(root: &JsonNode<'_>) -> Result<(), Unreadable> {
    let Some(error) = root.get("error") else {
        return match root.text("type") {
            Some("error") => Err(root.malformed("is an error without details").into()),
            _ => Ok(()),
        };
    };
    let kind = error.text("type").unwrap_or_default();
    match status(kind) {
        Some(status) => Err(Unreadable::Error { status, body: root.value.clone() }),
        None => Err(error.malformed("has an unknown `type`").into()),
    }
}

/// The status that the documentation gives for a type of error.
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

pub(crate) fn block(at: usize, node: &JsonNode<'_>) -> Result<ContentBlock, Malformed> {
    Ok(match node.need("type")?.str()? {
        "text" => {
            let text = node.need("text")?.str()?.to_owned();
            ContentBlock::Text(Text { text, cache: None, extensions: rest(node, &["type", "text"])? })
        }
        "thinking" => ContentBlock::Thinking(Thinking {
            text: node.need("thinking")?.str()?.to_owned(),
            // Some compatible servers send an empty signature.
            signature: node.text("signature").map(str::to_owned),
            redacted: None,
            provider: None,
            extensions: rest(node, &["type", "thinking", "signature"])?,
        }),
        "redacted_thinking" => ContentBlock::Thinking(Thinking {
            text: String::new(),
            signature: None,
            redacted: Some(node.need("data")?.str()?.to_owned()),
            provider: None,
            extensions: rest(node, &["type", "data"])?,
        }),
        "tool_use" => ContentBlock::ToolUse(tool_call(at, node)?),
        _ => ContentBlock::Other(node.value.clone()),
    })
}

fn tool_call(at: usize, node: &JsonNode<'_>) -> Result<ToolCall, Malformed> {
    Ok(ToolCall {
        id: call_id(at, node),
        name: node.need("name")?.str()?.to_owned(),
        arguments: arguments(node.get("input").as_ref())?,
        cache: None,
        extensions: rest(node, &["type", "id", "name", "input"])?,
    })
}

/// The block as an incomplete tool call, if it is one.
pub(crate) fn partial(at: usize, node: &JsonNode<'_>) -> Option<ContentBlock> {
    let input = node.get("input");
    let is_it = node.text("type") == Some("tool_use") && are_cut(input.as_ref());
    let name = node.text("name").unwrap_or_default();
    is_it.then(|| ContentBlock::partial_tool_use(&call_id(at, node), name, &arguments_text(input.as_ref())))
}

/// The id of the call, or one made of its place.
pub(crate) fn call_id(at: usize, node: &JsonNode<'_>) -> String {
    node.text("id").map_or_else(|| format!("call_{at}"), str::to_owned)
}

/// The unknown fields of a block. The provider wants blocks back unchanged.
fn rest(node: &JsonNode<'_>, known: &[&str]) -> Result<Extensions, Malformed> {
    Ok(others(node.object()?, known, ANTHROPIC))
}

fn stop_reason(root: &JsonNode<'_>, content: &[ContentBlock]) -> StopReason {
    let calls = content.iter().any(|block| matches!(block, ContentBlock::ToolUse(_)));
    match root.text("stop_reason") {
        Some(word) => StopReason::from(word.to_owned()),
        None if calls => StopReason::ToolUse,
        None => StopReason::EndTurn,
    }
}

fn usage(root: &JsonNode<'_>) -> Usage {
    root.get("usage").as_ref().map(counts).unwrap_or_default()
}

/// Reads the counts of tokens.
pub(crate) fn counts(node: &JsonNode<'_>) -> Usage {
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
        cache_write_hour_tokens: None,
        reasoning_tokens: node.get("output_tokens_details").and_then(|details| details.count("thinking_tokens")),
        extensions: node.numbers(&KNOWN, ANTHROPIC),
    }
}

fn extensions(root: &JsonNode<'_>) -> Extensions {
    let fields = [("anthropic.id", "id"), ("anthropic.stop-sequence", "stop_sequence")];
    let found = fields.into_iter().filter_map(|(key, name)| Some((key.to_owned(), root.text(name)?.into())));
    found.collect()
}

#[cfg(test)]
mod tests;
