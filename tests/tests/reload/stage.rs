//! What these tests share: a folder with a module in a file, and calls whose number of attempts shows which module ran.

use crate::{
    scene::soon,
    support::{Folder, Provider},
};
use arcllm::{Config, Error, Host, MemoryStore, Message, Model, Overrides, Reload};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// The attempts of a call with a retry, and with a fallback that has no other provider.
pub(crate) const RETRIED: usize = 4;

pub(crate) const ONCE: usize = 1;

/// A retry.
pub(crate) const AGAIN: &[u8] = include_bytes!("../../prebuilt/faulty.wasm");

/// A fallback. It needs a grant.
pub(crate) fn others() -> &'static [u8] {
    arcllm_builtin::find("fallback").unwrap().wasm
}

/// Config puts a file in the place of a built-in module.
pub(crate) const IN_ITS_PLACE: &str = "
[host]
watch = false
[modules.fallback]
enabled = true
chain = [\"a\"]
sandbox.allow = [\"models\"]
sandbox.wasm = \"fallback.wasm\"
";

/// A module that is not built in.
pub(crate) const MINE: &str = "
[host]
watch = false
order = [\"mine\", \"retry\"]
[modules.mine]
enabled = true
chain = [\"a\"]
sandbox.allow = [\"models\"]
";

pub(crate) fn host_of(folder: &Folder, provider: Arc<Provider>) -> Host {
    let config = Config::load(&folder.path().join("config.toml")).unwrap();
    let host = Host::builder().config(config).state_store(Arc::new(MemoryStore::default()));
    host.adapter("a", "a-model", provider).build().unwrap()
}

/// A folder with a fallback in a file, in the place of the built-in one.
pub(crate) fn in_its_place() -> Folder {
    in_its_place_with(IN_ITS_PLACE)
}

pub(crate) fn in_its_place_with(config: &str) -> Folder {
    let folder = Folder::new(config).unwrap();
    folder.write("modules/fallback.wasm", others()).unwrap();
    folder
}

pub(crate) fn host(folder: &Folder) -> Host {
    host_of(folder, Arc::new(Provider::open().failing(529)))
}

pub(crate) async fn load(host: &Host) -> Model {
    soon(host.load_model("a", Overrides::new())).await.unwrap()
}

pub(crate) async fn error(model: &Model) -> Error {
    soon(model.invoke(&[Message::user("Hi")], &[])).await.unwrap_err()
}

pub(crate) async fn attempts(model: &Model) -> usize {
    error(model).await.trail.len()
}

/// Reloads: the names of the modules replaced, removed, and failed with the reason.
pub(crate) async fn reload(host: &Host) -> (Vec<String>, Vec<String>, Vec<(String, String)>) {
    let Reload { replaced, removed, failed, .. } = soon(host.reload()).await;
    (replaced, removed, failed.into_iter().map(|(name, error)| (name, error.to_string())).collect())
}

pub(crate) fn nothing() -> (Vec<String>, Vec<String>, Vec<(String, String)>) {
    Default::default()
}

pub(crate) fn replaces(name: &str) -> (Vec<String>, Vec<String>, Vec<(String, String)>) {
    (vec![name.to_owned()], vec![], vec![])
}

/// Reloads, checks that nothing but this module failed, and returns the reason.
pub(crate) async fn failure(host: &Host, name: &str) -> String {
    let (replaced, removed, mut failed) = reload(host).await;
    assert!(replaced.is_empty() && removed.is_empty(), "{replaced:?} {removed:?}");
    assert_eq!(failed.len(), 1, "{failed:?}");
    let (failed, reason) = failed.remove(0);
    assert_eq!(failed, name);
    reason
}

/// Waits until a call of this model makes so many attempts.
pub(crate) async fn until(model: &Model, expected: usize) {
    let begun = Instant::now();
    loop {
        let found = attempts(model).await;
        if found == expected {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{found} attempts still, and not {expected}");
        a_moment().await;
    }
}

/// Waits in real time, in which files are watched, and in virtual time, in which the host waits for quiet.
pub(crate) async fn a_moment() {
    tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_millis(20))).await.unwrap();
    tokio::time::sleep(Duration::from_millis(250)).await;
}
