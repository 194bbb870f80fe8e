//! An item of a streamed answer, as far as it has arrived.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Map, Value};

use crate::{
    adapter::format::{
        halves::JoinedText,
        json::{JsonNode, are_cut},
        malformed::Malformed,
        responses::{
            decode, fields,
            streamed_part::{Channel, PartList, text_field},
            streamed_parts::{LISTS, PartPlace, StreamedParts},
        },
        tool_names::ToolNames,
        tree::MemoryBudget,
    },
    chat::{
        content::{ContentBlock, Thinking},
        event::Event,
    },
};

/// An item that has begun.
pub(crate) struct StreamedItem {
    /// Its place in the answer.
    pub(crate) place: u64,
    /// Its fields. Those that arrive in pieces are added by [`complete`](Self::complete).
    fields: Map<String, Value>,
    names: ToolNames,
    parts: StreamedParts,
    /// Whether any part has text.
    has_text: bool,
    /// The arguments or the input of a call.
    arguments: JoinedText,
    /// Which of the tool calls it is, if it is one.
    call: Option<usize>,
    /// Whether [`Event::ToolUseStart`] was told.
    is_started: bool,
    /// How many bytes of the arguments were told.
    told: usize,
    /// Whether all of it has arrived.
    pub(crate) is_complete: bool,
    /// The last part that was told before all of the item has arrived, and how many blocks were told so.
    told_part: Option<PartPlace>,
    told_blocks: usize,
    /// Whether it was told as a whole.
    is_reported: bool,
    /// Whether it is reasoning that was told without its seal.
    is_unsealed: bool,
}

impl StreamedItem {
    /// An item with these fields. `calls` counts the tool calls so far.
    pub(crate) fn new(fields: Map<String, Value>, place: u64, names: &ToolNames, calls: &mut usize) -> Self {
        let call = ["function_call", "custom_tool_call"].contains(&decode::kind(&fields)).then(|| {
            *calls += 1;
            *calls - 1
        });
        let (parts, arguments) = Default::default();
        let (has_text, is_started, told, is_complete, told_part, told_blocks) = Default::default();
        let (is_reported, is_unsealed) = Default::default();
        let names = names.clone();
        Self {
            place,
            fields,
            names,
            parts,
            has_text,
            arguments,
            call,
            is_started,
            told,
            is_complete,
            told_part,
            told_blocks,
            is_reported,
            is_unsealed,
        }
    }

    /// The type of the item.
    pub(crate) fn kind(&self) -> &str {
        decode::kind(&self.fields)
    }

    /// The id of the item, if it has one.
    pub(crate) fn id(&self) -> Option<&str> {
        self.fields.get("id").and_then(Value::as_str).filter(|id| !id.is_empty())
    }

    /// Whether this is the part of a text of this channel, so that a piece can be added.
    pub(crate) fn has_part(&self, channel: Channel, index: Option<u64>) -> bool {
        !self.is_complete && channel.part().is_some_and(|(_, list)| self.parts.has(list, index))
    }

    /// Adds a piece, or what the whole text has more than its pieces.
    pub(crate) fn add(
        &mut self,
        channel: Channel,
        index: Option<u64>,
        (text, is_whole): (&str, bool),
        budget: &MemoryBudget,
        events: &mut VecDeque<Event>,
    ) -> Result<(), Malformed> {
        let Some((kind, list)) = channel.part() else {
            match is_whole {
                true => self.arguments.catch_up(text),
                false => self.arguments.push(text.to_owned()),
            };
            self.tell_arguments(events);
            return Ok(());
        };
        let place = (list, self.parts.index(list, index));
        self.report_before(place, budget, events)?;
        let has_said = self.has_text;
        let part = self.parts.get(place, kind, budget)?;
        part.is_whole |= is_whole;
        let is_first = part.text.text.is_empty();
        let gained = if is_whole { part.text.catch_up(text) } else { part.text.push(text.to_owned()) };
        self.has_text |= !gained.is_empty();
        // A refusal is told when it is whole: the block behind it says that it is one.
        if channel == Channel::Refusal {
            return Ok(());
        }
        tell(channel, gained, is_first && has_said, events);
        Ok(())
    }

