//! What an agent asks: the conversation, the tools and the options of one invoke.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::Value;

use crate::chat::{
    message::{Extensions, Message},
    seconds,
};

/// One request, with the JSON that `arcllm invoke --request` takes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The conversation, oldest first.
    pub messages: Vec<Message>,
    /// The tools that the model may ask for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Tool>,
    /// What is asked for besides.
    #[serde(default)]
    pub options: Options,
    /// Whatever else came with it.
    #[serde(default, skip_serializing_if = "Extensions::is_empty")]
    pub extensions: Extensions,
}

impl Request {
    /// A request with no tools and no options.
    pub fn new(messages: impl Into<Vec<Message>>) -> Self {
        Self { messages: messages.into(), ..Self::default() }
    }

    /// The same with these tools.
    #[must_use]
    pub fn with_tools(mut self, tools: impl Into<Vec<Tool>>) -> Self {
        self.tools = tools.into();
        self
    }

    /// The same with these options.
    #[must_use]
    pub fn with_options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }
}

/// A tool that the model may ask for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    /// What the model calls it by.
    pub name: String,
    /// What it does, for the model.
    #[serde(default)]
    pub description: String,
    /// JSON Schema of the arguments; `input_schema` is read as this.
    #[serde(alias = "input_schema", default = "no_arguments")]
    pub parameters: Value,
    /// Whatever else came with it.
    #[serde(default, skip_serializing_if = "Extensions::is_empty")]
    pub extensions: Extensions,
}

fn no_arguments() -> Value {
    serde_json::json!({"type": "object", "properties": {}})
}

impl Tool {
    /// A tool with this JSON Schema of its arguments.
    pub fn new(name: impl Into<String>, description: impl Into<String>, parameters: Value) -> Self {
        Self { name: name.into(), description: description.into(), parameters, extensions: Extensions::new() }
    }
}

/// Whether and which tool the model must use: `"auto"`, `"required"`, `"none"` or `{"tool": NAME}` in JSON.
#[derive(Debug, Clone, PartialEq)]
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

/// What is asked for besides the conversation. Absent means the config's default, then the provider's own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// The most tokens of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// Randomness of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Nucleus sampling: the share of probability that is sampled from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Texts at which the model stops.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
    /// Whether and which tool the model must use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<ToolChoice>,
    /// For answers that repeat, where the provider can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// How long the whole invoke may take, retries and fallbacks included; instead of `host.deadline_seconds`.
    /// `deadline_seconds` in JSON.
    #[serde(rename = "deadline_seconds", with = "seconds::option", skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Duration>,
    /// The caller's place in a trace, as the header of [W3C Trace Context](https://www.w3.org/TR/trace-context/) has it:
    /// requests belong to that trace instead of one of their own, where `host.propagate_trace` is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// The caller's own labels, for modules; never sent upstream.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// Settings of one wire format: the key `anthropic.NAME` or `openai.NAME` puts NAME into the body that this adapter
    /// sends, as in `{"anthropic.thinking": {"type": "enabled", "budget_tokens": 2000}}`. What an adapter writes itself, such as
    /// `model`, `stream` or `max_tokens`, cannot be set so: the call ends with a [`Usage`](crate::ErrorKind::Usage) error.
    #[serde(skip_serializing_if = "Extensions::is_empty")]
    pub extensions: Extensions,
}
