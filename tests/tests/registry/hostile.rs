//! Registries that are broken, or mean harm.

use std::time::Duration;

use arcllm_registry::{Digest, Limits, Reference, Registry, RegistryError, Signature, SigningKey};
use axum::{body::Body, response::Response};
use futures::StreamExt as _;
use serde_json::json;
use tempfile::TempDir;

use super::stranger::{Asked, Stranger, answer, layer, manifest, module, with};
use crate::scene::soon;

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_module_bytes = 1 << 20;
    limits
}

/// Looks at the module of a registry that gives this answer to everything.
async fn look(answer: impl Fn(&Asked) -> Response + Send + Sync + 'static) -> RegistryError {
    let stranger = Stranger::start(answer).await;
    soon(Registry::new(limits()).unwrap().look(&stranger.reference())).await.unwrap_err()
}

/// Pulls the module of a registry, and checks that nothing is left of a pull that fails.
async fn pull(stranger: &Stranger, limits: Limits) -> Result<Vec<u8>, RegistryError> {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("mine.wasm");
    let registry = Registry::new(limits).unwrap();
    let pulled = async {
        let found = registry.look(&stranger.reference()).await?;
        registry.pull(&found, &file, &mut |_, _| ()).await
    };
    let pulled = soon(pulled).await;
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.iter().any(|name| name == "mine.wasm"), pulled.is_ok(), "{left:?}");
    pulled.map(|()| std::fs::read(&file).unwrap())
}

/// A registry with a module, whose blob is answered like this.
async fn with_blob(bytes: &'static [u8], blob: impl Fn(&Asked) -> Response + Send + Sync + 'static) -> Stranger {
    Stranger::start(move |asked| match asked.path.contains("/manifests/") {
        true => answer(200, module(bytes).to_string()),
        false => blob(asked),
    })
    .await
}

fn endless() -> Body {
    Body::from_stream(futures::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b' '; 64 << 10])))
}

#[tokio::test]
async fn what_has_no_end_is_not_read_to_its_end() {
    let error = look(|_| answer(200, endless())).await;
    assert!(matches!(error, RegistryError::TooLarge { .. }), "{error}");
    // An error without end is one without a text.
    let error = look(|_| answer(500, endless())).await;
    assert!(matches!(error, RegistryError::Connection { .. }), "{error}");
    let challenge = |address: &str| format!("Bearer realm=\"http://{address}/token\"");
    let stranger = Stranger::start_with(|address| {
        let challenge = challenge(address);
        move |asked| match asked.path.as_str() {
            "/token" => answer(200, endless()),
            _ => with(401, &[("www-authenticate", &challenge)], ""),
        }
    });
    let stranger = stranger.await;
    let error = soon(Registry::new(limits()).unwrap().look(&stranger.reference())).await.unwrap_err();
    assert!(matches!(error, RegistryError::Broken { .. }), "{error}");
}

#[tokio::test]
async fn a_module_is_never_larger_than_the_limit_or_than_its_manifest_says() {
    let large = json!({ "mediaType": "application/wasm", "digest": Digest::of(b"").to_string(), "size": u64::MAX });
    let text = manifest(&[large]).to_string();
    let error = look(move |_| answer(200, text.clone())).await;
    assert!(matches!(error, RegistryError::TooLarge { .. }), "{error}");

    let stranger = with_blob(b"module", |_| answer(200, endless())).await;
    let error = pull(&stranger, limits()).await.unwrap_err();
    assert!(error.to_string().contains("more than the 6 bytes"), "{error}");
}

#[tokio::test]
async fn other_content_than_the_digest_names_is_not_kept() {
    let stranger = with_blob(b"module", |_| answer(200, "modulo")).await;
    let error = pull(&stranger, limits()).await.unwrap_err();
    assert!(matches!(error, RegistryError::Changed { .. }), "{error}");

    // Nor is another manifest.
    let stranger = Stranger::start(|_| answer(200, module(b"module").to_string())).await;
    let reference = stranger.reference().with_digest(Digest::of(b"another"));
    let error = soon(Registry::new(limits()).unwrap().look(&reference)).await.unwrap_err();
    assert!(matches!(error, RegistryError::Changed { .. }), "{error}");
}