    /// Reads a part: with its text if all of it is there.
    pub(crate) fn read_part(
        &mut self,
        list: PartList,
        index: Option<u64>,
        part: &JsonNode<'_>,
        is_whole: bool,
        budget: &MemoryBudget,
        events: &mut VecDeque<Event>,
    ) -> Result<(), Malformed> {
        let fields = match part.value {
            Value::String(text) => &Map::from_iter([("text".to_owned(), text.clone().into())]),
            _ => part.object()?,
        };
        let is_reasoning = self.kind() == "reasoning";
        let channel = match (list, text_field(fields)) {
            (PartList::Summary, _) => Channel::Summary,
            (PartList::Content, _) if is_reasoning => Channel::Reasoning,
            (PartList::Content, "refusal") => Channel::Refusal,
            (PartList::Content, _) => Channel::Text,
        };
        let kind = channel.part().map_or("", |(kind, _)| kind);
        let index = if is_whole { self.parts.index(list, index) } else { self.parts.next_index(list, index) };
        self.report_before((list, index), budget, events)?;
        self.parts.get((list, index), kind, budget)?.read_fields(fields, budget)?;
        if let Some(text) = fields.get(text_field(fields)).and_then(Value::as_str).filter(|_| is_whole) {
            self.add(channel, Some(index), (text, true), budget, events)?;
        }
        Ok(())
    }

    /// Tells the texts of a message before the next one begins: nothing else shows where a piece belongs.
    fn report_before(
        &mut self,
        place: PartPlace,
        budget: &MemoryBudget,
        events: &mut VecDeque<Event>,
    ) -> Result<(), Malformed> {
        let is_next = self.kind() == "message" && self.parts.end_before(place);
        if is_next { self.report_texts(budget, events) } else { Ok(()) }
    }

    /// Tells what has arrived of a text or of reasoning that has not ended, before a message or another item begins. A text that is not
    /// said to be whole may go on behind an item that is no message.
    pub(crate) fn report_begun(
        &mut self,
        before_message: bool,
        budget: &MemoryBudget,
        events: &mut VecDeque<Event>,
    ) -> Result<(), Malformed> {
        match self.kind() {
            _ if self.is_complete => Ok(()),
            "message" if before_message || self.parts.are_whole() => self.report_texts(budget, events),
            "reasoning" if self.has_text && !self.is_reported => self.report_reasoning(budget, events),
            _ => Ok(()),
        }
    }

    fn report_reasoning(&mut self, budget: &MemoryBudget, events: &mut VecDeque<Event>) -> Result<(), Malformed> {
        let fields = self.fields.clone().into_iter().chain(self.parts.fields());
        let item: Value = fields.collect::<Map<_, _>>().into();
        budget.take_for(&item)?;
        for block in decode::item(0, &JsonNode::root(&item, budget), None, &self.names)? {
            self.is_unsealed = matches!(&block, ContentBlock::Thinking(thinking) if thinking.signature.is_none());
            self.tell_block(block, events);
        }
        self.is_reported = true;
        Ok(())
    }

    /// Tells the seal of reasoning that came only behind what was told: without it, the provider does not take the reasoning back.
    fn report_seal(&mut self, budget: &MemoryBudget, events: &mut VecDeque<Event>) -> Result<(), Malformed> {
        if !std::mem::take(&mut self.is_unsealed) {
            return Ok(());
        }
        let item = Value::from(self.fields.clone());
        budget.take_for(&item)?;
        for block in decode::item(0, &JsonNode::root(&item, budget), None, &self.names)? {
            if let ContentBlock::Thinking(thinking @ Thinking { signature: Some(_), .. }) = block {
                self.tell_block(ContentBlock::Thinking(Thinking { text: String::new(), ..thinking }), events);
            }
        }
        Ok(())
    }

    /// Tells the texts of a message that has not ended.
    fn report_texts(&mut self, budget: &MemoryBudget, events: &mut VecDeque<Event>) -> Result<(), Malformed> {
        let untold = self.parts.behind(self.told_part);
        let whole: Vec<_> = untold.map(|(place, part)| (place, part.value())).collect();
        for (place, part) in whole {
            let mut of_message = decode::of_message(&self.fields);
            if let Some(status) = of_message.get_mut("status").filter(|status| *status == "in_progress") {
                *status = "completed".into();
            }
            let of_message = Value::Object(of_message);
            budget.take_for(&part)?;
            budget.take_for(&of_message)?;
            let block = decode::part_block(&JsonNode::root(&part, budget), &of_message)?;
            self.told_part = Some(place);
            if !decode::is_empty(&block) {
                self.told_blocks += 1;
                self.tell_block(block, events);
            }
        }
        Ok(())
    }

