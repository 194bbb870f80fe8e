//! Reads a streamed answer of OpenAI Responses:
//! <https://platform.openai.com/docs/api-reference/responses-streaming>.
//!
//! It collects the response that the answer would have been without streaming. At the end, the code for whole answers reads that
//! response. Servers leave events out: an item begins with the first event about it, and what its pieces have not said is read
//! from the whole text, from the whole item, or from the whole response.

use std::collections::{HashMap, VecDeque};

use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Map, Value};

use crate::{
    adapter::format::{
        ending,
        format::{EventReader, Progress},
        json::{BLOCK, JsonNode},
        malformed::{Malformed, Unreadable},
        openai::decode::counts,
        refusal,
        responses::{
            decode, status,
            streamed_item::StreamedItem,
            streamed_part::{Channel, PartList},
        },
        tool_names::ToolNames,
        tree::{self, Keep, MemoryBudget},
    },
    chat::event::Event,
};

/// The fields of an event that are read.
const EVENT: Keep = Keep::Both(
    &Keep::Fields(&[
        ("item_id", Keep::All),
        ("output_index", Keep::All),
        ("content_index", Keep::All),
        ("summary_index", Keep::All),
        ("delta", Keep::All),
        ("text", Keep::All),
        ("refusal", Keep::All),
        ("arguments", Keep::All),
        ("input", Keep::All),
        ("part", Keep::All),
        ("item", Keep::All),
        ("annotation", Keep::All),
        ("response", decode::RESPONSE),
    ]),
    &refusal::FIELDS,
);

/// A streamed answer as far as it has arrived.
pub(crate) struct ResponsesStream {
    names: ToolNames,
    /// For everything that is kept.
    budget: MemoryBudget,
    /// The fields of the response besides its items.
    root: Map<String, Value>,
    /// In the order in which they began.
    items: Vec<StreamedItem>,
    /// The place of the last item with each index.
    by_index: HashMap<u64, usize>,
    /// The place of the item with each id.
    by_id: HashMap<String, usize>,
    /// The place of the last message.
    message: Option<usize>,
    /// How many tool calls have begun.
    calls: usize,
    has_begun: bool,
    has_ended: bool,
}

/// The most frequent event: a piece of text.
#[derive(Deserialize)]
struct TextDelta<'a> {
    r#type: &'a str,
    output_index: u64,
    content_index: Option<u64>,
    delta: String,
    error: Option<IgnoredAny>,
}

impl EventReader for ResponsesStream {
    fn read(&mut self, name: &str, data: &str, events: &mut VecDeque<Event>) -> Result<Progress, Unreadable> {
        if ending::is_marker(data) {
            return self.end(events);
        }
        if self.read_piece(data, events)? {
            return Ok(Progress::More);
        }
        let budget = self.budget.renewed();
        let value = tree::read_event(data, &EVENT, &budget)?;
        let event = JsonNode::root(&value, &budget);
        // Some servers say the type only in the name.
        let kind = event.text("type").unwrap_or(name).to_owned();
        self.has_begun |= kind.starts_with("response.");
        if let Some((channel, is_whole)) = Channel::of_event(&kind) {
            self.add(&event, channel, is_whole, events)?;
            return Ok(Progress::More);
        }
        match &*kind {
            "response.created" | "response.in_progress" | "response.queued" => self.introduce(&event)?,
            "response.output_item.added" => self.begin_item(&event, events)?,
            "response.output_item.done" => self.end_item(&event, events)?,
            "response.content_part.added" | "response.reasoning_part.added" => self.read_part(&event, false, events)?,
            "response.content_part.done" | "response.reasoning_part.done" => self.read_part(&event, true, events)?,
            "response.reasoning_summary_part.added" => self.read_summary(&event, false, events)?,
            "response.reasoning_summary_part.done" => self.read_summary(&event, true, events)?,
            "response.output_text.annotation.added" => self.annotate(&event)?,
            "response.completed" | "response.incomplete" | "response.cancelled" | "response.done" => {
                return self.finish(&event, &kind, events);
            }
            "response.failed" => return Err(status::failure(&event.get("response").unwrap_or(event))),
            // Events of tools that the provider runs, and unknown ones.
            _ => refusal::refuse_errors(&event, "response")?,
        }
        Ok(Progress::More)
    }

    fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Only the provider's last event says that the answer is whole: another tool call could have followed.
    fn end(&mut self, _events: &mut VecDeque<Event>) -> Result<Progress, Unreadable> {
        Ok(if self.has_ended { Progress::End } else { Progress::CutShort })
    }

    fn body(&mut self) -> Value {
        let mut items = std::mem::take(&mut self.items);
        items.sort_by_key(|item| item.place);
        let mut body = std::mem::take(&mut self.root);
        body.insert(decode::ANSWER.to_owned(), items.into_iter().map(StreamedItem::into_value).collect());
        body.into()
    }
}

impl ResponsesStream {
    /// A reader that has read nothing. What it keeps counts towards the budget.
    pub(crate) fn new(names: ToolNames, budget: MemoryBudget) -> Self {
        let (root, items, by_index, by_id) = Default::default();
        let (message, calls, has_begun, has_ended) = Default::default();
        Self { names, budget, root, items, by_index, by_id, message, calls, has_begun, has_ended }
    }

    /// Reads a piece of text without making a tree. `false` if the event is something else.
    fn read_piece(&mut self, data: &str, events: &mut VecDeque<Event>) -> Result<bool, Malformed> {
        let Ok(TextDelta { r#type: "response.output_text.delta", output_index, content_index, delta, error: None }) =
            serde_json::from_str(data)
        else {
            return Ok(false);
        };
        let at = self.by_index.get(&output_index).copied();
        let item = at.and_then(|at| self.items.get_mut(at)).filter(|item| item.has_part(Channel::Text, content_index));
        let Some(item) = item else { return Ok(false) };
        item.add(Channel::Text, content_index, (&delta, false), &self.budget, events)?;
        Ok(true)
    }

    /// Reads who answers.
    fn introduce(&mut self, event: &JsonNode<'_>) -> Result<(), Malformed> {
        let Some(response) = event.get("response") else { return Ok(()) };
        for name in ["id", "model"] {
            if let Some(value) = response.value.get(name).filter(|value| value.is_string() && *value != "") {
                self.budget.take_for_instead(value, self.root.get(name))?;
                self.root.insert(name.to_owned(), value.clone());
            }
        }
        Ok(())
    }

    /// The place of the item that an event is about.
    fn find(&self, event: &JsonNode<'_>, id: Option<&str>) -> Option<usize> {
        let by_index = event.count("output_index").and_then(|index| self.by_index.get(&index).copied());
        let is_named = |at: &usize| self.items.get(*at).is_some_and(|item| id.is_none() || item.id() == id);
        let by_id = id.and_then(|id| self.by_id.get(id).copied());
        let has_ended = |at: &usize| self.items.get(*at).is_some_and(|item| item.is_complete);
        let by_id = by_id.filter(|at| !(has_ended(at) && self.is_another_message(event, *at)));
        by_index.filter(is_named).or(by_id).or(by_index)
    }

    /// Whether an event has the index of another item than this message. Some servers give all messages one id.
    fn is_another_message(&self, event: &JsonNode<'_>, at: usize) -> bool {
        let message = self.items.get(at).filter(|item| item.kind() == "message");
        message.is_some_and(|message| event.count("output_index").is_some_and(|index| index != message.place))
    }

    /// The item of this type that an event is about. It begins here if there is none.
    fn item(&mut self, event: &JsonNode<'_>, kind: &str, events: &mut VecDeque<Event>) -> Result<usize, Malformed> {
        let id = event.text("item_id");
        let is_it = |at: &usize| self.items.get(*at).is_some_and(|item| item.kind() == kind);
        let is_numbered = id.is_some() || event.count("output_index").is_some();
        let last = self.items.len().checked_sub(1).filter(|_| !is_numbered);
        if let Some(at) = self.find(event, id).or(last).filter(is_it) {
            return Ok(at);
        }
        let mut fields = Map::from_iter([("type".to_owned(), kind.into())]);
        if kind == "message" {
            fields.insert("role".to_owned(), "assistant".into());
        }
        fields.extend(id.map(|id| ("id".to_owned(), id.into())));
        self.begin(fields, event.count("output_index"), events)
    }

    fn begin(
        &mut self,
        fields: Map<String, Value>,
        index: Option<u64>,
        events: &mut VecDeque<Event>,
    ) -> Result<usize, Malformed> {
        let at = self.items.len();
        self.budget.take(BLOCK)?;
        fields.values().try_for_each(|value| self.budget.take_for(value))?;
        // Some servers do not say that an item ends. One message follows the other, also where a call stands between them.
        let is_message = decode::kind(&fields) == "message";
        let message = self.message.filter(|_| is_message);
        for before in [message, at.checked_sub(1)].into_iter().flatten() {
            if let Some(before) = self.items.get_mut(before) {
                before.report_begun(is_message, &self.budget, events)?;
            }
        }
        self.message = if is_message { Some(at) } else { self.message };
        let next = self.items.last().map_or(0, |last| last.place.saturating_add(1));
        let mut item = StreamedItem::new(fields, index.unwrap_or(next), &self.names, &mut self.calls);
        item.start(events);
        self.by_index.insert(item.place, at);
        if let Some(id) = item.id() {
            self.by_id.insert(id.to_owned(), at);
        }
        self.items.push(item);
        Ok(at)
    }

    fn begin_item(&mut self, event: &JsonNode<'_>, events: &mut VecDeque<Event>) -> Result<(), Unreadable> {
        let item = event.need("item")?;
        let known = item.text("id").filter(|id| self.by_id.contains_key(*id));
        let known = known.and_then(|id| self.find(event, Some(id)));
        if known.is_none_or(|at| self.is_another_message(event, at)) {
            let fields = item.object()?.iter().filter(|(_, value)| !value.is_null());
            let fields = fields.map(|(name, value)| (name.clone(), value.clone())).collect();
            self.begin(fields, event.count("output_index"), events)?;
        }
        Ok(())
    }

    /// Reads a whole item. One that has not begun begins here.
    fn end_item(&mut self, event: &JsonNode<'_>, events: &mut VecDeque<Event>) -> Result<(), Unreadable> {
        let item = event.need("item")?;
        let at = self.find(event, item.text("id"));
        self.read_item(&item, at, event.count("output_index"), events)?;
        Ok(())
    }

    fn read_item(
        &mut self,
        item: &JsonNode<'_>,
        found: Option<usize>,
        index: Option<u64>,
        events: &mut VecDeque<Event>,
    ) -> Result<(), Malformed> {
        let kind = decode::kind(item.object()?);
        let is_it = |at: &usize| self.items.get(*at).is_some_and(|item| item.kind() == kind);
        let at = match found.filter(is_it) {
            Some(at) => at,
            None => {
                let fields = Map::from_iter([("type".to_owned(), kind.into())]);
                let named = ["id", "call_id", "name"]
                    .into_iter()
                    .filter_map(|name| Some((name.to_owned(), item.value.get(name)?.clone())));
                self.begin(fields.into_iter().chain(named).collect(), index, events)?
            }
        };
        let place = self.items.get(at).map_or(0, |item| item.place);
        match self.items.get_mut(at).filter(|item| !item.is_complete) {
            Some(known) => {
                known.read_whole(item, &self.budget, events)?;
                known.report(usize::try_from(place).unwrap_or_default(), &self.budget, events)
            }
            None => Ok(()),
        }
    }

    fn add(
        &mut self,
        event: &JsonNode<'_>,
        channel: Channel,
        is_whole: bool,
        events: &mut VecDeque<Event>,
    ) -> Result<(), Malformed> {
        let Some(text) = event.get(if is_whole { channel.field() } else { "delta" }) else { return Ok(()) };
        // Arguments can be an object, which the whole item says as well.
        let Value::String(text) = text.value else { return Ok(()) };
        let index = event.count(if channel == Channel::Summary { "summary_index" } else { "content_index" });
        let at = self.item(event, channel.item(), events)?;
        match self.items.get_mut(at).filter(|item| !item.is_complete) {
            Some(item) => item.add(channel, index, (text, is_whole), &self.budget, events),
            None => Ok(()),
        }
    }

    fn read_part(
        &mut self,
        event: &JsonNode<'_>,
        is_whole: bool,
        events: &mut VecDeque<Event>,
    ) -> Result<(), Malformed> {
        let Some(part) = event.get("part") else { return Ok(()) };
        let is_reasoning = part.text("type") == Some("reasoning_text");
        let kind = if is_reasoning { "reasoning" } else { "message" };
        // Some servers send parts of reasoning as if they were those of a message.
        let known = self.find(event, event.text("item_id")).and_then(|at| Some(self.items.get(at)?.kind().to_owned()));
        let at = self.item(event, known.as_deref().unwrap_or(kind), events)?;
        self.read_part_of(at, PartList::Content, event.count("content_index"), (&part, is_whole), events)
    }

    fn read_summary(
        &mut self,
        event: &JsonNode<'_>,
        is_whole: bool,
        events: &mut VecDeque<Event>,
    ) -> Result<(), Malformed> {
        let Some(part) = event.get("part") else { return Ok(()) };
        let at = self.item(event, "reasoning", events)?;
        self.read_part_of(at, PartList::Summary, event.count("summary_index"), (&part, is_whole), events)
    }

    fn read_part_of(
        &mut self,
        at: usize,
        list: PartList,
        index: Option<u64>,
        (part, is_whole): (&JsonNode<'_>, bool),
        events: &mut VecDeque<Event>,
    ) -> Result<(), Malformed> {
        match self.items.get_mut(at).filter(|item| !item.is_complete) {
            Some(item) => item.read_part(list, index, part, is_whole, &self.budget, events),
            None => Ok(()),
        }
    }

    fn annotate(&mut self, event: &JsonNode<'_>) -> Result<(), Malformed> {
        let Some(annotation) = event.get("annotation") else { return Ok(()) };
        let at = self.find(event, event.text("item_id"));
        match at.and_then(|at| self.items.get_mut(at)).filter(|item| !item.is_complete) {
            Some(item) => item.annotate(event.count("content_index"), annotation.value, &self.budget),
            None => Ok(()),
        }
    }

    /// Reads the last event: why the answer ended, its usage, and items that no event has shown.
    fn finish(
        &mut self,
        event: &JsonNode<'_>,
        kind: &str,
        events: &mut VecDeque<Event>,
    ) -> Result<Progress, Unreadable> {
        self.introduce(event)?;
        let (none, budget) = (Value::Null, self.budget.renewed());
        let response = event.get("response").unwrap_or_else(|| JsonNode::root(&none, &budget));
        refusal::refuse_errors(&response, decode::ANSWER)?;
        for name in ["status", "usage", "incomplete_details"] {
            if let Some(value) = response.value.get(name).filter(|value| !value.is_null()) {
                self.budget.take_for(value)?;
                self.root.insert(name.to_owned(), value.clone());
            }
        }
        let root = Value::from(self.root.clone());
        let word = status::word(&JsonNode::root(&root, &self.budget)).unwrap_or_else(|| {
            let said = kind.strip_prefix("response.").filter(|said| *said != "done").unwrap_or("completed").to_owned();
            self.root.insert("status".to_owned(), said.clone().into());
            said
        });
        refusal::refuse_ending(&word)?;
        let whole = response.get(decode::ANSWER).map(|items| items.list()).transpose()?.into_iter().flatten();
        let whole: Vec<_> = whole.filter(|item| !item.value.is_null()).collect();
        let mut ids: HashMap<&str, u32> = HashMap::new();
        whole.iter().filter_map(|item| item.text("id")).for_each(|id| *ids.entry(id).or_default() += 1);
        for (index, item) in (0..).zip(&whole) {
            // Items in their events can have other indexes than here, and several can have one id.
            let id = item.text("id").filter(|id| ids.get(id) == Some(&1));
            let known = id.and_then(|id| self.by_id.get(id));
            let found = known.or_else(|| self.by_index.get(&index)).copied();
            self.read_item(item, found, Some(index), events)?;
        }
        self.settle(ending::cuts(&word), events)?;
        if let Some(usage) = self.root.get("usage").filter(|usage| usage.is_object()) {
            events.push_back(Event::Usage(counts(&JsonNode::root(usage, &self.budget))));
        }
        self.has_ended = true;
        Ok(Progress::End)
    }

    /// Ends the items that are left, now that it is known whether the answer was cut.
    fn settle(&mut self, cut: bool, events: &mut VecDeque<Event>) -> Result<(), Malformed> {
        let last = self.items.iter().map(|item| item.place).max();
        for item in &mut self.items {
            item.complete(&self.budget, events)?;
            let at = usize::try_from(item.place).unwrap_or_default();
            item.report_as(at, cut.then_some(Some(item.place) == last), &self.budget, events)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
