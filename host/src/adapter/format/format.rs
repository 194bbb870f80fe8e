//! What a wire format is to the rest: pure conversion, without the network.

use std::collections::VecDeque;

use reqwest::header::HeaderMap;
use serde_json::Value;
use url::Url;

use crate::{
    adapter::{
        format::{
            malformed::Malformed,
            tree::{Keep, Room},
        },
        key::api_key::ApiKey,
    },
    chat::{
        content::ContentBlock,
        event::Event,
        message::Extensions,
        request::Request,
        response::{StopReason, Usage},
    },
    config::provider::ProviderConfig,
};

/// A wire format.
pub(crate) trait Format: Send + Sync {
    /// What the keys of its extensions begin with.
    fn vendor(&self) -> &'static str;

    /// Where requests go.
    fn endpoint(&self, base_url: &Url) -> Url;

    /// The headers that are its own, that of the key included.
    fn headers(&self, key: Option<&ApiKey>) -> Result<HeaderMap, String>;

    /// The body of a request, for an answer in events if `stream`. Fails where the format has no way to write it.
    fn encode(
        &self,
        request: &Request,
        provider: &ProviderConfig,
        model: &str,
        stream: bool,
    ) -> Result<Vec<u8>, String>;

    /// What is read of a body with a 2xx status.
    fn keeps(&self) -> &'static Keep;

    /// What a body with a 2xx status says. JSON inside of its texts needs room.
    fn decode(&self, body: &Value, room: &Room) -> Result<Decoded, Unreadable>;

    /// Reads an answer that comes in events, in this room.
    fn listen(&self, room: Room) -> Box<dyn Listen>;
}

/// Reads one answer that comes in events.
pub(crate) trait Listen: Send {
    /// Takes in the data of one event, and tells what it says.
    fn hear(&mut self, data: &str, events: &mut VecDeque<Event>) -> Result<Heard, Unreadable>;

    /// What was heard, as the body that the answer would have been without streaming. Called once, at its end.
    fn body(&mut self) -> Value;
}

/// Whether an answer goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// It does.
    More,
    /// That was its end marker.
    End,
    /// That was its end marker, but the answer is not whole.
    Short,
}

/// A response, as far as the body knows it.
#[derive(Debug, PartialEq)]
pub(crate) struct Decoded {
    pub content: Vec<ContentBlock>,
    pub usage: Usage,
    pub stop_reason: StopReason,
    /// The model that answered, if the body says.
    pub model: Option<String>,
    pub extensions: Extensions,
}

/// Why a body with a 2xx status is no response.
#[derive(Debug, PartialEq)]
pub(crate) enum Unreadable {
    /// It is an error in spite of its status.
    Error {
        /// The status that it should have had.
        status: u16,
        /// The body of the error.
        body: Value,
    },
    /// It is not what the format says.
    Malformed(Malformed),
}

impl From<Malformed> for Unreadable {
    fn from(malformed: Malformed) -> Self {
        Unreadable::Malformed(malformed)
    }
}
