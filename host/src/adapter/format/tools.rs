//! What all formats demand of tools that the agent runs.

use std::{borrow::Cow, collections::HashSet};

use serde_json::Value;

use crate::{
    adapter::format::{
        foreign,
        outline::{Json, Object, Unwritable},
    },
    chat::{
        tool::{FunctionTool, Tool},
        wire_format::WireFormat,
    },
};

/// The longest name of a tool.
const LONGEST: usize = 64;

/// Checks the tools of a request.
///
/// # Errors
///
/// A name that providers refuse or that two tools have, or a tool that a provider of another format runs.
pub(crate) fn check(tools: &[Tool], format: WireFormat) -> Result<(), Unwritable> {
    // OpenAI's two formats name the same tools.
    let is_anthropics = format == WireFormat::Anthropic;
    for (at, tool) in tools.iter().enumerate() {
        match tool {
            Tool::Function(tool) if is_name(&tool.name) => {}
            Tool::Function(tool) => return Err(wrong_name(at, &tool.name)),
            Tool::Other(value) if is_anthropics == (foreign::format_of_tool(value) == WireFormat::Anthropic) => {}
            Tool::Other(value) => {
                let (kind, name) = (foreign::kind(value), format.as_str());
                return Err(Unwritable::refused(format!(
                    "tools[{at}] is {kind:?}, a tool that providers of the format {name:?} do not run\n  help: leave it out, or \
                     ask a provider that runs it"
                )));
            }
        }
    }
    let mut names = HashSet::new();
    let again =
        tools.iter().enumerate().find_map(|(at, tool)| Some((at, name(tool).filter(|name| !names.insert(*name))?)));
    again.map_or(Ok(()), |(at, name)| {
        Err(Unwritable::refused(format!(
            "tools[{at}].name is {name:?}, which a tool before it has\n  help: give each tool a name of its own"
        )))
    })
}

/// The tools with their places, for formats in which every tool is there from the start: without the one that Claude Code sends so
/// that the list of deferred tools is never empty.
pub(crate) fn without_placeholder(tools: &[Tool]) -> Vec<(usize, &Tool)> {
    let is_placeholder = |tool: &Tool| match tool {
        Tool::Function(tool) => {
            tool.name == "DeferredToolPlaceholder"
                && tool.extensions.get("anthropic.defer_loading").is_some_and(|deferred| deferred == true)
        }
        Tool::Other(_) => false,
    };
    tools.iter().enumerate().filter(|(_, tool)| !is_placeholder(tool)).collect()
}

/// The name that the model calls the tool by.
pub(crate) fn name(tool: &Tool) -> Option<&str> {
    match tool {
        Tool::Function(tool) => Some(&tool.name),
        // OpenAI's tools that take text have their name in `custom`.
        Tool::Other(json) => json.get("name").or_else(|| json.pointer("/custom/name"))?.as_str(),
    }
}

/// Whether providers take this name of a tool or a schema.
pub(crate) fn is_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=LONGEST).contains(&name.len()) && name.bytes().all(is_plain)
}

fn wrong_name(at: usize, name: &str) -> Unwritable {
    let problem = match name.len() > LONGEST {
        true => format!("is longer than {LONGEST} bytes"),
        false => "is not a name that providers take".to_owned(),
    };
    Unwritable::refused(format!(
        "tools[{at}].name is {name:?}, which {problem}\n  help: 1 to {LONGEST} letters (a to z), digits, `_` and `-`"
    ))
}

/// The name of a tool in a call of the past. A model may have made it up, so what providers refuse is replaced.
pub(crate) fn name_of_call(name: &str) -> Json<'_> {
    if is_name(name) {
        return name.into();
    }
    let plain = |character: char| match character {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '-' => character,
        _ => '_',
    };
    let name: String = name.chars().map(plain).take(LONGEST).collect();
    Json::Owned(if name.is_empty() { "unnamed".to_owned() } else { name })
}

/// The JSON Schema of a tool's arguments, completed to an object with properties. A `strict` one gets
/// `additionalProperties`, which providers then demand.
///
/// # Errors
///
/// A schema of something else than an object.
pub(crate) fn parameters<'a>(at: usize, tool: &'a FunctionTool, strict: bool) -> Result<Json<'a>, Unwritable> {
    let empty = serde_json::Map::new;
    let schema = match &tool.parameters {
        Value::Null => Cow::Owned(empty()),
        Value::Object(schema) => Cow::Borrowed(schema),
        other => return Err(no_object(at, tool, other)),
    };
    match schema.get("type") {
        None | Some(Value::Null) => {}
        Some(Value::String(kind)) if kind == "object" => {}
        Some(other) => return Err(no_object(at, tool, other)),
    }
    let Cow::Borrowed(schema) = schema else { return Ok(completed(Object::default(), strict)) };
    let is_set = |name: &str| schema.get(name).is_some_and(|value| !value.is_null());
    if is_set("type") && is_set("properties") && (!strict || is_set("additionalProperties")) {
        return Ok(Json::Fields(schema));
    }
    let mut fields = Object::default();
    for (name, value) in schema {
        if !value.is_null() {
            fields.insert(name, value);
        }
    }
    Ok(completed(fields, strict))
}

