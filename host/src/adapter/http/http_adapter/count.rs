//! Asks a provider to count the tokens of a request: <https://docs.claude.com/en/api/messages-count-tokens>.

use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};
use tokio::time::timeout;
use url::Url;

use crate::{
    adapter::{
        excerpt::clean,
        format::tool_names::ToolNames,
        http::{
            failure,
            http_adapter::{Arriving, HttpAdapter},
            reader::Reader,
        },
    },
    chat::{config_error::ConfigError, error::ErrorKind, failure::Failure, wire_format::WireFormat},
};

impl HttpAdapter {
    /// Counts the tokens of this request. `None` if the format of the provider has no way to do it.
    pub(crate) async fn count(&self, body: &Bytes, headers: Vec<(String, String)>) -> Result<Option<Bytes>, ErrorKind> {
        if self.provider().adapter != WireFormat::Anthropic {
            return Ok(None);
        }
        let body = self.with_model(body)?;
        let headers = self.headers_with(headers).await?;
        let counting = async {
            let sent = self.client.post(counter(&self.endpoint)).headers(headers).body(body).send().await;
            let head = sent.map_err(|error| failure::sending(self.provider(), error))?;
            match self.arriving(head, &ToolNames::default()).await? {
                Arriving::Whole(answer) if answer.status.is_success() => Ok(Some(Bytes::from(answer.body))),
                Arriving::Whole(answer) => match Reader::new(&self.asked).read(&answer, false) {
                    Err(error) => Err(error),
                    Ok(_) => Ok(None),
                },
                Arriving::Events(_) => {
                    Err(ErrorKind::Parse(Failure::new(&self.provider().name, "the count of tokens is a stream")))
                }
            }
        };
        timeout(self.provider().timeout, counting).await.map_err(|_| failure::no_answer(self.provider()))?
    }

    /// The body with the model that the provider is asked for.
    fn with_model(&self, body: &Bytes) -> Result<Vec<u8>, ErrorKind> {
        let usage = |problem: String| ErrorKind::Usage(Failure::new(&self.provider().name, problem));
        let fields = serde_json::from_slice::<Map<String, Value>>(body);
        let mut fields = fields.map_err(|error| usage(format!("the body is not a JSON object: {error}")))?;
        fields.insert("model".to_owned(), self.asked.model.as_str().into());
        serde_json::to_vec(&fields).map_err(|error| usage(error.to_string()))
    }

    /// The headers of a request, with those of the caller and the key.
    async fn headers_with(&self, added: Vec<(String, String)>) -> Result<HeaderMap, ErrorKind> {
        let mut headers = self.headers.clone();
        for (name, value) in added {
            let secrets = self.asked.secrets.as_ref();
            let wrong = || {
                let problem = format!("the header {:?} is not valid", clean(&name, secrets));
                ErrorKind::Usage(Failure::new(&self.provider().name, problem))
            };
            let header = HeaderName::try_from(&name).map_err(|_| wrong())?;
            if !self.provider().headers.contains_key(header.as_str()) {
                headers.insert(header, HeaderValue::try_from(&value).map_err(|_| wrong())?);
            }
        }
        if let Some(access) = &self.access {
            access
                .add_key(&mut headers, self.asked.format())
                .await
                .map_err(|error: ConfigError| self.no_key(&error))?;
        }
        Ok(headers)
    }
}

/// The address beside that of the messages.
fn counter(endpoint: &Url) -> Url {
    let mut address = endpoint.clone();
    address.set_path(&format!("{}/count_tokens", endpoint.path()));
    address
}