#[tokio::test]
async fn what_is_no_module_is_named() {
    let index = json!({ "schemaVersion": 2, "manifests": [] });
    let docker = json!({ "schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": {}, "layers": [] });
    let deep = format!("{{\"layers\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let twice = module(b"x").to_string().replacen('{', "{\"layers\":[],", 1);
    let mut odd = module(b"x");
    odd["layers"][0]["digest"] = json!("sha512:00");
    let cases = [
        (index.to_string(), "index"),
        (docker.to_string(), "container image"),
        (manifest(&[]).to_string(), "0 layers"),
        (manifest(&[layer("application/wasm", b"a"), layer("application/wasm", b"b")]).to_string(), "2 layers"),
        (manifest(&[layer("text/html\u{1b}[2J", b"a")]).to_string(), "`text/html"),
        (odd.to_string(), "no SHA-256"),
        (json!({ "mediaType": "application/x" }).to_string(), "`application/x`"),
        ("<html>".to_owned(), "malformed"),
        (String::new(), "malformed"),
        ("[]".to_owned(), "malformed"),
        (deep, "malformed"),
        (twice, "malformed"),
    ];
    for (text, expected) in cases {
        let shown: String = text.chars().take(80).collect();
        let error = look(move |_| answer(200, text.clone())).await;
        assert!(matches!(error, RegistryError::NotAModule { .. }), "{shown}: {error}");
        assert!(error.to_string().contains(expected), "{shown}: {error}");
        assert!(!error.to_string().contains('\u{1b}'), "{error:?}");
    }
}

#[tokio::test]
async fn a_registry_that_takes_for_ever_is_left() {
    let mut limits = limits();
    (limits.answer, limits.silence) = (Duration::from_millis(200), Duration::from_millis(200));
    let drip = || {
        let each = futures::stream::repeat(()).then(|()| async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok::<_, std::io::Error>(" ")
        });
        Body::from_stream(each)
    };
    let stranger = Stranger::start(move |_| answer(200, drip())).await;
    let error = soon(Registry::new(limits).unwrap().look(&stranger.reference())).await.unwrap_err();
    assert!(matches!(error, RegistryError::TimedOut { .. }), "{error}");

    let silent = || Body::from_stream(futures::stream::pending::<Result<Vec<u8>, std::io::Error>>());
    let stranger = with_blob(b"module", move |_| answer(200, silent())).await;
    let error = pull(&stranger, limits).await.unwrap_err();
    assert!(matches!(error, RegistryError::TimedOut { .. }), "{error}");

    // Bytes that come one by one are no silence. The whole transfer has a limit.
    limits.transfer = Duration::from_millis(300);
    let stranger = with_blob(&[b' '; 1000], move |_| answer(200, drip())).await;
    let error = pull(&stranger, limits).await.unwrap_err();
    assert!(matches!(error, RegistryError::TimedOut { .. }), "{error}");
}

#[tokio::test]
async fn redirects_lead_to_https_or_stay_on_this_machine() {
    let error = look(|asked| with(307, &[("location", &asked.path)], "")).await;
    assert!(error.to_string().contains("more than 5 times"), "{error}");
    for location in ["http://registry.example/", "file:///etc/passwd", "https://user:secret@registry.example/", ""] {
        let error = look(move |_| with(302, &[("location", location)], "")).await;
        assert!(matches!(error, RegistryError::Broken { .. }), "{location}: {error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    let error = look(|_| answer(301, "")).await;
    assert!(error.to_string().contains("does not say where"), "{error}");

    // Where a module may be is for the registry to say.
    let other = Stranger::start(|_| answer(200, "module")).await;
    let location = format!("http://{}/elsewhere", other.address());
    let stranger = with_blob(b"module", move |_| with(307, &[("location", &location)], "")).await;
    assert_eq!(pull(&stranger, limits()).await.unwrap(), b"module");
    assert_eq!(other.asked()[0].path, "/elsewhere");
}

#[tokio::test]
async fn no_token_is_asked_for_in_the_clear_elsewhere() {
    for realm in ["http://auth.example/token", "ftp://auth.example", "nonsense", ""] {
        let challenge = format!("Bearer realm=\"{realm}\",service=\"r\"");
        let error = look(move |_| with(401, &[("www-authenticate", &challenge)], "")).await;
        assert!(matches!(error, RegistryError::Broken { .. }), "{realm}: {error}");
    }
    let error = look(|_| answer(401, "")).await;
    assert!(matches!(error, RegistryError::Refused { .. }), "{error}");
}

#[tokio::test]
async fn thousands_of_signatures_are_not_all_looked_at() {
    let digest = Digest::of(b"the manifest");
    let signature = |index: usize| {
        let mut layer = layer("application/vnd.dev.cosign.simplesigning.v1+json", index.to_string().as_bytes());
        layer["annotations"] = json!({ "dev.cosignproject.cosign/signature": "bm9uc2Vuc2U=" });
        layer
    };
    let signatures = manifest(&(0..10_000).map(signature).collect::<Vec<_>>()).to_string();
    let stranger = Stranger::start(move |asked| match asked.path.contains("/manifests/") {
        true => answer(200, signatures.clone()),
        false => answer(200, endless()),
    })
    .await;
    let (_, key) = SigningKey::generate("key").unwrap();
    let registry = Registry::new(limits()).unwrap();
    let found = soon(registry.signature(&stranger.reference(), &digest, &[key])).await.unwrap();
    assert!(matches!(&found, Signature::DoesNotVerify { why } if why.contains("first 64 of its 10000")), "{found:?}");
    assert!(stranger.asked().len() <= 65, "{}", stranger.asked().len());
}

#[tokio::test]
async fn an_error_is_one_harmless_line_of_the_registry() {
    let body =
        json!({ "errors": [{ "code": "DENIED", "message": format!("\u{1b}[31mno\nno {}", "x".repeat(10_000)) }] });
    let error = look(move |_| answer(400, body.to_string())).await.to_string();
    assert!(error.contains("400 Bad Request: DENIED"), "{error}");
    assert!(error.len() < 500 && !error.contains('\u{1b}') && error.lines().count() == 2, "{error:?}");
}

#[tokio::test]
async fn a_registry_that_is_not_there_says_so() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let reference: Reference = format!("oci://{address}/me/mine").parse().unwrap();
    let error = soon(Registry::new(limits()).unwrap().look(&reference)).await.unwrap_err();
    assert!(error.to_string().starts_with(&format!("{address}: cannot connect: ")), "{error}");
    assert!(error.to_string().contains("help: check that the registry runs"), "{error}");
}
