//! The items of an answer, as they are written.

use std::{borrow::Cow, collections::BTreeMap};

use arcllm::{Extensions, Text, Thinking, ToolCall};
use serde::Serialize;
use serde_json::Value;

use crate::client::responses::{
    extensions::extension,
    names::{INPUT, ToolName},
    reasoning,
};

/// An item.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Item<'a> {
    Message(MessageItem<'a>),
    Reasoning(ReasoningItem<'a>),
    Call(CallItem<'a>),
    /// One that the provider made in this format.
    Other(&'a Value),
}

/// Fields that are not known here.
type Others<'a> = BTreeMap<&'a str, &'a Value>;

#[derive(Debug, Serialize)]
pub(crate) struct MessageItem<'a> {
    pub(crate) id: String,
    pub(crate) r#type: &'static str,
    pub(crate) status: &'static str,
    pub(crate) role: &'static str,
    pub(crate) content: Vec<Part<'a>>,
    #[serde(flatten)]
    pub(crate) others: Others<'a>,
}

/// A part of a message.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Part<'a> {
    OutputText { text: Cow<'a, str>, annotations: Vec<Value>, logprobs: Vec<Value> },
    Refusal { refusal: Cow<'a, str> },
}

#[derive(Debug, Serialize)]
pub(crate) struct ReasoningItem<'a> {
    id: String,
    r#type: &'static str,
    summary: Vec<SummaryText<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encrypted_content: Option<String>,
}

/// A part of reasoning.
#[derive(Debug, Serialize)]
pub(crate) struct SummaryText<'a> {
    r#type: &'static str,
    text: &'a str,
}

#[derive(Debug, Serialize)]
pub(crate) struct CallItem<'a> {
    id: String,
    r#type: &'static str,
    status: &'static str,
    call_id: &'a str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arguments: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<Cow<'a, str>>,
    #[serde(flatten)]
    others: Others<'a>,
}

/// The id of the item at this place in the answer.
pub(crate) fn id(prefix: &str, answer: &str, index: usize) -> String {
    format!("{prefix}_{answer}{index:03}")
}

/// A part of reasoning with this text.
pub(crate) fn summary_text(text: &str) -> SummaryText<'_> {
    SummaryText { r#type: "summary_text", text }
}

/// A reasoning item that comes back as this block.
pub(crate) fn reasoning<'a>(id: String, thinking: &'a Thinking) -> Item<'a> {
    let summary = Some(thinking.text.as_str()).filter(|text| !text.is_empty());
    let summary = summary.map(summary_text).into_iter().collect();
    let encrypted_content = Some(reasoning::sealed(thinking));
    Item::Reasoning(ReasoningItem { id, r#type: "reasoning", summary, encrypted_content })
}

/// A reasoning item without its content.
pub(crate) fn begun_reasoning<'a>(id: String) -> Item<'a> {
    Item::Reasoning(ReasoningItem { id, r#type: "reasoning", summary: Vec::new(), encrypted_content: None })
}

/// A call of a tool. `said` are its arguments, or its input if it takes a text.
pub(crate) fn call<'a>(
    id: String,
    call_id: &'a str,
    tool: ToolName<'a>,
    said: impl Into<Cow<'a, str>>,
    status: &'static str,
) -> CallItem<'a> {
    let kind = if tool.is_custom { "custom_tool_call" } else { "function_call" };
    let (arguments, input) = if tool.is_custom { (None, Some(said.into())) } else { (Some(said.into()), None) };
    let others = Others::new();
    let (name, namespace) = (tool.name, tool.namespace);
    CallItem { id, r#type: kind, status, call_id, name, namespace, arguments, input, others }
}

impl<'a> CallItem<'a> {
    /// Adds the fields that the provider sent besides.
    pub(crate) fn with_others(mut self, call: &'a ToolCall) -> Self {
        let own = ["id", "type", "status", "call_id", "name", "namespace", "arguments", "input", "custom"];
        self.others = others(&call.extensions, &own);
        self
    }
}

/// What begins the id of a call.
pub(crate) fn call_prefix(tool: ToolName<'_>) -> &'static str {
    if tool.is_custom { "ctc" } else { "fc" }
}

/// The text that a tool is called with.
pub(crate) fn input(call: &ToolCall) -> String {
    match call.arguments.get(INPUT) {
        Some(Value::String(input)) => input.clone(),
        _ => arguments(call),
    }
}

/// The arguments of a call, as JSON.
pub(crate) fn arguments(call: &ToolCall) -> String {
    Value::from(call.arguments.clone()).to_string()
}

/// The fields of a message that its text names. The id is the gateway's own.
pub(crate) fn others_of_message(extensions: &Extensions) -> Others<'_> {
    let item = extensions.get(&extension("item")).and_then(Value::as_object);
    let own = ["id", "type", "status", "role", "content"];
    let fields = item.into_iter().flatten().filter(|(name, _)| !own.contains(&name.as_str()));
    fields.map(|(name, value)| (name.as_str(), value)).collect()
}

/// The id of the provider's message that a text is of.
pub(crate) fn message_of(text: &Text) -> Option<&str> {
    text.extensions.get(&extension("item"))?.get("id")?.as_str()
}

fn others<'a>(extensions: &'a Extensions, own: &[&str]) -> Others<'a> {
    let prefix = extension("");
    let names = extensions.iter().filter_map(|(key, value)| {
        let start = key.starts_with(&prefix).then_some(prefix.len())?;
        Some((key.get(start..)?, value))
    });
    names.filter(|(name, _)| !own.contains(name)).collect()
}

/// The JSON of an item.
pub(crate) fn json(item: &impl Serialize) -> Vec<u8> {
    // Its keys are texts, and a vector takes all that is written.
    serde_json::to_vec(item).unwrap_or_default()
}

/// The types of items that do not end in `_call` or `_call_output`.
const OTHER_ITEMS: [&str; 10] = [
    "additional_tools",
    "compaction",
    "compaction_summary",
    "compaction_trigger",
    "mcp_approval_request",
    "mcp_approval_response",
    "mcp_list_tools",
    "program_output",
    "reasoning",
    "tool_search_output",
];

/// Whether the JSON of a block is an item of this format.
pub(crate) fn is_item(value: &Value) -> bool {
    let kind = value.get("type").and_then(Value::as_str).unwrap_or_default();
    // Anthropic has blocks of this type.
    let is_foreign = kind == "compaction" && value.get("encrypted_content").is_none();
    (kind.ends_with("_call") || kind.ends_with("_call_output") || OTHER_ITEMS.contains(&kind)) && !is_foreign
}
