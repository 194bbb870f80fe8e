//! Reads the tools of a request, and which of them the model must use.

use arcllm::{ExtensionLevel, Options, Tool, ToolChoice};
use serde_json::{Value, json};

use crate::client::{chat_completions::cache_mark::cache_mark, fields::Fields, place::Place, problem::Problem};

/// Takes the tools. `functions` is the older field.
pub(crate) fn read(fields: &mut Fields<'_>) -> Result<Vec<Tool>, Problem> {
    let place = fields.place;
    let tools = place.field("tools");
    let newer = fields
        .list("tools")?
        .unwrap_or_default()
        .into_iter()
        .enumerate()
        .map(|(at, value)| tool(value, tools.item(at)));
    let functions = place.field("functions");
    let older = fields.list("functions")?.unwrap_or_default().into_iter().enumerate();
    let older = older.map(|(at, value)| function(Fields::of(value, functions.item(at))?));
    newer.chain(older).collect()
}

fn tool(value: Value, place: Place<'_>) -> Result<Tool, Problem> {
    match value.get("type") {
        None | Some(Value::Null) => {}
        Some(Value::String(kind)) if kind == "function" => {}
        Some(Value::String(_)) => return Ok(Tool::Other(value)),
        Some(other) => return Err(place.field("type").expected("a string", other)),
    }
    let mut fields = Fields::of(value, place)?;
    fields.take("type");
    let mut tool = function(Fields::of(fields.need("function")?, place.field("function"))?)?;
    if let Tool::Function(tool) = &mut tool {
        tool.cache = cache_mark(&fields)?.or(tool.cache.take());
        tool.extensions.extend(fields.others(ExtensionLevel::Tool, "openai."));
    }
    Ok(tool)
}

/// A tool that the agent runs. Its unknown fields stand in the `function` of the tool.
fn function(mut fields: Fields<'_>) -> Result<Tool, Problem> {
    let name = fields.need_text("name")?;
    let description = fields.text("description")?.unwrap_or_default();
    let parameters = match fields.take("parameters") {
        None => json!({"type": "object", "properties": {}}),
        Some(parameters @ Value::Object(_)) => parameters,
        Some(other) => return Err(fields.place.field("parameters").expected("an object", &other)),
    };
    let mut tool = Tool::new(name, description, parameters);
    if let Tool::Function(tool) = &mut tool {
        tool.strict = fields.flag("strict")?;
        tool.cache = cache_mark(&fields)?;
        tool.extensions.extend(fields.others(ExtensionLevel::Tool, "openai.function."));
    }
    Ok(tool)
}

/// The names of the tools that are called with a text.
pub(crate) fn custom(tools: &[Tool]) -> Vec<String> {
    let name = |tool: &Tool| match tool {
        Tool::Other(json) if json.get("type")? == "custom" => Some(json.pointer("/custom/name")?.as_str()?.to_owned()),
        _ => None,
    };
    tools.iter().filter_map(name).collect()
}

/// Takes the choice of a tool. `function_call` is the older field.
pub(crate) fn choice(fields: &mut Fields<'_>, options: &mut Options) -> Result<(), Problem> {
    let place = fields.place;
    let older = fields.take("function_call");
    let newer = fields.take("tool_choice");
    let place_of_older = place.field("function_call");
    options.tool_choice = match (newer, older) {
        (Some(choice), _) => Some(newer_choice(choice, &place.field("tool_choice"), options)?),
        (None, None) => None,
        (None, Some(Value::String(word))) => Some(word_of_choice(&word, &place_of_older)?),
        (None, Some(choice)) => Some(ToolChoice::Tool(Fields::of(choice, place_of_older)?.need_text("name")?)),
    };
    Ok(())
}

fn newer_choice(choice: Value, place: &Place<'_>, options: &mut Options) -> Result<ToolChoice, Problem> {
    let kind = match &choice {
        Value::String(word) => return word_of_choice(word, place),
        Value::Object(fields) => fields.get("type").and_then(Value::as_str),
        other => return Err(place.expected("a string or an object", other)),
    };
    match kind {
        Some("function") => {
            let mut fields = Fields::of(choice, *place)?;
            let function = fields.need("function")?;
            options.extensions.extend(fields.others(ExtensionLevel::Body, "openai.tool_choice."));
            Ok(ToolChoice::Tool(Fields::of(function, place.field("function"))?.need_text("name")?))
        }
        // Some SDKs send the words as an object.
        Some(word @ ("auto" | "none" | "required" | "any")) => word_of_choice(word, place),
        Some(_) => Ok(ToolChoice::Other(choice)),
        None => Err(place.field("type").problem("is missing, or is not a string")),
    }
}

fn word_of_choice(word: &str, place: &Place<'_>) -> Result<ToolChoice, Problem> {
    match word {
        "auto" => Ok(ToolChoice::Auto),
        "none" => Ok(ToolChoice::None),
        // Mistral's word is `any`.
        "required" | "any" => Ok(ToolChoice::Required),
        _ => Err(place.problem(format!("expected \"auto\", \"none\", \"required\" or an object, found {word:?}"))),
    }
}
