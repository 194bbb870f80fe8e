//! A request as Anthropic Messages wants it.

use serde_json::{Map, Value, json};

use super::VENDOR;
use crate::{
    adapter::{
        extensions::{apply, extended},
        family, format,
    },
    config::ProviderConfig,
    content::{ContentBlock, Image, ImageSource, Text, Thinking, ToolCall, ToolResult, encode_base64},
    message::{Message, Role},
    request::{Options, Request, Tool, ToolChoice},
};

/// The format demands a limit.
const MAX_TOKENS: u32 = 4096;

/// The body. Extensions come last and override what stands here.
pub(super) fn body(request: &Request, provider: &ProviderConfig, model: &str, stream: bool) -> Result<Value, String> {
    let options = &request.options;
    let mut body = Map::new();
    body.insert("model".into(), model.into());
    body.insert("max_tokens".into(), options.max_tokens.or(provider.max_tokens).unwrap_or(MAX_TOKENS).into());
    if let Some(system) = system(&request.messages) {
        body.insert("system".into(), system);
    }
    body.insert("messages".into(), messages(&request.messages));
    if !request.tools.is_empty() {
        body.insert("tools".into(), request.tools.iter().map(tool).collect());
    }
    if let Some(choice) = &options.tool_choice {
        body.insert("tool_choice".into(), tool_choice(choice));
    }
    let temperature = options.temperature.or_else(|| default_temperature(options, provider, model));
    format::insert_number(&mut body, "temperature", temperature)?;
    format::insert_number(&mut body, "top_p", options.top_p)?;
    if !options.stop.is_empty() {
        body.insert("stop_sequences".into(), options.stop.clone().into());
    }
    if stream {
        body.insert("stream".into(), true.into());
    }
    apply(&mut body, &request.extensions, VENDOR);
    apply(&mut body, &options.extensions, VENDOR);
    Ok(body.into())
}

/// The config's temperature gives way to what the API refuses beside one: `top_p`, thinking and the newer models.
fn default_temperature(options: &Options, provider: &ProviderConfig, model: &str) -> Option<f64> {
    let thinks = options.extensions.contains_key("anthropic.thinking");
    let refused = options.top_p.is_some() || thinks || family::refuses_temperature(model);
    provider.temperature.filter(|_| !refused)
}

fn tool(tool: &Tool) -> Value {
    let mut value = Map::new();
    value.insert("name".into(), tool.name.as_str().into());
    if !tool.description.is_empty() {
        value.insert("description".into(), tool.description.as_str().into());
    }
    value.insert("input_schema".into(), tool.parameters.clone());
    apply(&mut value, &tool.extensions, VENDOR);
    value.into()
}

fn tool_choice(choice: &ToolChoice) -> Value {
    match choice {
        ToolChoice::Auto => json!({"type": "auto"}),
        ToolChoice::Required => json!({"type": "any"}),
        ToolChoice::None => json!({"type": "none"}),
        ToolChoice::Tool(name) => json!({"type": "tool", "name": name}),
        ToolChoice::Other(value) => value.clone(),
    }
}

/// The format has one system prompt; all system messages go there, wherever they stand.
fn system(messages: &[Message]) -> Option<Value> {
    let blocks = messages.iter().filter(|message| message.role == Role::System).flat_map(|message| &message.content);
    let blocks: Vec<Value> = blocks.filter_map(block).collect();
    if blocks.is_empty() { None } else { Some(content(blocks)) }
}

/// A run of messages of one role, which the format wants as one.
struct Turn {
    role: String,
    blocks: Vec<Value>,
    fields: Map<String, Value>,
}

