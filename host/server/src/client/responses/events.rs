//! Writes a streamed answer: <https://platform.openai.com/docs/api-reference/responses-streaming>.

use std::collections::HashSet;

use arcllm::{ContentBlock, Event, Response, Text, Thinking};
use serde_json::Value;

use crate::client::{
    client::{EventWriter, Heading},
    kept,
    problem::Problem,
    refusal::is_refusal,
    responses::{
        annotations, error,
        items::{self, is_item},
        kept_item::kind_of,
        line::Lines,
        message,
        names::Names,
        object::{self, Head, State},
        original,
        output::Partial,
        provided_messages::ProvidedMessages,
        streamed_calls::{EndedCall, StreamedCalls},
        streamed_message::StreamedMessage,
        streamed_reasoning::StreamedReasoning,
    },
};

/// The most types of items that are noted of one answer.
const MOST_TYPES: usize = 1000;

/// Writes one streamed answer.
pub(crate) struct Events {
    head: Head,
    names: Names,
    /// The number of the next event.
    sequence: u64,
    /// The JSON of the items, each at its place; empty until the item has ended.
    items: Vec<Vec<u8>>,
    /// The item that pieces belong to. Calls are apart.
    open: Option<Open>,
    calls: StreamedCalls,
    has_refused: bool,
    /// What ended messages have said of a text that is not known to be whole.
    said: String,
    /// What ended items of reasoning have said of reasoning that is not known to be whole.
    thought: String,
    originals: Option<Originals>,
    /// The types of the items that the provider has sent, where a module rewrites its answer.
    provided: HashSet<String>,
    /// The messages that the provider has told of.
    messages: ProvidedMessages,
}

/// How the provider's own events are sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Originals {
    /// As they are.
    Same,
    /// With other numbers, since the gateway has said something between them.
    Numbered,
    /// With the id of the gateway, which has told of the response before they came, and other numbers.
    Renamed,
}

enum Open {
    Message(StreamedMessage),
    Reasoning(StreamedReasoning),
}

impl EventWriter for Events {
    fn begin(&mut self, out: &mut Vec<u8>) {
        if self.sequence == 0 {
            self.keep_alive(out);
        }
    }

    fn event(&mut self, event: &Event, out: &mut Vec<u8>) {
        match event {
            Event::Text(piece) => self.say(piece, out),
            Event::Thinking(piece) => self.think(piece, out),
            Event::ToolUseStart { index, id, name } => self.begin_call(*index, id, name, out),
            Event::ToolArguments { index, json } => {
                self.calls.add(*index, json, &self.names, &mut Lines { sequence: &mut self.sequence, out });
            }
            Event::ToolUseEnd { index, call } => {
                if !self.calls.has(*index) {
                    self.begin_call(*index, &call.id, &call.name, out);
                }
                let mut lines = Lines { sequence: &mut self.sequence, out };
                let ended = self.calls.end(*index, call, &self.names, &mut lines);
                self.keep(ended);
            }
            Event::Block(block) => self.block(block, out),
            Event::End(response) => self.end(response, out),
            _ => {}
        }
    }

    fn original(&mut self, event: &[u8], out: &mut Vec<u8>) {
        let is_first = self.originals.is_none();
        let kind = if self.sequence == 0 { Originals::Same } else { Originals::Renamed };
        match *self.originals.get_or_insert(kind) {
            Originals::Renamed => original::write(event, Some(&self.head.id), &mut self.sequence, out),
            Originals::Numbered => original::write(event, None, &mut self.sequence, out),
            Originals::Same => {
                // What the gateway says later is about the same response, and has the numbers behind.
                if let Some(response) = original::response(event).filter(|_| is_first) {
                    self.head.adopt(&response);
                }
                self.sequence += 1;
                out.extend_from_slice(event);
            }
        }
    }

    fn rewritten(&mut self, event: &Value) {
        let whole = event.get("response").filter(|response| response["status"] != "in_progress");
        let output = whole.into_iter().flat_map(|response| kept::items(response, "output"));
        for kind in event.get("item").into_iter().chain(output).map(kind_of) {
            if !kind.is_empty() && self.provided.len() < MOST_TYPES && !self.provided.contains(kind) {
                self.provided.insert(kind.to_owned());
            }
        }
        self.messages.read(event);
    }

