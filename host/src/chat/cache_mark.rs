//! Marks up to where a provider should keep the beginning of a conversation.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::Value;

use crate::chat::{extensions::Extensions, seconds};

/// A mark on a block: the provider should keep the conversation up to here for the next request. Providers that keep
/// conversations by themselves need none and get none.
///
/// In JSON it is `"cache": true`, or an object such as `"cache": {"ttl_seconds": 3600}`.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct CacheMark {
    /// For how long at least. Absent is the provider's own time.
    pub ttl: Option<Duration>,
    /// Further data that came with it.
    pub extensions: Extensions,
}

impl CacheMark {
    /// A mark for the provider's own time.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the provider to keep it for at least this long.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CacheMarkJson {
    #[serde(default, with = "seconds::option", skip_serializing_if = "Option::is_none")]
    ttl_seconds: Option<Duration>,
    #[serde(default, skip_serializing_if = "Extensions::is_empty")]
    extensions: Extensions,
}

impl Serialize for CacheMark {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            CacheMark { ttl: None, extensions } if extensions.is_empty() => serializer.serialize_bool(true),
            CacheMark { ttl, extensions } => {
                CacheMarkJson { ttl_seconds: *ttl, extensions: extensions.clone() }.serialize(serializer)
            }
        }
    }
}

/// Reads the field `cache`. `false` is no mark.
pub(crate) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<CacheMark>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Bool(true) => Ok(Some(CacheMark::new())),
        Value::Bool(false) | Value::Null => Ok(None),
        value @ Value::Object(_) => {
            let CacheMarkJson { ttl_seconds, extensions } =
                serde_json::from_value(value).map_err(|error| D::Error::custom(format!("`cache`: {error}")))?;
            Ok(Some(CacheMark { ttl: ttl_seconds, extensions }))
        }
        _ => Err(D::Error::custom("`cache` is true, or an object such as {\"ttl_seconds\": 3600}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn marked(cache: Value) -> Result<Option<CacheMark>, serde_json::Error> {
        read(cache)
    }

    #[test]
    fn json() {
        for cache in [json!(true), json!({"ttl_seconds": 3600.0})] {
            assert_eq!(serde_json::to_value(marked(cache.clone()).unwrap().unwrap()).unwrap(), cache);
        }
        assert_eq!(marked(json!(false)).unwrap(), None);
        assert_eq!(marked(json!({"ttl_seconds": 60})).unwrap().unwrap().ttl, Some(Duration::from_secs(60)));
        for wrong in [json!("1h"), json!({"ttl": 5}), json!({"ttl_seconds": -1}), json!([1])] {
            assert!(marked(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
