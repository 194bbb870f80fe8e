//! What all modules of a process may take together: in a process of its own, where nobody else's instances count.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where it cannot go on")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use arcllm::{Adapter, Config, ContentBlock, Error, ErrorKind, Host, Message, Model, Overrides, Request, Response};
use futures::future::BoxFuture;
use serde_json::json;
use tokio::{sync::Semaphore, task::JoinHandle, time::timeout};

/// A provider in this process that keeps its answers to itself until it is told.
struct Provider {
    asked: AtomicUsize,
    open: Semaphore,
}

impl Provider {
    async fn wait_until_asked(&self, times: usize) {
        while self.asked.load(Ordering::SeqCst) < times {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

impl Adapter for Provider {
    fn send(self: Arc<Self>, _: Arc<Request>) -> BoxFuture<'static, Result<Response, ErrorKind>> {
        Box::pin(async move {
            self.asked.fetch_add(1, Ordering::SeqCst);
            self.open.acquire().await.unwrap().forget();
            Ok(Response::new(vec![ContentBlock::text("Hello.")]).with_provider("a", "m"))
        })
    }
}

fn asking(model: &Model) -> JoinHandle<Result<Response, Error>> {
    let model = model.clone();
    tokio::spawn(async move { model.invoke(&[Message::user("Hi")], &[]).await })
}

async fn soon<T>(doing: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(60), doing).await.expect("it takes a minute")
}

#[tokio::test]
async fn memory_of_all_modules_has_a_limit_and_calls_wait_for_it() {
    let provider = Arc::new(Provider { asked: AtomicUsize::new(0), open: Semaphore::new(0) });
    let config = "[host]\nmodules_memory_mb = 1\n[modules.chaos.sandbox]\nmax_concurrent = 1\nmax_queued = 2";
    let host = Host::builder().config(Config::parse(config, None).unwrap()).adapter("a", "m", provider.clone());
    let host = host.build().unwrap();
    let load = async |seconds: f64| {
        let settings = json!({ "fault": "delay", "provider": "openai", "delay_seconds": seconds });
        soon(host.load_model("a", Overrides::new().module("chaos", settings))).await.unwrap()
    };
    let model = load(1.0).await;
    let first = asking(&model);
    soon(provider.wait_until_asked(1)).await;
    let (second, third) = (asking(&model), asking(&model));
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(provider.asked.load(Ordering::SeqCst), 1, "there is room for one instance, and the others wait");
    let error = soon(asking(&model)).await.unwrap().unwrap_err();
    let ErrorKind::Module(failure) = &error.kind else { panic!("an error of the module: {error:?}") };
    assert_eq!(failure.extensions["limit"], "modules_memory_mb");
    assert!(failure.message.contains("as much memory as they may use (modules_memory_mb)"), "{failure}");

    // Of other settings, and so with instances of its own: its call waits for those of the first.
    let other = load(2.0).await;
    let fourth = asking(&other);
    tokio::time::sleep(Duration::from_millis(50)).await;
    provider.open.add_permits(4);
    for ended in [first, second, third, fourth] {
        soon(ended).await.unwrap().unwrap();
    }

    // Modules around each other wait for one another, and each has an instance of its own, however little room there is.
    let chain = ["retry", "redact", "telemetry"].into_iter().fold(Overrides::new(), |on, name| on.module(name, true));
    let chained = soon(host.load_model("a", chain)).await.unwrap();
    provider.open.add_permits(8);
    let calls: Vec<_> = (0..8).map(|_| asking(&chained)).collect();
    for ended in calls {
        soon(ended).await.unwrap().unwrap();
    }

    // An instance that has no call makes room for another.
    provider.open.add_permits(2);
    for model in [&model, &other] {
        soon(asking(model)).await.unwrap().unwrap();
    }
}