    fn fail(&mut self, problem: &Problem, out: &mut Vec<u8>) {
        self.items.retain(|item| !item.is_empty());
        self.tell("response.failed", &State::failed(problem), out);
        // Some clients look at the fields here, others at the object in it.
        let mut lines = Lines { sequence: &mut self.sequence, out };
        let line = lines.line("error").field("code", error::code_of_response(problem));
        let line = line.field("message", &problem.message).field("param", &problem.param);
        line.field("error", &error::nested(problem)).end();
    }

    fn keep_alive(&mut self, out: &mut Vec<u8>) {
        // SDKs demand that this one is the first.
        if self.sequence == 0 {
            self.tell("response.created", &State::in_progress(), out);
        }
        self.tell("response.in_progress", &State::in_progress(), out);
        if self.originals == Some(Originals::Same) {
            self.originals = Some(Originals::Numbered);
        }
    }
}

impl Events {
    pub(crate) fn new(heading: &Heading) -> Self {
        let names = Names::of(object::tools(&heading.echo));
        let (items, calls) = Default::default();
        Self {
            head: Head::new(heading),
            names,
            sequence: 0,
            items,
            open: None,
            calls,
            has_refused: false,
            said: String::new(),
            thought: String::new(),
            originals: None,
            provided: HashSet::new(),
            messages: ProvidedMessages::default(),
        }
    }

    /// Tells the whole response. One that goes on is told without its items.
    fn tell(&mut self, kind: &str, state: &State, out: &mut Vec<u8>) {
        let items = if state.is_in_progress() { &[] } else { self.items.as_slice() };
        let mut lines = Lines { sequence: &mut self.sequence, out };
        lines.line(kind).response(&self.head, state, items).end();
    }

    fn say(&mut self, piece: &str, out: &mut Vec<u8>) {
        if !piece.is_empty() {
            self.in_message(out, |message, lines| message.say(piece, lines));
        }
    }

