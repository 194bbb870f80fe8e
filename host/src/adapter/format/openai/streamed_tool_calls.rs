//! The tool calls of a streamed answer, which come in pieces. Each piece finds its call at once, however many there are.

use std::collections::{HashMap, VecDeque};

use serde_json::{Map, Value};

use crate::{
    adapter::format::{json::Node, malformed::Malformed, openai::decode, tree::Room},
    chat::{content::ContentBlock, event::Event},
};

/// What a field or a name of a call takes besides its value, in bytes.
const FIELD: usize = 256;

/// The tool calls that have begun.
#[derive(Default)]
pub(crate) struct Calls {
    all: Vec<Call>,
    /// How many have ended: the first ones.
    ended: usize,
    /// The last of each number.
    numbered: HashMap<u64, usize>,
    /// The last that has no number.
    unnumbered: Option<usize>,
    /// The last of each name.
    named: HashMap<String, usize>,
}

/// A tool call that has begun.
#[derive(Default)]
struct Call {
    index: Option<u64>,
    /// Its fields, but for the function.
    fields: Map<String, Value>,
    name: String,
    arguments: String,
    begun: bool,
}

impl Calls {
    /// The call that a piece with this number and this name belongs to: the last that it can. Some servers give no number,
    /// or the same one to all calls.
    pub(crate) fn find(&self, index: Option<u64>, id: Option<&str>) -> Option<usize> {
        let last = match index {
            None => self.all.len().checked_sub(1),
            Some(index) => self.numbered.get(&index).copied().max(self.unnumbered),
        };
        let call = |at: &usize| self.all.get(*at);
        let last = last.filter(|at| call(at).is_some_and(|call| id.is_none_or(|id| !call.is_other(id))));
        let fits = |call: &Call| index.is_none() || call.index.is_none() || call.index == index;
        let named = id.and_then(|id| self.named.get(id).copied());
        last.max(named.filter(|at| call(at).is_some_and(fits)))
    }

    /// A call begins. Tells where it is.
    pub(crate) fn begin(&mut self, index: Option<u64>) -> usize {
        let at = self.all.len();
        match index {
            Some(index) => drop(self.numbered.insert(index, at)),
            None => self.unnumbered = Some(at),
        }
        self.all.push(Call { index, ..Call::default() });
        at
    }

    /// Takes in a piece of the call at this place.
    pub(crate) fn hear(
        &mut self,
        at: usize,
        piece: &Node<'_>,
        room: &Room,
        events: &mut VecDeque<Event>,
    ) -> Result<(), Malformed> {
        if let Some(id) = piece.text("id")
            && self.named.insert(id.to_owned(), at).is_none()
        {
            room.take(FIELD)?;
        }
        let Some(call) = self.all.get_mut(at) else { return Ok(()) };
        call.hear_fields(piece, room)?;
        let function = piece.get("function");
        if let Some(name) = function.as_ref().and_then(|function| function.text("name")) {
            // In pieces or, by some servers, again with each piece.
            if !call.begun {
                call.name.push_str(name);
            }
        }
        if !call.begun && !call.name.is_empty() {
            call.begun = true;
            let id = call.fields.get("id").and_then(Value::as_str).filter(|id| !id.is_empty());
            let id = decode::call_id(at, id);
            events.push_back(Event::ToolUseStart { index: at, id, name: call.name.clone() });
        }
        let arguments = function.as_ref().and_then(|function| function.get("arguments"));
        let json = match arguments.as_ref().map(|arguments| arguments.value) {
            None => return Ok(()),
            Some(Value::String(json)) => json.clone(),
            Some(value) => value.to_string(),
        };
        call.arguments.push_str(&json);
        if !json.is_empty() {
            events.push_back(Event::ToolArguments { index: at, json });
        }
        Ok(())
    }

    /// Tells of the calls that have not been told of as a whole. The last is cut if the answer is.
    pub(crate) fn end(&mut self, cut: bool, room: &Room, events: &mut VecDeque<Event>) -> Result<(), Malformed> {
        let (last, ended) = (self.all.len().saturating_sub(1), self.ended);
        self.ended = self.all.len();
        for (index, call) in self.all.iter_mut().enumerate().skip(ended) {
            events.push_back(match call.whole(index, cut && index == last, room)? {
                ContentBlock::ToolUse(call) => Event::ToolUseEnd { index, call },
                partial => Event::Block(partial),
            });
        }
        Ok(())
    }

    /// The calls as they would have been without streaming.
    pub(crate) fn values(self) -> impl Iterator<Item = Value> {
        self.all.into_iter().map(|mut call| call.take_value())
    }
}

impl Call {
    fn hear_fields(&mut self, piece: &Node<'_>, room: &Room) -> Result<(), Malformed> {
        for (name, value) in piece.object()? {
            if !value.is_null() && name != "function" && !(name == "id" && value == "") {
                let before = self.fields.get(name);
                room.take(if before.is_none() { FIELD } else { 0 })?;
                room.take_for_instead(value, before)?;
                self.fields.insert(name.clone(), value.clone());
            }
        }
        Ok(())
    }

    /// Whether it is known by another name than this.
    fn is_other(&self, id: &str) -> bool {
        self.begun && self.fields.get("id").is_some_and(|known| known != id)
    }

    /// The call as a block.
    fn whole(&mut self, at: usize, cut: bool, room: &Room) -> Result<ContentBlock, Malformed> {
        let fields = self.fields.clone();
        let mut value = self.take_value();
        let whole = decode::last_call(at, &Node::root(&value, room), cut);
        self.fields = fields;
        if let Some(Value::String(arguments)) = value.pointer_mut("/function/arguments").map(Value::take) {
            self.arguments = arguments;
        }
        whole
    }

    /// The call as it would have been without streaming. Leaves its fields and its arguments empty.
    fn take_value(&mut self) -> Value {
        let name = Some(self.name.as_str()).filter(|name| !name.is_empty());
        let arguments = std::mem::take(&mut self.arguments);
        let function = [("name".to_owned(), name.into()), ("arguments".to_owned(), arguments.into())];
        let mut fields = std::mem::take(&mut self.fields);
        fields.insert("function".to_owned(), Map::from_iter(function).into());
        fields.into()
    }
}
