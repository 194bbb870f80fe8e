//! The tool calls of a streamed answer. They arrive in pieces; finding the call of a piece takes the same time however many
//! there are.

use std::collections::{HashMap, VecDeque};

use serde_json::{Map, Value};

use crate::{
    adapter::format::{json::JsonNode, malformed::Malformed, openai::decode, tree::MemoryBudget},
    chat::{content::ContentBlock, event::Event},
};

/// The memory of a field or an id of a call besides its value, in bytes.
const FIELD: usize = 256;

/// The tool calls that have begun.
#[derive(Default)]
pub(crate) struct StreamedToolCalls {
    all: Vec<StreamedToolCall>,
    /// How many have ended. These are the first ones.
    ended: usize,
    /// The place of the last call with each index.
    by_index: HashMap<u64, usize>,
    /// The place of the last call without an index.
    unindexed: Option<usize>,
    /// The place of the last call with each id.
    by_id: HashMap<String, usize>,
}

/// A tool call that has begun.
#[derive(Default)]
struct StreamedToolCall {
    index: Option<u64>,
    /// Its fields without the function.
    fields: Map<String, Value>,
    name: String,
    arguments: String,
    begun: bool,
}

impl StreamedToolCalls {
    /// The place of the call that a piece with this index and this id continues: the last one that fits. Some servers send no
    /// index, or the same index for all calls.
    pub(crate) fn find(&self, index: Option<u64>, id: Option<&str>) -> Option<usize> {
        let last = match index {
            None => self.all.len().checked_sub(1),
            Some(index) => self.by_index.get(&index).copied().max(self.unindexed),
        };
        let call = |at: &usize| self.all.get(*at);
        let last = last.filter(|at| call(at).is_some_and(|call| id.is_none_or(|id| !call.is_other(id))));
        let fits = |call: &StreamedToolCall| index.is_none() || call.index.is_none() || call.index == index;
        let same_id = id.and_then(|id| self.by_id.get(id).copied());
        last.max(same_id.filter(|at| call(at).is_some_and(fits)))
    }

    /// Begins a call and returns its place.
    pub(crate) fn begin(&mut self, index: Option<u64>) -> usize {
        let at = self.all.len();
        match index {
            Some(index) => drop(self.by_index.insert(index, at)),
            None => self.unindexed = Some(at),
        }
        self.all.push(StreamedToolCall { index, ..StreamedToolCall::default() });
        at
    }

    /// Reads a piece of the call at this place.
    pub(crate) fn read(
        &mut self,
        at: usize,
        piece: &JsonNode<'_>,
        budget: &MemoryBudget,
        events: &mut VecDeque<Event>,
    ) -> Result<(), Malformed> {
        if let Some(id) = piece.text("id")
            && self.by_id.insert(id.to_owned(), at).is_none()
        {
            budget.take(FIELD)?;
        }
        let Some(call) = self.all.get_mut(at) else { return Ok(()) };
        call.read_fields(piece, budget)?;
        let function = piece.get("function");
        if let Some(name) = function.as_ref().and_then(|function| function.text("name")) {
            // Some servers repeat the name in every piece.
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

    /// Reports the calls that were not reported. The last one is cut if the answer is.
    pub(crate) fn end(
        &mut self,
        cut: bool,
        budget: &MemoryBudget,
        events: &mut VecDeque<Event>,
    ) -> Result<(), Malformed> {
        let (last, ended) = (self.all.len().saturating_sub(1), self.ended);
        self.ended = self.all.len();
        for (index, call) in self.all.iter_mut().enumerate().skip(ended) {
            events.push_back(match call.whole(index, cut && index == last, budget)? {
                ContentBlock::ToolUse(call) => Event::ToolUseEnd { index, call },
                partial => Event::Block(partial),
            });
        }
        Ok(())
    }

    /// The calls as they would be without streaming.
    pub(crate) fn values(self) -> impl Iterator<Item = Value> {
        self.all.into_iter().map(|mut call| call.take_value())
    }
}

impl StreamedToolCall {
    fn read_fields(&mut self, piece: &JsonNode<'_>, budget: &MemoryBudget) -> Result<(), Malformed> {
        for (name, value) in piece.object()? {
            if !value.is_null() && name != "function" && !(name == "id" && value == "") {
                let before = self.fields.get(name);
                budget.take(if before.is_none() { FIELD } else { 0 })?;
                budget.take_for_instead(value, before)?;
                self.fields.insert(name.clone(), value.clone());
            }
        }
        Ok(())
    }

    /// Whether it has another id than this.
    fn is_other(&self, id: &str) -> bool {
        self.begun && self.fields.get("id").is_some_and(|known| known != id)
    }

    /// The call as a block.
    fn whole(&mut self, at: usize, cut: bool, budget: &MemoryBudget) -> Result<ContentBlock, Malformed> {
        let fields = self.fields.clone();
        let mut value = self.take_value();
        let whole = decode::last_call(at, &JsonNode::root(&value, budget), cut);
        self.fields = fields;
        if let Some(Value::String(arguments)) = value.pointer_mut("/function/arguments").map(Value::take) {
            self.arguments = arguments;
        }
        whole
    }

    /// The call as it would be without streaming. Leaves its fields and its arguments empty.
    fn take_value(&mut self) -> Value {
        let name = Some(self.name.as_str()).filter(|name| !name.is_empty());
        let arguments = std::mem::take(&mut self.arguments);
        let function = [("name".to_owned(), name.into()), ("arguments".to_owned(), arguments.into())];
        let mut fields = std::mem::take(&mut self.fields);
        fields.insert("function".to_owned(), Map::from_iter(function).into());
        fields.into()
    }
}
