//! Reads an answer of OpenAI Chat Completions.

use serde_json::Value;

use crate::{
    adapter::format::{
        extensions::{OPENAI, others},
        format::{Decoded, Unreadable},
        json::{JsonNode, are_cut, arguments, arguments_text},
        malformed::Malformed,
        openai::refusal,
        tree::{Keep, MemoryBudget},
    },
    chat::{
        content::{ContentBlock, Thinking, ToolCall},
        extensions::Extensions,
        response::StopReason,
        usage::Usage,
    },
};

/// The finish reason of an answer that was cut at its token limit.
pub(crate) const CUT: &str = "length";

/// The fields of a choice that are read.
pub(crate) const CHOICE: Keep = Keep::Fields(&[
    ("index", Keep::All),
    ("message", MESSAGE),
    ("delta", MESSAGE),
    ("finish_reason", Keep::All),
    ("error", Keep::All),
    ("usage", Keep::All),
]);

const MESSAGE: Keep = Keep::Fields(&[
    ("content", Keep::All),
    ("reasoning_content", Keep::All),
    ("reasoning", Keep::All),
    ("refusal", Keep::All),
    ("tool_calls", Keep::All),
]);

/// The fields of a body that are read: its first choice, and those of errors.
pub(crate) const KEEPS: Keep = Keep::Fields(&[
    ("id", Keep::All),
    ("object", Keep::All),
    ("model", Keep::All),
    ("choices", Keep::First(&CHOICE)),
    ("usage", Keep::All),
    ("request_id", Keep::All),
    ("error", Keep::All),
    ("error_type", Keep::All),
    ("message", Keep::All),
    ("detail", Keep::All),
    ("type", Keep::All),
    ("code", Keep::All),
    ("status", Keep::All),
    ("status_code", Keep::All),
]);

/// Reads the first choice of a body with a 2xx status.
pub(crate) fn response(body: &Value, budget: &MemoryBudget) -> Result<Decoded, Unreadable> {
    let root = JsonNode::root(body, budget);
    root.object()?;
    refusal::refuse_errors(&root)?;
    let choices = root.need("choices")?;
    let choice = choices.list()?.next().ok_or_else(|| choices.malformed("is empty"))?;
    refusal::refuse_error_of_choice(&choice)?;
    let message = choice.need("message")?;
    message.object()?;
    let said = said(&message, choice.text("finish_reason") == Some(CUT))?;
    Ok(Decoded {
        stop_reason: stop_reason(&choice, &said),
        content: said.content,
        usage: usage(&root),
        model: root.text("model").map(str::to_owned),
        extensions: extensions(&root),
    })
}

/// The content of a message.
#[derive(Default)]
struct Said {
    content: Vec<ContentBlock>,
    refused: bool,
    calls: bool,
}

/// `cut` says that the answer was cut at its token limit.
fn said(message: &JsonNode<'_>, cut: bool) -> Result<Said, Malformed> {
    let mut said = Said::default();
    if let Some(text) = message.text("reasoning_content").or_else(|| message.text("reasoning")) {
        said.content.push(thinking(text));
    }
    if let Some(content) = message.get("content") {
        said.read_content(&content)?;
    }
    if let Some(text) = message.text("refusal") {
        said.refuse(text);
    }
    let calls = message.get("tool_calls");
    if let Some(calls) = &calls {
        let mut calls = calls.list()?.enumerate().peekable();
        while let Some((at, call)) = calls.next() {
            said.content.push(last_call(at, &call, cut && calls.peek().is_none())?);
            said.calls = true;
        }
    }
    // Null is an empty answer. A missing field is no answer.
    if said.content.is_empty() && calls.is_none() && message.value.get("content").is_none() {
        return Err(message.malformed("has no `content`"));
    }
    Ok(said)
}

impl Said {
    fn read_content(&mut self, content: &JsonNode<'_>) -> Result<(), Malformed> {
        match content.value {
            Value::String(text) => self.say(text),
            Value::Array(_) => {
                for part in content.list()? {
                    self.read_part(&part)?;
                }
            }
            _ => return Err(content.malformed("is neither a string nor a list")),
        }
        Ok(())
    }

