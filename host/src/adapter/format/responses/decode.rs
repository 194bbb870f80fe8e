//! Reads an answer of OpenAI Responses.

use serde_json::{Map, Value};

use crate::{
    adapter::format::{
        ending,
        extensions::INPUT,
        format::Decoded,
        json::{JsonNode, are_cut, arguments, arguments_text, has_counts},
        malformed::{Malformed, Unreadable},
        openai::decode::counts,
        refusal,
        responses::{fields, status},
        tool_names::ToolNames,
        tree::{Keep, MemoryBudget},
    },
    chat::{
        content::{ContentBlock, Text, Thinking, ToolCall},
        extensions::Extensions,
        response::StopReason,
    },
};

/// The fields of a response that are read.
pub(crate) const RESPONSE: Keep = Keep::Fields(&[
    ("id", Keep::All),
    ("model", Keep::All),
    ("status", Keep::All),
    ("output", Keep::All),
    ("output_text", Keep::All),
    ("usage", Keep::All),
    ("incomplete_details", Keep::All),
    ("error", Keep::All),
]);

/// The fields of a body that are read, those of errors included.
pub(crate) const KEEPS: Keep = Keep::Both(&RESPONSE, &refusal::FIELDS);

/// The field that an answer has, and an error has not.
pub(crate) const ANSWER: &str = "output";

/// Reads a body with a 2xx status.
pub(crate) fn response(body: &Value, names: &ToolNames, budget: &MemoryBudget) -> Result<Decoded, Unreadable> {
    let root = JsonNode::root(body, budget);
    let word = status::word(&root);
    if let Err(error) = refusal::refuse_errors(&root, ANSWER).and_then(|()| status::refuse(&root, word.as_deref())) {
        let received = said(&root, Some("failed"), names).map(|said| said.content).unwrap_or_default();
        return Err(match error {
            Unreadable::Error { .. } if !received.is_empty() => Unreadable::Ended { error: Box::new(error), received },
            error => error,
        });
    }
    refusal::refuse_scalars(&root)?;
    root.object()?;
    let said = said(&root, word.as_deref(), names)?;
    Ok(Decoded {
        stop_reason: stop_reason(word.as_deref(), &said),
        content: said.content,
        usage: root.get("usage").as_ref().map(counts).unwrap_or_default(),
        model: root.text("model").map(str::to_owned),
        extensions: root.text("id").map(|id| ("openai.id".to_owned(), id.into())).into_iter().collect(),
    })
}

/// The content of an answer.
#[derive(Default)]
struct Said {
    content: Vec<ContentBlock>,
    refused: bool,
    calls: bool,
}

/// Reads the items of an answer that ended with this word.
fn said(root: &JsonNode<'_>, word: Option<&str>, names: &ToolNames) -> Result<Said, Unreadable> {
    let cut = word.is_some_and(ending::cuts);
    let items = match root.value.get(ANSWER) {
        None if root.text("output_text").is_none() && !root.get("usage").is_some_and(|usage| has_counts(&usage)) => {
            return Err(root.malformed("has no `output`").into());
        }
        None | Some(Value::Null) => Vec::new(),
        Some(_) => root.need(ANSWER)?.list()?.filter(|item| !item.value.is_null()).collect(),
    };
    let mut said = Said::default();
    let last = items.len().saturating_sub(1);
    for (at, node) in items.iter().enumerate() {
        said.add(item(at, node, cut.then_some(at == last), names)?);
    }
    // What SDKs put together of the items, and some servers send alone.
    if let Some(text) = root.text("output_text").filter(|_| items.is_empty()) {
        said.add(vec![ContentBlock::text(text)]);
    }
    // A model can use up its tokens before it says anything.
    let is_empty = root.get("usage").is_some_and(|usage| has_counts(&usage)) || cut;
    if said.content.is_empty() && items.is_empty() && !is_empty {
        return Err(Unreadable::NoAnswer(root.malformed("has no answer in `output`")));
    }
    Ok(said)
}

impl Said {
    fn add(&mut self, blocks: Vec<ContentBlock>) {
        self.calls |= blocks.iter().any(|block| matches!(block, ContentBlock::ToolUse(_)));
        self.refused |= blocks.iter().any(is_refusal);
        self.content.extend(blocks);
    }
}

