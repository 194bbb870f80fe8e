//! Whether and which tool the model must use, as all formats demand it.

use serde_json::Value;

use crate::{
    adapter::format::{foreign, outline::Unwritable, tools},
    chat::{options::Options, request::Request, tool::ToolChoice, wire_format::WireFormat},
};

/// The choice of the request. `None` if it has none, or none that matters because there are no tools.
///
/// # Errors
///
/// A choice in the JSON of another format, or of a tool that the request does not have.
pub(crate) fn asked(request: &Request, format: WireFormat) -> Result<Option<&ToolChoice>, Unwritable> {
    let Some(choice) = &request.options.tool_choice else { return Ok(None) };
    let is_anthropics = format == WireFormat::Anthropic;
    let is_foreign = |found: &WireFormat| is_anthropics != (*found == WireFormat::Anthropic);
    if let Some(other) = foreign_format(choice).filter(is_foreign) {
        return Err(Unwritable::refused(format!(
            "options.tool_choice is in the format {:?}\n  help: \"auto\", \"required\", \"none\" or {{\"tool\": NAME}}, which \
             every format has",
            other.as_str()
        )));
    }
    let has = |name: &str| request.tools.iter().any(|tool| tools::name(tool) == Some(name));
    match named(choice).filter(|name| !has(name)) {
        Some(name) => Err(Unwritable::refused(format!(
            "options.tool_choice is the tool {name:?}, which the request does not have\n  help: add it to `tools`, or choose \
             another"
        ))),
        None if !request.tools.is_empty() => Ok(Some(choice)),
        None if forces(choice) => Err(Unwritable::refused(
            "options.tool_choice demands a tool, and the request has none\n  help: add it to `tools`, or leave out `tool_choice`",
        )),
        None => Ok(None),
    }
}

/// Whether the model must use a tool.
pub(crate) fn is_forced(options: &Options) -> bool {
    options.tool_choice.as_ref().is_some_and(forces)
}

fn forces(choice: &ToolChoice) -> bool {
    match choice {
        ToolChoice::Auto | ToolChoice::None => false,
        ToolChoice::Required | ToolChoice::Tool(_) => true,
        ToolChoice::Other(json) => match foreign::kind(json) {
            "any" | "tool" | "function" | "custom" => true,
            "allowed_tools" => {
                json.pointer("/allowed_tools/mode").or_else(|| json.get("mode")).is_some_and(|mode| mode == "required")
            }
            _ => false,
        },
    }
}

/// The format that has such JSON. `None` if none has, and for choices that several have. OpenAI's two formats
/// count as one.
fn foreign_format(choice: &ToolChoice) -> Option<WireFormat> {
    let ToolChoice::Other(json) = choice else { return None };
    match foreign::kind(json) {
        "auto" | "any" | "tool" | "none" => Some(WireFormat::Anthropic),
        "function" | "custom" | "allowed_tools" => Some(WireFormat::OpenAi),
        _ => None,
    }
}

fn named(choice: &ToolChoice) -> Option<&str> {
    match choice {
        ToolChoice::Tool(name) => Some(name),
        ToolChoice::Other(json) => {
            let place = match foreign::kind(json) {
                "tool" => "/name",
                "function" => "/function/name",
                "custom" => "/custom/name",
                _ => return None,
            };
            // OpenAI Responses has the name there.
            json.pointer(place).or_else(|| json.get("name")).and_then(Value::as_str)
        }
        ToolChoice::Auto | ToolChoice::Required | ToolChoice::None => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(choice: Value, tools: Value, format: WireFormat) -> Result<bool, String> {
        let request = json!({"messages": [], "options": {"tool_choice": choice}, "tools": tools});
        let request: Request = serde_json::from_value(request).unwrap();
        asked(&request, format).map(|choice| choice.is_some()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_choice_needs_its_tool_and_its_format() {
        use WireFormat::{Anthropic, OpenAi};
        let looks = json!([{"name": "look"}]);
        let function = |name: &str| json!({"type": "function", "function": {"name": name}});
        for (choice, tools, format, expected) in [
            (json!("auto"), json!([]), OpenAi, Ok(false)),
            (json!("none"), json!([]), Anthropic, Ok(false)),
            (json!("none"), looks.clone(), Anthropic, Ok(true)),
            (json!("required"), json!([]), OpenAi, Err("demands a tool")),
            (json!({"type": "any"}), json!([]), Anthropic, Err("demands a tool")),
            (json!({"tool": "look"}), looks.clone(), OpenAi, Ok(true)),
            (json!({"tool": "see"}), looks.clone(), OpenAi, Err("is the tool \"see\"")),
            (json!({"tool": "look"}), json!([]), OpenAi, Err("is the tool \"look\"")),
            (function("look"), looks.clone(), OpenAi, Ok(true)),
            (function("see"), looks.clone(), OpenAi, Err("is the tool \"see\"")),
            (function("look"), looks.clone(), Anthropic, Err("in the format \"openai\"")),
            (json!({"type": "any"}), looks.clone(), Anthropic, Ok(true)),
            (json!({"type": "any"}), looks.clone(), OpenAi, Err("in the format \"anthropic\"")),
            (json!({"type": "new"}), looks.clone(), OpenAi, Ok(true)),
        ] {
            let found = told(choice.clone(), tools, format);
            match expected {
                Ok(sent) => assert_eq!(found, Ok(sent), "{choice}"),
                Err(part) => assert!(found.as_ref().is_err_and(|error| error.contains(part)), "{choice}: {found:?}"),
            }
        }
    }
}
