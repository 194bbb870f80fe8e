//! Headers and query parameters of requests to a provider: `[providers.NAME.headers]` and `[providers.NAME.query]`.

use std::collections::BTreeMap;

use reqwest::header::HeaderName;
use serde_json::Value;
use url::Url;

use crate::{
    chat::{config_error::ConfigError, wire_format::WireFormat},
    config::{
        key::is_variable,
        section::{Section, kind},
    },
};

/// The headers that the adapter or the HTTP client sets in every wire format.
const RESERVED: [&str; 19] = [
    "accept",
    "accept-encoding",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];

const VALUE: &str = "a text, or { env = \"NAME\" } for the value of an environment variable";

/// The value of a header or of a query parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Addition {
    /// This text.
    Text(String),
    /// `{ env = "NAME" }`: the value of this environment variable. It is kept as secret as a key.
    Env(String),
}

impl From<&str> for Addition {
    fn from(text: &str) -> Self {
        Addition::Text(text.to_owned())
    }
}

impl From<String> for Addition {
    fn from(text: String) -> Self {
        Addition::Text(text)
    }
}

impl Addition {
    /// As it would stand in a configuration file.
    pub(crate) fn to_json(&self) -> Value {
        match self {
            Addition::Text(text) => text.as_str().into(),
            Addition::Env(variable) => serde_json::json!({ "env": variable }),
        }
    }
}

/// Reads `headers`. The names become lower case.
pub(crate) fn headers(
    mut section: Section<'_>,
    adapter: WireFormat,
) -> Result<BTreeMap<String, Addition>, ConfigError> {
    let mut headers = BTreeMap::new();
    for (name, value) in section.take() {
        let header = header_name(&section, &name, &name, adapter)?;
        let addition = addition(&section, &name, value)?;
        if let Addition::Text(text) = &addition
            && !text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
        {
            let error = section.error(&name, "holds characters that no header can have");
            return Err(error.help("letters, digits and signs of ASCII"));
        }
        if headers.insert(header, addition).is_some() {
            let error = section.error(&name, "is set twice, in different capitals");
            return Err(error.help("set it once: capitals make no difference in the name of a header"));
        }
    }
    Ok(headers)
}

/// Reads `query`.
pub(crate) fn query(mut section: Section<'_>, base_url: &Url) -> Result<BTreeMap<String, Addition>, ConfigError> {
    let mut query = BTreeMap::new();
    for (name, value) in section.take() {
        if name.is_empty() {
            return Err(section.error(&name, "is not a name").help("write the name of a query parameter"));
        }
        if base_url.query_pairs().any(|(there, _)| there == name) {
            return Err(section.error(&name, "is in base_url too").help("set it in one of the two places"));
        }
        let addition = addition(&section, &name, value)?;
        query.insert(name, addition);
    }
    Ok(query)
}

/// Reads `api_key_header`: the name, in lower case, of the header whose value is the key.
pub(crate) fn key_header(section: &mut Section<'_>, adapter: WireFormat) -> Result<Option<String>, ConfigError> {
    let Some(name) = section.text("api_key_header")? else { return Ok(None) };
    header_name(section, "api_key_header", &name, adapter).map(Some)
}

/// The name of the header in lower case. Refuses headers that the adapter sets.
fn header_name(section: &Section<'_>, key: &str, name: &str, adapter: WireFormat) -> Result<String, ConfigError> {
    let Ok(header) = HeaderName::from_bytes(name.as_bytes()) else {
        return Err(section.error(key, "is not the name of a header").help("such as \"x-organization\""));
    };
    if is_reserved(header.as_str(), adapter) {
        let error = section.error(key, format!("sets the header `{header}`, which the adapter sets itself"));
        return Err(error.help(
            "another header; the key comes from api_key_env, api_key_file or api_key_command, and api_key_header names a \
             header of its own for it",
        ));
    }
    Ok(header.as_str().to_owned())
}

/// Whether the adapter sets the header with this name in lower case.
pub(crate) fn is_reserved(name: &str, adapter: WireFormat) -> bool {
    let own: &[&str] = match adapter {
        WireFormat::Anthropic => &["x-api-key", "anthropic-version"],
        WireFormat::OpenAi | WireFormat::OpenAiResponses => &[],
    };
    RESERVED.contains(&name) || own.contains(&name)
}

/// Reads a value. Errors do not repeat it: it may be a secret in the wrong place.
fn addition(section: &Section<'_>, key: &str, value: Value) -> Result<Addition, ConfigError> {
    let variable = |table: &serde_json::Map<String, Value>| match table.get("env")? {
        Value::String(name) if table.len() == 1 && is_variable(name) => Some(name.clone()),
        _ => None,
    };
    match value {
        Value::String(text) if !text.trim().is_empty() => Ok(Addition::Text(text)),
        Value::Object(table) => variable(&table).map(Addition::Env).ok_or_else(|| {
            let problem = "is a table without the name of an environment variable";
            section.error(key, problem).help("write { env = \"NAME\" }, without other keys")
        }),
        Value::String(_) => Err(section.error(key, "is an empty text").help(VALUE)),
        other => Err(section.error(key, format!("is {}", kind(&other))).help(VALUE)),
    }
}
