//! The options of a request.

use std::{collections::BTreeMap, ops::RangeInclusive, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::Value;

use crate::chat::{extensions::Extensions, seconds, setters::setters, tool::ToolChoice};

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
    /// Randomness of the answer: a number of [`TEMPERATURES`](Self::TEMPERATURES).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Nucleus sampling: the share of probability that is sampled from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Sampling from so many of the likeliest tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<u32>,
    /// Texts at which the model stops.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
    /// Whether and which tool the model must use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<ToolChoice>,
    /// Whether the model may ask for several tools at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel_tool_calls: Option<bool>,
    /// A seed for answers that repeat, if the provider can do that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// What the answer looks like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<OutputFormat>,
    /// How much the model reasons before it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<Reasoning>,
    /// Who asks, for the provider's checks against abuse: a name that tells the provider nothing else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
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
    pub labels: BTreeMap<String, String>,
    /// What the provider keeps with the request, as `metadata` of OpenAI's and Anthropic's formats. Labels for modules are
    /// `labels`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// Settings of one wire format: the key `anthropic.NAME` or `openai.NAME` puts NAME into the body that this adapter
    /// sends, as in `{"anthropic.thinking": {"type": "enabled", "budget_tokens": 2000}}`. A key for what an adapter writes
    /// itself, such as `model`, `stream` or `max_tokens`, ends the call with a [`Usage`](crate::ErrorKind::Usage) error.
    #[serde(skip_serializing_if = "Extensions::is_empty")]
    pub extensions: Extensions,
}

impl Options {
    /// The temperatures that providers take. Models of Anthropic take at most 1.
    pub const TEMPERATURES: RangeInclusive<f64> = 0.0..=2.0;

    /// [`TEMPERATURES`](Self::TEMPERATURES), for errors.
    pub(crate) const TEMPERATURES_IN_WORDS: &str = "a number from 0 to 2";

    /// Options that are all absent.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        max_tokens: u32,
        temperature: f64,
        top_p: f64,
        top_k: u32,
        tool_choice: ToolChoice,
        parallel_tool_calls: bool,
        seed: i64,
        output: OutputFormat,
        reasoning: Reasoning,
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

    /// Sets `user`.
    #[must_use]
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }

    /// Adds a label to `labels`.
    #[must_use]
    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(key.into(), value.into());
        self
    }

    /// Adds an entry to `metadata`.
    #[must_use]
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.insert(key.into(), value.into());
        self
    }

    /// Adds a setting of one wire format to `extensions`, such as `"anthropic.thinking"`.
    #[must_use]
    pub fn extension(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.extensions.insert(key.into(), value.into());
        self
    }

    /// Whether a body says the same with these options. The limit of tokens is not looked at: it is set in each body.
    pub(crate) fn is_same_body(&self, other: &Self) -> bool {
        let Self {
            max_tokens: _,
            temperature,
            top_p,
            top_k,
            stop,
            tool_choice,
            parallel_tool_calls,
            seed,
            output,
            reasoning,
            user,
            deadline: _,
            traceparent: _,
            labels: _,
            metadata,
            extensions,
        } = other;
        self.temperature == *temperature
            && self.top_p == *top_p
            && self.top_k == *top_k
            && self.stop == *stop
            && self.tool_choice == *tool_choice
            && self.parallel_tool_calls == *parallel_tool_calls
            && self.seed == *seed
            && self.output == *output
            && self.reasoning == *reasoning
            && self.user == *user
            && self.metadata == *metadata
            && self.extensions == *extensions
    }

    /// Takes from `defaults` what is absent here: labels, metadata and extensions by their keys.
    pub(crate) fn fill(&mut self, defaults: &Self) {
        let Self {
            max_tokens,
            temperature,
            top_p,
            top_k,
            stop,
            tool_choice,
            parallel_tool_calls,
            seed,
            output,
            reasoning,
            user,
            deadline,
            traceparent,
            labels,
            metadata,
            extensions,
        } = defaults;
        self.max_tokens = self.max_tokens.or(*max_tokens);
        self.temperature = self.temperature.or(*temperature);
        self.top_p = self.top_p.or(*top_p);
        self.top_k = self.top_k.or(*top_k);
        self.parallel_tool_calls = self.parallel_tool_calls.or(*parallel_tool_calls);
        self.seed = self.seed.or(*seed);
        self.deadline = self.deadline.or(*deadline);
        if self.stop.is_empty() {
            self.stop.clone_from(stop);
        }
        if self.tool_choice.is_none() {
            self.tool_choice.clone_from(tool_choice);
        }
        if self.output.is_none() {
            self.output.clone_from(output);
        }
        if self.reasoning.is_none() {
            self.reasoning.clone_from(reasoning);
        }
        if self.user.is_none() {
            self.user.clone_from(user);
        }
        if self.traceparent.is_none() {
            self.traceparent.clone_from(traceparent);
        }
        for (key, label) in labels {
            self.labels.entry(key.clone()).or_insert_with(|| label.clone());
        }
        for (key, value) in metadata {
            self.metadata.entry(key.clone()).or_insert_with(|| value.clone());
        }
        for (key, value) in extensions {
            self.extensions.entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
}

/// What the answer looks like: `"text"`, `"json"`, or `{"json_schema": {"name": NAME, "schema": {…}}}` in JSON.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum OutputFormat {
    /// Any text.
    Text,
    /// Any JSON object.
    Json,
    /// JSON that fits a schema.
    JsonSchema(JsonSchema),
    /// The wire format's own JSON; sent as it is.
    Other(Value),
}

