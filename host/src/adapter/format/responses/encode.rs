//! Writes a request of OpenAI Responses.

use std::borrow::Cow;

use serde_json::Value;

use crate::{
    adapter::format::{
        extensions::{OPENAI, RESPONSES},
        fit, foreign,
        outline::{Json, Object, Unwritable},
        responses::{conversation, fields, options, own_tools, own_tools::WrittenTools},
        tool_choice, tools,
    },
    chat::{
        extensions::Extensions,
        message::Message,
        options::Options,
        request::Request,
        tool::{FunctionTool, Tool, ToolChoice},
        wire_format::WireFormat,
    },
    config::{provider::ProviderConfig, quirks::Quirks},
};

/// The API refuses a lower limit.
const LEAST_TOKENS: u32 = 16;

/// What makes the provider send the reasoning in a form that it reads again.
const ENCRYPTED_REASONING: &str = "reasoning.encrypted_content";

/// What the adapter itself writes into a body.
const OWN: [&str; 10] = [
    "model",
    "input",
    "max_output_tokens",
    "temperature",
    "top_p",
    "stream",
    "stream_options",
    "store",
    "messages",
    "extra_body",
];

/// The fields of a body that OpenAI Chat Completions has, too.
const SHARED: [&str; 5] =
    ["prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "safety_identifier", "service_tier"];

/// The body, with these messages of the request. The messages stand before all that changes from one turn to the next.
/// Extensions replace what is written here.
pub(crate) fn body<'a>(
    request: &'a Request,
    messages: &'a [Cow<'a, Message>],
    provider: &ProviderConfig,
    model: &'a str,
    stream: bool,
) -> Result<Object<'a>, Unwritable> {
    let (options, quirks) = (&request.options, &provider.quirks);
    let input = conversation::input(messages, provider)?;
    let mut body = Object::new([("model", model.into()), ("input", input)]);
    if let Some(max_tokens) = options.max_tokens.or_else(|| provider.default_max_tokens(model)) {
        body.insert("max_output_tokens", max_tokens.max(LEAST_TOKENS));
    }
    add_tools(&mut body, request, quirks)?;
    add_sampling(&mut body, options, provider, model)?;
    options::add_output(&mut body, options, quirks)?;
    options::add_reasoning(&mut body, options, provider, model)?;
    options::add_metadata(&mut body, options, quirks);
    body.insert("store", Json::Bool(false));
    let included = included(provider, model);
    if let Some(name) = included {
        body.insert("include", vec![name.into()]);
    }
    if stream {
        body.insert("stream", Json::Bool(true));
    }
    for extensions in [&request.extensions, &options.extensions] {
        apply(&mut body, extensions, included)?;
    }
    Ok(body)
}

/// What each body asks for besides the answer: the reasoning in a form that can be sent back. OpenAI refuses that for models
/// that do not reason.
pub(crate) fn included(provider: &ProviderConfig, model: &str) -> Option<&'static str> {
    Some(ENCRYPTED_REASONING).filter(|_| fit::reasons(provider, model) != Some(false))
}

/// Writes the extensions of the body.
///
/// # Errors
///
/// One that would replace what the adapter writes itself.
fn apply<'a>(
    body: &mut Object<'a>,
    extensions: &'a Extensions,
    included: Option<&'static str>,
) -> Result<(), Unwritable> {
    let of_format = extensions.keys().filter_map(|key| key.strip_prefix(RESPONSES)?.strip_prefix('.'));
    if let Some(name) = of_format.into_iter().find(|name| !fields::is_other(name, &OWN)) {
        return Err(Unwritable::refused(format!(
            "the extension `{RESPONSES}.{name}` would set `{name}`, which ArcLLM writes itself\n  help: use the field of the \
             request or its options; the model is chosen where it is loaded"
        )));
    }
    body.apply_those(extensions, OPENAI, |name| SHARED.contains(&name));
    // More tools stand there already.
    body.apply_those(extensions, RESPONSES, |name| !["include", "text", "reasoning", "tools"].contains(&name));
    for name in ["text", "reasoning"] {
        match fields::get(extensions, name) {
            Some(Value::Object(more)) => body.extend_field(name, more),
            Some(Value::Null) => body.remove(name),
            Some(other) => body.insert(name, other),
            None => {}
        }
    }
    if let Some(Value::Array(asked)) = fields::get(extensions, "include") {
        let others = asked.iter().filter(|name| *name != ENCRYPTED_REASONING).map(Json::from);
        body.insert("include", included.map(Json::from).into_iter().chain(others).collect::<Json<'_>>());
    }
    Ok(())
}

fn add_sampling<'a>(
    body: &mut Object<'a>,
    options: &'a Options,
    provider: &ProviderConfig,
    model: &str,
) -> Result<(), Unwritable> {
    let takes = |option: &str| !provider.quirks.refuses(option);
    let takes_sampling = !fit::refuses_sampling(provider, model);
    let default_temperature = provider.temperature.filter(|_| !fit::refuses_temperature(provider, model));
    let temperature = options.temperature.or(default_temperature).filter(|_| takes_sampling && takes("temperature"));
    body.insert_number("temperature", temperature)?;
    body.insert_number("top_p", options.top_p.filter(|_| takes_sampling && takes("top_p")))?;
    if !options.stop.is_empty() && takes("stop") {
        return Err(Unwritable::refused(
            "options.stop has texts, and OpenAI's Responses format has none\n  help: leave it out, ask a provider of another \
             format, or have it left out for this provider: quirks.refuses = [\"stop\"]",
        ));
    }
    Ok(())
}

