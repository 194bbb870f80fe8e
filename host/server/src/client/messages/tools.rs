//! Reads the tools, and whether the model must use one.

use arcllm::{ExtensionLevel, Extensions, Options, Tool, ToolChoice};
use serde_json::{Value, json};

use crate::client::{fields::Fields, messages::cache_control, place::Place, problem::Problem};

/// Reads the tools of a request.
pub(crate) fn read(body: &mut Fields<'_>) -> Result<Vec<Tool>, Problem> {
    let outer = body.place;
    let place = outer.field("tools");
    let tools = body.list("tools")?.unwrap_or_default().into_iter().enumerate();
    tools.map(|(at, value)| tool(value, &place.item(at))).collect()
}

/// A tool that the client runs has no type, or the type `custom`. Any other is one of the provider.
fn tool(value: Value, place: &Place<'_>) -> Result<Tool, Problem> {
    let mut fields = Fields::of(value, *place)?;
    match fields.peek("type") {
        None => {}
        Some(Value::String(kind)) if kind == "custom" => {}
        Some(Value::String(_)) => return Ok(Tool::Other(fields.into_value())),
        Some(other) => return Err(place.field("type").expected("a string", other)),
    }
    let name = fields.need_text("name")?;
    let description = fields.text("description")?.unwrap_or_default();
    let schema = fields.object("input_schema")?.map_or_else(|| json!({}), Value::from);
    let strict = fields.flag("strict")?;
    let mut extensions = Extensions::new();
    let cache = cache_control::take(&mut fields, &mut extensions)?;
    extensions.extend(fields.others(ExtensionLevel::Tool, "anthropic."));
    let mut tool = Tool::new(name, description, schema);
    if let Tool::Function(function) = &mut tool {
        (function.strict, function.cache, function.extensions) = (strict, cache, extensions);
    }
    Ok(tool)
}

/// Reads which tool the model must use.
pub(crate) fn read_choice(body: &mut Fields<'_>, options: &mut Options) -> Result<(), Problem> {
    let outer = body.place;
    let place = outer.field("tool_choice");
    let Some(choice) = body.take("tool_choice") else { return Ok(()) };
    let whole = choice.clone();
    let mut fields = Fields::of(choice, place)?;
    let one_at_once = fields.flag("disable_parallel_tool_use")?;
    options.parallel_tool_calls = one_at_once.map(|one| !one);
    let choice = match fields.need_text("type")?.as_str() {
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Required,
        "none" => ToolChoice::None,
        "tool" => ToolChoice::Tool(fields.need_text("name")?),
        _ => ToolChoice::Other(whole),
    };
    if !matches!(choice, ToolChoice::Other(_)) {
        options.extensions.extend(fields.others(ExtensionLevel::Body, "anthropic.tool_choice."));
    }
    options.tool_choice = Some(choice);
    Ok(())
}
