//! Writes a request of OpenAI Chat Completions.

use std::borrow::Cow;

use serde_json::Value;

use crate::{
    adapter::format::{
        extensions::{FUNCTION, OPENAI},
        family, fit, foreign,
        openai::{conversation, options},
        outline::{Json, Object, Unwritable},
        tool_choice, tools,
    },
    chat::{
        message::Message,
        options::Options,
        request::Request,
        tool::{FunctionTool, Tool, ToolChoice},
        wire_format::WireFormat,
    },
    config::{
        provider::ProviderConfig,
        quirks::{MaxTokensField, Quirks, SeedField},
    },
};

/// The extension with the field that a client of this format has used for the most tokens. Where the provider has no quirk about it,
/// the client knows best what the provider takes.
const CLIENTS_LIMIT: &str = "arcllm.max_tokens_field";

/// The newer field for the most tokens.
const NEWER_LIMIT: &str = "max_completion_tokens";

/// The extension with what a client of this format wants of a stream besides its usage.
const STREAM_OPTIONS: &str = "arcllm.stream_options";

/// The body, with these messages of the request. The messages stand before all that changes from one turn to the next. Extensions replace what is written here.
pub(crate) fn body<'a>(
    request: &'a Request,
    messages: &'a [Cow<'a, Message>],
    provider: &ProviderConfig,
    model: &'a str,
    stream: bool,
) -> Result<Object<'a>, Unwritable> {
    let (options, quirks) = (&request.options, &provider.quirks);
    let messages = conversation::messages(messages, provider, model)?;
    let mut body = Object::new([("model", model.into()), ("messages", messages)]);
    if let Some(max_tokens) = options.max_tokens.or_else(|| provider.default_max_tokens(model)) {
        let name = options
            .extensions
            .get(CLIENTS_LIMIT)
            .filter(|name| *name == NEWER_LIMIT && quirks.max_tokens_field.is_none());
        body.insert(name.map_or_else(|| max_tokens_name(quirks, model), |_| NEWER_LIMIT), max_tokens);
    }
    add_tools(&mut body, request, quirks)?;
    add_sampling(&mut body, options, provider, model)?;
    options::add_output(&mut body, options, quirks)?;
    options::add_reasoning(&mut body, options, provider, model)?;
    options::add_metadata(&mut body, request, quirks);
    if stream {
        body.insert("stream", Json::Bool(true));
        if quirks.stream_options != Some(false) {
            let mut wanted = Object::new([("include_usage", Json::Bool(true))]);
            let others = request.extensions.get(STREAM_OPTIONS).and_then(Value::as_object);
            others.into_iter().flatten().for_each(|(name, value)| wanted.insert(name, value));
            body.insert("stream_options", wanted);
        }
    }
    body.apply(&request.extensions, OPENAI);
    body.apply(&options.extensions, OPENAI);
    Ok(body)
}

/// OpenAI has deprecated `max_tokens`, and its reasoning models refuse it. Most compatible servers know only `max_tokens`.
pub(crate) fn max_tokens_name(quirks: &Quirks, model: &str) -> &'static str {
    match quirks.max_tokens_field {
        Some(MaxTokensField::MaxTokens) => "max_tokens",
        Some(MaxTokensField::MaxCompletionTokens) => NEWER_LIMIT,
        None if family::is_openai_reasoning(model) => NEWER_LIMIT,
        None => "max_tokens",
    }
}