    /// Adds an annotation that came alone.
    pub(crate) fn annotate(
        &mut self,
        index: Option<u64>,
        annotation: &Value,
        budget: &MemoryBudget,
    ) -> Result<(), Malformed> {
        let place = (PartList::Content, self.parts.index(PartList::Content, index));
        self.parts.get(place, "output_text", budget)?.annotate(annotation, budget)
    }

    /// Reads the whole item.
    pub(crate) fn read_whole(
        &mut self,
        item: &JsonNode<'_>,
        budget: &MemoryBudget,
        events: &mut VecDeque<Event>,
    ) -> Result<(), Malformed> {
        // A text names the other fields.
        let fields = item.object()?.iter().filter(|(_, value)| !value.is_null());
        let (texts, others): (Vec<_>, Vec<_>) = fields.partition(|(name, _)| *name == "content");
        for (name, value) in others.into_iter().chain(texts) {
            if !self.read_text(name, item, budget, events)? {
                budget.take_for_instead(value, self.fields.get(name))?;
                self.fields.insert(name.clone(), value.clone());
            }
        }
        self.complete(budget, events)
    }

    /// Reads a field of the whole item whose text arrives in pieces. `false` if it is none.
    fn read_text(
        &mut self,
        name: &str,
        item: &JsonNode<'_>,
        budget: &MemoryBudget,
        events: &mut VecDeque<Event>,
    ) -> Result<bool, Malformed> {
        let has_parts = ["message", "reasoning"].contains(&self.kind());
        let list = match name {
            "content" if has_parts => PartList::Content,
            "summary" if has_parts => PartList::Summary,
            "arguments" | "input" if self.call.is_some() => {
                let text = item.text(name);
                text.into_iter().for_each(|text| drop(self.arguments.catch_up(text)));
                return Ok(text.is_some());
            }
            _ => return Ok(false),
        };
        match item.get(name) {
            Some(JsonNode { value: Value::String(text), .. }) => {
                self.add(Channel::Text, Some(0), (text, true), budget, events)?;
            }
            Some(parts) => {
                let parts: Vec<_> = parts.list()?.filter(|part| !part.value.is_null()).collect();
                for (index, part) in self.parts.indexes_of(list, parts.len()).into_iter().zip(&parts) {
                    self.read_part(list, Some(index), part, true, budget, events)?;
                }
            }
            None => {}
        }
        Ok(true)
    }

    /// Ends the item: makes its fields what they would be without streaming. What came with its beginning counts where no pieces
    /// followed.
    pub(crate) fn complete(&mut self, budget: &MemoryBudget, events: &mut VecDeque<Event>) -> Result<(), Malformed> {
        if self.is_complete {
            return Ok(());
        }
        for (name, list) in LISTS {
            let has_none = !self.parts.has(list, None);
            let begun =
                self.fields.get(name).filter(|begun| has_none && begun.as_array().is_some_and(|all| !all.is_empty()));
            if let Some(begun) = begun.map(|begun| Value::from_iter([(name, begun.clone())])) {
                self.read_text(name, &JsonNode::root(&begun, budget), budget, events)?;
            }
        }
        self.is_complete = true;
        self.join_parts(events);
        if self.call.is_some() {
            self.arguments.end();
            self.tell_arguments(events);
            let name = if self.is_custom() { "input" } else { "arguments" };
            if !self.arguments.text.is_empty() || !self.fields.contains_key(name) {
                self.fields.insert(name.to_owned(), std::mem::take(&mut self.arguments.text).into());
            }
        }
        Ok(())
    }

    fn join_parts(&mut self, events: &mut VecDeque<Event>) {
        let channel = if self.kind() == "reasoning" { Channel::Reasoning } else { Channel::Text };
        let mut lists: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
        for (list, mut part) in self.parts.take() {
            let gained = part.text.end().map(String::from).unwrap_or_default();
            if !part.is_refusal() {
                tell(channel, gained, false, events);
            }
            let name = if list == PartList::Summary { "summary" } else { "content" };
            lists.entry(name).or_default().push(part.take_value());
        }
        for (name, list) in lists {
            self.fields.insert(name.to_owned(), list.into());
        }
    }

