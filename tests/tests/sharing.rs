//! Calls that share instances and threads: what one of them does is no other's loss.

use std::{
    cell::Cell,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use arcllm::{Adapter, Config, ContentBlock, Error, ErrorKind, Host, Message, Model, Overrides, Request, Response};
use futures::future::{BoxFuture, join_all};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use serde_json::json;
use tokio::sync::Semaphore;

use crate::{scene::soon, support::Folder};

/// A provider in this process that keeps its answers to itself until it is told, and then says so much.
struct Provider {
    asked: AtomicUsize,
    open: Semaphore,
    answer: String,
}

impl Provider {
    fn saying(answer: impl Into<String>, open: usize) -> Arc<Self> {
        Arc::new(Self { asked: AtomicUsize::new(0), open: Semaphore::new(open), answer: answer.into() })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    async fn wait_until_asked(&self, times: usize) {
        soon(async {
            while self.asked() < times {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
    }
}

impl Adapter for Provider {
    fn send(self: Arc<Self>, _: Arc<Request>) -> BoxFuture<'static, Result<Response, ErrorKind>> {
        Box::pin(async move {
            self.asked.fetch_add(1, Ordering::SeqCst);
            self.open.acquire().await.unwrap().forget();
            Ok(Response::new(vec![ContentBlock::text(&*self.answer)]).with_provider("a", "m"))
        })
    }
}

/// The test module that does as it is told, as often as its sandbox allows.
fn patient(provider: &Arc<Provider>, sandbox: &str) -> (Folder, Host) {
    let wasm = match std::env::var_os("ARCLLM_TEST_MODULES") {
        Some(folder) => PathBuf::from(folder).join("tests/patient.wasm"),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("prebuilt/patient.wasm"),
    };
    let config = "[host]\norder = [\"patient\", \"retry\", \"redact\"]\n[modules.patient]\nenabled = true\n";
    let folder = Folder::new(&format!("{config}[modules.patient.sandbox]\n{sandbox}\n")).unwrap();
    folder.write("modules/patient.wasm", std::fs::read(wasm).unwrap()).unwrap();
    let config = Config::load(&folder.path().join("config.toml")).unwrap();
    let host = Host::builder().config(config).adapter("a", "m", provider.clone()).build().unwrap();
    (folder, host)
}

async fn load(host: &Host) -> Model {
    soon(host.load_model("a", Overrides::new())).await.unwrap()
}

/// A model around which there is nothing but a built-in module.
async fn around(provider: &Arc<Provider>, module: &str) -> Model {
    let host = Host::builder().adapter("a", "m", provider.clone()).build().unwrap();
    soon(host.load_model("a", Overrides::new().module(module, true))).await.unwrap()
}

async fn ask(model: &Model, said: impl Into<String>) -> Result<Response, Error> {
    soon(model.invoke(&[Message::user(said)], &[])).await
}

fn asking(model: &Model, said: impl Into<String>) -> tokio::task::JoinHandle<Result<Response, Error>> {
    let (model, said) = (model.clone(), said.into());
    tokio::spawn(async move { ask(&model, said).await })
}

fn of_the_module(error: &Error) -> (&str, Option<&str>) {
    let ErrorKind::Module(failure) = &error.kind else { panic!("an error of the module: {error:?}") };
    (&failure.message, failure.extensions.get("limit").and_then(|limit| limit.as_str()))
}

#[tokio::test]
async fn calls_that_asked_nobody_do_not_notice_that_another_ends_their_instance() {
    let provider = Provider::saying("Hello.", Semaphore::MAX_PERMITS);
    let (_folder, host) = patient(&provider, "max_concurrent = 20");
    let model = load(&host).await;
    let calls: Vec<_> =
        ["wait", "trap", "wait", "wait", "trap", "wait"].map(|said| (said, asking(&model, said))).into();
    for (said, call) in calls {
        match (said, call.await.unwrap()) {
            ("wait", answer) => assert_eq!(answer.unwrap().trail.len(), 1),
            (_, answer) => {
                let error = answer.unwrap_err();
                assert_eq!(of_the_module(&error).1, None);
                assert!(!error.to_string().contains("shared"), "it was alone in the end: {error}");
            }
        }
    }
    assert_eq!(provider.asked(), 4, "each that is served is asked for once");
}

#[tokio::test]
async fn calls_that_have_asked_end_with_their_instance_and_are_not_asked_for_again() {
    let provider = Provider::saying("Hello.", 0);
    let (_folder, host) = patient(&provider, "max_concurrent = 20\nmax_instances = 1");
    let model = load(&host).await;
    let asked: Vec<_> = (0..3).map(|_| asking(&model, "at once")).collect();
    provider.wait_until_asked(3).await;
    ask(&model, "trap").await.unwrap_err();
    for ended in join_all(asked).await {
        let error = ended.unwrap().unwrap_err();
        assert!(of_the_module(&error).0.contains("4 calls shared the instance (max_concurrent"), "{error}");
        assert_eq!(error.trail.len(), 1);
    }
    assert_eq!(provider.asked(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_do_not_wait_behind_those_that_compute() {
    let provider = Provider::saying("Hello.", Semaphore::MAX_PERMITS);
    let (_folder, host) = patient(&provider, "max_concurrent = 20");
    let (model, other) = (load(&host).await, around(&provider, "retry").await);
    let computing: Vec<_> = (0..6).map(|_| asking(&model, "compute 4000")).collect();
    // Of the same module, some of them handed to the instances that compute, and of another one.
    for ended in join_all((0..20).map(|_| asking(&model, "at once"))).await {
        ended.unwrap().unwrap();
    }
    for _ in 0..20 {
        ask(&other, "at once").await.unwrap();
    }
    assert!(!computing.iter().any(|call| call.is_finished()), "6 calls of 4 s are still computing");
    for ended in join_all(computing).await {
        ended.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_request_that_is_too_large_ends_its_own_call() {
    let provider = Provider::saying("Hello.", 0);
    let model = around(&provider, "redact").await;
    let held: Vec<_> = (0..50).map(|_| asking(&model, "I am jane@example.com.")).collect();
    provider.wait_until_asked(50).await;
    for text in [format!("jane@example.com{}", " x".repeat(9 << 20)), "1 ".repeat(9 << 20)] {
        let error = ask(&model, text).await.unwrap_err();
        let (message, limit) = of_the_module(&error);
        assert_eq!(limit, Some("memory_mb"));
        assert!(
            message.contains("the request is too large for it: 18.0 MB, and it takes 16.0 MB (memory_mb)"),
            "{message}"
        );
        assert_eq!(error.trail.len(), 0);
    }
    provider.open.add_permits(50);
    for ended in join_all(held).await {
        ended.unwrap().unwrap();
    }
}

#[tokio::test]
async fn an_answer_that_is_too_large_ends_its_own_call() {
    let provider = Provider::saying("x ".repeat(9 << 20), 0);
    let model = around(&provider, "redact").await;
    let calls: Vec<_> = (0..3).map(|_| asking(&model, "Hi")).collect();
    provider.wait_until_asked(3).await;
    provider.open.add_permits(3);
    for ended in join_all(calls).await {
        let error = ended.unwrap().unwrap_err();
        assert!(of_the_module(&error).0.contains("the answer is too large for it: 18.0 MB"), "{error}");
        assert_eq!(error.trail.len(), 1, "it has been paid for, and the trail says so");
    }
}

#[tokio::test]
async fn what_a_module_takes_goes_through_it_whatever_its_size() {
    let provider = Provider::saying("Write to jane@example.com. ".repeat(600_000), Semaphore::MAX_PERMITS);
    let model = around(&provider, "redact").await;
    // Just what it takes, of the content that grows most where it is changed.
    let said = "a@b.co ".repeat((15 << 20) / 7);
    let calls: Vec<_> = (0..4).map(|_| asking(&model, said.clone())).collect();
    for ended in join_all(calls).await {
        assert!(!ended.unwrap().unwrap().text().unwrap().contains("jane@"));
    }
}

/// Runs this where instances are counted, and gives the count of the module's.
fn counting(run: impl AsyncFnOnce(&dyn Fn() -> f64)) {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let running = Cell::new(0.0);
        runtime.block_on(run(&|| {
            running.set(running.get() + changed(&snapshotter));
            running.get()
        }));
    });
}

/// How many more instances of the test module run than when this was last asked: a snapshot empties what it reads.
fn changed(snapshotter: &Snapshotter) -> f64 {
    let all = snapshotter.snapshot().into_vec();
    let count = all.into_iter().find_map(|(key, _, _, value)| {
        let is_it = key.key().name() == "arcllm.module.instances"
            && key.key().labels().any(|label| label.key() == "module" && label.value() == "patient");
        match value {
            DebugValue::Gauge(count) if is_it => Some(count.into_inner()),
            _ => None,
        }
    });
    count.unwrap_or_default()
}

async fn until(is_so: impl Fn() -> bool) {
    soon(async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

#[test]
fn an_instance_that_has_used_half_of_its_memory_is_retired() {
    // Of 1000 calls, which have the memory of 8 together.
    for (sandbox, less, more) in [("max_concurrent = 1", 20, 40), ("max_concurrent = 1000\nmemory_mb = 32", 90, 140)] {
        counting(async |count| {
            let provider = Provider::saying("Hello.", Semaphore::MAX_PERMITS);
            let (_folder, host) = patient(&provider, sandbox);
            let model = load(&host).await;
            ask(&model, format!("take {less}")).await.unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
            assert_eq!(count(), 1.0, "{sandbox}: it is kept");
            ask(&model, format!("take {more}")).await.unwrap();
            until(|| count() == 0.0).await;
            ask(&model, "at once").await.unwrap();
            assert_eq!(count(), 1.0);
        });
    }
}

#[test]
fn an_instance_is_retired_after_its_calls_and_after_idling() {
    counting(async |count| {
        let provider = Provider::saying("Hello.", Semaphore::MAX_PERMITS);
        let (_folder, host) = patient(&provider, "retire_after_calls = 2\nretire_after_idle_seconds = 0.05");
        let model = load(&host).await;
        ask(&model, "at once").await.unwrap();
        assert_eq!(count(), 1.0);
        ask(&model, "at once").await.unwrap();
        until(|| count() == 0.0).await;
        ask(&model, "at once").await.unwrap();
        assert_eq!(count(), 1.0, "another one");
        until(|| count() == 0.0).await;
    });
}

#[test]
fn as_many_instances_run_as_there_may_be_and_the_rest_waits_its_turn() {
    counting(async |count| {
        let provider = Provider::saying("Hello.", 0);
        let (_folder, host) = patient(&provider, "max_instances = 3");
        let model = load(&host).await;
        let calls: Vec<_> = (0..10).map(|_| asking(&model, "at once")).collect();
        provider.wait_until_asked(3).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!((provider.asked(), count()), (3, 3.0));
        provider.open.add_permits(10);
        for ended in join_all(calls).await {
            ended.unwrap().unwrap();
        }
        assert_eq!((provider.asked(), count()), (10, 3.0));
    });
}

#[tokio::test]
async fn a_module_that_logs_for_many_calls_ends_none_of_them() {
    let provider = Provider::saying("Hello.", Semaphore::MAX_PERMITS);
    let config = "[modules.telemetry.sandbox]\nlog_lines_per_second = 20\n";
    let host = Host::builder().config(Config::parse(config, None).unwrap()).adapter("a", "m", provider.clone());
    let host = host.build().unwrap();
    let model = soon(host.load_model("a", Overrides::new().module("telemetry", json!(true)))).await.unwrap();
    for ended in join_all((0..200).map(|_| asking(&model, "Hi"))).await {
        ended.unwrap().unwrap();
    }
}
