//! What requests and answers carry besides the fields that are known here.

use std::collections::BTreeMap;

use serde_json::Value;

/// Further JSON, by keys such as `vendor.name`. Keys that are not known here are carried along.
pub type Extensions = BTreeMap<String, Value>;
