//! The format of OpenAI Responses: <https://platform.openai.com/docs/api-reference/responses>. Nothing is kept at the provider:
//! each request has the whole conversation.

use reqwest::header::{AUTHORIZATION, HeaderMap, InvalidHeaderValue};
use serde_json::Value;
use url::Url;

use crate::{
    adapter::{
        format::{
            endpoint,
            extensions::OPENAI,
            foreign,
            format::{Decoded, EventReader, Format},
            malformed::Unreadable,
            outline::Unwritable,
            responses::{decode, encode, stream},
            tool_names::ToolNames,
            tree::{Keep, MemoryBudget},
        },
        key::api_key::ApiKey,
    },
    chat::request::Request,
    config::{provider::ProviderConfig, quirks::Quirks},
};

/// OpenAI Responses.
pub(crate) struct Responses;

impl Format for Responses {
    fn vendor(&self) -> &'static str {
        OPENAI
    }

    fn endpoint(&self, base_url: &Url) -> Url {
        endpoint::join(base_url, |base| match base {
            "" => "/v1/responses".to_owned(),
            path if path.ends_with("/responses") => path.to_owned(),
            path => format!("{path}/responses"),
        })
    }

    fn headers(&self, key: Option<&ApiKey>) -> Result<HeaderMap, InvalidHeaderValue> {
        let mut headers = HeaderMap::new();
        if let Some(key) = key {
            headers.insert(AUTHORIZATION, key.header("Bearer ")?);
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

    fn limit_field(&self, _quirks: &Quirks, _model: &str) -> &'static str {
        "max_output_tokens"
    }

    fn fixed_fields(&self) -> &'static [(&'static str, &'static str)] {
        &[("store", "false")]
    }

    fn included(&self, provider: &ProviderConfig, model: &str) -> Option<&'static str> {
        encode::included(provider, model)
    }

    fn keeps(&self) -> &'static Keep {
        &decode::KEEPS
    }

    fn decode(&self, body: &Value, names: &ToolNames, budget: &MemoryBudget) -> Result<Decoded, Unreadable> {
        decode::response(body, names, budget)
    }

    fn event_reader(&self, names: &ToolNames, budget: MemoryBudget) -> Box<dyn EventReader> {
        Box::new(stream::ResponsesStream::new(names.clone(), budget))
    }
}
