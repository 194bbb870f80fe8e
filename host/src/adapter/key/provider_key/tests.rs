use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::{adapter::http::fixture, chat::wire_format::WireFormat};

fn keys(source: Option<KeySource>, resolver: Option<Resolver>) -> ProviderKey {
    let mut provider = fixture::provider(WireFormat::OpenAi, "http://localhost");
    provider.key = source;
    ProviderKey::new(&provider, resolver, ConfigError::new("").key("providers.here.key"))
}

async fn key(keys: &ProviderKey) -> Option<String> {
    keys.get().await.unwrap().as_ref().as_ref().map(|key| key.expose().to_owned())
}

/// A resolver whose keys count how often it was asked.
fn counting() -> Resolver {
    let asked = AtomicUsize::new(0);
    resolver(move |provider| {
        let number = asked.fetch_add(1, Ordering::SeqCst);
        async move {
            tokio::task::yield_now().await;
            Ok::<_, String>(Some(format!("{provider}-{number}")))
        }
    })
}

#[tokio::test]
async fn concurrent_calls_and_refusals_read_the_key_once() {
    let keys = keys(None, Some(counting()));
    let together = async || futures::future::join_all((0..50).map(|_| keys.get())).await;
    let first: Vec<_> = together().await.into_iter().map(Result::unwrap).collect();
    assert_eq!(key(&keys).await.unwrap(), "here-0");
    // The other calls learn later that the first key was refused.
    keys.refused(&first[0]);
    assert_eq!(key(&keys).await.unwrap(), "here-1");
    first.iter().for_each(|old| keys.refused(old));
    assert_eq!(key(&keys).await.unwrap(), "here-1", "that is another key than the refused one");
    assert_eq!(keys.secrets.redact("here-0 here-1 here-2"), "[redacted] [redacted] here-2");
}

#[tokio::test]
async fn the_configuration_is_used_if_the_program_has_no_key() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    std::fs::write(&file, "sk-1\n").unwrap();
    let none = resolver(async |_| Ok::<_, String>(None::<SecretString>));
    let keys = keys(Some(KeySource::File(file.clone())), Some(none));
    assert_eq!(key(&keys).await.unwrap(), "sk-1");
    std::fs::write(&file, "  sk-2\r\n\n").unwrap();
    assert_eq!(key(&keys).await.unwrap(), "sk-1", "it is read once");
    keys.refused(&keys.get().await.unwrap());
    assert_eq!(key(&keys).await.unwrap(), "sk-2");
}

#[tokio::test]
async fn an_error_of_the_program_is_cleaned_and_the_next_call_tries_again() {
    let asked = AtomicUsize::new(0);
    let fails_once = resolver(move |_| {
        let number = asked.fetch_add(1, Ordering::SeqCst);
        async move { if number == 0 { Err("no\x1b[31m vault") } else { Ok(Some("sk-1".to_owned())) } }
    });
    let keys = keys(None, Some(fails_once));
    let error = keys.get().await.unwrap_err();
    assert_eq!(error.key.as_deref(), Some("providers.here.key"));
    assert_eq!(error.problem, "cannot be resolved: no\\u{1b}[31m vault");
    assert_eq!(key(&keys).await.unwrap(), "sk-1");
}

#[tokio::test]
async fn errors_never_show_an_invalid_key() {
    for given in ["", " \n", "two\nlines", "schlüssel"] {
        let keys = keys(None, Some(resolver(async move |_| Ok::<_, String>(Some(given.to_owned())))));
        let error = keys.get().await.unwrap_err().to_string();
        assert!(error.contains("has a key from the program, which"), "{error}");
        assert!(given.trim().is_empty() || !error.contains(given), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_program_that_takes_too_long_is_an_error() {
    let keys = keys(None, Some(resolver(|_| std::future::pending::<Result<Option<String>, String>>())));
    let error = keys.get().await.unwrap_err();
    assert_eq!(error.problem, "gave no key within 10 s (providers.here.api_key_timeout_seconds)");
}

#[tokio::test]
async fn files_without_a_key() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    let error = async || keys(Some(KeySource::File(file.clone())), None).get().await.unwrap_err().problem;
    assert!(error().await.contains("key\", which cannot be read: No such file"), "{}", error().await);
    for (content, says) in [
        (&b" \n"[..], "is empty"),
        (b"a\nb", "characters that no key has"),
        (b"\xff", "cannot be read"),
        (&[b'x'; 70_000], "is longer than 65536"),
    ] {
        std::fs::write(&file, content).unwrap();
        assert!(error().await.contains(says), "{}", error().await);
    }
}

#[tokio::test]
async fn the_environment_is_not_read_again() {
    let keys = keys(None, None);
    assert!(!keys.can_change());
    keys.read_at_once().unwrap();
    let none = keys.get().await.unwrap();
    keys.refused(&none);
    assert!(Arc::ptr_eq(&none, &keys.get().await.unwrap()));
}
