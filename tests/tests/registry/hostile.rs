//! Registries that are broken, or mean harm.

use std::time::Duration;

use arcllm_registry::{
    Description, Digest, Limits, PublicKey, Reference, Registry, RegistryError, Signature, SigningKey,
};
use axum::{body::Body, response::Response};
use base64::{Engine as _, engine::general_purpose::STANDARD};
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

    // Its status is what counts of an error, and the words of it may never come.
    for status in [404, 500, 403, 400] {
        let stranger = with_blob(b"module", move |_| answer(status, silent())).await;
        let error = pull(&stranger, limits).await.unwrap_err();
        assert!(!matches!(error, RegistryError::TimedOut { .. }), "{status}: {error}");
        let stranger = Stranger::start(move |_| answer(status, silent())).await;
        let file = TempDir::new().unwrap();
        let file = file.path().join("mine.wasm");
        std::fs::copy(crate::support::built_in_module("retry"), &file).unwrap();
        let registry = Registry::new(limits).unwrap();
        let reference = stranger.reference();
        soon(registry.push(&reference, &file, &Description::default(), &mut |_, _| ())).await.unwrap_err();
        let key = SigningKey::from_pem("key", &SigningKey::generate("key").unwrap().0).unwrap();
        drop(soon(registry.sign(&reference, &Digest::of(b"any"), &key)).await.unwrap_err());
    }

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

/// The place of the signatures of a manifest with these layers, each with its blob. Everything else is missing.
async fn with_signatures(layers: Vec<(serde_json::Value, Vec<u8>)>) -> Stranger {
    let text = manifest(&layers.iter().map(|(layer, _)| layer.clone()).collect::<Vec<_>>()).to_string();
    Stranger::start(move |asked| {
        if asked.path.contains("/manifests/") {
            return answer(200, text.clone());
        }
        let of_layer = |layer: &serde_json::Value| asked.path.ends_with(layer["digest"].as_str().unwrap_or("none"));
        match layers.iter().find(|(layer, _)| of_layer(layer)) {
            Some((_, blob)) => answer(200, blob.clone()),
            None => answer(404, ""),
        }
    })
    .await
}

/// A key, and what it says of manifests, as a registry keeps that.
struct Signer {
    key: SigningKey,
    public: PublicKey,
}

impl Signer {
    fn new() -> Self {
        let (pem, public) = SigningKey::generate("key").unwrap();
        Self { key: SigningKey::from_pem("key", &pem).unwrap(), public }
    }

    /// The layer of its signature of this manifest. A registry that keeps everything shows what is written into it.
    async fn sign(&self, digest: &Digest) -> (serde_json::Value, Vec<u8>) {
        let stranger = Stranger::start(|asked| match asked.method.as_str() {
            "POST" => with(202, &[("location", "/upload")], ""),
            "PUT" => answer(201, ""),
            _ => answer(404, ""),
        })
        .await;
        let registry = Registry::new(limits()).unwrap();
        let signed = soon(registry.sign(&stranger.reference(), digest, &self.key)).await.unwrap();
        let payload = STANDARD.decode(signed.payload).unwrap();
        let mut layer = layer(PAYLOAD, &payload);
        layer["annotations"] = json!({ "dev.cosignproject.cosign/signature": signed.signature });
        (layer, payload)
    }
}

const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