fn is_refusal(block: &ContentBlock) -> bool {
    matches!(block, ContentBlock::Text(text) if fields::get(&text.extensions, fields::REFUSAL).is_some())
}

fn stop_reason(word: Option<&str>, said: &Said) -> StopReason {
    match ending::stop_reason(word, said.calls) {
        cut @ (StopReason::MaxTokens | StopReason::ContentFilter) => cut,
        _ if said.refused => StopReason::Refusal,
        reason => reason,
    }
}

/// The blocks of an item. `cut` is set if the answer was cut, and says whether the item is the last one.
pub(crate) fn item(
    at: usize,
    node: &JsonNode<'_>,
    cut: Option<bool>,
    names: &ToolNames,
) -> Result<Vec<ContentBlock>, Malformed> {
    let fields = node.object()?;
    Ok(match kind(fields) {
        "message" => message(node, fields)?,
        "reasoning" => vec![ContentBlock::Thinking(reasoning(fields))],
        "function_call" => vec![function_call(at, node, cut, names)?],
        "custom_tool_call" => vec![custom_tool_call(at, node, cut, names)?],
        "" => return Err(node.malformed("has no `type`")),
        _ => vec![ContentBlock::Other(node.value.clone())],
    })
}

/// The type of an item. Some servers leave out that of messages.
pub(crate) fn kind(fields: &Map<String, Value>) -> &str {
    let kind = fields.get("type").and_then(Value::as_str).unwrap_or_default();
    if kind.is_empty() && fields.contains_key("role") { "message" } else { kind }
}

