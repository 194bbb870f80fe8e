use std::{fs, sync::Weak};

use serde_json::json;

use super::*;
use crate::{
    assembly::host::Host,
    config::{config::Config, overrides::Overrides},
    runtime::{guest::component::CompiledComponent, instance::pool::Pool},
};

/// A module whose bytes no other test has.
fn module(mark: u8) -> Vec<u8> {
    // A custom section without meaning: its number, its size, and a name of one letter.
    [arcllm_builtin::find("retry").unwrap().wasm, &[0, 2, 1, mark]].concat()
}

/// What the only model of the host runs on.
fn pool_and_code(host: &Host) -> (Weak<Pool>, Weak<CompiledComponent>) {
    let living = host.inner.reloader.living();
    let Version::Runs { pool, .. } = &*living.get("mine").unwrap().first().unwrap().version() else {
        panic!("the module runs");
    };
    (Arc::downgrade(pool), Arc::downgrade(&host.inner.loader.good_versions.get("mine").unwrap().compiled))
}

/// Waits until the last instance that runs the code has ended.
async fn given_up(code: &Weak<CompiledComponent>) {
    while code.strong_count() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn unused_instances_and_code_are_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    let config = "[host]\norder = [\"mine\"]\nwatch = false\n[modules.mine]\nenabled = true\nsandbox.wasm = \"mine.wasm\"\nsandbox.allow = [\"state\"]\n\
        [providers.a]\nadapter = \"openai\"\nbase_url = \"http://127.0.0.1:9\"\ndefault_model = \"m\"";
    let config = config.replace("[host]", &format!("[host]\nmodules_dir = {:?}", folder.path()));
    let host = Host::builder().config(Config::parse(&config, Some(&file)).unwrap()).build().unwrap();
    fs::write(folder.path().join("mine.wasm"), module(b'a')).unwrap();
    let model = host.load_model("a", Overrides::new()).await.unwrap();
    let same = host.load_model("a", Overrides::new()).await.unwrap();
    let first = pool_and_code(&host);
    assert_eq!(first.0.strong_count(), 3, "two models and the next load share it");

    fs::write(folder.path().join("mine.wasm"), module(b'b')).unwrap();
    assert_eq!(host.reload().await.replaced, ["mine"]);
    assert_eq!(first.0.strong_count(), 0, "it was replaced");
    given_up(&first.1).await;
    let second = pool_and_code(&host);
    let others = host.load_model("a", Overrides::new().module("mine", json!({ "max_retries": 1 }))).await.unwrap();
    drop((model, same));
    assert_eq!(second.0.strong_count(), 0, "no model has it, and the next load would not use it");
    drop(others);
    assert!(host.inner.reloader.living().is_empty());
    drop(host);
    given_up(&second.1).await;
}