#[tokio::test]
async fn one_good_signature_counts_whatever_stands_beside_it() {
    let (mine, other) = (Signer::new(), Signer::new());
    let digest = Digest::of(b"the manifest");
    let good = mine.sign(&digest).await;
    let of_other_key = other.sign(&digest).await;
    let of_other_module = mine.sign(&Digest::of(b"another")).await;
    let mut unsigned = good.clone();
    unsigned.0["annotations"] = json!({});
    unsigned.0["digest"] = json!(Digest::of(b"nobody").to_string());
    let mut of_other_kind = of_other_key.clone();
    of_other_kind.0["mediaType"] = json!("text/html");
    let mut giant = (layer(PAYLOAD, &[b' '; 100]), vec![b' '; 1 << 20]);
    giant.0["annotations"] = json!({ "dev.cosignproject.cosign/signature": "AAAA" });
    let mut gone = (layer(PAYLOAD, b"gone"), Vec::new());
    gone.0["annotations"] = json!({ "dev.cosignproject.cosign/signature": "not base64" });
    let odd = [of_other_key, of_other_module, unsigned, of_other_kind, giant, gone];
    // A hundred keys, of which the last one counts.
    let mut keys: Vec<_> = (0..99).map(|_| SigningKey::generate("x").unwrap().1).collect();
    keys.push(mine.public.clone());
    let look = async |layers: Vec<_>, keys: &[PublicKey]| {
        let stranger = with_signatures(layers).await;
        let registry = Registry::new(limits()).unwrap();
        soon(registry.signature(&stranger.reference(), &digest, keys)).await.unwrap()
    };
    for at in 0..=odd.len() {
        let mut layers = odd.to_vec();
        layers.insert(at, good.clone());
        let found = look(layers, &keys).await;
        assert!(matches!(&found, Signature::Verified { key, .. } if *key == mine.public), "{at}: {found:?}");
    }
    // None of the others does, together or alone.
    let found = look(odd.to_vec(), &keys).await;
    assert!(matches!(found, Signature::DoesNotVerify { .. }), "{found:?}");
    let expected = [
        "by none of the trusted keys",
        "has signed another module",
        "is malformed",
        "none of cosign's",
        "was changed or is gone",
        "was changed or is gone",
    ];
    for (layer, expected) in odd.into_iter().zip(expected) {
        let found = look(vec![layer], &keys).await;
        assert!(matches!(&found, Signature::DoesNotVerify { why } if why.contains(expected)), "{expected}: {found:?}");
    }
}

#[tokio::test]
async fn what_is_compressed_or_counted_wrong_is_never_unpacked_or_trusted() {
    // 64 MB in some 64 KB. It is not asked for, and what comes is hashed as it is.
    let bomb = || {
        let mut bomb = std::io::Read::take(std::io::repeat(b' '), 64 << 20);
        let mut child = std::process::Command::new("gzip")
            .arg("-c")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        let writing = std::thread::spawn(move || std::io::copy(&mut bomb, &mut input));
        let output = child.wait_with_output().unwrap().stdout;
        writing.join().unwrap().unwrap();
        output
    };
    let packed = bomb();
    assert!(packed.len() < 1 << 20);
    for encoding in ["gzip", "zstd", "br", "deflate", "gzip, gzip"] {
        let packed = packed.clone();
        let stranger = Stranger::start(move |_| with(200, &[("content-encoding", encoding)], packed.clone())).await;
        let error = soon(Registry::new(limits()).unwrap().look(&stranger.reference())).await.unwrap_err();
        assert!(matches!(error, RegistryError::NotAModule { .. }), "{encoding}: {error}");
        assert!(stranger.asked().iter().all(|asked| asked.header("accept-encoding").is_none()), "{encoding}");
    }
    // A module that is the packed bytes is those bytes.
    let packed: &'static [u8] = Box::leak(packed.into_boxed_slice());
    let stranger = with_blob(packed, move |_| with(200, &[("content-encoding", "gzip")], packed)).await;
    assert_eq!(pull(&stranger, limits()).await.unwrap(), packed);
}

/// A registry that answers each connection with these bytes, and closes it.
async fn raw(answer: &'static [u8]) -> (Reference, tokio::task::JoinHandle<()>) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let reference = format!("oci://{}/me/mine:1.0", listener.local_addr().unwrap()).parse().unwrap();
    let serving = tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let _ = socket.read(&mut [0; 4096]).await;
            let _ = socket.write_all(answer).await;
            let _ = socket.shutdown().await;
        }
    });
    (reference, serving)
}

#[tokio::test]
async fn answers_that_are_no_http_are_errors_in_words() {
    for answer in [
        &b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{}"[..],
        b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999999\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 5\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff\r\n{}",
        b"SSH-2.0-OpenSSH\r\n",
        b"",
    ] {
        let (reference, serving) = raw(answer).await;
        let error = soon(Registry::new(limits()).unwrap().look(&reference)).await.unwrap_err();
        assert!(matches!(error, RegistryError::Connection { .. }), "{}: {error}", String::from_utf8_lossy(answer));
        assert!(error.to_string().contains("the connection broke"), "{error}");
        serving.abort();
    }
    // Shorter than it is: what follows is not part of it.
    let (reference, serving) = raw(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}{\"layers\": []}").await;
    let error = soon(Registry::new(limits()).unwrap().look(&reference)).await.unwrap_err();
    assert!(matches!(error, RegistryError::NotAModule { .. }), "{error}");
    serving.abort();
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
