//! Each store does what `arcllm:llm/state` promises.

use arcllm::{Config, Host, MemoryStore};
use arcllm_conformance::state_store::check;

use crate::{scene::soon, support::Redis};

/// A host whose modules keep their state there.
pub(crate) fn host(url: &str, settings: &str) -> Host {
    let config = format!("[state]\nstore = \"{url}\"\n{settings}");
    Host::builder().config(Config::parse(&config, None).unwrap()).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn memory() {
    soon(check(&MemoryStore::default())).await.unwrap();
}

/// A host waits for a store for a time, also for one of the program's own.
#[tokio::test(start_paused = true)]
async fn memory_behind_a_host() {
    let host = Host::builder().state_store(std::sync::Arc::new(MemoryStore::default())).build().unwrap();
    soon(check(&**host.state_store())).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn redis() {
    let redis = Redis::start().await;
    // The machine may be busy.
    let host = host(&redis.url(), "timeout_seconds = 10");
    soon(check(&**host.state_store())).await.unwrap();
    let keys = redis.cli(&["--scan", "--pattern", "*"]);
    assert!(keys.lines().all(|key| key.starts_with("arcllm:{check-")), "{keys}");
}

/// All keys of a module are in one slot, or its scripts would fail here.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn redis_cluster() {
    let redis = Redis::with(&["--cluster-enabled", "yes"]).await;
    assert!(redis.cli(&["cluster", "addslotsrange", "0", "16383"]).starts_with("OK"));
    soon(async {
        while !redis.cli(&["cluster", "info"]).contains("cluster_state:ok") {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
    let url = format!("redis+cluster://127.0.0.1:{}", redis.port);
    let host = host(&url, "timeout_seconds = 10\nprefix = \"other\"");
    soon(check(&**host.state_store())).await.unwrap();
    assert!(redis.cli(&["--scan", "--pattern", "*"]).lines().all(|key| key.starts_with("other:{check-")));
}
