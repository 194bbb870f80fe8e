//! What an agent asks: the conversation, the tools and the options of one invoke.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::Value;

use crate::chat::{extensions::Extensions, message::Message, seconds, setters::setters};

/// One request, with the JSON that `arcllm invoke --request` takes.
///
/// ```
/// use arcllm::{Message, Options, Request};
///
/// let request = Request::new([Message::system("Be brief."), Message::user("What is a monad?")])
///     .with_options(Options::new().max_tokens(100).temperature(0.2));
/// # let _ = request;
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Request {
    /// The conversation, oldest first.
    pub messages: Vec<Message>,
    /// The tools that the model may ask for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Tool>,
    /// What is asked for besides.
    #[serde(default)]
    pub options: Options,
    /// Further data that came with it.
    #[serde(default, skip_serializing_if = "Extensions::is_empty")]
    pub extensions: Extensions,
}

impl Request {
    /// A request with no tools and no options.
    pub fn new(messages: impl Into<Vec<Message>>) -> Self {
        Self { messages: messages.into(), ..Self::default() }
    }

    /// Sets the tools.
    #[must_use]
    pub fn with_tools(mut self, tools: impl Into<Vec<Tool>>) -> Self {
        self.tools = tools.into();
        self
    }

    /// Sets the options.
    #[must_use]
    pub fn with_options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// Adds an extension: JSON for the body of one wire format, as in [`Options::extension`].
    #[must_use]
    pub fn with_extension(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.extensions.insert(key.into(), value.into());
        self
    }
}

/// A tool that the model may ask for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Tool {
    /// Its name, which the model calls it by.
    pub name: String,
    /// What it does, for the model.
    #[serde(default)]
    pub description: String,
    /// JSON Schema of the arguments; `input_schema` is read as this.
    #[serde(alias = "input_schema", default = "no_arguments")]
    pub parameters: Value,
    /// Further data that came with it.
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

/// The options of a request. One that is absent has the value of the configuration, else the provider's own default.
///
/// ```
/// use std::time::Duration;
/// use arcllm::Options;
///
/// let options = Options::new().max_tokens(100).temperature(0.2).stop(["END"]).deadline(Duration::from_secs(30));
/// assert_eq!(options.max_tokens, Some(100));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
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
    /// A seed for answers that repeat, if the provider can do that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// How long the whole invoke may take, retries and fallbacks included, instead of `host.deadline_seconds`.
    /// `deadline_seconds` in JSON.
    #[serde(rename = "deadline_seconds", with = "seconds::option", skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Duration>,
    /// The caller's place in a trace, as in the header of [W3C Trace Context](https://www.w3.org/TR/trace-context/). If
    /// `host.propagate_trace` is set, requests belong to that trace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// The caller's own labels, for modules; never sent upstream.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// Settings of one wire format: the key `anthropic.NAME` or `openai.NAME` puts NAME into the body that this adapter
    /// sends, as in `{"anthropic.thinking": {"type": "enabled", "budget_tokens": 2000}}`. A key for what an adapter writes
    /// itself, such as `model`, `stream` or `max_tokens`, ends the call with a [`Usage`](crate::ErrorKind::Usage) error.
    #[serde(skip_serializing_if = "Extensions::is_empty")]
    pub extensions: Extensions,
}

impl Options {
    /// Options that are all absent.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        max_tokens: u32,
        temperature: f64,
        top_p: f64,
        tool_choice: ToolChoice,
        seed: u64,
        deadline: Duration,
    }

    /// Sets `stop`.
    #[must_use]
    pub fn stop(mut self, texts: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.stop = texts.into_iter().map(Into::into).collect();
        self
    }

    /// Sets `traceparent`.
    #[must_use]
    pub fn traceparent(mut self, traceparent: impl Into<String>) -> Self {
        self.traceparent = Some(traceparent.into());
        self
    }

    /// Adds a label to `metadata`.
    #[must_use]
    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.insert(key.into(), value.into());
        self
    }

    /// Adds a setting of one wire format to `extensions`, such as `"anthropic.thinking"`.
    #[must_use]
    pub fn extension(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.extensions.insert(key.into(), value.into());
        self
    }

    /// Takes from `defaults` what is absent here: labels and extensions by their keys.
    pub(crate) fn fill(&mut self, defaults: &Self) {
        let Self {
            max_tokens,
            temperature,
            top_p,
            stop,
            tool_choice,
            seed,
            deadline,
            traceparent,
            metadata,
            extensions,
        } = defaults;
        self.max_tokens = self.max_tokens.or(*max_tokens);
        self.temperature = self.temperature.or(*temperature);
        self.top_p = self.top_p.or(*top_p);
        self.seed = self.seed.or(*seed);
        self.deadline = self.deadline.or(*deadline);
        if self.stop.is_empty() {
            self.stop.clone_from(stop);
        }
        if self.tool_choice.is_none() {
            self.tool_choice.clone_from(tool_choice);
        }
        if self.traceparent.is_none() {
            self.traceparent.clone_from(traceparent);
        }
        for (key, label) in metadata {
            self.metadata.entry(key.clone()).or_insert_with(|| label.clone());
        }
        for (key, value) in extensions {
            self.extensions.entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_absent_is_filled() {
        let defaults = Options::new().max_tokens(9).temperature(0.5).stop(["a"]).label("a", "1").label("b", "1");
        let mut options = Options::new().max_tokens(1).label("a", "2").extension("openai.user", json!("u"));
        options.fill(&defaults);
        let expected = Options::new().max_tokens(1).temperature(0.5).stop(["a"]).label("a", "2").label("b", "1");
        assert_eq!(options, expected.extension("openai.user", json!("u")));
    }
}
