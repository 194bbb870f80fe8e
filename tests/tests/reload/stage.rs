//! What the tests of reloading share: a folder with a module in a file, and calls whose number of attempts tells which module ran.

use crate::{
    scene::soon,
    support::{Folder, Provider},
};
use arcllm::{Config, Error, Host, MemoryStore, Message, Model, Overrides, Reload};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// How many attempts a call comes to with a module that tries again, and with one that asks others of whom there are none.
pub(crate) const RETRIED: usize = 4;

pub(crate) const ONCE: usize = 1;

/// A module that tries again.
pub(crate) const AGAIN: &[u8] = include_bytes!("../../prebuilt/faulty.wasm");

/// A module that asks others. It asks for a grant.
pub(crate) fn others() -> &'static [u8] {
    arcllm_builtin::find("fallback").unwrap().wasm
}

/// A built-in module, in whose place config puts a file.
pub(crate) const IN_ITS_PLACE: &str = "
[host]
watch = false
[modules.fallback]
enabled = true
chain = [\"a\"]
sandbox.allow = [\"models\"]
sandbox.wasm = \"fallback.wasm\"
";

/// A module that is a file and nothing else.
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

/// A folder whose module asks others, from a file in the place of the built-in one.
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

/// What a reload does: the names of what it replaces, of what it removes, and of what fails, with the reasons.
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

/// Why a reload fails of which that is all there is to say.
pub(crate) async fn failure(host: &Host, name: &str) -> String {
    let (replaced, removed, mut failed) = reload(host).await;
    assert!(replaced.is_empty() && removed.is_empty(), "{replaced:?} {removed:?}");
    assert_eq!(failed.len(), 1, "{failed:?}");
    let (failed, reason) = failed.remove(0);
    assert_eq!(failed, name);
    reason
}

/// Waits until a call of this model comes to so many attempts.
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

/// Of real time, which is what files are watched in, and of virtual time, in which the host waits for it to be quiet.
pub(crate) async fn a_moment() {
    tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_millis(20))).await.unwrap();
    tokio::time::sleep(Duration::from_millis(250)).await;
}
