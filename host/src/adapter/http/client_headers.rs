//! The headers of a client that go on to providers of its format.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use crate::{chat::original::Original, config::provider::ProviderConfig};

/// The headers whose values are lists.
const LISTS: [&str; 2] = ["anthropic-beta", "openai-beta"];

/// Adds the headers of the client. Those that the provider's table sets stay as they are there; lists are joined.
///
/// # Errors
///
/// Which header is not valid.
pub(crate) fn add(original: &Original, provider: &ProviderConfig, headers: &mut HeaderMap) -> Result<(), String> {
    for (name, value) in &original.headers {
        let invalid = || format!("the header {name:?} of the original is not valid");
        let header = HeaderName::try_from(name).map_err(|_| invalid())?;
        let value = HeaderValue::try_from(value).map_err(|_| invalid())?;
        let is_list = LISTS.contains(&header.as_str());
        if !is_list && provider.headers.contains_key(header.as_str()) {
            continue;
        }
        let value = match headers.get(&header).filter(|_| is_list) {
            Some(before) => HeaderValue::from_bytes(&[before.as_bytes(), b",", value.as_bytes()].concat()),
            None => Ok(value),
        };
        headers.insert(header, value.map_err(|_| invalid())?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapter::http::fixture,
        chat::{original::Original, wire_format::WireFormat},
    };

    #[test]
    fn the_table_of_the_provider_has_the_last_word_and_lists_are_joined() {
        let mut provider = fixture::provider(WireFormat::Anthropic, "http://localhost:1");
        let set = [("anthropic-beta", "own"), ("x-set", "own")];
        provider.headers = set.map(|(name, value)| (name.to_owned(), value.into())).into();
        let mut headers = HeaderMap::new();
        for (name, value) in set.into_iter().chain([("anthropic-version", "2023-06-01")]) {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let original =
            Original::new(WireFormat::Anthropic, "{}").header("Anthropic-Beta", "a").header("anthropic-beta", "b,c");
        let original =
            original.header("anthropic-version", "2026-10-21").header("x-set", "client").header("x-new", "client");
        add(&original, &provider, &mut headers).unwrap();
        let value = |name: &str| headers.get(name).unwrap().to_str().unwrap();
        assert_eq!(
            ["anthropic-beta", "anthropic-version", "x-set", "x-new"].map(value),
            ["own,a,b,c", "2026-10-21", "own", "client"]
        );
        let wrong = add(&original.header("x", "a\nb"), &provider, &mut headers).unwrap_err();
        assert_eq!(wrong, "the header \"x\" of the original is not valid");
    }
}
