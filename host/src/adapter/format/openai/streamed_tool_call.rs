//! A tool call of a streamed answer, as far as it has arrived.

use std::collections::VecDeque;

use serde_json::{Map, Value};

use crate::{
    adapter::format::{
        extensions::{CUSTOM, INPUT},
        halves::JoinedText,
        json::JsonNode,
        malformed::Malformed,
        openai::{decode, json_progress::JsonProgress, streamed_fields::StreamedFields},
        tree::MemoryBudget,
    },
    chat::{content::ContentBlock, event::Event},
};

/// What one chunk says about a tool call.
pub(crate) struct Piece<'n, 'v> {
    pub(crate) index: Option<u64>,
    pub(crate) id: Option<&'v str>,
    /// Empty if the piece has none.
    pub(crate) name: &'v str,
    pub(crate) arguments: Option<JsonNode<'v>>,
    /// The entry of `tool_calls`. A `function_call` has none.
    entry: Option<&'n JsonNode<'v>>,
    function: Option<&'v Map<String, Value>>,
    /// Whether it is of a custom tool: `function` is then its `custom`, and `arguments` its input.
    is_custom: bool,
}

impl<'n, 'v> Piece<'n, 'v> {
    /// An entry of `tool_calls`.
    pub(crate) fn of_call(entry: &'n JsonNode<'v>) -> Self {
        let (function, custom) = (entry.get("function"), entry.get(CUSTOM));
        let is_custom = function.is_none() && custom.is_some();
        let function = function.or(custom);
        let function = function.as_ref();
        Self {
            index: entry.count("index"),
            id: entry.text("id"),
            name: function.and_then(|function| function.text("name")).unwrap_or_default(),
            arguments: function.and_then(|function| function.get(words(is_custom).1)),
            entry: Some(entry),
            function: function.and_then(|function| function.value.as_object()),
            is_custom,
        }
    }

    /// The field that `tool_calls` has replaced.
    pub(crate) fn of_function(function: &JsonNode<'v>) -> Self {
        let (name, arguments) = (function.text("name").unwrap_or_default(), function.get("arguments"));
        let function = function.value.as_object();
        Self { index: None, id: None, name, arguments, entry: None, function, is_custom: false }
    }

    /// Whether it has no arguments, or only white space.
    pub(crate) fn is_blank(&self) -> bool {
        match self.arguments.as_ref().map(|arguments| arguments.value) {
            None => true,
            Some(Value::String(text)) => text.trim().is_empty(),
            Some(_) => false,
        }
    }
}

/// The names of the object that names the tool, and of its arguments there.
fn words(is_custom: bool) -> (&'static str, &'static str) {
    if is_custom { (CUSTOM, INPUT) } else { ("function", "arguments") }
}

/// A tool call that has begun.
#[derive(Default)]
pub(crate) struct StreamedToolCall {
    pub(crate) index: Option<u64>,
    pub(crate) id: Option<String>,
    pub(crate) name: JoinedText,
    arguments: JoinedText,
    /// Whether the arguments are more than white space.
    has_arguments: bool,
    /// Arguments that came as an object instead of text. Each such piece holds all of them.
    object: Option<String>,
    progress: JsonProgress,
    /// Its fields without the index, the id and the function.
    fields: StreamedFields,
    /// The fields of the function without the name and the arguments.
    function: StreamedFields,
    /// Whether it is of a custom tool, whose arguments are a text. They are told at the end.
    is_custom: bool,
    /// Whether [`Event::ToolUseStart`] was told.
    is_started: bool,
    /// How many bytes of the arguments were told.
    told_arguments: usize,
    /// Whether the whole call was told.
    pub(crate) is_told: bool,
}

impl StreamedToolCall {
    /// A call with this index, of which nothing has arrived.
    pub(crate) fn new(index: Option<u64>) -> Self {
        Self { index, ..Self::default() }
    }

    /// Whether its arguments are complete, so that nothing can follow.
    pub(crate) fn is_complete(&self) -> bool {
        self.object.is_some() || self.progress.is_complete()
    }

    /// Whether nothing but an index and an id has arrived.
    pub(crate) fn is_bare(&self) -> bool {
        self.name.text.is_empty() && !self.has_arguments && self.object.is_none()
    }

    /// Whether it is one of a tool, and can go on.
    pub(crate) fn is_open(&self) -> bool {
        !self.is_told && !self.name.text.is_empty()
    }

    /// Whether the piece says once more what has arrived.
    pub(crate) fn is_repeated_in(&self, piece: &Piece<'_, '_>) -> bool {
        let same_arguments = match piece.arguments.as_ref().map(|arguments| arguments.value) {
            Some(Value::String(text)) => *text == self.arguments.text,
            Some(object) => self.object.as_ref() == Some(&object.to_string()),
            None => false,
        };
        same_arguments && (piece.name.is_empty() || piece.name == self.name.text)
    }

    /// Whether its arguments are an empty object. Some servers send one before the arguments.
    pub(crate) fn is_empty_object(&self) -> bool {
        match &self.object {
            Some(object) => object == "{}" && !self.has_arguments,
            None => self.is_complete() && self.arguments.text == "{}",
        }
    }

