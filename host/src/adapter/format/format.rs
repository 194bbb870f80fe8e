//! What every wire format does: it converts requests, responses and streamed events, without the network.

use std::collections::VecDeque;

use reqwest::header::{HeaderMap, InvalidHeaderValue};
use serde_json::Value;
use url::Url;

use crate::{
    adapter::{
        format::{
            malformed::Unreadable,
            outline::Unwritable,
            tool_names::ToolNames,
            tree::{Keep, MemoryBudget},
        },
        key::api_key::ApiKey,
    },
    chat::{
        content::ContentBlock, event::Event, extensions::Extensions, request::Request, response::StopReason,
        usage::Usage,
    },
    config::{provider::ProviderConfig, quirks::Quirks},
};

/// A wire format.
pub(crate) trait Format: Send + Sync {
    /// The word before the dot in the keys of its extensions.
    fn vendor(&self) -> &'static str;

    /// The address that requests are posted to.
    fn endpoint(&self, base_url: &Url) -> Url;

    /// The headers of this format, with the key if there is one.
    fn headers(&self, key: Option<&ApiKey>) -> Result<HeaderMap, InvalidHeaderValue>;

    /// The body of a request. `stream` asks for an answer in events.
    fn encode(
        &self,
        request: &Request,
        provider: &ProviderConfig,
        model: &str,
        stream: bool,
    ) -> Result<Vec<u8>, Unwritable>;

    /// The field with the limit of an answer's tokens.
    fn limit_field(&self, _quirks: &Quirks, _model: &str) -> &'static str {
        "max_tokens"
    }

    /// Fields that each body has, with their JSON, whatever a client wrote.
    fn fixed_fields(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// What the list `include` of each body names, whatever a client wrote.
    fn included(&self, _provider: &ProviderConfig, _model: &str) -> Option<&'static str> {
        None
    }

    /// The event that ends a streamed answer, as a client of this format expects it. Empty if only the provider can write it.
    fn closing_event(&self) -> &'static str {
        ""
    }

    /// Which part of a body with a 2xx status is read.
    fn keeps(&self) -> &'static Keep;

    /// Reads a body with a 2xx status. Tools in namespaces get these names. JSON inside of texts counts towards the budget.
    fn decode(&self, body: &Value, names: &ToolNames, budget: &MemoryBudget) -> Result<Decoded, Unreadable>;

    /// Whether a body has answers beside the one that is read.
    fn has_several_answers(&self, _body: &Value) -> bool {
        false
    }

    /// A reader of one streamed answer within this budget. Tools in namespaces get these names.
    fn event_reader(&self, names: &ToolNames, budget: MemoryBudget) -> Box<dyn EventReader>;
}

/// Reads one streamed answer.
pub(crate) trait EventReader: Send {
    /// Reads the data of one event and adds what it says to `events`. The name is empty if the event has none.
    fn read(&mut self, name: &str, data: &str, events: &mut VecDeque<Event>) -> Result<Progress, Unreadable>;

    /// Whether any event of the format has come.
    fn has_begun(&self) -> bool;

    /// Reads the end of a body that is complete: some servers send no end marker.
    fn end(&mut self, events: &mut VecDeque<Event>) -> Result<Progress, Unreadable>;

    /// The body that the answer would have had without streaming. Called once, at the end.
    fn body(&mut self) -> Value;
}

/// Whether a streamed answer goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It goes on.
    More,
    /// It is complete.
    End,
    /// It has ended before it was complete.
    CutShort,
}

/// The parts of a response that stand in its body.
#[derive(Debug, PartialEq)]
pub(crate) struct Decoded {
    pub content: Vec<ContentBlock>,
    pub usage: Usage,
    pub stop_reason: StopReason,
    /// The model that answered, if the body names it.
    pub model: Option<String>,
    pub extensions: Extensions,
}

#[cfg(test)]
mod tests;
