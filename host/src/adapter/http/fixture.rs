//! What the tests of this room share.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::{
    adapter::{
        http::{access::Access, asked::Asked},
        key::provider_key::{ProviderKey, resolver},
        secrets::Secrets,
    },
    chat::{config_error::ConfigError, wire_format::WireFormat},
    config::{provider::ProviderConfig, quirks::Quirks},
};

/// A provider named `here` with no defaults and limits of seconds.
pub(crate) fn provider(adapter: WireFormat, base_url: &str) -> ProviderConfig {
    ProviderConfig {
        name: "here".into(),
        adapter,
        base_url: base_url.parse().unwrap(),
        allow_insecure_http: false,
        key: None,
        key_header: None,
        key_timeout: Duration::from_secs(10),
        headers: BTreeMap::new(),
        query: BTreeMap::new(),
        default_model: None,
        timeout: Duration::from_secs(10),
        connect_timeout: Duration::from_secs(5),
        first_event_timeout: None,
        idle_timeout: Duration::from_secs(10),
        max_event_bytes: 1024 * 1024,
        max_response_bytes: 1024 * 1024,
        max_tokens: None,
        temperature: None,
        serves: None,
        models: BTreeMap::new(),
        quirks: Quirks::default(),
        new_quirks: serde_json::Map::new(),
        repair_history: false,
        is_programs: false,
    }
}

/// The key `sk-secret`.
pub(crate) fn key() -> Access {
    key_of(&provider(WireFormat::OpenAi, "http://localhost"))
}

/// The key `sk-secret` with the headers and query parameters of this provider.
pub(crate) fn key_of(provider: &ProviderConfig) -> Access {
    let resolver = resolver(async |_| Ok::<_, String>(Some("sk-secret".to_owned())));
    Access::new(provider, Arc::new(ProviderKey::new(provider, Some(resolver), ConfigError::new("")))).unwrap()
}

/// The model `asked` of this provider with this change. Its errors hide `sk-secret`.
pub(crate) fn asked(adapter: WireFormat, change: impl FnOnce(&mut ProviderConfig)) -> Arc<Asked> {
    let mut provider = provider(adapter, "http://localhost:1");
    change(&mut provider);
    let secrets = Secrets::default();
    secrets.hide("sk-secret");
    Arc::new(Asked { provider, model: "asked".to_owned(), secrets: Some(secrets) })
}