    fn read_part(&mut self, part: &JsonNode<'_>) -> Result<(), Malformed> {
        match part.need("type")?.str()? {
            "text" => self.say(part.need("text")?.str()?),
            "refusal" => self.refuse(part.need("refusal")?.str()?),
            _ => self.content.push(ContentBlock::Other(part.value.clone())),
        }
        Ok(())
    }

    fn say(&mut self, text: &str) {
        if !text.is_empty() {
            self.content.push(ContentBlock::text(text));
        }
    }

    fn refuse(&mut self, text: &str) {
        self.say(text);
        self.refused = true;
    }
}

pub(crate) fn thinking(text: &str) -> ContentBlock {
    ContentBlock::Thinking(Thinking {
        text: text.to_owned(),
        signature: None,
        redacted: None,
        provider: None,
        extensions: Extensions::new(),
    })
}

/// A tool call, or an incomplete one if the answer was cut there.
pub(crate) fn last_call(at: usize, call: &JsonNode<'_>, cut: bool) -> Result<ContentBlock, Malformed> {
    let function = call.get("function");
    let arguments = function.as_ref().and_then(|function| function.get("arguments"));
    if !cut || !are_cut(arguments.as_ref()) {
        return Ok(ContentBlock::ToolUse(tool_call(at, call)?));
    }
    let name = function.as_ref().and_then(|function| function.text("name")).unwrap_or_default();
    Ok(ContentBlock::partial_tool_use(&call_id(at, call.text("id")), name, &arguments_text(arguments.as_ref())))
}

fn tool_call(at: usize, call: &JsonNode<'_>) -> Result<ToolCall, Malformed> {
    let function = call.need("function")?;
    Ok(ToolCall {
        id: call_id(at, call.text("id")),
        name: function.need("name")?.str()?.to_owned(),
        arguments: arguments(function.get("arguments").as_ref())?,
        cache: None,
        extensions: others(call.object()?, &["id", "type", "function", "index"], OPENAI),
    })
}

/// The id of the call, or one made of its place.
pub(crate) fn call_id(at: usize, id: Option<&str>) -> String {
    id.map_or_else(|| format!("call_{at}"), str::to_owned)
}

/// The stop reason. Where servers send `stop` or nothing, the message decides.
fn stop_reason(choice: &JsonNode<'_>, said: &Said) -> StopReason {
    match choice.text("finish_reason") {
        Some(CUT) => StopReason::MaxTokens,
        Some("content_filter") => StopReason::ContentFilter,
        _ if said.refused => StopReason::Refusal,
        Some("tool_calls" | "function_call") => StopReason::ToolUse,
        Some("stop") | None if said.calls => StopReason::ToolUse,
        Some("stop") | None => StopReason::EndTurn,
        Some(word) => StopReason::Other(word.to_owned()),
    }
}

fn usage(root: &JsonNode<'_>) -> Usage {
    root.get("usage").as_ref().map(counts).unwrap_or_default()
}

/// Reads the counts of tokens.
pub(crate) fn counts(node: &JsonNode<'_>) -> Usage {
    const KNOWN: [&str; 4] = ["prompt_tokens", "completion_tokens", "total_tokens", "prompt_cache_hit_tokens"];
    let count = |name| node.count(name).unwrap_or_default();
    let detail = |of: &str, name| node.get(of).and_then(|details| details.count(name));
    let (input_tokens, output_tokens) = (count("prompt_tokens"), count("completion_tokens"));
    let cached = detail("prompt_tokens_details", "cached_tokens");
    Usage {
        input_tokens,
        output_tokens,
        total_tokens: node.count("total_tokens").unwrap_or_else(|| input_tokens.saturating_add(output_tokens)),
        // The second name is of DeepSeek.
        cache_read_tokens: cached.or_else(|| node.count("prompt_cache_hit_tokens")),
        cache_write_tokens: None,
        cache_write_hour_tokens: None,
        reasoning_tokens: detail("completion_tokens_details", "reasoning_tokens"),
        extensions: node.numbers(&KNOWN, OPENAI),
    }
}

fn extensions(root: &JsonNode<'_>) -> Extensions {
    root.text("id").map(|id| ("openai.id".to_owned(), id.into())).into_iter().collect()
}

#[cfg(test)]
mod tests;
