//! Writes a request of OpenAI Chat Completions.

use url::Url;

use crate::{
    adapter::format::{
        extensions::OPENAI,
        family,
        openai::conversation,
        outline::{Json, Object, Unwritable},
    },
    chat::{
        request::Request,
        tool::{Tool, ToolChoice},
    },
    config::provider::ProviderConfig,
};

/// The body. Extensions replace what is written here.
pub(crate) fn body<'a>(
    request: &'a Request,
    provider: &ProviderConfig,
    model: &'a str,
    stream: bool,
) -> Result<Object<'a>, Unwritable> {
    let options = &request.options;
    let mut body = Object::new([("model", model.into()), ("messages", conversation::messages(&request.messages))]);
    if let Some(max_tokens) = options.max_tokens.or(provider.max_tokens) {
        body.insert(max_tokens_name(&provider.base_url, model), max_tokens);
    }
    if !request.tools.is_empty() {
        body.insert("tools", request.tools.iter().map(tool).collect::<Json<'_>>());
    }
    if let Some(choice) = &options.tool_choice {
        body.insert("tool_choice", tool_choice(choice));
    }
    let default_temperature = provider.temperature.filter(|_| !family::refuses_temperature(model));
    body.insert_number("temperature", options.temperature.or(default_temperature))?;
    body.insert_number("top_p", options.top_p)?;
    if !options.stop.is_empty() {
        body.insert("stop", options.stop.iter().map(|text| text.as_str().into()).collect::<Json<'_>>());
    }
    if let Some(seed) = options.seed {
        body.insert("seed", Json::Number(seed.into()));
    }
    if stream {
        body.insert("stream", Json::Bool(true));
        if takes_stream_options(&provider.base_url) {
            body.insert("stream_options", Json::object([("include_usage", Json::Bool(true))]));
        }
    }
    body.apply(&request.extensions, OPENAI);
    body.apply(&options.extensions, OPENAI);
    Ok(body)
}

/// OpenAI has deprecated `max_tokens`, and its reasoning models refuse it. Most compatible servers know only `max_tokens`.
fn max_tokens_name(base_url: &Url, model: &str) -> &'static str {
    let host = base_url.host_str().unwrap_or_default();
    let is_openai = host == "api.openai.com" || host.ends_with(".openai.azure.com");
    if is_openai || family::is_openai_reasoning(model) { "max_completion_tokens" } else { "max_tokens" }
}

/// Mistral refuses unknown fields, and sends the usage without being asked.
fn takes_stream_options(base_url: &Url) -> bool {
    base_url.host_str() != Some("api.mistral.ai")
}

fn tool(tool: &Tool) -> Json<'_> {
    let tool = match tool {
        Tool::Function(tool) => tool,
        Tool::Provider(value) => return value.into(),
    };
    let mut function = Object::new([("name", tool.name.as_str().into())]);
    if !tool.description.is_empty() {
        function.insert("description", tool.description.as_str());
    }
    function.insert("parameters", &tool.parameters);
    let tool_fields = Object::new([("type", "function".into()), ("function", function.into())]);
    tool_fields.extended(&tool.extensions, OPENAI)
}

fn tool_choice(choice: &ToolChoice) -> Json<'_> {
    match choice {
        ToolChoice::Auto => "auto".into(),
        ToolChoice::Required => "required".into(),
        ToolChoice::None => "none".into(),
        ToolChoice::Tool(name) => {
            Json::object([("type", "function".into()), ("function", Json::object([("name", name.as_str().into())]))])
        }
        ToolChoice::Other(value) => value.into(),
    }
}

#[cfg(test)]
mod tests;
