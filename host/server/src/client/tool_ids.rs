//! The ids of tool calls in the answer of a provider that speaks another format than the client. A client sends ids back as they
//! are, perhaps to a provider of its own format, which takes only ids that fit.

use std::{borrow::Cow, collections::HashMap};

use arcllm::{AnswerIds, ContentBlock, Event, Response, WireFormat};
use serde_json::Value;

/// The answer with ids that a client of this format can send back.
pub(crate) fn fitted(client: WireFormat, response: &Response) -> Cow<'_, Response> {
    let mut ids = AnswerIds::new(client);
    if response.content.iter().filter_map(id).all(|id| ids.next(id).is_none()) {
        return Cow::Borrowed(response);
    }
    let mut response = response.clone();
    fit(client, &mut response);
    Cow::Owned(response)
}

fn fit(client: WireFormat, response: &mut Response) {
    let mut ids = AnswerIds::new(client);
    for block in &mut response.content {
        if let Some(fitted) = id(block).and_then(|id| ids.next(id)) {
            set(block, fitted);
        }
    }
}

fn id(block: &ContentBlock) -> Option<&str> {
    match block {
        ContentBlock::ToolUse(call) => Some(&call.id),
        // A call that was cut.
        ContentBlock::Other(partial) if partial.get("type")? == "partial_tool_use" => partial.get("id")?.as_str(),
        _ => None,
    }
}

fn set(block: &mut ContentBlock, id: String) {
    match block {
        ContentBlock::ToolUse(call) => call.id = id,
        ContentBlock::Other(Value::Object(partial)) => drop(partial.insert("id".to_owned(), id.into())),
        _ => {}
    }
}

/// The ids in the events of an answer.
#[derive(Debug)]
pub(crate) struct StreamedToolIds {
    client: WireFormat,
    ids: AnswerIds,
    /// The ids of each call that has begun: the provider's, and the client's.
    begun: HashMap<usize, (String, String)>,
}

impl StreamedToolIds {
    pub(crate) fn new(client: WireFormat) -> Self {
        Self { client, ids: AnswerIds::new(client), begun: HashMap::new() }
    }

    /// The event with ids that the client can send back.
    pub(crate) fn event(&mut self, mut event: Event) -> Event {
        match &mut event {
            Event::ToolUseStart { index, id, .. } => *id = self.of_call(*index, id),
            Event::ToolUseEnd { index, call } => call.id = self.of_call(*index, &call.id),
            Event::Block(block @ ContentBlock::Other(_)) => {
                let known = id(block).and_then(|id| self.begun.values().find(|(theirs, _)| theirs == id));
                if let Some(ours) = known.map(|(_, ours)| ours.clone()) {
                    set(block, ours);
                }
            }
            Event::End(response) => fit(self.client, response),
            _ => {}
        }
        event
    }

    fn of_call(&mut self, index: usize, theirs: &str) -> String {
        let Self { ids, begun, .. } = self;
        let ids = || (theirs.to_owned(), ids.next(theirs).unwrap_or_else(|| theirs.to_owned()));
        begun.entry(index).or_insert_with(ids).1.clone()
    }
}
