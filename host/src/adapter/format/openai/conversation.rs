//! Writes the messages of a request of OpenAI Chat Completions.

use std::borrow::Cow;

use crate::{
    adapter::format::{
        extensions::OPENAI,
        outline::{Json, Object},
    },
    chat::{
        content::{ContentBlock, Media, MediaSource, ToolCall, ToolResult},
        extensions::Extensions,
        message::{Message, Role},
    },
};

/// The messages. System messages stay where they are, and each result of a tool becomes a message.
pub(crate) fn messages(messages: &[Message]) -> Json<'_> {
    let mut conversation =
        ConversationWriter { messages: Vec::with_capacity(messages.len()), ..ConversationWriter::default() };
    for message in messages {
        conversation.add(message);
    }
    conversation.flush();
    conversation.messages.into()
}

#[derive(Default)]
struct ConversationWriter<'a> {
    messages: Vec<Json<'a>>,
    /// Content that came with results of tools and cannot be part of their messages. The API refuses other messages between
    /// results, so this follows the last of them.
    beside_results: Vec<Json<'a>>,
}

impl<'a> ConversationWriter<'a> {
    fn add(&mut self, message: &'a Message) {
        let is_result = |block: &&ContentBlock| matches!(block, ContentBlock::ToolResult(_));
        if message.content.iter().find(is_result).is_some() {
            self.add_results(&message.content);
            return;
        }
        self.flush();
        let (role, gap) = match &message.role {
            Role::System => ("system", Some("\n\n")),
            Role::User | Role::Tool => ("user", None),
            // The text blocks of an answer may be one text that was cut anywhere.
            Role::Assistant => ("assistant", Some("")),
            Role::Other(word) => (word.as_str(), None),
        };
        self.messages.push(one(role, gap, &message.content, &message.extensions));
    }

    fn add_results(&mut self, content: &'a [ContentBlock]) {
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
            self.messages.push(Json::object([("role", "user".into()), ("content", content)]));
        }
    }
}

fn is_image(block: &ContentBlock) -> bool {
    matches!(block, ContentBlock::Image(_))
}

/// A message without results of tools. Texts are joined with `gap` between them, if there is one.
fn one<'a>(
    role: &'a str,
    gap: Option<&'static str>,
    blocks: &'a [ContentBlock],
    extensions: &'a Extensions,
) -> Json<'a> {
    let calls: Vec<Json<'_>> = blocks.iter().filter_map(tool_call).collect();
    let parts: Vec<Json<'_>> = blocks.iter().filter_map(part).collect();
    // The API wants null beside tool calls, and refuses it without them.
    let is_null = parts.is_empty() && !calls.is_empty();
    let content = if is_null { Json::Null } else { content(parts, gap) };
    let mut message = Object::new([("role", role.into()), ("content", content)]);
    if !calls.is_empty() {
        message.insert("tool_calls", calls);
    }
    message.extended(extensions, OPENAI)
}

/// A string for plain text, because old servers accept nothing else; else a list of parts.
fn content<'a>(parts: Vec<Json<'a>>, gap: Option<&'static str>) -> Json<'a> {
    let texts: Option<Vec<&'a str>> = parts.iter().map(Json::plain_text).collect();
    match (texts.as_deref(), gap) {
        (Some([]), _) => "".into(),
        (Some([text]), _) => (*text).into(),
        (Some(texts), Some(gap)) => Json::Joined(texts.iter().map(|text| Cow::Borrowed(*text)).collect(), gap),
        _ => parts.into(),
    }
}

/// The block as a part of the content. Thinking is left out: servers that send it refuse to receive it.
fn part(block: &ContentBlock) -> Option<Json<'_>> {
    match block {
        ContentBlock::Text(text) => {
            let part = Object::new([("type", "text".into()), ("text", text.text.as_str().into())]);
            Some(part.extended(&text.extensions, OPENAI))
        }
        ContentBlock::Image(image) => Some(image_part(image)),
        ContentBlock::Other(value) => Some(value.into()).filter(|_| !block.is_partial_tool_use()),
        ContentBlock::Document(_)
        | ContentBlock::Audio(_)
        | ContentBlock::ToolUse(_)
        | ContentBlock::ToolResult(_)
        | ContentBlock::Thinking(_) => None,
    }
}

fn image_part(image: &Media) -> Json<'_> {
    let address = match &image.source {
        MediaSource::Data(bytes) => {
            Json::object([("url", Json::Base64(format!("data:{};base64,", image.media_type), bytes))])
        }
        MediaSource::Url(url) => Json::object([("url", url.as_str().into())]),
        MediaSource::File(file) => Json::object([("file_id", file.as_str().into())]),
        MediaSource::Other(value) => value.into(),
    };
    Object::new([("type", "image_url".into()), ("image_url", address)]).extended(&image.extensions, OPENAI)
}

fn tool_call(block: &ContentBlock) -> Option<Json<'_>> {
    let ContentBlock::ToolUse(ToolCall { id, name, arguments, extensions, .. }) = block else { return None };
    let function = Json::object([("name", name.as_str().into()), ("arguments", Json::AsText(arguments))]);
    let call = Object::new([("id", id.as_str().into()), ("type", "function".into()), ("function", function)]);
    Some(call.extended(extensions, OPENAI))
}

fn tool_message(result: &ToolResult) -> Json<'_> {
    let texts: Vec<Cow<'_, str>> = result.content.iter().filter_map(result_text).collect();
    // The format has no field for errors.
    let is_empty = texts.len() < 2 && texts.iter().all(|text| text.is_empty());
    let content = if result.is_error && is_empty { "error".into() } else { Json::Joined(texts, "\n") };
    let message = Object::new([
        ("role", "tool".into()),
        ("tool_call_id", result.tool_use_id.as_str().into()),
        ("content", content),
    ]);
    message.extended(&result.extensions, OPENAI)
}

/// The text of a block in a result of a tool.
fn result_text(block: &ContentBlock) -> Option<Cow<'_, str>> {
    match block {
        ContentBlock::Text(text) => Some(text.text.as_str().into()),
        ContentBlock::Other(value) => Some(value.to_string().into()),
        ContentBlock::Image(_)
        | ContentBlock::Document(_)
        | ContentBlock::Audio(_)
        | ContentBlock::ToolUse(_)
        | ContentBlock::ToolResult(_)
        | ContentBlock::Thinking(_) => None,
    }
}
