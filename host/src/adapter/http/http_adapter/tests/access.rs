//! The key, headers and query parameters of requests, on the wire and in errors.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::{
    super::*,
    SAYS_HI, fixture, http, says_hi, send,
    server::{Then, serve},
};
use crate::{
    adapter::{
        format::table::format,
        key::{
            api_key::ApiKey,
            provider_key::{ProviderKey, resolver},
        },
    },
    chat::wire_format::WireFormat,
    config::{
        additions::{Addition, is_reserved},
        key::KeySource,
    },
};

/// An adapter for this server with this change and the key `sk-secret`.
fn adapter(format: WireFormat, url: &str, change: impl FnOnce(&mut ProviderConfig)) -> HttpAdapter {
    let mut provider = fixture::provider(format, url);
    change(&mut provider);
    let access = fixture::key_of(&provider);
    HttpAdapter::new(&provider, "m".into(), Some(access)).unwrap()
}

fn with_keys(provider: &ProviderConfig, keys: ProviderKey) -> HttpAdapter {
    let access = Access::new(provider, Arc::new(keys)).unwrap();
    HttpAdapter::new(provider, "m".into(), Some(access)).unwrap()
}

fn additions<const N: usize>(additions: [(&str, &str); N]) -> BTreeMap<String, Addition> {
    additions.map(|(name, text)| (name.to_owned(), Addition::Text(text.to_owned()))).into()
}

#[tokio::test]
async fn additions_are_on_the_wire_and_the_key_in_the_header_that_config_says() {
    for (wire_format, path) in
        [(WireFormat::OpenAi, "/base/chat/completions"), (WireFormat::Anthropic, "/base/v1/messages")]
    {
        let mut server = serve(http("500 Down", ""), Then::Hold).await;
        let adapter = adapter(wire_format, &format!("{}/base?a=1", server.url), |provider| {
            provider.headers = additions([("x-team", "blue & green")]);
            provider.query = additions([("api-version", "2025/01 x"), ("b", "ü&c=d")]);
            provider.key_header = Some("api-key".to_owned());
        });
        let shown = format!("{adapter:?}");
        let error = send(adapter).await.unwrap_err().to_string();
        let request = server.requests.recv().await.unwrap();
        let line = format!("POST {path}?a=1&api-version=2025%2F01+x&b=%C3%BC%26c%3Dd HTTP/1.1\r\n");
        assert!(request.starts_with(&line), "{request}");
        assert!(request.contains("\r\nx-team: blue & green\r\n") && request.contains("\r\napi-key: sk-secret\r\n"));
        assert!(!request.contains("authorization") && !request.contains("x-api-key"), "{request}");
        assert!(!shown.contains("2025") && !shown.contains("sk-secret"), "{shown}");
        assert!(!error.contains("2025"), "{error}");
    }
}

#[test]
fn what_a_format_sets_is_reserved() {
    let key = ApiKey::new("", "sk-secret").unwrap();
    for wire_format in [WireFormat::OpenAi, WireFormat::Anthropic] {
        for name in format(wire_format).headers(Some(&key)).unwrap().keys() {
            assert!(is_reserved(name.as_str(), wire_format), "{name}");
        }
    }
}

#[tokio::test]
async fn a_refused_key_is_replaced_for_the_next_attempt() {
    let mut server = serve(http("401 Unauthorized", ""), Then::Hold).await;
    let number = AtomicUsize::new(0);
    let resolver = resolver(move |_| {
        let number = number.fetch_add(1, Ordering::SeqCst);
        async move { Ok::<_, String>(Some(format!("sk-{number}"))) }
    });
    let provider = fixture::provider(WireFormat::OpenAi, &server.url);
    let adapter = Arc::new(with_keys(&provider, ProviderKey::new(&provider, Some(resolver), ConfigError::new(""))));
    for number in 0..3 {
        let sent = adapter.clone().send(Arc::new(says_hi())).await;
        assert!(matches!(sent, Err(ErrorKind::Api(error)) if error.status == 401));
        let request = server.requests.recv().await.unwrap();
        assert!(request.contains(&format!("\r\nauthorization: Bearer sk-{number}\r\n")), "{request}");
    }
    assert!(server.requests.try_recv().is_err(), "an attempt is one request");
}

#[tokio::test]
async fn an_answer_that_repeats_secrets() {
    let echo = "no: sk-secret, a/b c, a\\/b c, a%2Fb+c, a%2Fb%20c";
    let body = serde_json::json!({"error": {"message": echo, "code": "a/b c"}}).to_string();
    let server = serve(http("400 Bad\r\nx-request-id: a/b c", body), Then::Hold).await;
    let adapter = adapter(WireFormat::OpenAi, &server.url, |_| ());
    adapter.asked.secrets.as_ref().unwrap().hide("a/b c");
    let ErrorKind::Api(error) = send(adapter).await.unwrap_err() else { panic!("an error of the provider") };
    assert_eq!(error.message, "no: [redacted], [redacted], [redacted], [redacted], [redacted]");
    assert_eq!(error.request_id.as_deref(), Some("[redacted]"));
    assert!(!format!("{error:?}").contains("a/b c"), "{error:?}");
}

/// Modules see this error.
#[tokio::test]
async fn without_a_key_nothing_is_sent_and_the_error_hides_its_place() {
    let server = serve(http("200 OK", SAYS_HI), Then::Hold).await;
    let mut provider = fixture::provider(WireFormat::OpenAi, &server.url);
    provider.key = Some(KeySource::File("/nowhere/my-secret-place".into()));
    let place = ConfigError::new("").key("providers.here.api_key_file");
    let error = send(with_keys(&provider, ProviderKey::new(&provider, None, place))).await.unwrap_err();
    assert!(matches!(&error, ErrorKind::Config(_)), "{error:?}");
    let said = "here: there is no key for this request (providers.here.api_key_file); the log says why";
    assert_eq!(error.to_string(), said);
    assert_eq!(server.connections.load(Ordering::SeqCst), 0);
}