/// A schema that an answer fits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct JsonSchema {
    /// Its name: letters, digits, `_` and `-`.
    #[serde(default = "unnamed")]
    pub name: String,
    /// What it is, for the model.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// JSON Schema of the answer.
    pub schema: Value,
    /// Whether the provider must hold the answer to it. Absent is the provider's own default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
    /// Further data that came with it.
    #[serde(default, skip_serializing_if = "Extensions::is_empty")]
    pub extensions: Extensions,
}

fn unnamed() -> String {
    "answer".to_owned()
}

impl JsonSchema {
    /// A schema of this name, which the provider must hold the answer to.
    pub fn new(name: impl Into<String>, schema: Value) -> Self {
        let (description, extensions) = Default::default();
        Self { name: name.into(), description, schema, strict: Some(true), extensions }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum OutputFormatJson {
    Text,
    Json,
    JsonSchema(JsonSchema),
}

impl Serialize for OutputFormat {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            OutputFormat::Text => OutputFormatJson::Text.serialize(serializer),
            OutputFormat::Json => OutputFormatJson::Json.serialize(serializer),
            OutputFormat::JsonSchema(schema) => OutputFormatJson::JsonSchema(schema.clone()).serialize(serializer),
            OutputFormat::Other(value) => value.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for OutputFormat {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let is_ours = match &value {
            Value::String(_) => true,
            Value::Object(fields) => fields.contains_key("json_schema") && fields.len() == 1,
            _ => return Err(D::Error::custom("`output` is \"text\", \"json\" or {\"json_schema\": {…}}")),
        };
        if !is_ours {
            return Ok(OutputFormat::Other(value));
        }
        Ok(match serde_json::from_value(value).map_err(|error| D::Error::custom(format!("`output`: {error}")))? {
            OutputFormatJson::Text => OutputFormat::Text,
            OutputFormatJson::Json => OutputFormat::Json,
            OutputFormatJson::JsonSchema(schema) => OutputFormat::JsonSchema(schema),
        })
    }
}

/// How much the model reasons: `"off"`, `"auto"`, a word such as `"low"`, or `{"budget_tokens": NUMBER}` in JSON.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Reasoning {
    /// Not at all.
    Off,
    /// As much as this word of the providers says: `minimal`, `low`, `medium`, `high`, `max`.
    Effort(String),
    /// As much as the model decides.
    Auto,
    /// At most so many tokens.
    Budget(u32),
    /// The wire format's own JSON; sent as it is.
    Other(Value),
}

impl Serialize for Reasoning {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Reasoning::Off => serializer.serialize_str("off"),
            Reasoning::Auto => serializer.serialize_str("auto"),
            Reasoning::Effort(word) => serializer.serialize_str(word),
            Reasoning::Budget(tokens) => BTreeMap::from([("budget_tokens", tokens)]).serialize(serializer),
            Reasoning::Other(value) => value.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Reasoning {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        match &value {
            Value::String(word) => match word.as_str() {
                "off" | "none" => Ok(Reasoning::Off),
                "auto" => Ok(Reasoning::Auto),
                "" => Err(D::Error::custom("`reasoning` is empty: \"off\", or a word such as \"low\"")),
                _ => Ok(Reasoning::Effort(word.clone())),
            },
            Value::Object(fields) => match (fields.get("budget_tokens"), fields.len()) {
                (Some(budget), 1) => match budget.as_u64().and_then(|tokens| u32::try_from(tokens).ok()) {
                    Some(tokens) => Ok(Reasoning::Budget(tokens)),
                    None => Err(D::Error::custom("`reasoning.budget_tokens` is a whole number")),
                },
                _ => Ok(Reasoning::Other(value)),
            },
            _ => {
                Err(D::Error::custom("`reasoning` is \"off\", a word such as \"low\", or {\"budget_tokens\": NUMBER}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn formats_and_reasoning_in_json() {
        let schema = json!({"json_schema": {"name": "a", "schema": {"type": "object"}, "strict": false}});
        for output in [json!("text"), json!("json"), schema, json!({"type": "grammar"})] {
            let read: OutputFormat = serde_json::from_value(output.clone()).unwrap();
            assert_eq!(serde_json::to_value(read).unwrap(), output);
        }
        for reasoning in
            [json!("off"), json!("auto"), json!("low"), json!({"budget_tokens": 9}), json!({"type": "adaptive"})]
        {
            let read: Reasoning = serde_json::from_value(reasoning.clone()).unwrap();
            assert_eq!(serde_json::to_value(read).unwrap(), reasoning);
        }
        for wrong in [json!("yaml"), json!({"json_schema": {"name": "a"}}), json!(1)] {
            assert!(serde_json::from_value::<OutputFormat>(wrong.clone()).is_err(), "{wrong}");
        }
        for wrong in [json!(""), json!({"budget_tokens": -1}), json!(true)] {
            assert!(serde_json::from_value::<Reasoning>(wrong.clone()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_absent_is_filled() {
        let defaults = Options::new().max_tokens(9).temperature(0.5).stop(["a"]).label("a", "1").label("b", "1");
        let mut options = Options::new().max_tokens(1).label("a", "2").extension("openai.user", json!("u"));
        options.fill(&defaults);
        let expected = Options::new().max_tokens(1).temperature(0.5).stop(["a"]).label("a", "2").label("b", "1");
        assert_eq!(options, expected.extension("openai.user", json!("u")));
    }
}
