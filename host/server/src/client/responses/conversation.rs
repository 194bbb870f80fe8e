//! Reads the items of `input` as messages.

use arcllm::{ContentBlock, Extensions, Message, Role, ToolCall, ToolResult};
use serde_json::{Map, Value};

use crate::client::{
    fields::Fields,
    kept::set,
    place::Place,
    problem::Problem,
    responses::{
        extensions::{extension, others},
        items::is_item,
        names::{INPUT, Names},
        parts, reasoning,
        tools::own_name,
    },
    unique,
};

/// The argument that holds the arguments of a call that are no JSON of an object.
const UNREADABLE: &str = "arguments";

/// The field that marks an item of a type that is not known. Providers of other formats are not sent it.
const MARK: &str = "arcllm.item";

/// A conversation as far as it is read.
pub(crate) struct Conversation<'n> {
    pub(crate) messages: Vec<Message>,
    /// The number of the item that each message begins with, if `input` is a list.
    pub(crate) begins: Vec<usize>,
    /// Whether it has reasoning in a form that only the gateway reads.
    pub(crate) has_sealed: bool,
    names: &'n Names,
}

impl<'n> Conversation<'n> {
    pub(crate) fn new(names: &'n Names) -> Self {
        Self { messages: Vec::new(), begins: Vec::new(), has_sealed: false, names }
    }

    /// Reads `input`: a text, or a list of items.
    pub(crate) fn read(&mut self, input: Value) -> Result<(), Problem> {
        let at = Place::Body.field("input");
        match input {
            Value::String(text) => self.messages.push(Message::user(text)),
            Value::Array(items) => {
                for (index, item) in items.into_iter().enumerate() {
                    let before = self.messages.len();
                    self.item(Fields::of(item, at.item(index))?)?;
                    self.begins.extend((before..self.messages.len()).map(|_| index));
                }
            }
            other => return Err(at.expected("a string or a list of items", &other)),
        }
        Ok(())
    }

    fn item(&mut self, fields: Fields<'_>) -> Result<(), Problem> {
        let kind = match fields.kind()? {
            None if fields.peek("role").is_some() => "message",
            None => return Err(fields.missing("type")),
            Some(kind) => kind,
        };
        match kind {
            "message" => self.message(fields),
            "reasoning" => {
                let (block, is_sealed) = reasoning::read(fields)?;
                self.has_sealed |= is_sealed;
                self.said([block]);
                Ok(())
            }
            "function_call" => self.function_call(fields),
            "custom_tool_call" => self.custom_tool_call(fields),
            "function_call_output" | "custom_tool_call_output" => self.output(fields),
            "item_reference" => Err(fields.place.problem(
                "is a reference to a stored item, and the gateway stores nothing: send the item itself. Clients do that with \
                 `store` set to false",
            )),
            kind => {
                let is_answer = is_answer(kind);
                let mut item = fields.into_value();
                match is_answer {
                    // A provider of another format would take it for a part of a message.
                    _ if !is_item(&item) => {
                        set(&mut item, MARK, true);
                        self.said([ContentBlock::Other(item)]);
                    }
                    true => self.said([ContentBlock::Other(item)]),
                    false => self.messages.push(Message::new(Role::User, vec![ContentBlock::Other(item)])),
                }
                Ok(())
            }
        }
    }

    fn message(&mut self, mut fields: Fields<'_>) -> Result<(), Problem> {
        let role = fields.need_text("role")?;
        let outer = fields.place;
        let content = fields.need("content")?;
        let content = parts::content(&outer.field("content"), content)?;
        fields.take("type");
        let role = match role.as_str() {
            "user" => Role::User,
            "system" | "developer" => Role::System,
            "assistant" => {
                let item = fields.rest();
                self.said(content.into_iter().map(|block| named(block, &item)));
                return Ok(());
            }
            other => {
                let message = format!("is {other:?}, and must be \"user\", \"assistant\", \"system\" or \"developer\"");
                return Err(outer.field("role").problem(message));
            }
        };
        let mut message = Message::new(role, content);
        message.extensions = others(fields);
        self.messages.push(message);
        Ok(())
    }

    fn function_call(&mut self, mut fields: Fields<'_>) -> Result<(), Problem> {
        let (id, (name, own)) = (fields.need_text("call_id")?, self.name(&mut fields)?);
        let said = fields.need_text("arguments")?;
        let arguments = match unique::read(said.trim().as_bytes()) {
            Ok(Value::Object(arguments)) => arguments,
            _ if said.trim().is_empty() => Map::new(),
            // A model can write what is no JSON of an object, or a key twice. The client says so in the result.
            _ => Map::from_iter([(UNREADABLE.to_owned(), said.into())]),
        };
        let mut call = ToolCall::new(id, name, arguments);
        call.extensions = others(fields);
        call.extensions.extend(own);
        self.said([ContentBlock::ToolUse(call)]);
        Ok(())
    }

    /// A call of a tool that takes a text. To other formats it is a function with this text as its argument.
    fn custom_tool_call(&mut self, mut fields: Fields<'_>) -> Result<(), Problem> {
        let (id, (name, own)) = (fields.need_text("call_id")?, self.name(&mut fields)?);
        let arguments = Map::from_iter([(INPUT.to_owned(), fields.need_text("input")?.into())]);
        let mut call = ToolCall::new(id, name, arguments);
        call.extensions = others(fields);
        call.extensions.insert(extension("custom"), true.into());
        call.extensions.extend(own);
        self.said([ContentBlock::ToolUse(call)]);
        Ok(())
    }

    /// The name of a call, and what the client calls it if that is something else.
    fn name(&self, fields: &mut Fields<'_>) -> Result<(String, Option<(String, Value)>), Problem> {
        let (namespace, name) = (fields.text("namespace")?, fields.need_text("name")?);
        let flat = self.names.flat(namespace.as_deref(), &name);
        let own = namespace.map(|namespace| own_name(&flat, &namespace, &name));
        Ok((flat, own))
    }

    fn output(&mut self, mut fields: Fields<'_>) -> Result<(), Problem> {
        let (id, outer) = (fields.need_text("call_id")?, fields.place);
        let output = fields.need("output")?;
        let mut result = ToolResult::new(id, parts::content(&outer.field("output"), output)?);
        result.extensions = others(fields);
        let block = ContentBlock::ToolResult(result);
        match self.messages.last_mut() {
            Some(last) if last.role == Role::Tool => last.content.push(block),
            _ => self.messages.push(Message::new(Role::Tool, vec![block])),
        }
        Ok(())
    }

    /// Adds what the model said. Items that follow each other are one answer.
    fn said(&mut self, blocks: impl IntoIterator<Item = ContentBlock>) {
        match self.messages.last_mut() {
            Some(last) if last.role == Role::Assistant => last.content.extend(blocks),
            _ => self.messages.push(Message::new(Role::Assistant, blocks.into_iter().collect())),
        }
    }
}

/// A text that names the fields of its message.
fn named(block: ContentBlock, item: &Map<String, Value>) -> ContentBlock {
    match block {
        ContentBlock::Text(mut text) if !item.is_empty() => {
            let item = Extensions::from([(extension("item"), item.clone().into())]);
            text.extensions.extend(item);
            ContentBlock::Text(text)
        }
        block => block,
    }
}

/// Whether the model makes items of this type. The others are what the client answers, and cannot be left out.
fn is_answer(kind: &str) -> bool {
    let is_answered = ["_output", "_response"].iter().any(|ending| kind.ends_with(ending));
    (!is_answered && !kind.starts_with("compaction")) || kind == "tool_search_output"
}
