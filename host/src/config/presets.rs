//! The providers that are built in.

use std::{collections::BTreeMap, sync::LazyLock};

use crate::config::{config::Config, provider::ProviderConfig};

/// The built-in providers, as they are without a file.
pub(crate) static PRESETS: LazyLock<BTreeMap<String, ProviderConfig>> =
    LazyLock::new(|| Config::parse("", None).map(|config| config.providers).unwrap_or_default());
