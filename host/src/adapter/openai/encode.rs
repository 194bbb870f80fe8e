//! A request as OpenAI Chat Completions wants it.

use serde_json::{Map, Value, json};
use url::Url;

use super::{VENDOR, conversation};
use crate::{
    adapter::{
        extensions::{apply, extended},
        family, format,
    },
    config::ProviderConfig,
    request::{Request, Tool, ToolChoice},
};

/// The body. Extensions come last and override what stands here.
pub(super) fn body(request: &Request, provider: &ProviderConfig, model: &str, stream: bool) -> Result<Value, String> {
    let options = &request.options;
    let mut body = Map::new();
    body.insert("model".into(), model.into());
    body.insert("messages".into(), conversation::messages(&request.messages));
    if let Some(max_tokens) = options.max_tokens.or(provider.max_tokens) {
        body.insert(max_tokens_name(&provider.base_url, model).into(), max_tokens.into());
    }
    if !request.tools.is_empty() {
        body.insert("tools".into(), request.tools.iter().map(tool).collect());
    }
    if let Some(choice) = &options.tool_choice {
        body.insert("tool_choice".into(), tool_choice(choice));
    }
    let default_temperature = provider.temperature.filter(|_| !family::refuses_temperature(model));
    format::insert_number(&mut body, "temperature", options.temperature.or(default_temperature))?;
    format::insert_number(&mut body, "top_p", options.top_p)?;
    if !options.stop.is_empty() {
        body.insert("stop".into(), options.stop.clone().into());
    }
    if let Some(seed) = options.seed {
        body.insert("seed".into(), seed.into());
    }
    if stream {
        body.insert("stream".into(), true.into());
        if takes_stream_options(&provider.base_url) {
            body.insert("stream_options".into(), json!({"include_usage": true}));
        }
    }
    apply(&mut body, &request.extensions, VENDOR);
    apply(&mut body, &options.extensions, VENDOR);
    Ok(body.into())
}

/// OpenAI has given `max_tokens` up, and its reasoning models refuse it. Most compatible servers know nothing else.
fn max_tokens_name(base_url: &Url, model: &str) -> &'static str {
    let host = base_url.host_str().unwrap_or_default();
    let is_openai = host == "api.openai.com" || host.ends_with(".openai.azure.com");
    if is_openai || family::is_openai_reasoning(model) { "max_completion_tokens" } else { "max_tokens" }
}

/// Mistral refuses fields that it does not know, and tells the usage unasked.
fn takes_stream_options(base_url: &Url) -> bool {
    base_url.host_str() != Some("api.mistral.ai")
}

fn tool(tool: &Tool) -> Value {
    let mut function = Map::new();
    function.insert("name".into(), tool.name.as_str().into());
    if !tool.description.is_empty() {
        function.insert("description".into(), tool.description.as_str().into());
    }
    function.insert("parameters".into(), tool.parameters.clone());
    extended(json!({"type": "function", "function": function}), &tool.extensions, VENDOR)
}

fn tool_choice(choice: &ToolChoice) -> Value {
    match choice {
        ToolChoice::Auto => "auto".into(),
        ToolChoice::Required => "required".into(),
        ToolChoice::None => "none".into(),
        ToolChoice::Tool(name) => json!({"type": "function", "function": {"name": name}}),
        ToolChoice::Other(value) => value.clone(),
    }
}

#[cfg(test)]
mod tests;
