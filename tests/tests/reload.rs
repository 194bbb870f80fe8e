//! Modules that are dropped in, replaced and removed while models that have them are in use. Time is virtual, so that trying
//! again takes none.

use std::{
    fs,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use arcllm::{
    Adapter, ApiError, Attempt, Config, Error, ErrorKind, Host, Message, Model, Overrides, Reload, Request, Response,
};
use futures::future::BoxFuture;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;

use crate::{scene::soon, support::Folder};

/// How many attempts a call comes to with a module that tries again, and with one that asks others of whom there are none.
const RETRIED: usize = 4;
const ONCE: usize = 1;

/// A module that tries again.
const AGAIN: &[u8] = include_bytes!("../prebuilt/faulty.wasm");

/// A module that asks others. It asks for a grant.
fn others() -> &'static [u8] {
    arcllm_builtin::find("fallback").unwrap().wasm
}

/// A built-in module, in whose place config puts a file.
const IN_ITS_PLACE: &str = "
[host]
watch = false
[modules.fallback]
enabled = true
chain = [\"a\"]
sandbox.allow = [\"models\"]
sandbox.wasm = \"fallback.wasm\"
";

/// A module that is a file and nothing else.
const MINE: &str = "
[host]
watch = false
order = [\"mine\", \"retry\"]
[modules.mine]
enabled = true
chain = [\"a\"]
sandbox.allow = [\"models\"]
";

/// A provider that is overloaded, and says so when it may.
struct Overloaded {
    may_answer: Semaphore,
    asked: Semaphore,
}

impl Overloaded {
    fn new(answers: usize) -> Arc<Self> {
        Arc::new(Self { may_answer: Semaphore::new(answers), asked: Semaphore::new(0) })
    }

    /// Waits until one more attempt has begun.
    async fn is_asked(&self) {
        soon(self.asked.acquire()).await.unwrap().forget();
    }
}

impl Adapter for Overloaded {
    fn send(self: Arc<Self>, _: Arc<Request>) -> BoxFuture<'static, Result<Response, ErrorKind>> {
        Box::pin(async move {
            self.asked.add_permits(1);
            self.may_answer.acquire().await.unwrap().forget();
            Err(ErrorKind::Api(
                ApiError::new(529, "overloaded")
                    .with_provider("a")
                    .with_model("a-model")
                    .with_retry_after(Duration::from_millis(1)),
            ))
        })
    }
}

fn host_of(folder: &Folder, adapter: Arc<Overloaded>) -> Host {
    let config = Config::load(&folder.path().join("config.toml")).unwrap();
    Host::builder().config(config).adapter("a", "a-model", adapter).build().unwrap()
}

/// A folder whose module asks others, from a file in the place of the built-in one.
fn in_its_place() -> Folder {
    in_its_place_with(IN_ITS_PLACE)
}

fn in_its_place_with(config: &str) -> Folder {
    let folder = Folder::new(config).unwrap();
    folder.write("modules/fallback.wasm", others()).unwrap();
    folder
}

fn host(folder: &Folder) -> Host {
    host_of(folder, Overloaded::new(Semaphore::MAX_PERMITS))
}

async fn load(host: &Host) -> Model {
    soon(host.load_model("a", Overrides::new())).await.unwrap()
}

async fn error(model: &Model) -> Error {
    soon(model.invoke(&[Message::user("Hi")], &[])).await.unwrap_err()
}

async fn attempts(model: &Model) -> usize {
    error(model).await.trail.len()
}

/// What a reload does: the names of what it replaces, of what it removes, and of what fails, with the reasons.
async fn reload(host: &Host) -> (Vec<String>, Vec<String>, Vec<(String, String)>) {
    let Reload { replaced, removed, failed, .. } = soon(host.reload()).await;
    (replaced, removed, failed.into_iter().map(|(name, error)| (name, error.to_string())).collect())
}

fn nothing() -> (Vec<String>, Vec<String>, Vec<(String, String)>) {
    Default::default()
}

fn replaces(name: &str) -> (Vec<String>, Vec<String>, Vec<(String, String)>) {
    (vec![name.to_owned()], vec![], vec![])
}

/// Why a reload fails of which that is all there is to say.
async fn failure(host: &Host, name: &str) -> String {
    let (replaced, removed, mut failed) = reload(host).await;
    assert!(replaced.is_empty() && removed.is_empty(), "{replaced:?} {removed:?}");
    assert_eq!(failed.len(), 1, "{failed:?}");
    let (failed, reason) = failed.remove(0);
    assert_eq!(failed, name);
    reason
}

#[tokio::test(start_paused = true)]
async fn replaced_and_removed() {
    let folder = in_its_place();
    let host = host(&folder);
    let before = load(&host).await;
    assert_eq!((attempts(&before).await, reload(&host).await), (ONCE, nothing()));

    let file = folder.write("modules/fallback.wasm", AGAIN).unwrap();
    assert_eq!(attempts(&before).await, ONCE, "nobody has looked yet");
    assert_eq!(reload(&host).await, replaces("fallback"));
    assert_eq!((attempts(&before).await, attempts(&load(&host).await).await), (RETRIED, RETRIED));
    assert_eq!(reload(&host).await, nothing());

    folder.write("modules/fallback.wasm", others()).unwrap();
    assert_eq!(reload(&host).await, replaces("fallback"));
    assert_eq!((attempts(&before).await, attempts(&load(&host).await).await), (ONCE, ONCE));

    folder.write("modules/fallback.wasm", AGAIN).unwrap();
    assert_eq!(reload(&host).await, replaces("fallback"));
    fs::remove_file(file).unwrap();
    // Config names the file, and nothing else is what it says.
    assert_eq!(reload(&host).await, (vec![], vec!["fallback".to_owned()], vec![]));
    assert_eq!(error(&before).await.kind.as_str(), "module");
    assert!(soon(host.load_model("a", Overrides::new())).await.is_err());
    folder.write("modules/fallback.wasm", AGAIN).unwrap();
    assert_eq!(reload(&host).await, replaces("fallback"));
    assert_eq!(attempts(&before).await, RETRIED);
}

#[tokio::test(start_paused = true)]
async fn a_file_named_like_a_built_in_module_is_no_news() {
    let folder = Folder::new(&IN_ITS_PLACE.replace("sandbox.wasm", "# sandbox.wasm")).unwrap();
    let host = host(&folder);
    let model = load(&host).await;
    for content in [AGAIN, b"no component"] {
        folder.write("modules/fallback.wasm", content).unwrap();
        assert_eq!(reload(&host).await, nothing());
        assert_eq!((attempts(&model).await, attempts(&load(&host).await).await), (ONCE, ONCE));
    }
}

/// A load looks for itself, and changes nothing for models that are loaded.
#[tokio::test(start_paused = true)]
async fn a_new_model_has_what_is_there() {
    let folder = in_its_place();
    let host = host(&folder);
    let before = load(&host).await;
    folder.write("modules/fallback.wasm", AGAIN).unwrap();
    let after = load(&host).await;
    assert_eq!((attempts(&before).await, attempts(&after).await), (ONCE, RETRIED));
    // At once, with as many bytes: no clock of a file system tells these apart.
    let mut broken = AGAIN.to_vec();
    broken[..4].copy_from_slice(b"none");
    folder.write("modules/fallback.wasm", broken).unwrap();
    assert!(failure(&host, "fallback").await.contains("is not WebAssembly"));
    assert_eq!((attempts(&before).await, attempts(&after).await), (ONCE, RETRIED));
}

#[tokio::test(start_paused = true)]
async fn removed_it_is_passed_by_where_that_is_safer() {
    let folder = Folder::new(&format!("{MINE}sandbox.on_trap = \"bypass\"\n")).unwrap();
    let file = folder.write("modules/mine.wasm", AGAIN).unwrap();
    let host = host(&folder);
    let model = load(&host).await;
    assert_eq!(attempts(&model).await, RETRIED);
    fs::remove_file(&file).unwrap();
    reload(&host).await;
    assert_eq!(attempts(&model).await, ONCE);
}

#[tokio::test(start_paused = true)]
async fn removed_without_a_built_in_it_fails_until_it_is_back() {
    let folder = Folder::new(MINE).unwrap();
    let file = folder.write("modules/mine.wasm", AGAIN).unwrap();
    let host = host(&folder);
    let model = load(&host).await;
    let overrides = Overrides::new().module("mine", false).module("retry", true);
    let without = soon(host.load_model("a", overrides)).await.unwrap();
    assert_eq!((attempts(&model).await, attempts(&without).await), (RETRIED, RETRIED));

    fs::remove_file(&file).unwrap();
    assert_eq!(reload(&host).await, (vec![], vec!["mine".to_owned()], vec![]));
    assert_eq!(reload(&host).await, nothing());
    let Error { kind, trail, .. } = error(&model).await;
    assert_eq!((kind.as_str(), trail.len()), ("module", 0));
    let message = kind.to_string();
    assert!(
        message.contains("the module `mine` failed: it was removed: ") && message.contains("modules/mine.wasm"),
        "{message}"
    );
    assert_eq!(attempts(&without).await, RETRIED, "that is nothing to other modules");
    assert!(soon(host.load_model("a", Overrides::new())).await.unwrap_err().to_string().contains("mine.wasm"));

    folder.write("modules/mine.wasm", others()).unwrap();
    assert_eq!(reload(&host).await, replaces("mine"));
    assert_eq!(attempts(&model).await, ONCE);
}

#[tokio::test(start_paused = true)]
async fn half_written_and_then_completed() {
    let folder = in_its_place();
    let host = host(&folder);
    let model = load(&host).await;
    folder.write("modules/fallback.wasm", &AGAIN[..AGAIN.len() / 2]).unwrap();
    for _ in 0..2 {
        let reason = failure(&host, "fallback").await;
        assert!(reason.contains("fallback.wasm") && reason.contains("is no valid component"), "{reason}");
        assert_eq!((attempts(&model).await, attempts(&load(&host).await).await), (ONCE, ONCE));
    }
    folder.write("modules/fallback.wasm", AGAIN).unwrap();
    assert_eq!(reload(&host).await, replaces("fallback"));
    assert_eq!(attempts(&model).await, RETRIED);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_load_displaces_nothing() {
    let folder = in_its_place();
    let host = host(&folder);
    let model = load(&host).await;
    let bad: [(&[u8], &str); 4] = [
        (b"", "is not WebAssembly"),
        (b"\0asm\x01\0\0\0", "is a core WebAssembly module"),
        (b"\0asm\x0d\0\x01\0", "is a component of another world"),
        (arcllm_builtin::find("redact").unwrap().wasm, "`modules.fallback.chain` is not a setting"),
    ];
    for (bytes, reason) in bad {
        folder.write("modules/fallback.wasm", bytes).unwrap();
        let found = failure(&host, "fallback").await;
        assert!(found.contains(reason), "{found}");
        assert_eq!((attempts(&model).await, attempts(&load(&host).await).await), (ONCE, ONCE));
    }
    folder.write("modules/fallback.wasm", AGAIN).unwrap();
    assert_eq!(reload(&host).await, replaces("fallback"));
    assert_eq!(attempts(&model).await, RETRIED);
}

/// Otherwise some models would run on the one, and some on the other.
#[tokio::test(start_paused = true)]
async fn for_all_models_or_for_none() {
    let folder = Folder::new(MINE).unwrap();
    folder.write("modules/mine.wasm", AGAIN).unwrap();
    let host = host(&folder);
    let one = load(&host).await;
    let overrides = Overrides::new().module("mine", json!({ "max_retries": 1 }));
    let other = soon(host.load_model("a", overrides)).await.unwrap();
    folder.write("modules/mine.wasm", others()).unwrap();
    let reason = failure(&host, "mine").await;
    assert!(reason.contains("max_retries") && reason.contains("in the overrides"), "{reason}");
    assert_eq!((attempts(&one).await, attempts(&other).await), (RETRIED, 2));
    drop(other);
    assert_eq!(reload(&host).await, replaces("mine"));
    assert_eq!(attempts(&one).await, ONCE);
}

#[tokio::test(start_paused = true)]
async fn pins_and_grants_hold() {
    let digest: String = Sha256::digest(AGAIN).iter().map(|byte| format!("{byte:02x}")).collect();
    let folder = Folder::new(&format!("{MINE}sandbox.sha256 = \"{digest}\"\n")).unwrap();
    folder.write("modules/mine.wasm", AGAIN).unwrap();
    let pinned = host(&folder);
    let model = load(&pinned).await;
    folder.write("modules/mine.wasm", others()).unwrap();
    let reason = failure(&pinned, "mine").await;
    assert!(reason.contains("`modules.mine.sandbox.sha256` does not match"), "{reason}");
    assert_eq!(attempts(&model).await, RETRIED);

    // Not even the bytes of the built-in module, which has the grant.
    let folder = Folder::new(&IN_ITS_PLACE.replace("sandbox.allow = [\"models\"]", "")).unwrap();
    folder.write("modules/fallback.wasm", AGAIN).unwrap();
    let host = host(&folder);
    let model = load(&host).await;
    folder.write("modules/fallback.wasm", others()).unwrap();
    let reason = failure(&host, "fallback").await;
    assert!(reason.contains("`modules.fallback.sandbox.allow` does not grant `models`"), "{reason}");
    assert_eq!(attempts(&model).await, RETRIED);
}

#[tokio::test(start_paused = true)]
async fn a_call_under_way_keeps_all_of_its_chain() {
    let outer = "[modules.outer]\nenabled = true\nchain = [\"a\"]\nsandbox.allow = [\"models\"]\n";
    let folder = Folder::new(&format!(
        "{}{outer}",
        MINE.replace("retry", "outer").replace("[\"mine\", \"outer\"]", "[\"outer\", \"mine\"]")
    ));
    let folder = folder.unwrap();
    folder.write("modules/outer.wasm", AGAIN).unwrap();
    let mine = folder.write("modules/mine.wasm", others()).unwrap();
    let provider = Overloaded::new(0);
    let host = host_of(&folder, provider.clone());
    let model = load(&host).await;
    let under_way = tokio::spawn({
        let model = model.clone();
        async move { error(&model).await.trail }
    });
    provider.is_asked().await;

    folder.write("modules/outer.wasm", others()).unwrap();
    fs::remove_file(&mine).unwrap();
    assert_eq!(reload(&host).await, (vec!["outer".to_owned()], vec!["mine".to_owned()], vec![]));
    assert_eq!(error(&model).await.kind.as_str(), "module");
    folder.write("modules/mine.wasm", others()).unwrap();
    assert_eq!(reload(&host).await, replaces("mine"));

    provider.may_answer.add_permits(100);
    let trail = soon(under_way).await.unwrap();
    assert_eq!(trail.len(), RETRIED, "it goes on trying as it began");
    assert!(trail.iter().all(|Attempt { asked_by, .. }| asked_by.as_deref() == Some("mine")), "{trail:?}");
    assert_eq!(attempts(&model).await, ONCE);
}

#[tokio::test(start_paused = true)]
async fn loads_calls_and_reloads_at_once() {
    let folder = in_its_place();
    let host = host(&folder);
    let kept = load(&host).await;
    for round in 0..6 {
        let bytes = if round % 2 == 0 { AGAIN } else { others() };
        let file = folder.path().join("modules/fallback.wasm");
        let loads = (0..8).map(|_| async {
            let model = load(&host).await;
            let tried = attempts(&model).await;
            assert!([ONCE, RETRIED].contains(&tried), "{tried}");
            model
        });
        let reloads = async {
            folder.write("modules/new", bytes).unwrap();
            fs::rename(folder.path().join("modules/new"), &file).unwrap();
            let (one, other) = tokio::join!(host.reload(), host.reload());
            assert_eq!((one.failed, other.failed), (vec![], vec![]));
            assert_eq!(other.replaced, Vec::<String>::new(), "the second finds nothing left to do");
        };
        let (models, ()) = tokio::join!(futures::future::join_all(loads), reloads);
        let expected = if round % 2 == 0 { RETRIED } else { ONCE };
        for model in models.iter().chain([&kept]) {
            assert_eq!(attempts(model).await, expected, "whenever it was loaded");
        }
    }
}

/// Whoever gives up a host and its models gives up all that they had.
#[tokio::test(start_paused = true)]
async fn nothing_is_left_of_a_host() {
    let folder = in_its_place_with(&IN_ITS_PLACE.replace("false", "true"));
    let provider = Overloaded::new(Semaphore::MAX_PERMITS);
    let left = Arc::downgrade(&provider);
    let host = host_of(&folder, provider);
    let model = load(&host).await;
    assert_eq!(attempts(&model).await, ONCE);
    folder.write("modules/fallback.wasm", AGAIN).unwrap();
    until(&model, RETRIED).await;
    drop(host);
    assert_eq!(attempts(&model).await, RETRIED, "a model needs no host");
    drop(model);
    let given_up = async {
        while left.upgrade().is_some() {
            a_moment().await;
        }
    };
    soon(given_up).await;
}

/// Waits until a call of this model comes to so many attempts.
async fn until(model: &Model, expected: usize) {
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
async fn a_moment() {
    tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_millis(20))).await.unwrap();
    tokio::time::sleep(Duration::from_millis(250)).await;
}

#[tokio::test(start_paused = true)]
async fn watched_it_happens_by_itself() {
    let folder = in_its_place_with(&IN_ITS_PLACE.replace("watch = false", ""));
    let host = host(&folder);
    let model = load(&host).await;
    assert_eq!(attempts(&model).await, ONCE);
    let file = folder.write("modules/fallback.wasm", AGAIN).unwrap();
    until(&model, RETRIED).await;
    folder.write("modules/fallback.wasm", others()).unwrap();
    until(&model, ONCE).await;
    // Written slowly, in place.
    let (start, end) = AGAIN.split_at(AGAIN.len() / 2);
    folder.write("modules/fallback.wasm", start).unwrap();
    a_moment().await;
    assert_eq!(attempts(&model).await, ONCE);
    fs::OpenOptions::new()
        .append(true)
        .open(&file)
        .map(|mut file| std::io::Write::write_all(&mut file, end))
        .unwrap()
        .unwrap();
    until(&model, RETRIED).await;
    fs::remove_dir_all(folder.path().join("modules")).unwrap();
    until(&model, 0).await;
    folder.write("modules/fallback.wasm", AGAIN).unwrap();
    until(&model, RETRIED).await;
}

/// How releases are switched: the directory is a link, and another takes its place.
#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn a_directory_that_is_exchanged_is_seen() {
    let folder = Folder::new(&MINE.replace("watch = false", "modules_dir = \"current\"")).unwrap();
    folder.write("releases/1/mine.wasm", AGAIN).unwrap();
    folder.write("releases/2/mine.wasm", others()).unwrap();
    let at = |path: &str| -> PathBuf { folder.path().join(path) };
    std::os::unix::fs::symlink("releases/1", at("current")).unwrap();
    let host = host(&folder);
    let model = load(&host).await;
    assert_eq!(attempts(&model).await, RETRIED);
    std::os::unix::fs::symlink("releases/2", at("next")).unwrap();
    fs::rename(at("next"), at("current")).unwrap();
    until(&model, ONCE).await;
    // And still, in the new place.
    folder.write("releases/2/mine.wasm", AGAIN).unwrap();
    until(&model, RETRIED).await;
}

#[tokio::test(start_paused = true)]
async fn a_file_elsewhere_is_watched_where_it_is() {
    let config = MINE.replace("watch = false", "modules_dir = \".\"");
    let folder = Folder::new(&format!("{config}sandbox.wasm = \"build/out.wasm\"\n")).unwrap();
    folder.write("build/out.wasm", AGAIN).unwrap();
    let host = host(&folder);
    let model = load(&host).await;
    assert_eq!(attempts(&model).await, RETRIED);
    folder.write("build/out.wasm", others()).unwrap();
    until(&model, ONCE).await;
}