fn completed(mut schema: Object<'_>, strict: bool) -> Json<'_> {
    schema.insert_missing("type", "object");
    schema.insert_missing("properties", Json::object([]));
    if strict {
        schema.insert_missing("additionalProperties", Json::Bool(false));
    }
    schema.into()
}

fn no_object(at: usize, tool: &FunctionTool, found: &Value) -> Unwritable {
    Unwritable::refused(format!(
        "tools[{at}].parameters of {:?} is a schema of {found}, not of an object\n  help: arguments have names: write \
         {{\"type\": \"object\", \"properties\": {{…}}}}",
        tool.name
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written(parameters: Value) -> Result<String, String> {
        let Tool::Function(tool) = Tool::new("look", "", parameters) else { panic!("a function") };
        let json = super::parameters(0, &tool, false).map_err(|error| error.to_string())?;
        Ok(serde_json::to_string(&json).unwrap())
    }

    #[test]
    fn a_schema_is_completed() {
        let least = r#"{"type":"object","properties":{}}"#;
        for parameters in [json!(null), json!({}), json!({"type": "object"}), json!({"type": null, "properties": null})]
        {
            assert_eq!(written(parameters.clone()).as_deref(), Ok(least), "{parameters}");
        }
        let kept = json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]});
        assert_eq!(written(kept.clone()).unwrap(), kept.to_string());
        let half = json!({"properties": {"a": {}}, "$defs": {}});
        assert_eq!(written(half).unwrap(), r#"{"properties":{"a":{}},"$defs":{},"type":"object"}"#);
    }

    #[test]
    fn a_strict_schema_is_closed() {
        let closed = |parameters| {
            let Tool::Function(tool) = Tool::new("look", "", parameters) else { panic!("a function") };
            serde_json::to_value(super::parameters(0, &tool, true).unwrap()).unwrap()["additionalProperties"].take()
        };
        assert_eq!(closed(json!({})), json!(false));
        assert_eq!(closed(json!({"type": "object", "properties": {"a": {}}})), json!(false));
        assert_eq!(closed(json!({"type": "object", "properties": {}, "additionalProperties": null})), json!(false));
        assert_eq!(closed(json!({"type": "object", "properties": {}, "additionalProperties": true})), json!(true));
    }

    #[test]
    fn a_schema_of_something_else_is_named() {
        for wrong in [json!({"type": "array"}), json!({"type": ["object", "null"]}), json!("text"), json!([])] {
            let error = written(wrong.clone()).unwrap_err();
            assert!(error.starts_with("tools[0].parameters of \"look\" is a schema of"), "{wrong}: {error}");
        }
    }

    #[test]
    fn a_placeholder_is_left_out() {
        let tool = |name: &str, extension: &str| {
            let mut tool = Tool::new(name, "", json!({}));
            if let Tool::Function(tool) = &mut tool {
                tool.extensions.insert(extension.to_owned(), json!(true));
            }
            tool
        };
        let deferred = "anthropic.defer_loading";
        let tools = [
            tool("DeferredToolPlaceholder", deferred),
            tool("WebFetch", deferred),
            tool("DeferredToolPlaceholder", "anthropic.x"),
        ];
        let left: Vec<usize> = without_placeholder(&tools).into_iter().map(|(at, _)| at).collect();
        assert_eq!(left, [1, 2]);
    }

    #[test]
    fn names() {
        let tool = |name: &str| [Tool::new("fine", "", json!({})), Tool::new(name, "", json!({}))];
        for name in ["look", "a-b_C9", &"x".repeat(64)] {
            assert!(check(&tool(name), WireFormat::OpenAi).is_ok(), "{name}");
        }
        for name in ["", "a.b", "a b", "größe", &"x".repeat(65)] {
            let error = check(&tool(name), WireFormat::Anthropic).unwrap_err().to_string();
            assert!(error.starts_with(&format!("tools[1].name is {name:?}")), "{error}");
        }
        let tool = |name: &str| Tool::new(name, "", json!({}));
        let error = check(&[tool("a"), tool("b"), tool("a")], WireFormat::OpenAi).unwrap_err().to_string();
        assert!(error.starts_with("tools[2].name is \"a\", which a tool before it has"), "{error}");
        let called = |name| serde_json::to_value(name_of_call(name)).unwrap();
        assert_eq!(called("a.größe"), json!("a_gr__e"));
        assert_eq!(called(""), json!("unnamed"));
    }
}
