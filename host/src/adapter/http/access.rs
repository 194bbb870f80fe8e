//! The key, and the headers and query parameters that the configuration adds to requests.

use std::{fmt, sync::Arc};

use reqwest::header::{HeaderMap, HeaderName};
use url::Url;

use crate::{
    adapter::{
        format::format::Format,
        key::{api_key::ApiKey, provider_key::ProviderKey},
        secrets::Secrets,
    },
    chat::config_error::ConfigError,
    config::{additions::Addition, document::join, provider::ProviderConfig},
};

/// The key, headers and query parameters of requests to one provider. Its `Debug` shows none of them.
pub(crate) struct Access {
    keys: Arc<ProviderKey>,
    /// The header of the key; absent if it is the one of the wire format.
    key_header: Option<HeaderName>,
    headers: HeaderMap,
    query: Vec<(String, String)>,
}

impl Access {
    /// Reads the configuration of this provider, and the environment variables that its headers and query parameters name.
    ///
    /// # Errors
    ///
    /// The setting inside of the provider's table, and what is wrong with it; never a value.
    pub(crate) fn new(provider: &ProviderConfig, keys: Arc<ProviderKey>) -> Result<Self, (String, String)> {
        let mut headers = HeaderMap::new();
        for (name, addition) in &provider.headers {
            let place = |problem| (join("headers", name), problem);
            let value = value(addition, &keys.secrets).map_err(place)?;
            let header = HeaderName::try_from(name).map_err(|error| place(error.to_string()))?;
            headers.insert(header, value.header("").map_err(|error| place(error.to_string()))?);
        }
        let mut query = Vec::new();
        for (name, addition) in &provider.query {
            let value = match addition {
                Addition::Text(text) => text.clone(),
                Addition::Env(_) => {
                    let value = value(addition, &keys.secrets);
                    value.map_err(|problem| (join("query", name), problem))?.expose().to_owned()
                }
            };
            query.push((name.clone(), value));
        }
        let key_header = provider.key_header.as_ref().map(HeaderName::try_from).transpose();
        let key_header = key_header.map_err(|error| ("api_key_header".to_owned(), error.to_string()))?;
        Ok(Self { keys, key_header, headers, query })
    }

    /// Checks that there is a key, as far as that can be told without running anything.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        self.keys.check()
    }

    /// The secrets that errors must not show.
    pub(crate) fn secrets(&self) -> &Secrets {
        &self.keys.secrets
    }

    /// Adds the headers of the configuration.
    pub(crate) fn add_headers(&self, headers: &mut HeaderMap) {
        headers.extend(self.headers.clone());
    }

    /// Adds the query parameters of the configuration.
    pub(crate) fn add_query(&self, endpoint: &mut Url) {
        if !self.query.is_empty() {
            endpoint.query_pairs_mut().extend_pairs(&self.query);
        }
    }

    /// Adds the key to the headers of a request, and returns it.
    ///
    /// # Errors
    ///
    /// Why there is no key.
    pub(crate) async fn add_key(
        &self,
        headers: &mut HeaderMap,
        format: &dyn Format,
    ) -> Result<Arc<Option<ApiKey>>, ConfigError> {
        let key = self.keys.get().await?;
        if let Some(key) = &*key {
            let added = match &self.key_header {
                Some(name) => key.header("").map(|value| drop(headers.insert(name, value))),
                None => format.headers(Some(key)).and_then(|with_key| {
                    // The others stand there already, or the client's in their place.
                    let others = format.headers(None)?;
                    let is_key =
                        |name: &Option<HeaderName>| name.as_ref().is_none_or(|name| !others.contains_key(name));
                    headers.extend(with_key.into_iter().filter(|(name, _)| is_key(name)));
                    Ok(())
                }),
            };
            added.map_err(|error| ConfigError::new(error.to_string()))?;
        }
        Ok(key)
    }

    /// Notes that the provider has refused this key.
    pub(crate) fn refused(&self, key: &Arc<Option<ApiKey>>) {
        self.keys.refused(key);
    }
}

/// The value to send. A value from the environment becomes a secret.
fn value(addition: &Addition, secrets: &Secrets) -> Result<ApiKey, String> {
    match addition {
        Addition::Text(text) => ApiKey::new("holds a text that", text),
        Addition::Env(variable) => {
            let value = ApiKey::from_env(variable)?;
            secrets.hide(value.expose());
            Ok(value)
        }
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[redacted]")
    }
}
