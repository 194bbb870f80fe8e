//! Writes a request of Anthropic Messages.

use crate::{
    adapter::format::{
        extensions::ANTHROPIC,
        family,
        outline::{Json, Object, Unwritable},
    },
    chat::{
        content::{ContentBlock, Media, MediaSource, Text, Thinking, ToolCall, ToolResult},
        message::{Message, Role},
        options::Options,
        request::Request,
        tool::{Tool, ToolChoice},
    },
    config::provider::ProviderConfig,
};

/// The limit if none is set: the format requires one.
const MAX_TOKENS: u32 = 4096;

/// The body. Extensions replace what is written here.
pub(crate) fn body<'a>(
    request: &'a Request,
    provider: &ProviderConfig,
    model: &'a str,
    stream: bool,
) -> Result<Object<'a>, Unwritable> {
    let options = &request.options;
    let max_tokens = options.max_tokens.or(provider.max_tokens).unwrap_or(MAX_TOKENS);
    let mut body = Object::new([("model", model.into()), ("max_tokens", max_tokens.into())]);
    if let Some(system) = system(&request.messages) {
        body.insert("system", system);
    }
    body.insert("messages", messages(&request.messages));
    if !request.tools.is_empty() {
        body.insert("tools", request.tools.iter().map(tool).collect::<Json<'_>>());
    }
    if let Some(choice) = &options.tool_choice {
        body.insert("tool_choice", tool_choice(choice));
    }
    let temperature = options.temperature.or_else(|| default_temperature(options, provider, model));
    body.insert_number("temperature", temperature)?;
    body.insert_number("top_p", options.top_p)?;
    if !options.stop.is_empty() {
        body.insert("stop_sequences", options.stop.iter().map(|text| text.as_str().into()).collect::<Json<'_>>());
    }
    if stream {
        body.insert("stream", Json::Bool(true));
    }
    body.apply(&request.extensions, ANTHROPIC);
    body.apply(&options.extensions, ANTHROPIC);
    Ok(body)
}

/// The temperature of the configuration, unless the API would refuse it: beside `top_p` or thinking, and for newer models.
fn default_temperature(options: &Options, provider: &ProviderConfig, model: &str) -> Option<f64> {
    let thinks = options.extensions.contains_key("anthropic.thinking");
    let refused = options.top_p.is_some() || thinks || family::refuses_temperature(model);
    provider.temperature.filter(|_| !refused)
}

fn tool(tool: &Tool) -> Json<'_> {
    let tool = match tool {
        Tool::Function(tool) => tool,
        Tool::Provider(value) => return value.into(),
    };
    let mut fields = Object::new([("name", tool.name.as_str().into())]);
    if !tool.description.is_empty() {
        fields.insert("description", tool.description.as_str());
    }
    fields.insert("input_schema", &tool.parameters);
    fields.extended(&tool.extensions, ANTHROPIC)
}

fn tool_choice(choice: &ToolChoice) -> Json<'_> {
    match choice {
        ToolChoice::Auto => Json::object([("type", "auto".into())]),
        ToolChoice::Required => Json::object([("type", "any".into())]),
        ToolChoice::None => Json::object([("type", "none".into())]),
        ToolChoice::Tool(name) => Json::object([("type", "tool".into()), ("name", name.as_str().into())]),
        ToolChoice::Other(value) => value.into(),
    }
}

/// All system messages, wherever they stand: the format has one system prompt.
fn system(messages: &[Message]) -> Option<Json<'_>> {
    let blocks = messages.iter().filter(|message| message.role == Role::System).flat_map(|message| &message.content);
    let blocks: Vec<Json<'_>> = blocks.filter_map(block).collect();
    if blocks.is_empty() { None } else { Some(content(blocks)) }
}

/// Consecutive messages of one role. The format wants them as one.
struct MergedMessage<'a> {
    role: &'a str,
    blocks: Vec<Json<'a>>,
    fields: Object<'a>,
}

fn messages(messages: &[Message]) -> Json<'_> {
    let mut merged: Vec<MergedMessage<'_>> = Vec::new();
    for message in messages {
        let role = match &message.role {
            Role::System => continue,
            Role::User | Role::Tool => "user",
            Role::Assistant => "assistant",
            Role::Other(word) => word,
        };
        let blocks: Vec<Json<'_>> = message.content.iter().filter_map(block).collect();
        if blocks.is_empty() {
            continue;
        }
        match merged.last_mut() {
            Some(last) if last.role == role => last.blocks.extend(blocks),
            _ => merged.push(MergedMessage { role, blocks, fields: Object::default() }),
        }
        if let Some(last) = merged.last_mut() {
            last.fields.apply(&message.extensions, ANTHROPIC);
        }
    }
    merged.into_iter().map(MergedMessage::into_json).collect()
}

