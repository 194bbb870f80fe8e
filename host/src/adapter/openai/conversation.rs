//! The conversation as OpenAI Chat Completions wants it.

use serde_json::{Map, Value, json};

use super::VENDOR;
use crate::{
    adapter::extensions::{apply, extended},
    content::{ContentBlock, Image, ImageSource, ToolCall, ToolResult, encode_base64},
    message::{Extensions, Message, Role},
};

/// The messages, a system message wherever it stands, and a message of its own for each result of a tool.
pub(super) fn messages(messages: &[Message]) -> Value {
    let mut conversation = Conversation::default();
    for message in messages {
        conversation.add(message);
    }
    conversation.flush();
    conversation.messages.into()
}

#[derive(Default)]
struct Conversation {
    messages: Vec<Value>,
    /// What came with results of tools and cannot stand in their messages. The API refuses anything between those, so
    /// it waits for the last of them.
    beside_results: Vec<Value>,
}

impl Conversation {
    fn add(&mut self, message: &Message) {
        let is_result = |block: &&ContentBlock| matches!(block, ContentBlock::ToolResult(_));
        if message.content.iter().find(is_result).is_some() {
            self.add_results(&message.content);
            return;
        }
        self.flush();
        let (role, gap) = match &message.role {
            Role::System => ("system", Some("\n\n")),
            Role::User | Role::Tool => ("user", None),
            // The blocks of an answer may be cut anywhere.
            Role::Assistant => ("assistant", Some("")),
            Role::Other(word) => (word.as_str(), None),
        };
        self.messages.push(one(role, gap, &message.content, &message.extensions));
    }

    fn add_results(&mut self, content: &[ContentBlock]) {
        for block in content {
            match block {
                ContentBlock::ToolResult(result) => {
                    self.messages.push(tool_message(result));
                    self.beside_results.extend(result.content.iter().filter(|block| is_image(block)).filter_map(part));
                }
                block => self.beside_results.extend(part(block)),
            }
        }
    }

    fn flush(&mut self) {
        if !self.beside_results.is_empty() {
            let content = content(std::mem::take(&mut self.beside_results), None);
            self.messages.push(json!({"role": "user", "content": content}));
        }
    }
}

fn is_image(block: &ContentBlock) -> bool {
    matches!(block, ContentBlock::Image(_))
}

/// A message without results. Texts are joined where there is a `gap` to put between them.
fn one(role: &str, gap: Option<&str>, blocks: &[ContentBlock], extensions: &Extensions) -> Value {
    let calls: Vec<Value> = blocks.iter().filter_map(tool_call).collect();
    let parts: Vec<Value> = blocks.iter().filter_map(part).collect();
    let mut message = Map::new();
    message.insert("role".into(), role.into());
    // Nothing but calls is null; no content without calls would be refused.
    let content = if parts.is_empty() && !calls.is_empty() { Value::Null } else { content(parts, gap) };
    message.insert("content".into(), content);
    if !calls.is_empty() {
        message.insert("tool_calls".into(), calls.into());
    }
    apply(&mut message, extensions, VENDOR);
    message.into()
}

/// The parts as a string if they are plain text, as the oldest servers want it, else as a list.
fn content(parts: Vec<Value>, gap: Option<&str>) -> Value {
    let texts: Option<Vec<&str>> = parts.iter().map(plain_text).collect();
    match (texts.as_deref(), gap) {
        (Some([]), _) => "".into(),
        (Some([text]), None) => (*text).into(),
        (Some(texts), Some(gap)) => texts.join(gap).into(),
        _ => parts.into(),
    }
}

fn plain_text(part: &Value) -> Option<&str> {
    let part = part.as_object().filter(|part| part.len() == 2 && part.get("type") == Some(&json!("text")))?;
    part.get("text")?.as_str()
}

/// The block as a part of a message's content. Thinking is not sent: servers that show it refuse to read it.
fn part(block: &ContentBlock) -> Option<Value> {
    match block {
        ContentBlock::Text(text) => {
            Some(extended(json!({"type": "text", "text": text.text}), &text.extensions, VENDOR))
        }
        ContentBlock::Image(image) => Some(image_part(image)),
        ContentBlock::Other(value) => Some(value.clone()).filter(|_| !block.is_partial_tool_use()),
        ContentBlock::ToolUse(_) | ContentBlock::ToolResult(_) | ContentBlock::Thinking(_) => None,
    }
}

fn image_part(image: &Image) -> Value {
    let address = match &image.source {
        ImageSource::Data(bytes) => {
            json!({"url": format!("data:{};base64,{}", image.media_type, encode_base64(bytes))})
        }
        ImageSource::Url(url) => json!({"url": url}),
        ImageSource::Other(value) => value.clone(),
    };
    extended(json!({"type": "image_url", "image_url": address}), &image.extensions, VENDOR)
}

fn tool_call(block: &ContentBlock) -> Option<Value> {
    let ContentBlock::ToolUse(ToolCall { id, name, arguments, extensions }) = block else { return None };
    let arguments = Value::Object(arguments.clone()).to_string();
    let call = json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}});
    Some(extended(call, extensions, VENDOR))
}

fn tool_message(result: &ToolResult) -> Value {
    let texts: Vec<String> = result.content.iter().filter_map(result_text).collect();
    let mut content = texts.join("\n");
    // The format has no other place for it.
    if result.is_error && content.is_empty() {
        content = "error".into();
    }
    let message = json!({"role": "tool", "tool_call_id": result.tool_use_id, "content": content});
    extended(message, &result.extensions, VENDOR)
}

/// What of a tool's result can stand in a message of text.
fn result_text(block: &ContentBlock) -> Option<String> {
    match block {
        ContentBlock::Text(text) => Some(text.text.clone()),
        ContentBlock::Other(value) => Some(value.to_string()),
        ContentBlock::Image(_) | ContentBlock::ToolUse(_) | ContentBlock::ToolResult(_) | ContentBlock::Thinking(_) => {
            None
        }
    }
}
