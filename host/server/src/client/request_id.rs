//! The name of a request, which its client can tell the operator.

use http::{HeaderMap, HeaderName, HeaderValue};

/// The header with the name.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The headers with the name. Anthropic's SDKs read the second one.
const HEADERS: [HeaderName; 2] = [HEADER, HeaderName::from_static("request-id")];

/// A new name.
pub(crate) fn new() -> String {
    format!("{:024x}", rand::random::<u128>() >> 32)
}

/// Writes the name into the head of an answer.
pub(crate) fn write(id: &str, headers: &mut HeaderMap) {
    if let Ok(value) = HeaderValue::from_str(id) {
        HEADERS.into_iter().for_each(|name| drop(headers.insert(name, value.clone())));
    }
}
