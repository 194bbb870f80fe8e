//! Tools that the model may ask for, and whether it must.

use std::{borrow::Cow, collections::BTreeMap};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::{Map, Value, json};

use crate::chat::{
    cache_mark::{self, CacheMark},
    extensions::Extensions,
};

/// The extension of a tool that is called with a text: its further fields, as OpenAI Responses has them.
const CUSTOM: &str = "arcllm.custom";

/// A tool that the model may ask for.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Tool {
    /// One that the agent runs.
    Function(FunctionTool),
    /// One of a kind that only its provider has, such as a web search that the provider runs: its own JSON, with a `type`.
    Other(Value),
}

impl Tool {
    /// A tool that the agent runs, with this JSON Schema of its arguments.
    pub fn new(name: impl Into<String>, description: impl Into<String>, parameters: Value) -> Self {
        let (cache, extensions) = Default::default();
        let (name, description) = (name.into(), description.into());
        Tool::Function(FunctionTool { name, description, parameters, strict: None, cache, extensions })
    }

    /// A tool that is called with a text. `fields` are its further fields, as OpenAI Responses has them, such as `format` with a
    /// grammar. For other formats it is a function with the argument `input`, and its description has the grammar.
    ///
    /// ```
    /// use arcllm::Tool;
    ///
    /// let grammar = serde_json::json!({"type": "grammar", "syntax": "lark", "definition": "start: /[a-z]+/"});
    /// let tool = Tool::custom("say", "Says a word.", [("format".to_owned(), grammar)].into_iter().collect());
    /// assert_eq!(tool.name(), Some("say"));
    /// ```
    pub fn custom(name: impl Into<String>, description: &str, fields: Map<String, Value>) -> Self {
        let told = format!("{description}{}", grammar(&fields));
        let mut tool = Tool::new(name, told, takes_text());
        if let Tool::Function(tool) = &mut tool {
            tool.extensions.insert(CUSTOM.to_owned(), fields.into());
        }
        tool
    }

    /// The name that the model calls it by, if it has one.
    pub fn name(&self) -> Option<&str> {
        match self {
            Tool::Function(tool) => Some(&tool.name),
            Tool::Other(json) => json.get("name").and_then(Value::as_str),
        }
    }
}

/// A tool that the agent runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct FunctionTool {
    /// Its name, which the model calls it by.
    pub name: String,
    /// What it does, for the model.
    #[serde(default)]
    pub description: String,
    /// JSON Schema of the arguments; `input_schema` is read as this.
    #[serde(alias = "input_schema", default = "no_arguments")]
    pub parameters: Value,
    /// Whether the provider must hold the arguments to the schema. Absent is the provider's own default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
    /// Up to here the provider should keep the beginning of the request.
    #[serde(default, deserialize_with = "cache_mark::read", skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheMark>,
    /// Further data that came with it.
    #[serde(default, skip_serializing_if = "Extensions::is_empty")]
    pub extensions: Extensions,
}

impl FunctionTool {
    /// The description and the further fields of a tool that is called with a text. `None` if it takes arguments, and if somebody
    /// has changed what a model is told of its input.
    pub(crate) fn as_custom(&self) -> Option<(&str, &Map<String, Value>)> {
        let fields = self.extensions.get(CUSTOM)?.as_object()?;
        let description = self.description.strip_suffix(&*grammar(fields))?;
        (self.parameters == takes_text()).then_some((description, fields))
    }
}

/// The arguments of a tool that is called with a text.
fn takes_text() -> Value {
    let input = json!({"type": "string", "description": "The whole input of the tool, as plain text"});
    json!({"type": "object", "properties": {"input": input}, "required": ["input"]})
}

/// What a description says of the grammar in these fields of a tool.
fn grammar(fields: &Map<String, Value>) -> Cow<'static, str> {
    let text = |name: &str| fields.get("format")?.get(name)?.as_str();
    match text("definition") {
        Some(definition) => {
            let syntax = text("syntax").unwrap_or("own");
            format!("\n\nThe input is text of this grammar ({syntax}):\n{definition}").into()
        }
        None => "".into(),
    }
}

fn no_arguments() -> Value {
    json!({"type": "object", "properties": {}})
}

impl Serialize for Tool {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Tool::Function(tool) => tool.serialize(serializer),
            Tool::Other(json) => json.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Tool {
    /// An object with a `type` is a tool of the provider.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        match value.get("type") {
            None => serde_json::from_value(value).map(Tool::Function).map_err(D::Error::custom),
            // OpenAI's tools that take text have their fields in `custom`.
            Some(Value::String(kind)) if kind == "function" || kind == "custom" && value.get("custom").is_none() => {
                Err(D::Error::custom(format!(
                    "a tool has no `type` (here {kind:?}) but `name`, `description` and `parameters`; an object with \
                 another `type` is a tool that the provider runs"
                )))
            }
            Some(Value::String(_)) => Ok(Tool::Other(value)),
            Some(_) => Err(D::Error::custom("`type` of a tool is a text, such as \"web_search_20250305\"")),
        }
    }
}

/// Whether and which tool the model must use: `"auto"`, `"required"`, `"none"` or `{"tool": NAME}` in JSON.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ToolChoice {
    /// The model decides.
    Auto,
    /// Some tool.
    Required,
    /// No tool.
    None,
    /// The tool of this name.
    Tool(String),
    /// The wire format's own JSON; sent as it is.
    Other(Value),
}

impl Serialize for ToolChoice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            ToolChoice::Auto => serializer.serialize_str("auto"),
            ToolChoice::Required => serializer.serialize_str("required"),
            ToolChoice::None => serializer.serialize_str("none"),
            ToolChoice::Tool(name) => BTreeMap::from([("tool", name)]).serialize(serializer),
            ToolChoice::Other(value) => value.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for ToolChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        match &value {
            Value::String(word) => match word.as_str() {
                "auto" => Ok(ToolChoice::Auto),
                "required" | "any" => Ok(ToolChoice::Required),
                "none" => Ok(ToolChoice::None),
                _ => Err(D::Error::unknown_variant(word, &["auto", "required", "none", "{\"tool\": NAME}"])),
            },
            Value::Object(object) => match (object.get("tool"), object.len()) {
                (Some(Value::String(name)), 1) => Ok(ToolChoice::Tool(name.clone())),
                _ => Ok(ToolChoice::Other(value)),
            },
            _ => Err(D::Error::custom("`tool_choice` is \"auto\", \"required\", \"none\" or {\"tool\": NAME}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_makes_it_a_tool_of_the_provider() {
        let search = json!({"type": "web_search_20250305", "name": "web_search", "max_uses": 5});
        assert_eq!(serde_json::from_value::<Tool>(search.clone()).unwrap(), Tool::Other(search.clone()));
        assert_eq!(serde_json::to_value(Tool::Other(search.clone())).unwrap(), search);
        assert!(
            matches!(serde_json::from_value(json!({"name": "a"})).unwrap(), Tool::Function(tool) if tool.name == "a")
        );
        for wrong in [json!({"type": "function", "function": {}}), json!({"type": 1}), json!({"nam": "a"}), json!("a")]
        {
            assert!(serde_json::from_value::<Tool>(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
