//! A process whose modules do nothing does nothing: no thread ticks. It needs a process without other modules.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

#[expect(dead_code, reason = "the other tests use the rest of it")]
#[path = "../tests/support/provider.rs"]
mod provider;

use std::{fs, sync::Arc, time::Duration};

use arcllm::{Config, Error, ErrorKind, Host, Message, Model, Overrides, Response};
use serde_json::json;

use provider::Provider;

/// How often the thread of this name has gone to sleep so far. None if there is no such thread.
fn sleeps(thread: &str) -> Option<u64> {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let status = |task: fs::DirEntry| fs::read_to_string(task.path().join("status")).unwrap_or_default();
    let status =
        tasks.map(|task| status(task.unwrap())).find(|status| status.starts_with(&format!("Name:\t{thread}\n")))?;
    let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
    Some(line.trim().parse().unwrap())
}

async fn ask(model: &Model) -> Result<Response, Error> {
    model.invoke(&[Message::user("Hi")], &[]).await
}

#[tokio::test]
async fn no_thread_ticks_while_no_guest_runs() {
    let provider = Arc::new(Provider::closed());
    provider.let_answer(2);
    let config = "[modules.chaos.sandbox]\ncpu_seconds = 0.1";
    let host =
        Host::builder().config(Config::parse(config, None).unwrap()).adapter("a", "m", provider).build().unwrap();
    let model = host.load_model("a", Overrides::new().module("retry", true)).await.unwrap();
    ask(&model).await.unwrap();
    let clock = || sleeps("arcllm-epoch").unwrap();
    // It may have to tick for a while before it notices.
    let mut before = clock();
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let now = clock();
        if now == before {
            break;
        }
        before = now;
    }
    assert_eq!(clock(), before, "the clock ticks for nobody");

    // A guest that computes is noticed by the clock all the same.
    let spins = Overrides::new().module("chaos", json!({ "fault": "spin" }));
    let model = host.load_model("a", spins).await.unwrap();
    let error = ask(&model).await.unwrap_err();
    assert!(
        matches!(&error.kind, ErrorKind::Module(failure) if failure.extensions["limit"] == "cpu_seconds"),
        "{error}"
    );
}
