//! What `hedge` and `route` know, over two processes on one Redis.

use std::time::Duration;

use arcllm_simulator::{Format, Reply, Simulator};
use futures::future::join_all;
use serde_json::{Value, json};

use crate::{
    scene::{count, replies, soon},
    serve::gateway::{Answer, Gateway},
    support::{Chain, Redis},
};

const CHAT: &str = "/v1/chat/completions";

fn question() -> Value {
    json!({ "model": "a", "messages": [{ "role": "user", "content": "Hi" }] })
}

/// Two gateways over two providers.
async fn two(a: &Simulator, b: &Simulator, redis: &Redis, module: &str, settings: &str) -> [Gateway; 2] {
    let chain = Chain::new().provider("a", Format::OpenAi, &a.url()).provider("b", Format::OpenAi, &b.url());
    let state = format!("store = \"{}\"\ntimeout_seconds = 5", redis.url());
    let chain = chain.table("state", &state).module(module, settings);
    [Gateway::start(&chain).await, Gateway::start(&chain).await]
}

async fn ask(gateway: &Gateway) -> Answer {
    gateway.post(CHAT, &question()).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn two_processes_keep_one_share_of_second_requests() {
    let a = replies([Reply::text("slow").delay(Duration::from_secs(3)).times(1000)]).await;
    let (b, mut redis) = (replies([]).await, Redis::start().await);
    let settings = "after_seconds = 1.0\ntargets = [\"b\"]\nmax_share = 0.05\nwindow_seconds = 1e9";
    let gateways = two(&a, &b, &redis, "hedge", settings).await;
    let answers = join_all((0..64).map(|at| ask(&gateways[at % 2]))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!((count(&a), count(&b)), (64, 3));
    // Each call is counted in one round trip, and each of them asks for a second request in one.
    assert!(redis.operations() <= 2 * 64 + 6, "{}", redis.operations());
    redis.kill();
    let answers = join_all((0..40).map(|at| ask(&gateways[at % 2]))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(count(&b), 3, "without the store no second target is asked");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn a_p95_that_one_process_has_seen_is_the_delay_of_the_other() {
    let late = Reply::text("late").delay(Duration::from_secs(3600));
    let (a, b, redis) =
        (replies([Reply::text("quick").times(20), late]).await, replies([]).await, Redis::start().await);
    let settings = "after = \"p95\"\nafter_seconds = 3000.0\nmin_samples = 20\nmax_share = 1.0\ntargets = [\"b\"]";
    let [one, other] = two(&a, &b, &redis, "hedge", settings).await;
    for _ in 0..20 {
        assert_eq!(ask(&one).await.status, 200);
    }
    soon(async {
        // The time of a call is counted when it has ended.
        let mut before = 0;
        while redis.operations() > before {
            before = redis.operations();
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    })
    .await;
    assert_eq!((ask(&other).await.status, count(&b)), (200, 1));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn an_outage_that_one_process_sees_is_avoided_by_the_other_also_where_values_stick() {
    let (a, b, mut redis) = (replies([Reply::status(503).times(1000)]).await, replies([]).await, Redis::start().await);
    for sticky in ["", ", sticky = \"key\""] {
        let settings = format!("avoid_seconds = 600.0\nrules = [{{ targets = [\"a\", \"b\"]{sticky} }}]");
        let [one, other] = two(&a, &b, &redis, "route", &settings).await;
        assert_eq!(ask(&one).await.status, 503);
        let before = (count(&a), redis.operations());
        for gateway in [&one, &other, &one, &other] {
            assert_eq!(ask(gateway).await.status, 200);
        }
        assert_eq!((count(&a), redis.operations()), (before.0, before.1 + 4), "one round trip a call");
        redis.kill();
        assert_eq!(ask(&other).await.status, 503, "without the store all count as healthy");
        redis.restart().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn the_fastest_that_one_process_has_measured_is_asked_by_the_other() {
    let a = replies([Reply::text("slow").delay(Duration::from_secs(1)).times(1000)]).await;
    let (b, redis) = (replies([]).await, Redis::start().await);
    let settings = "rules = [{ targets = [\"a\", \"b\"], order = \"fastest\" }]";
    let [one, other] = two(&a, &b, &redis, "route", settings).await;
    let answers = join_all((0..40).map(|_| ask(&one))).await;
    assert!(answers.iter().all(|answer| answer.status == 200) && count(&a) > 0 && count(&b) > 0);
    soon(async {
        while redis.operations() < 80 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let before = count(&a);
    for _ in 0..10 {
        assert_eq!(ask(&other).await.status, 200);
    }
    assert_eq!(count(&a), before);
    // All that is kept ends by itself.
    let keys = redis.cli(&["keys", "*"]);
    for key in keys.lines() {
        assert!(redis.cli(&["pttl", key]).trim().parse::<i64>().unwrap() > 0, "{key}");
    }
    assert!((1..=8).contains(&keys.lines().count()), "{keys}");
}
