//! A file replaces a built-in module if config names it, and only then.

use crate::support::{Chain, Folder, Output};
use arcllm_simulator::{Format, Reply, Simulator};
use sha2::{Digest as _, Sha256};

use crate::scene::{count, dead, replies, soon};

/// `fallback`, as the component of a stranger.
fn stranger() -> &'static [u8] {
    arcllm_builtin::find("fallback").unwrap().wasm
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A folder in which `retry` is on, with these settings.
fn folder(a: &Simulator, b: &Simulator, settings: &str) -> Folder {
    let chain = Chain::new().provider("a", Format::Anthropic, &a.url()).provider("b", Format::OpenAi, &b.url());
    let chain = chain.host("modules_dir = \"mine\"\norder = [\"retry\"]").module("retry", settings);
    Folder::new(&chain.to_string()).unwrap()
}

async fn invoke(folder: &Folder) -> Output {
    soon(folder.arcllm(["invoke", "--json", "Hi"]).unwrap().trusted().run()).await.unwrap()
}

#[tokio::test]
async fn a_file_that_config_names_replaces_the_built_in_module() {
    let (a, b) = (replies([Reply::status(500).times(9)]).await, replies([Reply::text("Hello from b")]).await);
    let before = folder(&a, &b, "max_retries = 1\nbackoff_base_seconds = 0.001");
    let output = invoke(&before).await;
    assert_eq!((output.code, count(&a), count(&b)), (1, 2, 0), "{output:?}");

    let settings = "chain = [\"b\"]\nsandbox.allow = [\"models\"]\nsandbox.wasm = \"retry.wasm\"";
    let after = folder(&a, &b, settings);
    after.write("mine/retry.wasm", stranger()).unwrap();
    let output = invoke(&after).await;
    let answer = output.json().unwrap();
    assert_eq!((output.code, count(&a), count(&b)), (0, 3, 1), "{output:?}");
    assert_eq!((&answer["content"], &answer["trail"][1]["asked_by"]), (&"Hello from b".into(), &"retry".into()));
}

/// The operator did not choose a file that only lies there.
#[tokio::test]
async fn a_file_that_config_does_not_name_replaces_nothing() {
    let (a, b) = (replies([Reply::status(500).times(9)]).await, dead().await);
    for content in [stranger(), b"no component"] {
        let folder = folder(&a, &b, "max_retries = 1\nbackoff_base_seconds = 0.001");
        folder.write("mine/retry.wasm", content).unwrap();
        a.forget_requests();
        let output = invoke(&folder).await;
        assert_eq!((output.code, count(&a)), (1, 2), "{output:?}");
        for command in ["check", "modules"] {
            let output = soon(folder.arcllm([command]).unwrap().trusted().run()).await.unwrap();
            assert_eq!(output.code, 0, "{output:?}");
            assert!(output.stdout.contains("mine/retry.wasm: is ignored: `retry` is built in"), "{output:?}");
            assert!(output.stdout.contains("wasm = \"retry.wasm\" under [modules.retry.sandbox]"), "{output:?}");
        }
        let model = soon(folder.host().unwrap().load_model("a", arcllm::Overrides::new())).await.unwrap();
        let error = soon(model.invoke(&[arcllm::Message::user("Hi")], &[])).await.unwrap_err();
        assert_eq!(error.trail.len(), 2);
    }
}

#[tokio::test]
async fn the_file_can_have_any_name_and_be_pinned() {
    let (a, b) = (dead().await, replies([]).await);
    let digest = sha256(stranger());
    for digest in [digest.clone(), digest.to_uppercase()] {
        let sandbox = format!("wasm = \"others/theirs.wasm\"\nallow = [\"models\"]\nsha256 = \"{digest}\"");
        let settings = format!("chain = [\"b\"]\n[modules.retry.sandbox]\n{sandbox}");
        let folder = folder(&a, &b, &settings);
        folder.write("mine/others/theirs.wasm", stranger()).unwrap();
        let output = invoke(&folder).await;
        assert_eq!(output.code, 0, "{output:?}");
        assert_eq!(output.json().unwrap()["provider"], "b");
    }
}

/// An operator must see what a file asks for before granting it.
#[tokio::test]
async fn a_refused_file_is_named_in_full() {
    let (a, b) = (dead().await, dead().await);
    let folder = folder(&a, &b, "chain = [\"b\"]\nsandbox.wasm = \"retry.wasm\"");
    folder.write("mine/retry.wasm", stranger()).unwrap();
    let output = soon(folder.arcllm(["modules", "--json"]).unwrap().trusted().run()).await.unwrap();
    let modules = output.json().unwrap();
    let module = &modules["modules"][0];
    assert_eq!(module["sha256"], sha256(stranger()));
    assert_eq!((&module["asks_for"], &module["granted"]), (&serde_json::json!(["models"]), &serde_json::json!([])));
    assert!(module["problem"].as_str().unwrap().contains("sandbox.allow"), "{module}");
    assert_eq!(output.code, 2);
}

#[tokio::test]
async fn the_command_shows_where_a_module_comes_from() {
    let (a, b) = (dead().await, dead().await);
    let folder = folder(&a, &b, "chain = [\"b\"]\nsandbox.allow = [\"models\"]\nsandbox.wasm = \"retry.wasm\"");
    folder.write("mine/retry.wasm", stranger()).unwrap();
    let output = soon(folder.arcllm(["modules", "--json"]).unwrap().trusted().run()).await.unwrap();
    let modules = output.json().unwrap();
    let module = &modules["modules"][0];
    assert_eq!((&module["name"], &module["kind"]), (&"retry".into(), &"fallback".into()));
    assert!(module["origin"].as_str().unwrap().ends_with("mine/retry.wasm"), "{module}");
    assert_eq!(module["sha256"], sha256(stranger()));
    assert_eq!(module["granted"], serde_json::json!(["models"]));
    assert_eq!(module["position"], 1);
}
