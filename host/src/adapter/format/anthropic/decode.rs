//! Reads an answer of Anthropic Messages.

use serde_json::Value;

use crate::{
    adapter::format::{
        ending,
        extensions::{ANTHROPIC, others},
        format::Decoded,
        json::{JsonNode, are_cut, arguments, arguments_text, has_counts},
        malformed::{Malformed, Unreadable},
        refusal,
        tree::{Keep, MemoryBudget},
    },
    chat::{
        content::{ContentBlock, Text, Thinking, ToolCall},
        extensions::Extensions,
        response::StopReason,
        usage::Usage,
    },
};

/// The fields of a body that are read, those of errors included.
pub(crate) const KEEPS: Keep = Keep::Both(
    &Keep::Fields(&[
        ("id", Keep::All),
        ("model", Keep::All),
        ("content", Keep::All),
        ("stop_reason", Keep::All),
        ("stop_sequence", Keep::All),
        ("usage", Keep::All),
    ]),
    &refusal::FIELDS,
);

/// The field that an answer has, and an error has not.
pub(crate) const ANSWER: &str = "content";

/// Reads a body with a 2xx status.
pub(crate) fn response(body: &Value, budget: &MemoryBudget) -> Result<Decoded, Unreadable> {
    let root = JsonNode::root(body, budget);
    refusal::refuse_errors(&root, ANSWER)?;
    refusal::refuse_scalars(&root)?;
    root.object()?;
    let word = ending::word(&root, "stop_reason");
    if let Some(word) = &word
        && let Err(error) = refusal::refuse_ending(word)
    {
        let received = content(&root, Some(word)).unwrap_or_default();
        return Err(Unreadable::Ended { error: Box::new(error), received });
    }
    // A server that cuts the answer off writes null. Some never say why an answer ends.
    if word.is_none() && root.value.get("stop_reason").is_some() {
        return Err(Unreadable::NoAnswer(root.malformed("is not whole: its `stop_reason` is null")));
    }
    let content = content(&root, word.as_deref())?;
    let asks = content.iter().any(|block| matches!(block, ContentBlock::ToolUse(_)));
    Ok(Decoded {
        stop_reason: ending::stop_reason(word.as_deref(), asks),
        content,
        usage: usage(&root),
        model: root.text("model").map(str::to_owned),
        extensions: extensions(&root),
    })
}

/// Reads the content of an answer that ended with this word.
fn content(root: &JsonNode<'_>, word: Option<&str>) -> Result<Vec<ContentBlock>, Unreadable> {
    // An answer without content is empty if it has costs, or if it says that it ended before it had content.
    let ends_early = |word| !matches!(ending::stop_reason(Some(word), false), StopReason::EndTurn);
    let is_empty = root.get("usage").is_some_and(|usage| has_counts(&usage)) || word.is_some_and(ends_early);
    let has_none = match root.value.get(ANSWER) {
        None => is_empty && word.is_some(),
        Some(content) => content.is_null() || content.as_array().is_some_and(Vec::is_empty),
    };
    if has_none && is_empty {
        return Ok(Vec::new());
    }
    if has_none {
        return Err(Unreadable::NoAnswer(root.malformed("has no answer in `content`")));
    }
    if let Some(text) = root.text(ANSWER) {
        return Ok(vec![ContentBlock::text(text)]);
    }
    let blocks = root.need(ANSWER)?.list()?;
    let mut content = Vec::new();
    let mut blocks = blocks.enumerate().peekable();
    while let Some((at, node)) = blocks.next() {
        let ends_here = blocks.peek().is_none() && word.is_some_and(ending::cuts);
        content.push(match ends_here.then(|| partial(at, &node)).flatten() {
            Some(partial) => partial,
            None => block(at, &node)?,
        });
    }
    Ok(content)
}

pub(crate) fn block(at: usize, node: &JsonNode<'_>) -> Result<ContentBlock, Malformed> {
    Ok(match node.need("type")?.str()? {
        "text" => {
            // Some servers write null for an empty text.
            let text = match node.value.get("text") {
                Some(Value::Null) => String::new(),
                _ => node.need("text")?.str()?.to_owned(),
            };
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
        name: node.need_name()?.to_owned(),
        arguments: arguments(node.get("input").as_ref())?,
        cache: None,
        extensions: rest(node, &["type", "id", "name", "input"])?,
    })
}

/// The block as an incomplete tool call, if it is one.
pub(crate) fn partial(at: usize, node: &JsonNode<'_>) -> Option<ContentBlock> {
    let input = node.get("input");
    let is_it = node.text("type") == Some("tool_use") && are_cut(input.as_ref(), true);
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

fn usage(root: &JsonNode<'_>) -> Usage {
    root.get("usage").as_ref().map(counts).unwrap_or_default()
}

/// Reads the counts of tokens.
pub(crate) fn counts(node: &JsonNode<'_>) -> Usage {
    const KNOWN: [&str; 4] =
        ["input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"];
    let count = |name| node.count(name).unwrap_or_default();
    let (input_tokens, output_tokens) = (count("input_tokens"), count("output_tokens"));
    let written = |time| node.get("cache_creation").and_then(|written| written.count(time));
    let (minutes, hour) = (written("ephemeral_5m_input_tokens"), written("ephemeral_1h_input_tokens"));
    let sum = || Some(minutes.unwrap_or_default().saturating_add(hour.unwrap_or_default()));
    let details = node.get("output_tokens_details");
    let reasoning = |name| details.as_ref().and_then(|details| details.count(name));
    Usage {
        input_tokens,
        output_tokens,
        total_tokens: input_tokens.saturating_add(output_tokens),
        cache_read_tokens: node.count("cache_read_input_tokens"),
        cache_write_tokens: node.count("cache_creation_input_tokens").or_else(|| minutes.or(hour).and_then(|_| sum())),
        cache_write_hour_tokens: hour.filter(|hour| *hour > 0),
        reasoning_tokens: reasoning("thinking_tokens").or_else(|| reasoning("reasoning_tokens")),
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