    /// Adds a piece, and tells what can be told of it.
    pub(crate) fn read(
        &mut self,
        at: usize,
        piece: &Piece<'_, '_>,
        budget: &MemoryBudget,
        events: &mut VecDeque<Event>,
    ) -> Result<(), Malformed> {
        self.read_fields(piece, budget)?;
        self.is_custom |= piece.is_custom;
        if self.id.is_none() {
            self.id = piece.id.map(str::to_owned);
        }
        let has_new_name = !self.is_started && !piece.name.is_empty() && piece.name != self.name.text;
        if has_new_name {
            // Some servers send the whole name so far in each piece.
            if piece.name.starts_with(&*self.name.text) {
                self.name = JoinedText::default();
            }
            self.name.push(piece.name.to_owned());
        }
        self.read_arguments(piece);
        // The name may go on in the next piece, and the id may follow it.
        if !has_new_name && !self.arguments.text.is_empty() {
            self.tell_arguments(at, events);
        }
        Ok(())
    }

    /// Adds the unknown fields of a piece.
    pub(crate) fn read_fields(&mut self, piece: &Piece<'_, '_>, budget: &MemoryBudget) -> Result<(), Malformed> {
        if let Some(entry) = piece.entry {
            self.fields.replace(entry.object()?, &["function", "id", "index", words(piece.is_custom).0], budget)?;
        }
        let known = ["name", words(piece.is_custom).1];
        piece.function.map_or(Ok(()), |function| self.function.replace(function, &known, budget))
    }

    fn read_arguments(&mut self, piece: &Piece<'_, '_>) {
        let text = match piece.arguments.as_ref().map(|arguments| arguments.value) {
            None => return,
            Some(Value::String(text)) => text,
            Some(object) => {
                self.object = Some(object.to_string());
                return;
            }
        };
        if self.is_custom {
            self.has_arguments |= !text.is_empty();
            self.arguments.push(text.clone());
            return;
        }
        if self.progress.is_complete() && (text.trim().is_empty() || self.is_repeated_in(piece)) {
            return;
        }
        if self.is_empty_object() && !text.trim().is_empty() {
            (self.object, self.arguments, self.progress, self.told_arguments) = Default::default();
        }
        self.has_arguments |= !text.trim().is_empty();
        let gained = self.arguments.push(text.clone());
        self.progress.read(&gained);
    }

    /// Tells that the call has begun, if its name and its id are known.
    pub(crate) fn start(&mut self, at: usize, events: &mut VecDeque<Event>) {
        if let Some(id) = self.id.clone().filter(|_| !self.is_started && !self.name.text.is_empty()) {
            self.name.end();
            self.is_started = true;
            events.push_back(Event::ToolUseStart { index: at, id, name: self.name.text.clone() });
        }
    }

    /// Tells the arguments that were not told yet.
    pub(crate) fn tell_arguments(&mut self, at: usize, events: &mut VecDeque<Event>) {
        self.start(at, events);
        let new = self.arguments.text.get(self.told_arguments..).filter(|new| self.is_started && !new.is_empty());
        let new = new.filter(|_| !self.is_custom);
        if let Some(json) = new.map(str::to_owned) {
            self.told_arguments = self.arguments.text.len();
            events.push_back(Event::ToolArguments { index: at, json });
        }
    }

    /// Tells the whole call. `cut` says that the answer was cut; then an incomplete call is told as a block.
    pub(crate) fn tell(
        &mut self,
        at: usize,
        cut: bool,
        is_last: bool,
        budget: &MemoryBudget,
        events: &mut VecDeque<Event>,
    ) -> Result<(), Malformed> {
        self.is_told = true;
        self.id.get_or_insert_with(|| decode::call_id(at, None));
        if let Some(object) = self.object.take().filter(|_| !self.has_arguments) {
            self.arguments = JoinedText::default();
            self.arguments.push(object);
        }
        self.arguments.end();
        self.tell_arguments(at, events);
        self.start(at, events);
        let block = self.block(at, cut, is_last, budget)?;
        if let (ContentBlock::ToolUse(call), true) = (&block, self.is_custom) {
            let json = Value::from(call.arguments.clone()).to_string();
            events.push_back(Event::ToolArguments { index: at, json });
        }
        events.push_back(match block {
            ContentBlock::ToolUse(call) => Event::ToolUseEnd { index: at, call },
            partial => Event::Block(partial),
        });
        Ok(())
    }

    fn block(&mut self, at: usize, cut: bool, is_last: bool, budget: &MemoryBudget) -> Result<ContentBlock, Malformed> {
        let value = self.take_value();
        let block = decode::call_block(at, &JsonNode::root(&value, budget), cut, is_last);
        self.put_back(value);
        block
    }

    /// Takes back what [`take_value`](Self::take_value) has given.
    fn put_back(&mut self, value: Value) {
        let Value::Object(mut fields) = value else { return };
        let (of, arguments) = words(self.is_custom);
        if let Some(Value::Object(mut function)) = fields.shift_remove(of) {
            if let Some(Value::String(arguments)) = function.shift_remove(arguments) {
                self.arguments.text = arguments;
            }
            function.shift_remove("name");
            self.function = StreamedFields(function);
        }
        self.fields = StreamedFields(fields);
    }

    /// The call as it would be without streaming. Leaves its fields and its arguments empty.
    pub(crate) fn take_value(&mut self) -> Value {
        let name = Some(self.name.text.as_str()).filter(|name| !name.is_empty());
        let mut function = self.function.take();
        let (of, arguments) = words(self.is_custom);
        function.extend([("name".to_owned(), name.into()), (arguments.to_owned(), self.arguments.take().into())]);
        let mut fields = self.fields.take();
        if let Some(id) = &self.id {
            fields.insert("id".to_owned(), id.clone().into());
        }
        fields.insert(of.to_owned(), function.into());
        fields.into()
    }
}
