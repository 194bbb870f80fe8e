//! The memory that all modules of a process may use. It needs a process without other modules.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where it cannot go on")]

#[expect(dead_code, reason = "the other tests use the rest of it")]
#[path = "../tests/support/provider.rs"]
mod provider;

use std::{sync::Arc, time::Duration};

use arcllm::{Config, Error, ErrorKind, Host, Message, Model, Overrides, Response};
use serde_json::json;
use tokio::{task::JoinHandle, time::timeout};

use provider::Provider;

fn asking(model: &Model) -> JoinHandle<Result<Response, Error>> {
    let model = model.clone();
    tokio::spawn(async move { model.invoke(&[Message::user("Hi")], &[]).await })
}

async fn soon<T>(doing: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(60), doing).await.expect("it takes a minute")
}

#[tokio::test]
async fn the_memory_of_all_modules_has_a_limit_and_calls_wait_for_it() {
    let provider = Arc::new(Provider::closed());
    let config = "[host]\nmodules_memory_mb = 1\n[modules.chaos.sandbox]\nmax_concurrent = 1\nmax_queued = 2";
    let host = Host::builder().config(Config::parse(config, None).unwrap()).adapter("a", "m", provider.clone());
    let host = host.build().unwrap();
    let load = async |seconds: f64| {
        let settings = json!({ "fault": "delay", "provider": "openai", "delay_seconds": seconds });
        soon(host.load_model("a", Overrides::new().module("chaos", settings))).await.unwrap()
    };
    let model = load(1.0).await;
    let first = asking(&model);
    provider.wait_until_asked(1).await;
    let (second, third) = (asking(&model), asking(&model));
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(provider.asked(), 1, "there is room for one instance, and the others wait");
    let error = soon(asking(&model)).await.unwrap().unwrap_err();
    let ErrorKind::Module(failure) = &error.kind else { panic!("an error of the module: {error:?}") };
    assert_eq!(failure.extensions["limit"], "modules_memory_mb");
    assert!(failure.message.contains("use all their 1 MB (modules_memory_mb)"), "{failure}");

    // With other settings it has its own instances: its call waits for those of the first.
    let other = load(2.0).await;
    let fourth = asking(&other);
    tokio::time::sleep(Duration::from_millis(50)).await;
    provider.let_answer(4);
    for ended in [first, second, third, fourth] {
        soon(ended).await.unwrap().unwrap();
    }

    // Modules around each other wait for each other, and each gets an instance, even with little room.
    let chain = ["retry", "redact", "telemetry"].into_iter().fold(Overrides::new(), |on, name| on.module(name, true));
    let chained = soon(host.load_model("a", chain)).await.unwrap();
    provider.let_answer(8);
    let calls: Vec<_> = (0..8).map(|_| asking(&chained)).collect();
    for ended in calls {
        soon(ended).await.unwrap().unwrap();
    }

    // An idle instance makes room for another.
    provider.let_answer(2);
    for model in [&model, &other] {
        soon(asking(model)).await.unwrap().unwrap();
    }
}
