//! The items of a whole answer.

use std::borrow::Cow;

use arcllm::{ContentBlock, Response, WireFormat};
use serde_json::Value;

use crate::client::{
    kept,
    responses::{
        annotations,
        items::{self, Item, MessageItem, Part},
        kept_item::kind_of,
        message,
        names::Names,
        object::State,
    },
};

/// The items of this answer.
pub(crate) fn of<'a>(answer: &str, response: &'a Response, names: &'a Names) -> Vec<Item<'a>> {
    let mut output =
        Output { answer, names, provided: provided(response), items: Vec::new(), message: None, message_of: None };
    response.content.iter().for_each(|block| output.add(block));
    if message::refuses(response) && !output.has_refusal() {
        output.refuse(response);
    }
    if let (true, Some(last)) = (State::of(response).is_incomplete(), output.message.as_mut()) {
        last.status = "incomplete";
    }
    output.end_message();
    output.annotate(annotations::of_answer(&response.extensions));
    output.items
}

struct Output<'a, 'i> {
    /// The id of the answer.
    answer: &'i str,
    names: &'a Names,
    /// The types of the provider's items, where a module has rewritten its answer.
    provided: Vec<String>,
    items: Vec<Item<'a>>,
    /// The message under construction.
    message: Option<MessageItem<'a>>,
    /// The id of the provider's message that it stands for.
    message_of: Option<&'a str>,
}

impl<'a> Output<'a, '_> {
    /// Adds an item whose id begins with this.
    fn push(&mut self, prefix: &str, item: impl FnOnce(String) -> Item<'a>) {
        self.end_message();
        self.items.push(item(items::id(prefix, self.answer, self.items.len())));
    }

    fn add(&mut self, block: &'a ContentBlock) {
        match block {
            ContentBlock::Text(text) if text.text.is_empty() => {}
            ContentBlock::Text(text) => {
                // Two messages of the provider can stand beside each other.
                let of = items::message_of(text);
                if of.is_some() && self.message_of.is_some() && of != self.message_of {
                    self.end_message();
                }
                self.message_of = of.or(self.message_of);
                let others = items::others_of_message(&text.extensions);
                let message = self.message();
                message.others.extend(others);
                message.content.push(message::part(text));
            }
            ContentBlock::Thinking(thinking) => self.push("rs", |id| items::reasoning(id, thinking)),
            ContentBlock::ToolUse(call) => {
                let tool = self.names.called(call);
                let said = if tool.is_custom { items::input(call) } else { items::arguments(call) };
                let item = |id| items::call(id, &call.id, tool, said, "completed").with_others(call);
                self.push(items::call_prefix(tool), |id| Item::Call(item(id)));
            }
            ContentBlock::Other(value) => match Partial::of(value) {
                Some(partial) => {
                    let tool = self.names.tool(partial.name);
                    let item = |id| items::call(id, partial.id, tool, partial.arguments, "incomplete");
                    self.push(items::call_prefix(tool), |id| Item::Call(item(id)));
                }
                None if items::is_item(value) || self.provided.iter().any(|kind| *kind == *kind_of(value)) => {
                    self.push("", |_| Item::Other(value))
                }
                None => {}
            },
            _ => {}
        }
    }

    /// The message under construction.
    fn message(&mut self) -> &mut MessageItem<'a> {
        let id = || items::id("msg", self.answer, self.items.len());
        self.message.get_or_insert_with(|| MessageItem {
            id: id(),
            r#type: "message",
            status: "completed",
            role: "assistant",
            content: Vec::new(),
            others: Default::default(),
        })
    }

    fn end_message(&mut self) {
        self.message_of = None;
        self.items.extend(self.message.take().map(Item::Message));
    }

    fn has_refusal(&self) -> bool {
        let is_refusal = |part: &Part<'_>| matches!(part, Part::Refusal { .. });
        let messages = self.items.iter().filter_map(|item| match item {
            Item::Message(message) => Some(message),
            _ => None,
        });
        messages.chain(&self.message).any(|message| message.content.iter().any(is_refusal))
    }

    fn refuse(&mut self, response: &'a Response) {
        let content = &mut self.message().content;
        let said: Cow<'a, str> = match content.as_slice() {
            [Part::OutputText { text, .. }] => text.clone(),
            parts => parts.iter().filter_map(words).collect::<String>().into(),
        };
        let (refusal, is_all) = message::refusal(response, said);
        if is_all {
            content.clear();
        }
        content.push(Part::Refusal { refusal });
    }

    /// Adds the annotations of the answer to its last text.
    fn annotate(&mut self, more: Vec<Value>) {
        let parts = self.items.iter_mut().filter_map(|item| match item {
            Item::Message(message) => Some(&mut message.content),
            _ => None,
        });
        let last = parts.flatten().filter_map(|part| match part {
            Part::OutputText { annotations, .. } => Some(annotations),
            Part::Refusal { .. } => None,
        });
        if let Some(annotations) = last.last() {
            annotations.extend(more);
        }
    }
}

/// The types of the items in the answer that a module has rewritten, if it is of this format.
fn provided(response: &Response) -> Vec<String> {
    let original = response.rewritten().filter(|original| original.format == WireFormat::OpenAiResponses);
    let body = original.and_then(|original| serde_json::from_slice::<Value>(&original.body).ok()).unwrap_or_default();
    kept::items(&body, "output").map(|item| kind_of(item).to_owned()).collect()
}

fn words<'p>(part: &'p Part<'_>) -> Option<&'p str> {
    match part {
        Part::OutputText { text, .. } => Some(text),
        Part::Refusal { .. } => None,
    }
}

/// The beginning of a tool call in an answer that was cut.
pub(crate) struct Partial<'a> {
    pub(crate) id: &'a str,
    pub(crate) name: &'a str,
    pub(crate) arguments: &'a str,
}

impl<'a> Partial<'a> {
    pub(crate) fn of(value: &'a Value) -> Option<Self> {
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        text("type").filter(|kind| *kind == "partial_tool_use")?;
        Some(Self { id: text("id")?, name: text("name")?, arguments: text("arguments").unwrap_or_default() })
    }
}