impl<'a> MergedMessage<'a> {
    fn into_json(mut self) -> Json<'a> {
        // The API wants tool results first. The sort is stable.
        if self.role == "user" {
            self.blocks.sort_by_key(|block| !block.is("tool_result"));
        }
        let mut message = Object::new([("role", self.role.into()), ("content", content(self.blocks))]);
        message.append(self.fields);
        message.into()
    }
}

/// A string for plain text, else a list of blocks.
fn content(blocks: Vec<Json<'_>>) -> Json<'_> {
    let text = match blocks.as_slice() {
        [block] => block.plain_text(),
        _ => None,
    };
    text.map_or_else(|| blocks.into(), Json::Text)
}

/// The block, if it can be sent. The API refuses blank text, and thinking without a signature.
fn block(block: &ContentBlock) -> Option<Json<'_>> {
    match block {
        ContentBlock::Text(text) => text_block(text),
        ContentBlock::Image(media) => Some(media_block("image", media)),
        ContentBlock::Document(media) => Some(media_block("document", media)),
        ContentBlock::Audio(media) => Some(media_block("audio", media)),
        ContentBlock::ToolUse(call) => Some(tool_use(call)),
        ContentBlock::ToolResult(result) => Some(tool_result(result)),
        ContentBlock::Thinking(thinking) => thinking_block(thinking),
        ContentBlock::Other(value) => Some(value.into()).filter(|_| !block.is_partial_tool_use()),
    }
}

fn text_block(text: &Text) -> Option<Json<'_>> {
    let block = || Object::new([("type", "text".into()), ("text", text.text.as_str().into())]);
    if text.text.trim().is_empty() { None } else { Some(block().extended(&text.extensions, ANTHROPIC)) }
}

fn media_block<'a>(kind: &'static str, image: &'a Media) -> Json<'a> {
    let source = match &image.source {
        MediaSource::Data(bytes) => Json::object([
            ("type", "base64".into()),
            ("media_type", image.media_type.as_str().into()),
            ("data", Json::Base64(String::new(), bytes)),
        ]),
        MediaSource::Url(url) => Json::object([("type", "url".into()), ("url", url.as_str().into())]),
        MediaSource::File(file) => Json::object([("type", "file".into()), ("file_id", file.as_str().into())]),
        MediaSource::Other(value) => value.into(),
    };
    Object::new([("type", kind.into()), ("source", source)]).extended(&image.extensions, ANTHROPIC)
}

fn tool_use(call: &ToolCall) -> Json<'_> {
    let block = Object::new([
        ("type", "tool_use".into()),
        ("id", tool_id(&call.id)),
        ("name", call.name.as_str().into()),
        ("input", Json::Fields(&call.arguments)),
    ]);
    block.extended(&call.extensions, ANTHROPIC)
}

fn tool_result(result: &ToolResult) -> Json<'_> {
    let mut fields = Object::new([("type", "tool_result".into()), ("tool_use_id", tool_id(&result.tool_use_id))]);
    let blocks: Vec<Json<'_>> = result.content.iter().filter_map(block).collect();
    if !blocks.is_empty() {
        fields.insert("content", content(blocks));
    }
    if result.is_error {
        fields.insert("is_error", Json::Bool(true));
    }
    fields.extended(&result.extensions, ANTHROPIC)
}

/// Replaces characters that the API refuses. Other providers use them: `functions.weather:0`.
fn tool_id(id: &str) -> Json<'static> {
    let allowed = |character: char| character.is_ascii_alphanumeric() || character == '_' || character == '-';
    let id: String = id.chars().map(|character| if allowed(character) { character } else { '_' }).collect();
    Json::Owned(id)
}

fn thinking_block(thinking: &Thinking) -> Option<Json<'_>> {
    let fields = match (&thinking.redacted, &thinking.signature) {
        (Some(data), _) => Object::new([("type", "redacted_thinking".into()), ("data", data.as_str().into())]),
        (None, Some(signature)) => Object::new([
            ("type", "thinking".into()),
            ("thinking", thinking.text.as_str().into()),
            ("signature", signature.as_str().into()),
        ]),
        (None, None) => return None,
    };
    Some(fields.extended(&thinking.extensions, ANTHROPIC))
}

#[cfg(test)]
mod tests;
