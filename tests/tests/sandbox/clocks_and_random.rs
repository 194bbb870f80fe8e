//! Clocks and random numbers, which every module gets without a grant.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use arcllm::{Config, Error, Host, MemoryStore, Message, Model, Overrides, Response};
use arcllm_simulator::Simulator;

use crate::{
    scene::{around, count, replies, soon},
    support::Folder,
};

/// A module that answers by itself, with what WASI 0.2 gives it.
const WASI: &[u8] = include_bytes!("../../prebuilt/wasi.wasm");

/// The most random bytes of one call.
const MOST: u64 = 65_536;

/// A builder of a host whose only module is this one, with these settings.
fn host(a: &Simulator, module: &str, settings: &str) -> (Folder, arcllm::HostBuilder) {
    let chain = around(a).host(&format!("order = [{module:?}]\nwatch = false")).module(module, settings);
    let folder = Folder::new(&chain.to_string()).unwrap();
    folder.write("modules/wasi.wasm", WASI).unwrap();
    let config = Config::load(&folder.path().join("config.toml")).unwrap();
    (folder, Host::builder().config(config).state_store(Arc::new(MemoryStore::default())))
}

async fn load(host: arcllm::HostBuilder) -> Model {
    soon(host.build().unwrap().load_model("a", Overrides::new())).await.unwrap()
}

async fn ask(model: &Model) -> Result<Response, Error> {
    soon(model.invoke(&[Message::user("Hi")], &[])).await
}

/// What the module got: `LEN bytes, DRAWN, at SECONDS`.
async fn got(model: &Model) -> String {
    ask(model).await.unwrap().text().unwrap()
}

#[tokio::test]
async fn too_many_random_bytes_are_refused() {
    let a = replies([]).await;
    for kind in ["random", "insecure"] {
        for (bytes, is_refused) in [(MOST, false), (MOST + 1, true), (32 << 20, true), (i64::MAX as u64, true)] {
            let (_folder, host) = host(&a, "wasi", &format!("{kind} = {bytes}"));
            let model = load(host.seed(1)).await;
            match ask(&model).await {
                Ok(answer) if !is_refused => assert!(answer.text().unwrap().starts_with(&format!("{bytes} bytes"))),
                Err(error) if is_refused => {
                    assert_eq!(error.kind.as_str(), "module");
                    let expected = format!("it asked for more random bytes at once than 65536: {bytes}");
                    assert!(error.to_string().contains(&expected), "{error}");
                }
                other => panic!("{kind} {bytes}: {other:?}"),
            }
        }
    }
    assert_eq!(count(&a), 0);
}

#[tokio::test]
async fn the_same_seed_gives_the_same_numbers_and_each_call_its_own() {
    let a = replies([]).await;
    let mut drawn = Vec::new();
    for seed in [7, 7, 8] {
        let (_folder, host) = host(&a, "wasi", "insecure = 1001");
        let model = load(host.seed(seed).clock(|| SystemTime::UNIX_EPOCH)).await;
        drawn.push([got(&model).await, got(&model).await]);
    }
    let [first, again, other] = &*drawn else { panic!("three hosts") };
    assert_eq!(first, again);
    assert_ne!(first[0], first[1]);
    assert_ne!(first, other);
}

#[tokio::test]
async fn each_host_has_its_own_clock() {
    let a = replies([]).await;
    for seconds in [5, 4_000_000_000] {
        let (_folder, host) = host(&a, "wasi", "");
        let model = load(host.clock(move || SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))).await;
        assert_eq!(got(&model).await, format!("0 bytes, 0, at {seconds}"));
    }
    let (_folder, host) = host(&a, "wasi", "");
    let now = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let (before, text, after) = (now(), got(&load(host).await).await, now());
    let told: u64 = text.rsplit(' ').next().unwrap().parse().unwrap();
    assert!((before..=after).contains(&told), "the system's, unless it is said: {before} {text} {after}");
}

/// A limit holds by the clock of the store, whatever the clocks of hosts show.
#[tokio::test]
async fn rate_limit_does_not_go_by_the_clock_of_the_host() {
    let a = replies([]).await;
    for (minutes, expected) in [(0, 1), (1, 1)] {
        let (_folder, host) = host(&a, "rate-limit", "requests_per_minute = 1\nburst = 1\nmax_wait_seconds = 0.001");
        let minute = Arc::new(AtomicU64::new(1_000_000));
        let now = minute.clone();
        let model =
            load(host.clock(move || SystemTime::UNIX_EPOCH + Duration::from_secs(60 * now.load(Ordering::SeqCst))))
                .await;
        let mut answered = 0;
        for _ in 0..3 {
            answered += usize::from(ask(&model).await.is_ok());
            minute.fetch_add(minutes, Ordering::SeqCst);
        }
        assert_eq!(answered, expected, "{minutes} minutes between the calls");
    }
}
