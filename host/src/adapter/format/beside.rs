//! Reads what stands beside the content of an answer that goes to its client as it came: its counts, and why it ended.
//!
//! It takes over where the content cannot be read, such as arguments of a tool call that are no JSON. A client of the
//! provider's format may read them all the same.

use serde_json::{Map, Value};

use crate::{
    adapter::format::{
        anthropic,
        ending::{self, Ending},
        format::{Decoded, Progress},
        json::{JsonNode, merge_counts},
        malformed::Unreadable,
        openai, refusal,
        responses::{self, status},
        tree::{self, Keep, MemoryBudget},
    },
    chat::{extensions::Extensions, response::StopReason, wire_format::WireFormat},
};

/// The fields of a body or an event that are read, in all formats.
const KEEPS: Keep = Keep::Both(
    &Keep::Fields(&[
        ("model", Keep::All),
        ("usage", Keep::All),
        ("stop_reason", Keep::All),
        ("incomplete_details", Keep::All),
        ("choices", Keep::Each(&Keep::Fields(&[("finish_reason", Keep::All), ("error", Keep::All)]))),
        ("content", Keep::Fields(&[])),
        ("output", Keep::Fields(&[])),
        ("delta", Keep::Fields(&[("stop_reason", Keep::All)])),
        ("message", Keep::Fields(&[("model", Keep::All), ("usage", Keep::All)])),
        ("response", RESPONSE),
    ]),
    &refusal::FIELDS,
);

const RESPONSE: Keep = Keep::Fields(&[
    ("model", Keep::All),
    ("usage", Keep::All),
    ("status", Keep::All),
    ("incomplete_details", Keep::All),
    ("error", Keep::All),
]);

/// What stands beside the content of an answer.
#[derive(Debug)]
pub(crate) struct Beside {
    format: WireFormat,
    model: Option<String>,
    /// The provider's word for why the answer ended.
    word: Option<String>,
    counts: Map<String, Value>,
}

impl Beside {
    pub(crate) fn new(format: WireFormat) -> Self {
        Self { format, model: None, word: None, counts: Map::new() }
    }

    /// Reads a whole body that no reader of its format could read. `None` if the error stays one: the body is no answer.
    pub(crate) fn of_body(format: WireFormat, body: &Value, error: &Unreadable, budget: &MemoryBudget) -> Option<Self> {
        let answer = match format {
            WireFormat::OpenAi => openai::decode::ANSWER,
            WireFormat::Anthropic => anthropic::decode::ANSWER,
            WireFormat::OpenAiResponses => responses::decode::ANSWER,
        };
        let mut beside = Self::new(format);
        beside.read(&JsonNode::root(body, budget), budget).ok()?;
        (body.get(answer).is_some_and(Value::is_array) && beside.lets_pass(error)).then_some(beside)
    }

    /// Whether the answer goes to its client in spite of this error: the answer holds it, and is none itself.
    pub(crate) fn lets_pass(&self, error: &Unreadable) -> bool {
        match error {
            Unreadable::Malformed(_) => true,
            Unreadable::Error { .. } | Unreadable::Ended { .. } => {
                self.word.as_deref().is_some_and(|word| ending::meaning(word) == Ending::ContextFull)
            }
            Unreadable::NoAnswer(_) => false,
        }
    }

    /// Whether the provider has said why the answer ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.word.is_some()
    }

    /// Reads an event.
    ///
    /// # Errors
    ///
    /// If it is an error, or no JSON.
    pub(crate) fn read_event(&mut self, name: &str, data: &str, budget: &MemoryBudget) -> Result<Progress, Unreadable> {
        if ending::is_marker(data) {
            return Ok(Progress::End);
        }
        let value = tree::read_event(data, &KEEPS, &budget.renewed())?;
        let event = JsonNode::root(&value, budget);
        refusal::refuse_errors(&event, "choices")?;
        let kind = event.text("type").unwrap_or(name);
        if kind == "response.failed" {
            return Err(status::failure(&event.get("response").unwrap_or(event)));
        }
        let last = ["message_stop", "response.completed", "response.incomplete", "response.cancelled", "response.done"];
        self.read(&event, budget)?;
        Ok(if last.contains(&kind) { Progress::End } else { Progress::More })
    }

    fn read(&mut self, node: &JsonNode<'_>, budget: &MemoryBudget) -> Result<(), Unreadable> {
        let inner = node.get("response").or_else(|| node.get("message")).filter(|inner| inner.value.is_object());
        for of in [Some(node), inner.as_ref()].into_iter().flatten() {
            if let Some(usage) = of.get("usage").as_ref().and_then(|usage| usage.value.as_object()) {
                merge_counts(&mut self.counts, usage, &budget.renewed())?;
            }
            self.model = of.text("model").map(str::to_owned).or(self.model.take());
        }
        let word = match self.format {
            WireFormat::OpenAi => {
                let choices = node.get("choices").and_then(|choices| openai::decode::first_of(choices.list().ok()?));
                choices.and_then(|choice| ending::word(&choice, "finish_reason"))
            }
            WireFormat::Anthropic => {
                let delta = || ending::word(&node.get("delta")?, "stop_reason");
                ending::word(node, "stop_reason").or_else(delta)
            }
            WireFormat::OpenAiResponses => status::word(inner.as_ref().unwrap_or(node)),
        };
        self.word = word.or(self.word.take());
        Ok(())
    }

    /// The same with what was read before, of which this is the body.
    pub(crate) fn after(mut self, body: &Value, budget: &MemoryBudget) -> Self {
        let mut before = Self::new(self.format);
        // What cannot be read is not counted.
        let _ = before.read(&JsonNode::root(body, budget), budget);
        let _ = merge_counts(&mut before.counts, &self.counts, &budget.renewed());
        self.counts = before.counts;
        self.word = self.word.or(before.word);
        self.model = self.model.or(before.model);
        self
    }

    /// The answer without its content.
    pub(crate) fn decoded(self, budget: &MemoryBudget) -> Decoded {
        let counts = Value::from(self.counts);
        let node = JsonNode::root(&counts, budget);
        let usage = match self.format {
            WireFormat::OpenAi | WireFormat::OpenAiResponses => openai::decode::counts(&node),
            WireFormat::Anthropic => anthropic::decode::counts(&node),
        };
        let stop_reason = match self.word.as_deref().map(ending::meaning) {
            Some(Ending::Stopped(reason)) => reason,
            Some(Ending::ContextFull | Ending::Failed) => StopReason::Other(self.word.unwrap_or_default()),
            None => StopReason::EndTurn,
        };
        Decoded { content: Vec::new(), usage, stop_reason, model: self.model, extensions: Extensions::new() }
    }
}
