//! A configuration that changes while the server runs.

use std::time::Duration;

use arcllm_simulator::{Format, Reply, Simulator};
use serde_json::{Value, json};

use crate::{
    scene::{replies, soon},
    serve::gateway::Gateway,
    support::Chain,
};

const CHAT: &str = "/v1/chat/completions";

fn question(streamed: bool) -> Value {
    json!({ "model": "m", "stream": streamed, "messages": [{ "role": "user", "content": "Hi" }] })
}

/// A configuration in which this provider answers for `m`.
fn config(provider: &Simulator) -> String {
    let settings = "adapter = \"openai\"\ndefault_model = \"x\"";
    format!("[providers.p]\nbase_url = {:?}\n{settings}\n[models.m]\nprovider = \"p\"\n", provider.url())
}

async fn ready(gateway: &Gateway) -> Value {
    gateway.get("/health/ready").await.json()
}

/// Waits until `/health/ready` tells this.
async fn until(gateway: &Gateway, is_so: impl Fn(&Value) -> bool) {
    soon(async {
        while !is_so(&ready(gateway).await) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

/// Asks for a reload, which must fail with these words, and leave the configuration in use.
#[cfg(unix)]
async fn stays(gateway: &Gateway, words: &str) {
    gateway.signal("HUP");
    until(gateway, |told| told["failed_reload"]["error"].as_str().is_some_and(|error| error.contains(words))).await;
    assert_eq!(gateway.post(CHAT, &question(false)).await.status, 200);
}

/// Waits until a reload has mended the last one.
#[cfg(unix)]
async fn loads(gateway: &Gateway) {
    until(gateway, |told| told["failed_reload"].is_null()).await;
}

#[tokio::test]
async fn counts_for_new_calls_and_leaves_running_streams_alone() {
    let old = replies([Reply::text("one"), Reply::text("a b c d e f").pace(Duration::from_millis(150))]).await;
    let new = replies([]).await;
    let chain = Chain::new().provider("p", Format::OpenAi, &old.url()).table("models.m", "provider = \"p\"");
    let gateway = Gateway::start(&chain).await;
    assert_eq!(gateway.post(CHAT, &question(false)).await.status, 200);
    let question = question(true);
    let streaming = gateway.post(CHAT, &question);
    let changing = async {
        old.wait_for_requests(2).await;
        gateway.folder.write("config.toml", config(&new)).unwrap();
        soon(async {
            while new.requests().is_empty() {
                gateway.post(CHAT, &json!({ "model": "m", "messages": [{ "role": "user", "content": "Hi" }] })).await;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    };
    let (answer, ()) = tokio::join!(streaming, changing);
    assert!(answer.body.ends_with("data: [DONE]\n\n"), "{answer:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn changes_nothing_if_it_does_not_load() {
    let provider = replies([]).await;
    let chain = Chain::new().provider("p", Format::OpenAi, &provider.url()).table("models.m", "provider = \"p\"");
    let gateway = Gateway::start(&chain).await;
    soon(async { while ready(&gateway).await["status"] != "ready" {} }).await;
    for (wrong, words) in [
        ("[models.m]\nprovider = 1", "line 2: `models.m.provider`"),
        ("[modules.none]\nenabled = true\nsource = \"none.wasm\"", "none"),
    ] {
        let text = format!("{}{wrong}", if wrong.contains("modules") { config(&provider) } else { String::new() });
        gateway.folder.write("config.toml", text).unwrap();
        stays(&gateway, words).await;
        assert!(gateway.get("/metrics").await.body.contains("arcllm_serve_reload_failed 1"));
    }
    gateway.folder.write("config.toml", config(&provider)).unwrap();
    loads(&gateway).await;
    let log = gateway.stop().await;
    assert!(log.stderr.contains("the one before stays in use") && log.stderr.contains("config.toml:2"), "{log:?}");
}

/// A file that is being written is empty for a moment. A pipe would hold up the reader for good.
#[cfg(unix)]
#[tokio::test]
async fn takes_nothing_from_an_empty_file_or_a_pipe() {
    let provider = replies([]).await;
    let chain = Chain::new().provider("p", Format::OpenAi, &provider.url()).table("models.m", "provider = \"p\"");
    let gateway = Gateway::start(&chain).await;
    let file = gateway.folder.path().join("config.toml");
    for blank in ["", "\n", "\u{feff} \r\n"] {
        gateway.folder.write("config.toml", blank).unwrap();
        stays(&gateway, "is empty").await;
    }
    std::fs::remove_file(&file).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&file).status().unwrap().success());
    stays(&gateway, "no regular file").await;
    std::fs::remove_file(&file).unwrap();
    gateway.folder.write("config.toml", config(&provider)).unwrap();
    loads(&gateway).await;
}

/// Files are copied in any order.
#[cfg(unix)]
#[tokio::test]
async fn is_tried_again_when_the_file_of_a_module_comes_later() {
    let provider = replies([]).await;
    let chain = Chain::new().provider("p", Format::OpenAi, &provider.url()).table("models.m", "provider = \"p\"");
    let gateway = Gateway::start(&chain).await;
    let module = "[host]\norder = [\"upper\"]\n[modules.upper]\nenabled = true\n";
    let with_module = config(&provider) + module;
    gateway.folder.write("config.toml", with_module).unwrap();
    stays(&gateway, "`upper`").await;
    gateway.folder.write("modules/upper.wasm", include_bytes!("../../prebuilt/upper-streamed.wasm")).unwrap();
    loads(&gateway).await;
    let told = gateway.running.stderr().unwrap();
    assert_eq!(told.matches("the configuration is not loaded").count(), 1, "once, however often it is tried: {told}");
    // A file that is gone later fails calls, and is told, though no call has needed it yet.
    assert_eq!(ready(&gateway).await["removed_modules"], json!([]));
    std::fs::remove_file(gateway.folder.path().join("modules/upper.wasm")).unwrap();
    until(&gateway, |told| told["removed_modules"] == json!(["upper"])).await;
    assert_eq!(gateway.post(CHAT, &question(false)).await.status, 500);
}

/// What the next start would refuse is refused now.
#[cfg(unix)]
#[tokio::test]
async fn takes_no_address_for_everybody_without_keys() {
    let provider = replies([]).await;
    let chain = Chain::new().provider("p", Format::OpenAi, &provider.url()).table("models.m", "provider = \"p\"");
    let gateway = Gateway::start(&chain).await;
    let open = format!("[serve]\nlisten = \"0.0.0.0:4000\"\n{}", config(&provider));
    gateway.folder.write("config.toml", open).unwrap();
    stays(&gateway, "no key is set").await;
}

/// A provider whose variable is not set is told: every call of it would fail.
#[tokio::test]
async fn tells_of_providers_without_a_key() {
    let provider = replies([]).await;
    let chain = Chain::new().provider("p", Format::OpenAi, &provider.url()).table("models.m", "provider = \"p\"");
    let gateway = Gateway::start(&chain).await;
    soon(async { while ready(&gateway).await["status"] != "ready" {} }).await;
    assert_eq!(ready(&gateway).await["failed_models"], json!({}));
    let keyless = "[providers.q]\nadapter = \"openai\"\nbase_url = \"http://127.0.0.1:9\"\napi_key_env = \"ARCLLM_TEST_NO_SUCH_KEY\"";
    let text = format!("{}[models.n]\nprovider = \"q\"\nmodel = \"x\"\n{keyless}\n", config(&provider));
    gateway.folder.write("config.toml", text).unwrap();
    until(&gateway, |told| told["failed_models"] != json!({})).await;
    let body = ready(&gateway).await;
    let words = "the provider `q` has no key";
    assert_eq!(body["failed_models"], json!({ "n": words, "q": words }), "{body}");
    assert_eq!((&body["status"], &body["failed_reload"]), (&json!("ready"), &Value::Null));
    assert_eq!(gateway.post(CHAT, &question(false)).await.status, 200);
    let log = gateway.stop().await.stderr;
    assert!(log.contains("the provider \"q\" cannot be asked: ") && log.contains("ARCLLM_TEST_NO_SUCH_KEY"), "{log}");
}