fn add_sampling<'a>(
    body: &mut Object<'a>,
    options: &'a Options,
    provider: &ProviderConfig,
    model: &str,
) -> Result<(), Unwritable> {
    let quirks = &provider.quirks;
    let takes = |option: &str| !quirks.refuses(option);
    let takes_sampling = !fit::refuses_sampling(provider, model);
    let default_temperature = provider.temperature.filter(|_| !fit::refuses_temperature(provider, model));
    let temperature = options.temperature.or(default_temperature).filter(|_| takes_sampling && takes("temperature"));
    body.insert_number("temperature", temperature)?;
    body.insert_number("top_p", options.top_p.filter(|_| takes_sampling && takes("top_p")))?;
    if let Some(top_k) = options.top_k.filter(|_| takes_sampling && takes("top_k")) {
        body.insert("top_k", top_k);
    }
    if !options.stop.is_empty() && takes("stop") {
        body.insert("stop", options.stop.iter().map(|text| text.as_str().into()).collect::<Json<'_>>());
    }
    if let Some(seed) = options.seed.filter(|_| takes("seed")) {
        let name = if quirks.seed_field == Some(SeedField::RandomSeed) { "random_seed" } else { "seed" };
        body.insert(name, Json::Number(seed.into()));
    }
    Ok(())
}

fn add_tools<'a>(body: &mut Object<'a>, request: &'a Request, quirks: &Quirks) -> Result<(), Unwritable> {
    tools::check(&request.tools, WireFormat::OpenAi)?;
    let written = tools::without_placeholder(&request.tools);
    let has_tools = !written.is_empty();
    if has_tools {
        let tools = written.into_iter().map(|(at, tool)| match tool {
            Tool::Function(tool) => function(at, tool, quirks),
            Tool::Other(value) => Ok(nested(value, "custom")),
        });
        body.insert("tools", tools.collect::<Result<Vec<Json<'_>>, _>>()?);
    }
    if let Some(choice) = tool_choice::asked(request, WireFormat::OpenAi)? {
        body.insert("tool_choice", written_choice(choice));
    }
    let parallel = request.options.parallel_tool_calls.filter(|_| !quirks.refuses("parallel_tool_calls"));
    // The API refuses it without tools.
    if let Some(parallel) = parallel.filter(|_| has_tools) {
        body.insert("parallel_tool_calls", Json::Bool(parallel));
    }
    Ok(())
}

fn function<'a>(at: usize, tool: &'a FunctionTool, quirks: &Quirks) -> Result<Json<'a>, Unwritable> {
    let mut function = Object::new([("name", tool.name.as_str().into())]);
    if !tool.description.is_empty() {
        function.insert("description", tool.description.as_str());
    }
    let strict = tool.strict.filter(|_| !quirks.refuses("strict"));
    function.insert("parameters", tools::parameters(at, tool, strict == Some(true))?);
    if let Some(strict) = strict {
        function.insert("strict", Json::Bool(strict));
    }
    for (key, value) in &tool.extensions {
        if let Some(name) = key.strip_prefix(OPENAI).and_then(|rest| rest.strip_prefix('.')?.strip_prefix(FUNCTION)) {
            function.insert(name, value);
        }
    }
    let mut fields = Object::new([("type", "function".into()), ("function", function.into())]);
    fields.apply_those(&tool.extensions, OPENAI, |name| !name.starts_with(FUNCTION));
    Ok(fields.into())
}

fn written_choice(choice: &ToolChoice) -> Json<'_> {
    match choice {
        ToolChoice::Auto => "auto".into(),
        ToolChoice::Required => "required".into(),
        ToolChoice::None => "none".into(),
        ToolChoice::Tool(name) => {
            Json::object([("type", "function".into()), ("function", Json::object([("name", name.as_str().into())]))])
        }
        ToolChoice::Other(value) => nested(value, foreign::kind(value)),
    }
}

/// JSON with the fields of a tool in an object of their own, as this format has them for these kinds. OpenAI Responses has them
/// beside the type, and so it has those of a grammar.
fn nested<'a>(value: &'a Value, kind: &'a str) -> Json<'a> {
    let is_flat = ["function", "custom"].contains(&kind) && foreign::kind(value) == kind && value.get(kind).is_none();
    let Some(fields) = value.as_object().filter(|_| is_flat) else { return value.into() };
    let mut inner = Object::default();
    for (name, field) in fields.iter().filter(|(name, _)| *name != "type") {
        match name.as_str() {
            "format" => inner.insert(name, nested_grammar(field)),
            _ => inner.insert(name, field),
        }
    }
    Json::object([("type", kind.into()), (kind, inner.into())])
}

fn nested_grammar(format: &Value) -> Json<'_> {
    let Some(fields) = format.as_object().filter(|fields| fields.contains_key("definition")) else {
        return format.into();
    };
    let grammar: Object<'_> =
        fields.iter().filter(|(name, _)| *name != "type").map(|(name, field)| (name.as_str(), field.into())).collect();
    Json::object([("type", foreign::kind(format).into()), ("grammar", grammar.into())])
}

#[cfg(test)]
mod tests;