    /// Does something in the message that is open, or in a new one.
    fn in_message(&mut self, out: &mut Vec<u8>, act: impl FnOnce(&mut StreamedMessage, &mut Lines<'_>)) {
        if !matches!(self.open, Some(Open::Message(_))) {
            self.close(out);
            let mut lines = Lines { sequence: &mut self.sequence, out };
            let message = StreamedMessage::begin(&self.head.id, self.items.len(), &mut lines);
            self.items.push(Vec::new());
            self.open = Some(Open::Message(message));
        }
        if let Some(Open::Message(message)) = &mut self.open {
            act(message, &mut Lines { sequence: &mut self.sequence, out });
        }
    }

    fn in_reasoning(&mut self, out: &mut Vec<u8>, act: impl FnOnce(&mut StreamedReasoning, &mut Lines<'_>)) {
        if !matches!(self.open, Some(Open::Reasoning(_))) {
            self.close(out);
            let mut lines = Lines { sequence: &mut self.sequence, out };
            let reasoning = StreamedReasoning::begin(&self.head.id, self.items.len(), &mut lines);
            self.items.push(Vec::new());
            self.open = Some(Open::Reasoning(reasoning));
        }
        if let Some(Open::Reasoning(reasoning)) = &mut self.open {
            act(reasoning, &mut Lines { sequence: &mut self.sequence, out });
        }
    }

    fn think(&mut self, piece: &str, out: &mut Vec<u8>) {
        if !piece.is_empty() {
            self.in_reasoning(out, |reasoning, lines| reasoning.think(piece, lines));
        }
    }

    fn begin_call(&mut self, index: usize, id: &str, name: &str, out: &mut Vec<u8>) {
        self.close(out);
        let place = self.items.len();
        self.items.push(Vec::new());
        let mut lines = Lines { sequence: &mut self.sequence, out };
        self.calls.begin((index, place), (&self.head.id, id, name), &self.names, &mut lines);
    }

    fn keep(&mut self, ended: impl IntoIterator<Item = EndedCall>) {
        for (place, json) in ended {
            if let Some(item) = self.items.get_mut(place) {
                *item = json;
            }
        }
    }

    /// Reads a block that is whole.
    fn block(&mut self, block: &ContentBlock, out: &mut Vec<u8>) {
        match block {
            ContentBlock::Text(text) if !text.text.is_empty() => self.know(text, out),
            ContentBlock::Thinking(thinking) => self.know_thinking(thinking, out),
            ContentBlock::Other(value) => self.other(value, out),
            _ => {}
        }
    }

    fn know_thinking(&mut self, whole: &Thinking, out: &mut Vec<u8>) {
        let (thought, mut whole) = (std::mem::take(&mut self.thought), whole.clone());
        if let Some(rest) = whole.text.strip_prefix(&*thought).filter(|_| !thought.is_empty()) {
            let is_sealed = whole.signature.is_some() || whole.redacted.is_some();
            if rest.is_empty() && !is_sealed {
                return;
            }
            whole.text = rest.to_owned();
        }
        self.in_reasoning(out, |_, _| {});
        if let Some(Open::Reasoning(reasoning)) = self.open.take() {
            let mut lines = Lines { sequence: &mut self.sequence, out };
            let place = reasoning.place;
            let json = reasoning.end(Some(&whole), &mut lines);
            self.keep([(place, json)]);
        }
    }

    fn know(&mut self, text: &Text, out: &mut Vec<u8>) {
        self.has_refused |= is_refusal(text);
        let said = std::mem::take(&mut self.said);
        match text.text.strip_prefix(&*said).filter(|_| !said.is_empty()) {
            Some("") => {}
            Some(rest) => {
                let mut text = text.clone();
                text.text = rest.to_owned();
                self.in_message(out, |message, lines| message.know(&text, lines));
            }
            None => self.in_message(out, |message, lines| message.know(text, lines)),
        }
        // The next message of the provider may follow at once.
        if let (Some(Open::Message(message)), Some(id)) = (&self.open, items::message_of(text))
            && self.messages.has_ended(id, message.texts())
        {
            self.close(out);
        }
    }

    fn other(&mut self, value: &Value, out: &mut Vec<u8>) {
        if let Some(partial) = Partial::of(value) {
            let mut lines = Lines { sequence: &mut self.sequence, out };
            let index = self.calls.index_of(partial.id);
            let ended = index.and_then(|index| self.calls.cut(index, &self.names, &mut lines));
            self.keep(ended);
        } else if is_item(value) || self.provided.contains(kind_of(value)) {
            self.close(out);
            let mut lines = Lines { sequence: &mut self.sequence, out };
            let mut begun = value.clone();
            if let Some(status) = begun.get_mut("status").filter(|status| *status == "completed") {
                *status = "in_progress".into();
            }
            for (kind, item) in [("response.output_item.added", &begun), ("response.output_item.done", value)] {
                lines.line(kind).field("output_index", &self.items.len()).field("item", item).end();
            }
            self.items.push(value.to_string().into_bytes());
        }
    }

    /// Ends the item that pieces belong to.
    fn close(&mut self, out: &mut Vec<u8>) {
        self.close_as("completed", Vec::new(), out);
    }

    fn close_as(&mut self, status: &'static str, more: Vec<Value>, out: &mut Vec<u8>) {
        let mut lines = Lines { sequence: &mut self.sequence, out };
        let ended = match self.open.take() {
            None => None,
            Some(Open::Message(message)) => {
                self.said.push_str(message.unknown());
                Some((message.place, message.end(status, more, &mut lines)))
            }
            Some(Open::Reasoning(reasoning)) => {
                self.thought.push_str(reasoning.said());
                Some((reasoning.place, reasoning.end(None, &mut lines)))
            }
        };
        self.keep(ended);
    }

    fn end(&mut self, response: &Response, out: &mut Vec<u8>) {
        // A module can answer without pieces.
        if self.items.is_empty() {
            response.content.iter().for_each(|block| self.whole(block, out));
        }
        if message::refuses(response) && !self.has_refused {
            let said = match &self.open {
                Some(Open::Message(message)) => message.said(),
                _ => String::new(),
            };
            let (refusal, _) = message::refusal(response, said.into());
            self.in_message(out, |message, lines| message.refuse(refusal.into_owned(), lines));
        }
        let state = State::of(response);
        let status = if state.is_incomplete() { "incomplete" } else { "completed" };
        self.close_as(status, annotations::of_answer(&response.extensions), out);
        let mut lines = Lines { sequence: &mut self.sequence, out };
        let cut = self.calls.cut_all(&self.names, &mut lines);
        self.keep(cut);
        self.tell(&format!("response.{status}"), &state, out);
    }

    /// Tells a block of which no piece was told.
    fn whole(&mut self, block: &ContentBlock, out: &mut Vec<u8>) {
        match block {
            ContentBlock::ToolUse(call) => {
                let index = self.items.len();
                self.event(&Event::ToolUseEnd { index, call: call.clone() }, out);
            }
            block => self.block(block, out),
        }
    }
}

#[cfg(test)]
mod tests;
