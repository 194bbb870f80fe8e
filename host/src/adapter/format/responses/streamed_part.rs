//! A part of an item of a streamed answer: a text of a message, or of reasoning.

use serde_json::{Map, Value};

use crate::adapter::format::{halves::JoinedText, malformed::Malformed, tree::MemoryBudget};

/// The list of an item that a part stands in. The summary of reasoning stands before its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum PartList {
    Summary,
    Content,
}

/// What one event says about a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channel {
    Text,
    Refusal,
    Summary,
    Reasoning,
    Arguments,
    Input,
}

impl Channel {
    /// The channel of an event of this type, and whether the event has the whole text.
    pub(crate) fn of_event(kind: &str) -> Option<(Self, bool)> {
        let (name, is_whole) = match kind.strip_prefix("response.")? {
            kind if kind.ends_with(".delta") => (kind.strip_suffix(".delta")?, false),
            kind => (kind.strip_suffix(".done")?, true),
        };
        let channel = match name {
            "output_text" => Channel::Text,
            "refusal" => Channel::Refusal,
            "reasoning_summary_text" | "reasoning_summary" => Channel::Summary,
            "reasoning_text" | "reasoning" => Channel::Reasoning,
            "function_call_arguments" => Channel::Arguments,
            "custom_tool_call_input" => Channel::Input,
            _ => return None,
        };
        Some((channel, is_whole))
    }

    /// The field of an event with the whole text.
    pub(crate) fn field(self) -> &'static str {
        match self {
            Channel::Text | Channel::Summary | Channel::Reasoning => "text",
            Channel::Refusal => "refusal",
            Channel::Arguments => "arguments",
            Channel::Input => "input",
        }
    }

    /// The type of the item.
    pub(crate) fn item(self) -> &'static str {
        match self {
            Channel::Text | Channel::Refusal => "message",
            Channel::Summary | Channel::Reasoning => "reasoning",
            Channel::Arguments => "function_call",
            Channel::Input => "custom_tool_call",
        }
    }

    /// The type of the part, and the list that it stands in. `None` for what is no part.
    pub(crate) fn part(self) -> Option<(&'static str, PartList)> {
        match self {
            Channel::Text => Some(("output_text", PartList::Content)),
            Channel::Refusal => Some(("refusal", PartList::Content)),
            Channel::Summary => Some(("summary_text", PartList::Summary)),
            Channel::Reasoning => Some(("reasoning_text", PartList::Content)),
            Channel::Arguments | Channel::Input => None,
        }
    }
}

/// A part that has begun to arrive.
#[derive(Default)]
pub(crate) struct StreamedPart {
    /// Its fields without the text.
    fields: Map<String, Value>,
    pub(crate) text: JoinedText,
    /// Whether the provider has said that the text is whole.
    pub(crate) is_whole: bool,
}

impl StreamedPart {
    /// A part of this type.
    pub(crate) fn of_type(kind: &str) -> Self {
        let fields = Map::from_iter([("type".to_owned(), kind.into())]);
        Self { fields, ..Self::default() }
    }

    /// Whether it says that the model refuses.
    pub(crate) fn is_refusal(&self) -> bool {
        text_field(&self.fields) == "refusal"
    }

    /// Reads what the server says of the part besides its text. An empty list says nothing that was not said before.
    pub(crate) fn read_fields(&mut self, part: &Map<String, Value>, budget: &MemoryBudget) -> Result<(), Malformed> {
        let name = text_field(part);
        let is_empty = |value: &Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
        for (field, value) in part.iter().filter(|(field, _)| *field != name) {
            if !(is_empty(value) && self.fields.contains_key(field)) {
                budget.take_for_instead(value, self.fields.get(field))?;
                self.fields.insert(field.clone(), value.clone());
            }
        }
        Ok(())
    }

    /// Adds an annotation that came alone.
    pub(crate) fn annotate(&mut self, annotation: &Value, budget: &MemoryBudget) -> Result<(), Malformed> {
        budget.take(2 * size_of::<Value>())?;
        budget.take_for(annotation)?;
        match self.fields.get_mut("annotations") {
            Some(Value::Array(all)) => all.push(annotation.clone()),
            _ => drop(self.fields.insert("annotations".to_owned(), Value::Array(vec![annotation.clone()]))),
        }
        Ok(())
    }

    /// The part as it would be without streaming.
    pub(crate) fn take_value(&mut self) -> Value {
        whole(std::mem::take(&mut self.fields), self.text.take())
    }

    /// A copy of it.
    pub(crate) fn value(&self) -> Value {
        whole(self.fields.clone(), self.text.text.clone())
    }
}

fn whole(mut fields: Map<String, Value>, text: String) -> Value {
    let name = text_field(&fields);
    let has_text = ["output_text", "text", "refusal", "summary_text", "reasoning_text", ""].contains(&kind(&fields));
    if has_text || !text.is_empty() {
        fields.insert(name.to_owned(), text.into());
    }
    fields.into()
}

/// The name of the field with the text of a part.
pub(crate) fn text_field(part: &Map<String, Value>) -> &'static str {
    if kind(part) == "refusal" { "refusal" } else { "text" }
}

fn kind(part: &Map<String, Value>) -> &str {
    part.get("type").and_then(Value::as_str).unwrap_or_default()
}
