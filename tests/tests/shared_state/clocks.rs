//! Processes whose clocks differ.

use std::{path::PathBuf, process::Command, time::Duration};

use arcllm_simulator::{Reply, Usage};
use serde_json::json;

use super::processes::{CHAT, chain, question};
use crate::{
    scene::{replies, soon},
    serve::gateway::{Answer, Gateway},
    support::{Chain, Redis},
};

/// The library that shows a process another time.
fn faketime() -> PathBuf {
    let output = Command::new("find").args(["/usr/lib", "-name", "libfaketime.so.1"]).output().unwrap();
    let found = String::from_utf8(output.stdout).unwrap();
    found.lines().next().unwrap_or_else(|| panic!("install the package faketime")).into()
}

/// Serves with a clock that differs by so much, such as `+30s`.
async fn with_clock(modules: &Chain, by: &str) -> Gateway {
    let library = faketime();
    let environment =
        [("LD_PRELOAD", library.to_str().unwrap()), ("FAKETIME", by), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")];
    Gateway::with(modules.folder().unwrap().trusted(), &[], &environment).await
}

async fn of_different_clocks(modules: &Chain) -> Vec<Gateway> {
    let mut gateways = Vec::new();
    for by in ["-40s", "+0s", "+40s"] {
        gateways.push(with_clock(modules, by).await);
    }
    gateways
}

/// What the store's clock shows, in seconds.
fn now(redis: &Redis) -> u64 {
    redis.cli(&["time"]).lines().next().unwrap().trim().parse().unwrap()
}

/// Waits until a minute has just begun by the clock of the store, so that a test has most of it.
async fn in_a_new_minute(redis: &Redis) {
    tokio::time::timeout(Duration::from_secs(90), async {
        while now(redis) % 60 > 20 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await
    .unwrap();
}

/// When the window ends, as the refusal says.
fn resets_in(answer: &Answer) -> u64 {
    let seconds = answer.body.split_once("It resets in ").and_then(|(_, rest)| rest.split_once(" s."));
    seconds.and_then(|(seconds, _)| seconds.parse().ok()).unwrap_or_else(|| panic!("{answer:?}"))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server and faketime, and takes up to a minute"]
async fn the_window_of_a_budget_is_that_of_the_store() {
    let using = Reply::text("Hi").usage(Usage { input_tokens: 10, output_tokens: 90, ..Usage::default() }).times(99);
    let (provider, redis) = (replies([using]).await, Redis::start().await);
    let modules = chain(&provider, &redis.url()).module("budget", "limits = [{ window = \"minute\", tokens = 350 }]");
    let gateways = of_different_clocks(&modules).await;
    let asking = json!({ "model": "sim", "max_tokens": 90, "messages": [{ "role": "user", "content": "Hi" }] });
    in_a_new_minute(&redis).await;
    let begun = now(&redis) / 60;
    for gateway in &gateways {
        assert_eq!(gateway.post(CHAT, &asking).await.status, 200);
    }
    soon(async {
        while redis.cli(&["get", "arcllm:{budget}:v:tokens/minute"]).trim() != "300" {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    for gateway in &gateways {
        let answer = gateway.post(CHAT, &asking).await;
        assert_eq!((answer.status, now(&redis) / 60), (429, begun), "{answer:?}");
        // All of them know when it ends.
        assert!(resets_in(&answer).abs_diff(60 - now(&redis) % 60) <= 2, "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server and faketime"]
async fn a_rate_limit_holds_by_the_clock_of_the_store() {
    let (provider, redis) = (replies([]).await, Redis::start().await);
    let limit = "requests_per_minute = 1.0\nburst = 4\nmax_wait_seconds = 0.0";
    let gateways = of_different_clocks(&chain(&provider, &redis.url()).module("rate-limit", limit)).await;
    let begun = now(&redis);
    for _ in 0..4 {
        for gateway in gateways.iter().rev() {
            gateway.post(CHAT, &question()).await;
        }
    }
    let came = usize::try_from((now(&redis) - begun) / 60).unwrap() + 1;
    let asked = provider.requests().len();
    assert!((4..=4 + came).contains(&asked), "{asked}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server and faketime"]
async fn an_answer_is_kept_by_the_clock_of_the_store() {
    let (provider, redis) = (replies([]).await, Redis::start().await);
    let modules = chain(&provider, &redis.url()).module("cache", "cache_all = true\nttl_seconds = 30");
    let gateways = of_different_clocks(&modules).await;
    for gateway in &gateways {
        assert_eq!(gateway.post(CHAT, &question()).await.status, 200);
        soon(async {
            while redis.cli(&["--scan", "--pattern", "arcllm:{cache}:v:*"]).trim().is_empty() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    }
    assert_eq!(provider.requests().len(), 1);
}