fn messages(messages: &[Message]) -> Value {
    let mut turns: Vec<Turn> = Vec::new();
    for message in messages {
        let role = match &message.role {
            Role::System => continue,
            Role::User | Role::Tool => "user",
            Role::Assistant => "assistant",
            Role::Other(word) => word,
        };
        let blocks: Vec<Value> = message.content.iter().filter_map(block).collect();
        if blocks.is_empty() {
            continue;
        }
        if turns.last().is_none_or(|turn| turn.role != role) {
            turns.push(Turn { role: role.to_owned(), blocks: Vec::new(), fields: Map::new() });
        }
        if let Some(turn) = turns.last_mut() {
            turn.blocks.extend(blocks);
            apply(&mut turn.fields, &message.extensions, VENDOR);
        }
    }
    turns.into_iter().map(Turn::into_json).collect()
}

impl Turn {
    fn into_json(mut self) -> Value {
        // The API refuses tool results that stand behind anything else. The sort is stable.
        if self.role == "user" {
            self.blocks.sort_by_key(|block| block.get("type") != Some(&json!("tool_result")));
        }
        let mut message = Map::from_iter([("role".into(), self.role.into()), ("content".into(), content(self.blocks))]);
        message.append(&mut self.fields);
        message.into()
    }
}

/// Plain text is a string.
fn content(blocks: Vec<Value>) -> Value {
    match blocks.as_slice() {
        [Value::Object(block)] if block.len() == 2 && block.get("type") == Some(&json!("text")) => {
            block.get("text").cloned().unwrap_or_default()
        }
        _ => blocks.into(),
    }
}

/// The block, if it can be sent: the API refuses blank text, and thinking that it cannot verify.
fn block(block: &ContentBlock) -> Option<Value> {
    match block {
        ContentBlock::Text(text) => text_block(text),
        ContentBlock::Image(image) => Some(image_block(image)),
        ContentBlock::ToolUse(call) => Some(tool_use(call)),
        ContentBlock::ToolResult(result) => Some(tool_result(result)),
        ContentBlock::Thinking(thinking) => thinking_block(thinking),
        ContentBlock::Other(value) => Some(value.clone()).filter(|_| !block.is_partial_tool_use()),
    }
}

fn text_block(text: &Text) -> Option<Value> {
    let value = json!({"type": "text", "text": text.text});
    if text.text.trim().is_empty() { None } else { Some(extended(value, &text.extensions, VENDOR)) }
}

fn image_block(image: &Image) -> Value {
    let source = match &image.source {
        ImageSource::Data(bytes) => {
            json!({"type": "base64", "media_type": image.media_type, "data": encode_base64(bytes)})
        }
        ImageSource::Url(url) => json!({"type": "url", "url": url}),
        ImageSource::Other(value) => value.clone(),
    };
    extended(json!({"type": "image", "source": source}), &image.extensions, VENDOR)
}

fn tool_use(call: &ToolCall) -> Value {
    let value = json!({"type": "tool_use", "id": tool_id(&call.id), "name": call.name, "input": call.arguments});
    extended(value, &call.extensions, VENDOR)
}

fn tool_result(result: &ToolResult) -> Value {
    let mut value = Map::new();
    value.insert("type".into(), "tool_result".into());
    value.insert("tool_use_id".into(), tool_id(&result.tool_use_id).into());
    let blocks: Vec<Value> = result.content.iter().filter_map(block).collect();
    if !blocks.is_empty() {
        value.insert("content".into(), content(blocks));
    }
    if result.is_error {
        value.insert("is_error".into(), true.into());
    }
    apply(&mut value, &result.extensions, VENDOR);
    value.into()
}

/// The API refuses ids with other characters, which other providers make: `functions.weather:0`.
fn tool_id(id: &str) -> String {
    let allowed = |character: char| character.is_ascii_alphanumeric() || character == '_' || character == '-';
    id.chars().map(|character| if allowed(character) { character } else { '_' }).collect()
}

fn thinking_block(thinking: &Thinking) -> Option<Value> {
    let value = match (&thinking.redacted, &thinking.signature) {
        (Some(data), _) => json!({"type": "redacted_thinking", "data": data}),
        (None, Some(signature)) => json!({"type": "thinking", "thinking": thinking.text, "signature": signature}),
        (None, None) => return None,
    };
    Some(extended(value, &thinking.extensions, VENDOR))
}

#[cfg(test)]
mod tests;
