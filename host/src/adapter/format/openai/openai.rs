//! The format of OpenAI Chat Completions. Many other servers use it too:
//! <https://platform.openai.com/docs/api-reference/chat>.

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
            openai::{decode, encode, stream},
            outline::Unwritable,
            tool_names::ToolNames,
            tree::{Keep, MemoryBudget},
        },
        key::api_key::ApiKey,
    },
    chat::request::Request,
    config::{provider::ProviderConfig, quirks::Quirks},
};

/// OpenAI Chat Completions.
pub(crate) struct OpenAi;

impl Format for OpenAi {
    fn vendor(&self) -> &'static str {
        OPENAI
    }

    fn endpoint(&self, base_url: &Url) -> Url {
        endpoint::join(base_url, |base| match base {
            "" => "/v1/chat/completions".to_owned(),
            path if path.ends_with("/chat/completions") => path.to_owned(),
            path => format!("{path}/chat/completions"),
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

    fn limit_field(&self, quirks: &Quirks, model: &str) -> &'static str {
        encode::max_tokens_name(quirks, model)
    }

    fn closing_event(&self) -> &'static str {
        "data: [DONE]\n\n"
    }

    fn keeps(&self) -> &'static Keep {
        &decode::KEEPS
    }

    fn decode(&self, body: &Value, _names: &ToolNames, budget: &MemoryBudget) -> Result<Decoded, Unreadable> {
        decode::response(body, budget)
    }

    /// Some providers give several choices although nobody has asked for them by `n`.
    fn has_several_answers(&self, body: &Value) -> bool {
        body.get(decode::ANSWER).and_then(Value::as_array).is_some_and(|choices| choices.len() > 1)
    }

    fn event_reader(&self, _names: &ToolNames, budget: MemoryBudget) -> Box<dyn EventReader> {
        Box::new(stream::OpenAiStream::new(budget))
    }
}
