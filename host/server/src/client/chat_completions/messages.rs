//! Reads the messages of a request. Each becomes one message, so that a place in an error is the client's own.

use arcllm::{CacheMark, ContentBlock, ExtensionLevel, Message, Role, Thinking, ToolCall, ToolResult};
use serde_json::{Map, Value, json};

use crate::client::{
    chat_completions::{cache_mark::cache_mark, parts},
    fields::Fields,
    problem::Problem,
    unique,
};

/// The argument that holds a text which a tool is called with.
pub(crate) const INPUT: &str = "input";

/// The field of an answer with reasoning that a provider has signed, and the field in its items that names the provider.
pub(crate) const DETAILS: &str = "reasoning_details";
pub(crate) const SIGNED_BY: &str = "arcllm.provider";

/// The extension of reasoning with the fields in which the client has sent it.
const FIELDS: &str = "arcllm.fields";

/// Takes the messages.
pub(crate) fn read(fields: &mut Fields<'_>) -> Result<Vec<Message>, Problem> {
    let place = fields.place;
    let place = place.field("messages");
    let messages = match fields.need("messages")? {
        Value::Array(messages) if messages.is_empty() => return Err(place.empty()),
        Value::Array(messages) => messages,
        other => return Err(place.expected("a list", &other)),
    };
    // The id of the last call in the older field `function_call`, which has none.
    let mut older_call = String::new();
    let messages = messages.into_iter().enumerate();
    messages.map(|(at, value)| message(Fields::of(value, place.item(at))?, at, &mut older_call)).collect()
}

fn message(mut fields: Fields<'_>, at: usize, older_call: &mut String) -> Result<Message, Problem> {
    let role = fields.need_text("role")?;
    let mark = cache_mark(&fields)?;
    let message = match role.as_str() {
        "system" | "developer" => said(Role::System, fields)?,
        "user" => said(Role::User, fields)?,
        "assistant" => answer(fields, at, older_call)?,
        "tool" => {
            let id = fields.need_text("tool_call_id")?;
            result(id, fields)?
        }
        "function" => result(older_call.clone(), fields)?,
        other => {
            let known = "expected \"system\", \"developer\", \"user\", \"assistant\" or \"tool\"";
            return Err(fields.place.field("role").problem(format!("{known}, found {other:?}")));
        }
    };
    Ok(match mark {
        Some(mark) => marked(message, mark),
        None => message,
    })
}

/// The message with a mark on its last block.
fn marked(mut message: Message, mark: CacheMark) -> Message {
    if let Some(last) = message.content.pop() {
        message.content.push(last.cached(mark));
    }
    message
}

fn said(role: Role, mut fields: Fields<'_>) -> Result<Message, Problem> {
    let place = fields.place;
    let content = parts::read(Some(fields.need("content")?), &place.field("content"), false)?;
    let mut message = Message::new(role, content);
    message.extensions.extend(fields.others(ExtensionLevel::Message, "openai."));
    Ok(message)
}

fn result(id: String, mut fields: Fields<'_>) -> Result<Message, Problem> {
    let place = fields.place;
    let content = parts::read(fields.take("content"), &place.field("content"), false)?;
    let mut result = ToolResult::new(id, content);
    result.extensions.extend(fields.others(ExtensionLevel::ToolResult, "openai."));
    Ok(Message::new(Role::Tool, vec![ContentBlock::ToolResult(result)]))
}

fn answer(mut fields: Fields<'_>, at: usize, older_call: &mut String) -> Result<Message, Problem> {
    let place = fields.place;
    let mut content = thinking(&mut fields)?;
    content.extend(parts::read(fields.take("content"), &place.field("content"), true)?);
    if let Some(refusal) = fields.text("refusal")? {
        content.push(ContentBlock::Other(json!({"type": "refusal", "refusal": refusal})));
    }
    let calls = place.field("tool_calls");
    for (at, value) in fields.list("tool_calls")?.unwrap_or_default().into_iter().enumerate() {
        let fields = Fields::of(value, calls.item(at))?;
        let mark = cache_mark(&fields)?;
        let call = ContentBlock::ToolUse(call(fields)?);
        content.push(match mark {
            Some(mark) => call.cached(mark),
            None => call,
        });
    }
    if let Some(function) = fields.take("function_call") {
        *older_call = format!("call_{at}");
        let function = Fields::of(function, place.field("function_call"))?;
        content.push(ContentBlock::ToolUse(function_call(older_call.clone(), function)?));
    }
    let author = fields.text(SIGNED_BY)?;
    let mut message = Message::new(Role::Assistant, content);
    message.extensions.extend(fields.others(ExtensionLevel::Message, "openai."));
    message.extensions.extend(author.map(|author| (SIGNED_BY.to_owned(), author.into())));
    Ok(message)
}

