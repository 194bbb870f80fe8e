//! Reads an answer of OpenAI Chat Completions.

use serde_json::{Map, Value};

use crate::{
    adapter::format::{
        ending,
        extensions::{CUSTOM, INPUT, OPENAI, RESPONSES, others, others_of_function, others_of_message},
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

/// The fields of a choice that are read.
pub(crate) const CHOICE: Keep = Keep::Fields(&[
    ("index", Keep::All),
    ("message", Keep::All),
    ("delta", Keep::All),
    ("text", Keep::All),
    ("finish_reason", Keep::All),
    ("error", Keep::All),
    ("usage", Keep::All),
]);

/// The fields of a message that are read. The others are extensions.
pub(crate) const MESSAGE: [&str; 7] =
    ["role", "content", "reasoning_content", "reasoning", "refusal", "tool_calls", "function_call"];

/// The fields of a body that are read, those of errors included.
pub(crate) const KEEPS: Keep = Keep::Both(
    &Keep::Fields(&[("id", Keep::All), ("model", Keep::All), ("choices", Keep::Each(&CHOICE)), ("usage", Keep::All)]),
    &refusal::FIELDS,
);

/// The field that an answer has, and an error has not.
pub(crate) const ANSWER: &str = "choices";

/// Reads the answer in a body with a 2xx status.
pub(crate) fn response(body: &Value, budget: &MemoryBudget) -> Result<Decoded, Unreadable> {
    let root = JsonNode::root(body, budget);
    refusal::refuse_errors(&root, ANSWER)?;
    refusal::refuse_scalars(&root)?;
    root.object()?;
    let choice = first_choice(&root)?;
    let word = choice.as_ref().and_then(|choice| ending::word(choice, "finish_reason"));
    let said = match &choice {
        Some(choice) => said_in(choice, word.as_deref())?,
        None => Said::default(),
    };
    Ok(Decoded {
        stop_reason: stop_reason(word.as_deref(), &said),
        content: said.content,
        usage: usage(&root, choice.as_ref()),
        model: root.text("model").map(str::to_owned),
        extensions: id(&root).chain(said.extensions).collect(),
    })
}

/// The choice with the lowest index. An answer that has none, but costs tokens, is empty.
fn first_choice<'a>(root: &JsonNode<'a>) -> Result<Option<JsonNode<'a>>, Unreadable> {
    let first = match root.value.get(ANSWER) {
        None => return Err(root.malformed("has no `choices`").into()),
        Some(Value::Null) => None,
        Some(_) => first_of(root.need(ANSWER)?.list()?),
    };
    if first.is_none() && !root.get("usage").is_some_and(|usage| has_counts(&usage)) {
        return Err(Unreadable::NoAnswer(root.malformed("has no answer in `choices`")));
    }
    Ok(first)
}

/// The choice with the lowest index.
pub(crate) fn first_of<'a>(choices: impl Iterator<Item = JsonNode<'a>>) -> Option<JsonNode<'a>> {
    choices.filter(|choice| !choice.value.is_null()).min_by_key(index_of)
}

/// The index of a choice. Some servers leave out that of the only choice.
pub(crate) fn index_of(choice: &JsonNode<'_>) -> u64 {
    choice.count("index").unwrap_or_default()
}

/// The content of a message.
#[derive(Default)]
struct Said {
    content: Vec<ContentBlock>,
    refused: bool,
    calls: bool,
    /// Its unknown fields.
    extensions: Extensions,
}

