//! The format of Anthropic Messages: <https://docs.claude.com/en/api/messages>.

use reqwest::header::{HeaderMap, HeaderValue, InvalidHeaderValue};
use serde_json::Value;
use url::Url;

use crate::{
    adapter::{
        format::{
            anthropic::{decode, encode, stream},
            endpoint,
            extensions::ANTHROPIC,
            foreign,
            format::{Decoded, EventReader, Format},
            malformed::Unreadable,
            outline::Unwritable,
            tool_names::ToolNames,
            tree::{Keep, MemoryBudget},
        },
        key::api_key::ApiKey,
    },
    chat::request::Request,
    config::provider::ProviderConfig,
};

/// Anthropic Messages.
pub(crate) struct Anthropic;

impl Format for Anthropic {
    fn vendor(&self) -> &'static str {
        ANTHROPIC
    }

    fn endpoint(&self, base_url: &Url) -> Url {
        endpoint::join(base_url, |base| match base {
            path if path.ends_with("/v1/messages") => path.to_owned(),
            path if path.ends_with("/v1") => format!("{path}/messages"),
            path => format!("{path}/v1/messages"),
        })
    }

    fn headers(&self, key: Option<&ApiKey>) -> Result<HeaderMap, InvalidHeaderValue> {
        let mut headers = HeaderMap::new();
        headers.insert("anthropic-version", HeaderValue::from_static("2023-06-01"));
        if let Some(key) = key {
            headers.insert("x-api-key", key.header("")?);
        }
        Ok(headers)
    }

    fn encode(
        &self,
        request: &Request,
        provider: &ProviderConfig,
        model: &str,
        stream: bool,
    ) -> Result<Vec<u8>, Unwritable> {
        let messages = foreign::without_others_fields(&request.messages, &provider.name);
        encode::body(request, &messages, provider, model, stream)?.into_bytes()
    }

    fn closing_event(&self) -> &'static str {
        "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"
    }

    fn keeps(&self) -> &'static Keep {
        &decode::KEEPS
    }

    fn decode(&self, body: &Value, _names: &ToolNames, budget: &MemoryBudget) -> Result<Decoded, Unreadable> {
        decode::response(body, budget)
    }

    fn event_reader(&self, _names: &ToolNames, budget: MemoryBudget) -> Box<dyn EventReader> {
        Box::new(stream::AnthropicStream::new(budget))
    }
}