    fn is_custom(&self) -> bool {
        self.kind() == "custom_tool_call"
    }

    fn name(&self) -> &str {
        self.names.called(&self.fields)
    }

    /// Tells that the call has begun, if its name and its id are known.
    pub(crate) fn start(&mut self, events: &mut VecDeque<Event>) {
        let Some(index) = self.call.filter(|_| !self.is_started && !self.name().is_empty()) else { return };
        self.is_started = true;
        let id = decode::call_id(usize::try_from(self.place).unwrap_or_default(), &self.fields);
        events.push_back(Event::ToolUseStart { index, id, name: self.name().to_owned() });
    }

    /// Tells the arguments that were not told yet. The input of a custom tool is told at its end.
    fn tell_arguments(&mut self, events: &mut VecDeque<Event>) {
        self.start(events);
        let Some(index) = self.call.filter(|_| self.is_started && !self.is_custom()) else { return };
        let new = self.arguments.text.get(self.told..).filter(|new| !new.is_empty()).map(str::to_owned);
        if let Some(json) = new {
            self.told = self.arguments.text.len();
            events.push_back(Event::ToolArguments { index, json });
        }
    }

    /// Tells a whole item, unless it may be a call that was cut: the end of the answer shows that.
    pub(crate) fn report(
        &mut self,
        at: usize,
        budget: &MemoryBudget,
        events: &mut VecDeque<Event>,
    ) -> Result<(), Malformed> {
        let is_doubtful = match self.kind() {
            "function_call" => {
                let arguments = self.fields.get("arguments").map(|arguments| JsonNode::root(arguments, budget));
                are_cut(arguments.as_ref(), true)
            }
            "custom_tool_call" => self.fields.get("status").is_none_or(|status| status != "completed"),
            _ => false,
        };
        if is_doubtful { Ok(()) } else { self.report_as(at, None, budget, events) }
    }

    /// Tells a whole item. `cut` is set if the answer was cut, and says whether the item is the last one.
    pub(crate) fn report_as(
        &mut self,
        at: usize,
        cut: Option<bool>,
        budget: &MemoryBudget,
        events: &mut VecDeque<Event>,
    ) -> Result<(), Malformed> {
        if self.is_reported {
            return self.report_seal(budget, events);
        }
        self.is_reported = true;
        self.start(events);
        let value = Value::from(std::mem::take(&mut self.fields));
        let blocks = decode::item(at, &JsonNode::root(&value, budget), cut, &self.names);
        let Value::Object(fields) = value else { return Ok(()) };
        self.fields = fields;
        blocks?.into_iter().skip(self.told_blocks).for_each(|block| self.tell_block(block, events));
        Ok(())
    }

    fn tell_block(&self, block: ContentBlock, events: &mut VecDeque<Event>) {
        let index = self.call.unwrap_or_default();
        events.extend(
            match block {
                ContentBlock::ToolUse(call) => {
                    let input = self.is_custom().then(|| Value::from(call.arguments.clone()).to_string());
                    let input = input.map(|json| Event::ToolArguments { index, json });
                    [input, Some(Event::ToolUseEnd { index, call })]
                }
                ContentBlock::Text(text) if fields::get(&text.extensions, fields::REFUSAL).is_some() => {
                    [Some(Event::Text(text.text.clone())), Some(Event::Block(ContentBlock::Text(text)))]
                }
                block => [None, Some(Event::Block(block))],
            }
            .into_iter()
            .flatten(),
        );
    }

    /// The item as it would be without streaming.
    pub(crate) fn into_value(self) -> Value {
        self.fields.into()
    }
}

/// Tells what a text has gained. Reasoning has a gap between its parts.
fn tell(channel: Channel, gained: String, has_gap: bool, events: &mut VecDeque<Event>) {
    if gained.is_empty() {
        return;
    }
    events.extend(
        match channel {
            Channel::Summary | Channel::Reasoning if has_gap => {
                [Some(Event::Thinking(decode::GAP.to_owned())), Some(Event::Thinking(gained))]
            }
            Channel::Summary | Channel::Reasoning => [None, Some(Event::Thinking(gained))],
            Channel::Text | Channel::Refusal => [None, Some(Event::Text(gained))],
            Channel::Arguments | Channel::Input => [None, None],
        }
        .into_iter()
        .flatten(),
    );
}