/// Reads the message of a choice that ended with this word.
fn said_in(choice: &JsonNode<'_>, word: Option<&str>) -> Result<Said, Unreadable> {
    refusal::refuse_error_of_choice(choice)?;
    // Some servers send the only chunk of a stream as the body.
    let message = choice.get("message").or_else(|| choice.get("delta"));
    if let Some(Err(error)) = word.map(refusal::refuse_ending) {
        let said = message.and_then(|message| said(&message, word).ok()).unwrap_or_default();
        return Err(Unreadable::Ended { error: Box::new(error), received: said.content });
    }
    match message {
        Some(message) => Ok(said(&message, word)?),
        // The older format of completions.
        None if choice.text("text").is_some() => {
            let mut said = Said::default();
            said.say(choice.text("text").unwrap_or_default(), Extensions::new());
            Ok(said)
        }
        // A model can use up its tokens before it says anything.
        None if word.is_some() => Ok(Said::default()),
        None => Err(choice.malformed("has no `message`").into()),
    }
}

fn said(message: &JsonNode<'_>, word: Option<&str>) -> Result<Said, Malformed> {
    let fields = message.object()?;
    let mut said = Said { extensions: others_of_message(fields, &MESSAGE), ..Said::default() };
    if let Some(text) = message.text("reasoning_content").or_else(|| message.text("reasoning")) {
        said.content.push(thinking(text));
    }
    if let Some(content) = message.get("content") {
        said.read_content(&content)?;
    }
    if let Some(text) = message.text("refusal") {
        said.refuse(text, Extensions::new());
    }
    said.read_calls(message, word.is_some_and(ending::cuts))?;
    // Null is an empty answer, and so is a message of an answer that says why it ended.
    let has_fields = fields.contains_key("content") || message.get("tool_calls").is_some();
    if said.content.is_empty() && !has_fields && word.is_none() {
        return Err(message.malformed("has no `content`"));
    }
    Ok(said)
}

impl Said {
    /// Reads the tool calls in the order of their index. `cut` says that the answer was cut.
    fn read_calls(&mut self, message: &JsonNode<'_>, cut: bool) -> Result<(), Malformed> {
        let calls = message.get("tool_calls").map(|calls| calls.list()).transpose()?.into_iter().flatten();
        let mut calls: Vec<JsonNode<'_>> = calls.filter(|call| !call.value.is_null()).collect();
        let last = calls.len().saturating_sub(1);
        let index = |call: &JsonNode<'_>| call.count("index");
        if calls.iter().all(|call| index(call).is_some()) {
            calls.sort_by_key(index);
        }
        for (at, call) in calls.iter().enumerate() {
            self.content.push(call_block(at, call, cut, at == last)?);
            self.calls = true;
        }
        // The field that `tool_calls` has replaced.
        let function = message.get("function_call").filter(|function| function.text("name").is_some());
        if let Some(function) = function.filter(|_| calls.is_empty()) {
            self.content.push(function_block(&Function { at: 0, call: None, function }, cut, true)?);
            self.calls = true;
        }
        Ok(())
    }

    fn read_content(&mut self, content: &JsonNode<'_>) -> Result<(), Malformed> {
        match content.value {
            Value::String(text) => self.say(text, Extensions::new()),
            _ => {
                for part in parts(content)? {
                    self.read_part(&part)?;
                }
            }
        }
        Ok(())
    }

    fn read_part(&mut self, part: &JsonNode<'_>) -> Result<(), Malformed> {
        if let Value::String(text) = part.value {
            self.say(text, Extensions::new());
            return Ok(());
        }
        if let Some(text) = thinking_of_part(part.value) {
            self.think(&text);
            return Ok(());
        }
        match part.need("type")?.str()? {
            kind @ ("text" | "output_text" | "refusal") => {
                let kind = if kind == "refusal" { kind } else { "text" };
                let (text, others) = (part.need(kind)?.str()?, others(part.object()?, &["type", kind], OPENAI));
                if kind == "text" { self.say(text, others) } else { self.refuse(text, others) }
            }
            _ => self.content.push(ContentBlock::Other(part.value.clone())),
        }
        Ok(())
    }

    /// All reasoning is one block in front, as in a stream.
    fn think(&mut self, text: &str) {
        match self.content.first_mut() {
            _ if text.is_empty() => {}
            Some(ContentBlock::Thinking(before)) => before.text.push_str(text),
            _ => self.content.insert(0, thinking(text)),
        }
    }

