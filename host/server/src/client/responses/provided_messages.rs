//! The messages that the provider has told of, where a module rewrites its answer. Pieces of text do not say whose they are, so this
//! tells where one message ends and the next begins.

use std::collections::HashMap;

use serde_json::Value;

use crate::client::{
    kept::items,
    responses::{kept_item::kind_of, provided_parts::says_something},
};

/// The messages of the provider.
#[derive(Default)]
pub(crate) struct ProvidedMessages {
    /// How many texts those have that have ended, by their ids.
    ended: HashMap<String, usize>,
    /// The id of the last one that has begun or ended.
    newest: Option<String>,
}

impl ProvidedMessages {
    /// Reads an event of the provider.
    pub(crate) fn read(&mut self, event: &Value) {
        let item = event.get("item").filter(|_| event["type"] == "response.output_item.done");
        let response = event.get("response").filter(|_| event["type"] == "response.completed");
        let all = item.into_iter().chain(response.into_iter().flat_map(|response| items(response, "output")));
        self.ended.extend(all.filter_map(ended));
        if let Some(item) = event.get("item").filter(|item| kind_of(item) == "message") {
            self.newest = item.get("id").and_then(Value::as_str).map(str::to_owned);
        }
    }

    /// Whether the message with this id has no more than so many texts.
    pub(crate) fn has_ended(&self, id: &str, texts: usize) -> bool {
        match self.ended.get(id) {
            Some(all) => texts >= *all,
            // Some servers do not say it.
            None => self.newest.as_deref().is_some_and(|newest| newest != id),
        }
    }
}

/// The id of a message that has ended, with how many texts it has. A message that was cut is the last one.
fn ended(item: &Value) -> Option<(String, usize)> {
    let is_whole = kind_of(item) == "message" && item["status"] != "incomplete";
    let texts = items(item, "content").filter(|part| says_something(part)).count();
    Some((item.get("id")?.as_str()?.to_owned(), texts)).filter(|_| is_whole)
}