fn add_tools<'a>(body: &mut Object<'a>, request: &'a Request, quirks: &Quirks) -> Result<(), Unwritable> {
    tools::check(&request.tools, WireFormat::OpenAiResponses)?;
    let written = tools::without_placeholder(&request.tools);
    let has_tools = !written.is_empty();
    let mut tools = WrittenTools::default();
    for (at, tool) in written {
        match tool {
            Tool::Function(tool) => tools.add(tool, function(at, tool, quirks)?),
            Tool::Other(value) => tools.push(flat_tool(value)),
        }
    }
    let mut tools = tools.into_json(&request.extensions);
    // Providers of other formats do not see these, so a fallback can ask one.
    let more = fields::get(&request.extensions, "tools").and_then(Value::as_array);
    tools.extend(more.into_iter().flatten().map(Json::from));
    if !tools.is_empty() {
        body.insert("tools", tools);
    }
    if let Some(choice) = tool_choice::asked(request, WireFormat::OpenAiResponses)? {
        body.insert("tool_choice", written_choice(choice, &request.tools));
    }
    let parallel = request.options.parallel_tool_calls.filter(|_| !quirks.refuses("parallel_tool_calls"));
    if let Some(parallel) = parallel.filter(|_| has_tools) {
        body.insert("parallel_tool_calls", Json::Bool(parallel));
    }
    Ok(())
}

/// A tool that the agent runs. Without `strict` the API would hold the arguments to the schema, and demand all of them.
fn function<'a>(at: usize, tool: &'a FunctionTool, quirks: &Quirks) -> Result<Json<'a>, Unwritable> {
    if let Some(custom) = own_tools::custom(tool) {
        return Ok(custom);
    }
    let mut function = Object::new([("type", "function".into()), ("name", own_tools::name(tool).into())]);
    if !tool.description.is_empty() {
        function.insert("description", tool.description.as_str());
    }
    let is_strict = tool.strict == Some(true) && !quirks.refuses("strict");
    function.insert("parameters", tools::parameters(at, tool, is_strict)?);
    if !quirks.refuses("strict") {
        function.insert("strict", Json::Bool(is_strict));
    }
    let own = ["type", "name", "description", "parameters", "strict"];
    function.apply_those(&tool.extensions, RESPONSES, |name| fields::is_other(name, &own));
    Ok(function.into())
}

/// A tool in its own JSON. Chat Completions has the fields of one that takes text, and those of its grammar, in objects of their own.
fn flat_tool(value: &Value) -> Json<'_> {
    let mut tool = fields::flat(value, "custom");
    if let Json::Object(fields) = &mut tool
        && let Some((_, format)) = fields.iter_mut().find(|(name, _)| *name == "format")
        && let Json::Value(value) = format
    {
        *format = fields::flat(value, "grammar");
    }
    tool
}

fn written_choice<'a>(choice: &'a ToolChoice, tools: &'a [Tool]) -> Json<'a> {
    match choice {
        ToolChoice::Auto => "auto".into(),
        ToolChoice::Required => "required".into(),
        ToolChoice::None => "none".into(),
        ToolChoice::Tool(name) => {
            let kind = match tools.iter().find(|tool| tools::name(tool) == Some(name)) {
                Some(Tool::Function(tool)) => return own_tools::choice(tool),
                Some(Tool::Other(json)) if foreign::kind(json) == "custom" => "custom",
                _ => "function",
            };
            Json::object([("type", kind.into()), ("name", name.as_str().into())])
        }
        ToolChoice::Other(value) => match foreign::kind(value) {
            kind @ ("function" | "custom") => fields::flat(value, kind),
            "allowed_tools" => allowed_tools(value),
            _ => value.into(),
        },
    }
}

fn allowed_tools(value: &Value) -> Json<'_> {
    let Some(inner) = value.get("allowed_tools").and_then(Value::as_object) else { return value.into() };
    let mut fields = Object::new([("type", "allowed_tools".into())]);
    for (name, field) in inner {
        match field.as_array().filter(|_| name == "tools") {
            Some(tools) => fields
                .insert(name, tools.iter().map(|tool| fields::flat(tool, foreign::kind(tool))).collect::<Json<'_>>()),
            None => fields.insert(name, field),
        }
    }
    fields.into()
}

#[cfg(test)]
mod tests;