    fn say(&mut self, text: &str, extensions: Extensions) {
        if !text.is_empty() {
            self.content.push(ContentBlock::Text(Text { extensions, ..Text::new(text) }));
        }
    }

    fn refuse(&mut self, text: &str, mut extensions: Extensions) {
        extensions.insert(refusal_mark(), true.into());
        self.say(text, extensions);
        self.refused = true;
    }
}

/// The extension that marks a text as a refusal. It is the same in both of OpenAI's formats.
pub(crate) fn refusal_mark() -> String {
    format!("{RESPONSES}.refusal")
}

/// The reasoning in a part of the content, as Mistral sends it: a text, or a list of texts and references.
pub(crate) fn thinking_of_part(part: &Value) -> Option<String> {
    let thinking = part.get("thinking").filter(|_| part.get("type").is_some_and(|kind| kind == "thinking"))?;
    match thinking {
        Value::String(text) => Some(text.clone()),
        Value::Array(items) => {
            Some(items.iter().filter_map(|item| item.as_str().or_else(|| item.get("text")?.as_str())).collect())
        }
        _ => None,
    }
}

/// The parts of a content that is no string. Some servers send the only part without a list.
pub(crate) fn parts<'a>(content: &JsonNode<'a>) -> Result<Vec<JsonNode<'a>>, Malformed> {
    match content.value {
        Value::Object(_) => Ok(vec![content.clone()]),
        Value::Array(_) => Ok(content.list()?.collect()),
        _ => Err(content.malformed("is neither a string nor a list")),
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
pub(crate) fn call_block(at: usize, call: &JsonNode<'_>, cut: bool, is_last: bool) -> Result<ContentBlock, Malformed> {
    match call.get("custom").filter(|_| call.get("function").is_none()) {
        Some(custom) => custom_block(at, call, &custom, cut && is_last),
        None => function_block(&Function { at, call: Some(call), function: call.need("function")? }, cut, is_last),
    }
}

/// A call of a tool that takes a text. The text is the argument `input`.
fn custom_block(at: usize, call: &JsonNode<'_>, custom: &JsonNode<'_>, cut: bool) -> Result<ContentBlock, Malformed> {
    let id = call_id(at, call.text("id"));
    let input = arguments_text(custom.get(INPUT).as_ref());
    if cut {
        return Ok(ContentBlock::partial_tool_use(&id, custom.text("name").unwrap_or_default(), &input));
    }
    let name = custom.need("name")?.str()?;
    let rest = custom.object()?.iter().filter(|(name, value)| !["name", INPUT].contains(&&***name) && !value.is_null());
    let rest: Map<String, Value> = rest.map(|(name, value)| (name.clone(), value.clone())).collect();
    let mut extensions = others(call.object()?, &["id", "type", "function", CUSTOM, "index"], OPENAI);
    extensions.insert(format!("{OPENAI}.{CUSTOM}"), rest.into());
    let arguments = Map::from_iter([(INPUT.to_owned(), input.into())]);
    Ok(ContentBlock::ToolUse(ToolCall { extensions, ..ToolCall::new(id, name, arguments) }))
}

/// A function that the model calls.
struct Function<'n, 'v> {
    at: usize,
    /// What stands around the function.
    call: Option<&'n JsonNode<'v>>,
    function: JsonNode<'v>,
}

fn function_block(of: &Function<'_, '_>, cut: bool, is_last: bool) -> Result<ContentBlock, Malformed> {
    let Function { at, call, function } = of;
    let arguments_node = function.get("arguments");
    let id = call_id(*at, call.and_then(|call| call.text("id")));
    if cut && are_cut(arguments_node.as_ref(), is_last) {
        let name = function.text("name").unwrap_or_default();
        return Ok(ContentBlock::partial_tool_use(&id, name, &arguments_text(arguments_node.as_ref())));
    }
    let mut extensions = match call {
        Some(call) => others(call.object()?, &["id", "type", "function", "index"], OPENAI),
        None => Extensions::new(),
    };
    let name = function.need_name()?.to_owned();
    extensions.extend(others_of_function(function.object()?));
    let arguments = arguments(arguments_node.as_ref())?;
    Ok(ContentBlock::ToolUse(ToolCall { id, name, arguments, cache: None, extensions }))
}

/// The id of the call, or one made of its place.
pub(crate) fn call_id(at: usize, id: Option<&str>) -> String {
    id.map_or_else(|| format!("call_{at}"), str::to_owned)
}

fn stop_reason(word: Option<&str>, said: &Said) -> StopReason {
    match ending::stop_reason(word, said.calls) {
        cut @ (StopReason::MaxTokens | StopReason::ContentFilter) => cut,
        _ if said.refused => StopReason::Refusal,
        reason => reason,
    }
}

fn usage(root: &JsonNode<'_>, choice: Option<&JsonNode<'_>>) -> Usage {
    let found = root.get("usage").or_else(|| choice?.get("usage"));
    found.as_ref().map(counts).unwrap_or_default()
}

/// Reads the counts of tokens.
pub(crate) fn counts(node: &JsonNode<'_>) -> Usage {
    const KNOWN: [&str; 10] = [
        "prompt_tokens",
        "completion_tokens",
        "input_tokens",
        "output_tokens",
        "cached_tokens",
        "total_tokens",
        "prompt_cache_hit_tokens",
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
        "reasoning_tokens",
    ];
    // Some gateways use the names of Anthropic, or send both names with zeros in one of them.
    let count = |names: [&str; 2]| names.into_iter().filter_map(|name| node.count(name)).max().unwrap_or_default();
    let first = |of: &str, names: [&str; 2]| {
        let details = node.get(of)?;
        names.into_iter().find_map(|name| details.count(name))
    };
    let input_tokens = count(["prompt_tokens", "input_tokens"]);
    let said = count(["completion_tokens", "output_tokens"]);
    let reasoning_tokens = first("completion_tokens_details", ["reasoning_tokens", "thinking_tokens"])
        .or_else(|| first("output_tokens_details", ["reasoning_tokens", "thinking_tokens"]))
        .or_else(|| node.count("reasoning_tokens"));
    // xAI counts reasoning apart. Its sum shows it.
    let reasoned = said.saturating_add(reasoning_tokens.unwrap_or_default());
    let is_apart = node.count("total_tokens") == Some(input_tokens.saturating_add(reasoned));
    let output_tokens = if is_apart { reasoned } else { said };
    let cached = first("prompt_tokens_details", ["cached_tokens", "cache_read_tokens"])
        .or_else(|| first("input_tokens_details", ["cached_tokens", "cache_read_tokens"]));
    let written = first("prompt_tokens_details", ["cache_write_tokens", "cache_creation_tokens"])
        .or_else(|| first("input_tokens_details", ["cache_write_tokens", "cache_creation_tokens"]));
    Usage {
        input_tokens,
        output_tokens,
        // A stream may count its parts in different chunks, so that a total is only of one part.
        total_tokens: node.count("total_tokens").unwrap_or_default().max(input_tokens.saturating_add(output_tokens)),
        // Top-level fields are of DeepSeek, of Moonshot and of gateways to Anthropic.
        cache_read_tokens: cached
            .or_else(|| node.count("prompt_cache_hit_tokens"))
            .or_else(|| node.count("cached_tokens"))
            .or_else(|| node.count("cache_read_input_tokens")),
        cache_write_tokens: written.or_else(|| node.count("cache_creation_input_tokens")),
        cache_write_hour_tokens: None,
        reasoning_tokens,
        extensions: node.numbers(&KNOWN, OPENAI),
    }
}

fn id(root: &JsonNode<'_>) -> impl Iterator<Item = (String, Value)> {
    root.text("id").map(|id| ("openai.id".to_owned(), id.into())).into_iter()
}

#[cfg(test)]
mod tests;