/// The fields of a message that its texts name.
pub(crate) fn of_message(fields: &Map<String, Value>) -> Map<String, Value> {
    let of_item = fields.iter().filter(|(name, value)| !value.is_null() && fields::is_other(name, &fields::OF_MESSAGE));
    of_item.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The texts of a message. Each names the fields of the message, so that the message can be sent back as it was.
fn message(node: &JsonNode<'_>, fields: &Map<String, Value>) -> Result<Vec<ContentBlock>, Malformed> {
    let of_item = Value::Object(of_message(fields));
    let Some(content) = node.get("content") else { return Ok(Vec::new()) };
    let mut blocks = Vec::new();
    if let Value::String(text) = content.value {
        blocks.push(text_block(text, Extensions::new(), &of_item));
    } else {
        for part in content.list()?.filter(|part| !part.value.is_null()) {
            node.count_copy(&of_item)?;
            blocks.push(part_block(&part, &of_item)?);
        }
    }
    blocks.retain(|block| !is_empty(block));
    Ok(blocks)
}

/// Whether a block of a message says nothing.
pub(crate) fn is_empty(block: &ContentBlock) -> bool {
    matches!(block, ContentBlock::Text(text) if text.text.is_empty())
}

/// A part of a message with these fields.
pub(crate) fn part_block(part: &JsonNode<'_>, of_item: &Value) -> Result<ContentBlock, Malformed> {
    if let Value::String(text) = part.value {
        return Ok(text_block(text, Extensions::new(), of_item));
    }
    let name = match part.need("type")?.str()? {
        "output_text" | "text" => "text",
        "refusal" => "refusal",
        _ => return Ok(ContentBlock::Other(part.value.clone())),
    };
    let text = match part.value.get(name) {
        Some(Value::Null) => "",
        _ => part.need(name)?.str()?,
    };
    let mut extensions = fields::others(part.object()?, &fields::OF_TEXT);
    if name == "refusal" {
        extensions.insert(fields::key(fields::REFUSAL), true.into());
    }
    Ok(text_block(text, extensions, of_item))
}

fn text_block(text: &str, mut extensions: Extensions, of_item: &Value) -> ContentBlock {
    if of_item.as_object().is_some_and(|fields| !fields.is_empty()) {
        extensions.insert(fields::key(fields::ITEM), of_item.clone());
    }
    ContentBlock::Text(Text { extensions, ..Text::new(text) })
}

fn reasoning(of: &Map<String, Value>) -> Thinking {
    let list = |name: &str| of.get(name).filter(|list| list.as_array().is_some_and(|list| !list.is_empty()));
    let (summary, content) = (list("summary"), list("content"));
    let mut extensions = fields::others(of, &fields::OF_REASONING);
    // One text is written as it was.
    let is_plain =
        |part: &Value| part.as_object().is_some_and(|part| part.len() == 2) && part["type"] == "summary_text";
    let is_simple =
        summary.and_then(Value::as_array).is_none_or(|parts| parts.len() == 1 && parts.iter().all(is_plain));
    if content.is_some() || !is_simple {
        let kept = [("summary", summary), ("content", content)].into_iter();
        extensions.extend(kept.filter_map(|(name, list)| Some((fields::key(name), list?.clone()))));
    }
    Thinking {
        signature: of
            .get("encrypted_content")
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
            .map(str::to_owned),
        extensions,
        ..Thinking::new(reasoning_text(summary, content))
    }
}

/// What stands between two parts of reasoning.
pub(crate) const GAP: &str = "\n\n";

/// The text of reasoning with this summary and this content.
pub(crate) fn reasoning_text(summary: Option<&Value>, content: Option<&Value>) -> String {
    let parts = [summary, content].into_iter().flatten().filter_map(Value::as_array).flatten();
    let texts = parts.filter_map(|part| part.as_str().or_else(|| part.get("text")?.as_str()));
    texts.filter(|text| !text.is_empty()).collect::<Vec<_>>().join(GAP)
}

/// The id of a call, or one made of its place.
pub(crate) fn call_id(at: usize, fields: &Map<String, Value>) -> String {
    let id = |name| fields.get(name).and_then(Value::as_str).filter(|id| !id.is_empty());
    id("call_id").or_else(|| id("id")).map_or_else(|| format!("call_{at}"), str::to_owned)
}

fn function_call(
    at: usize,
    node: &JsonNode<'_>,
    cut: Option<bool>,
    names: &ToolNames,
) -> Result<ContentBlock, Malformed> {
    let (fields, said) = (node.object()?, node.get("arguments"));
    let id = call_id(at, fields);
    if cut.is_some_and(|is_last| are_cut(said.as_ref(), is_last)) {
        return Ok(ContentBlock::partial_tool_use(&id, names.called(fields), &arguments_text(said.as_ref())));
    }
    let arguments = arguments(said.as_ref())?;
    let (name, extensions) = named(node, names)?;
    Ok(ContentBlock::ToolUse(ToolCall { extensions, ..ToolCall::new(id, name, arguments) }))
}

/// A call of a tool that takes a text. The text is the argument `input`.
fn custom_tool_call(
    at: usize,
    node: &JsonNode<'_>,
    cut: Option<bool>,
    names: &ToolNames,
) -> Result<ContentBlock, Malformed> {
    let fields = node.object()?;
    let (id, input) = (call_id(at, fields), arguments_text(node.get(INPUT).as_ref()));
    if cut == Some(true) && fields.get("status").is_none_or(|status| status != "completed") {
        return Ok(ContentBlock::partial_tool_use(&id, names.called(fields), &input));
    }
    let (name, mut extensions) = named(node, names)?;
    extensions.insert(fields::key(fields::CUSTOM), true.into());
    let arguments = Map::from_iter([(INPUT.to_owned(), input.into())]);
    Ok(ContentBlock::ToolUse(ToolCall { extensions, ..ToolCall::new(id, name, arguments) }))
}

/// The name of a call, and its unknown fields.
fn named(node: &JsonNode<'_>, names: &ToolNames) -> Result<(String, Extensions), Malformed> {
    let (fields, name) = (node.object()?, node.need_name()?);
    let mut extensions = fields::others(fields, &fields::OF_CALL);
    let known = node.text("namespace").and_then(|namespace| names.known(namespace, name));
    let Some((name, own)) = known else { return Ok((name.to_owned(), extensions)) };
    extensions.remove(&fields::key("namespace"));
    extensions.extend([own]);
    Ok((name, extensions))
}

#[cfg(test)]
mod tests;
