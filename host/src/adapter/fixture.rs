//! What the tests of this folder share.

use std::{collections::BTreeMap, time::Duration};

use super::ApiKey;
use crate::config::{ProviderConfig, WireFormat};

/// A provider named `here` with no defaults and limits of seconds.
pub(super) fn provider(adapter: WireFormat, base_url: &str) -> ProviderConfig {
    ProviderConfig {
        name: "here".into(),
        adapter,
        base_url: base_url.parse().unwrap(),
        api_key_env: None,
        default_model: None,
        timeout: Duration::from_secs(10),
        connect_timeout: Duration::from_secs(5),
        first_event_timeout: None,
        idle_timeout: Duration::from_secs(10),
        max_event_bytes: 1024 * 1024,
        max_response_bytes: 1024 * 1024,
        max_tokens: None,
        temperature: None,
        models: BTreeMap::new(),
    }
}

pub(super) fn key() -> ApiKey {
    ApiKey::read("KEY", Some("sk-secret".into())).unwrap()
}
