//! The format of OpenAI Chat Completions, which many other servers speak too:
//! <https://platform.openai.com/docs/api-reference/chat>.

use reqwest::header::{AUTHORIZATION, HeaderMap};
use serde_json::Value;
use url::Url;

use crate::{
    adapter::format::openai::{decode, encode, stream},
    adapter::{
        format::{
            endpoint,
            format::{Decoded, Format, Listen, Unreadable},
            tree::{Keep, Room},
        },
        key::api_key::ApiKey,
    },
    chat::request::Request,
    config::provider::ProviderConfig,
};

pub(crate) const VENDOR: &str = "openai";

/// OpenAI Chat Completions.
pub(crate) struct OpenAi;

impl Format for OpenAi {
    fn vendor(&self) -> &'static str {
        VENDOR
    }

    fn endpoint(&self, base_url: &Url) -> Url {
        endpoint::join(base_url, |base| match base {
            "" => "/v1/chat/completions".to_owned(),
            path if path.ends_with("/chat/completions") => path.to_owned(),
            path => format!("{path}/chat/completions"),
        })
    }

    fn headers(&self, key: Option<&ApiKey>) -> Result<HeaderMap, String> {
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
    ) -> Result<Vec<u8>, String> {
        encode::body(request, provider, model, stream)?.into_bytes()
    }

    fn keeps(&self) -> &'static Keep {
        &decode::KEEPS
    }

    fn decode(&self, body: &Value, room: &Room) -> Result<Decoded, Unreadable> {
        decode::response(body, room)
    }

    fn listen(&self, room: Room) -> Box<dyn Listen> {
        Box::new(stream::Stream::new(room))
    }
}