/// Whether an answer of ours has marked this message for its provider. No provider knows the mark.
pub(crate) fn is_signed(message: &Message) -> bool {
    let is_signed =
        |block: &ContentBlock| matches!(block, ContentBlock::Thinking(thinking) if thinking.provider.is_some());
    message.extensions.contains_key(SIGNED_BY) || message.content.iter().any(is_signed)
}

/// Takes the reasoning of an answer: what a provider has signed, else its text.
fn thinking(fields: &mut Fields<'_>) -> Result<Vec<ContentBlock>, Problem> {
    let mut said: Vec<(String, Vec<&str>)> = Vec::new();
    // OpenRouter and vLLM have the second name.
    for name in ["reasoning_content", "reasoning"] {
        if name == "reasoning" && !fields.peek(name).is_some_and(Value::is_string) {
            continue;
        }
        let Some(text) = fields.text(name)?.filter(|text| !text.is_empty()) else { continue };
        match said.iter_mut().find(|(known, _)| *known == text) {
            Some((_, names)) => names.push(name),
            None => said.push((text, vec![name])),
        }
    }
    let is_ours = |detail: &Value| detail.get(SIGNED_BY).is_some_and(Value::is_string);
    let details = fields.peek(DETAILS).and_then(Value::as_array);
    if details.is_some_and(|details| details.iter().all(is_ours)) {
        return Ok(fields
            .list(DETAILS)?
            .unwrap_or_default()
            .into_iter()
            .map(|detail| ContentBlock::Thinking(signed(&detail)))
            .collect());
    }
    let block = |(text, names): (String, Vec<&str>)| {
        let mut thinking = Thinking::new(text);
        thinking.extensions.insert(FIELDS.to_owned(), names.into());
        ContentBlock::Thinking(thinking)
    };
    Ok(said.into_iter().map(block).collect())
}

/// Reasoning as an answer of ours had it.
fn signed(detail: &Value) -> Thinking {
    let text = |name: &str| detail.get(name).and_then(Value::as_str).map(str::to_owned);
    let mut thinking = Thinking::new(text("text").unwrap_or_default());
    (thinking.signature, thinking.redacted, thinking.provider) = (text("signature"), text("data"), text(SIGNED_BY));
    thinking
}

fn call(mut fields: Fields<'_>) -> Result<ToolCall, Problem> {
    let place = fields.place;
    let (id, kind) = (fields.need_text("id")?, fields.text("type")?);
    // Of a call that was put together from the chunks of a stream.
    fields.take("index");
    let mut call = match kind.as_deref() {
        None | Some("function") => function_call(id, Fields::of(fields.need("function")?, place.field("function"))?)?,
        Some("custom") => custom_call(id, Fields::of(fields.need("custom")?, place.field("custom"))?)?,
        Some(other) => {
            let what = format!("expected \"function\" or \"custom\", found {other:?}");
            return Err(place.field("type").problem(what));
        }
    };
    call.extensions.extend(fields.others(ExtensionLevel::ToolUse, "openai."));
    Ok(call)
}

fn function_call(id: String, mut fields: Fields<'_>) -> Result<ToolCall, Problem> {
    let name = fields.need_text("name")?;
    let arguments = match fields.take("arguments") {
        None => Map::new(),
        Some(Value::Object(arguments)) => arguments,
        Some(Value::String(text)) => arguments(text),
        Some(other) => return Err(fields.place.field("arguments").expected("a string", &other)),
    };
    let mut call = ToolCall::new(id, name, arguments);
    call.extensions.extend(fields.others(ExtensionLevel::ToolUse, "openai.function."));
    Ok(call)
}

/// The arguments in a text. A model may have written something else than JSON, or a key twice, and the conversation has to go on.
/// Then all of it is one text, so that a module reads what a provider could read.
fn arguments(text: String) -> Map<String, Value> {
    match unique::read(text.as_bytes()) {
        Ok(Value::Object(arguments)) => arguments,
        _ if text.trim().is_empty() => Map::new(),
        _ => Map::from_iter([(INPUT.to_owned(), text.into())]),
    }
}

/// A call of a tool that takes a text. The extension `openai.custom` has its further fields.
fn custom_call(id: String, mut fields: Fields<'_>) -> Result<ToolCall, Problem> {
    let (name, input) = (fields.need_text("name")?, fields.text(INPUT)?.unwrap_or_default());
    let mut call = ToolCall::new(id, name, Map::from_iter([(INPUT.to_owned(), input.into())]));
    call.extensions.insert("openai.custom".to_owned(), fields.rest().into());
    Ok(call)
}
