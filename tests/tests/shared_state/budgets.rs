//! A budget that several processes share.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use arcllm_simulator::{Fault, Place, Reply, Usage};
use futures::future::join_all;
use serde_json::{Value, json};

use super::processes::{CHAT, chain, four};
use crate::{
    scene::{replies, soon},
    serve::gateway::{Answer, Gateway, client},
    support::Redis,
};

const COUNTER: &str = "arcllm:{budget}:v:tokens/total";

fn question(max_tokens: u32, stream: bool) -> Value {
    json!({
        "model": "sim", "stream": stream, "max_tokens": max_tokens,
        "messages": [{ "role": "user", "content": "Hi" }],
    })
}

fn counted(redis: &Redis) -> i64 {
    redis.cli(&["get", COUNTER]).trim().parse().unwrap_or(0)
}

/// What calls have reserved that have not settled it.
fn reserved(redis: &Redis) -> i64 {
    let keys = redis.cli(&["--scan", "--pattern", "arcllm:{budget}:v:reserved*"]);
    keys.lines().map(|key| redis.cli(&["get", key]).trim().parse::<i64>().unwrap_or(0)).sum()
}

fn is_refused(answer: &Answer) -> bool {
    answer.status == 429 && answer.body.contains("the module budget refuses this call")
}

/// A client who goes away before the answer has come, or while it comes.
async fn leave(gateway: &Gateway, stream: bool) {
    let request = client().post(format!("{}{CHAT}", gateway.url)).body(question(390, stream).to_string());
    let read = async {
        let mut response = request.send().await.unwrap();
        // Whole answers of this reply take longer.
        while response.chunk().await.is_ok_and(|chunk| chunk.is_some()) {}
    };
    let _ = tokio::time::timeout(Duration::from_millis(60), read).await;
}

/// A reply of which 400 tokens are billed.
fn using() -> Reply {
    Reply::text("one two three").usage(Usage { input_tokens: 10, output_tokens: 390, ..Usage::default() })
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn four_processes_keep_one_budget_and_lose_nothing_of_it() {
    const LIMIT: i64 = 60_000;
    let broken = || using().with_fault(Fault::Truncate).fault_at(Place::BeforeEvent(2));
    let some = |number: usize| match number % 5 {
        0 => Reply::status(503),
        1 => broken(),
        2 => using().pace(Duration::from_millis(20)),
        _ => using().delay(Duration::from_millis(10)),
    };
    let (provider, redis) = (replies((0..5000).map(some)).await, Redis::start().await);
    let limit = format!("limits = [{{ window = \"total\", tokens = {LIMIT} }}]");
    let gateways = four(&chain(&provider, &redis.url()).module("budget", &limit)).await;
    let answered = AtomicUsize::new(0);
    let clients = (0..24).map(|number| {
        let (gateway, answered) = (&gateways[number % 4], &answered);
        async move {
            for call in 0.. {
                let stream = (number + call) % 2 == 0;
                if call % 6 == 5 {
                    leave(gateway, stream).await;
                    continue;
                }
                let answer = gateway.post(CHAT, &question(390, stream)).await;
                if is_refused(&answer) {
                    return;
                }
                let is_whole = answer.status == 200 && (!stream || answer.body.contains("[DONE]"));
                if is_whole && !answer.body.contains("\"error\"") {
                    answered.fetch_add(1, Ordering::SeqCst);
                }
            }
        }
    });
    tokio::time::timeout(Duration::from_secs(300), join_all(clients)).await.unwrap();
    // Nothing stays reserved, whatever became of the calls.
    soon(async {
        while reserved(&redis) != 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let (answered, counted) = (answered.into_inner(), counted(&redis));
    let billed = i64::try_from(answered).unwrap() * 400;
    assert!(answered > 20 && billed <= counted && counted <= LIMIT + 400, "{answered} answers, {counted} counted");
    // All of it can be used: the last ones were refused since no call fits.
    assert!(counted > LIMIT - 420 * 30, "{counted}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn what_a_killed_process_has_reserved_comes_back() {
    let slow = using().delay(Duration::from_secs(120)).times(2);
    let (provider, redis) = (replies([slow, using()]).await, Redis::start().await);
    let limit = "limits = [{ window = \"total\", tokens = 1000 }]\nreservation_seconds = 1";
    let modules = chain(&provider, &redis.url()).module("budget", limit);
    let (first, second) = (Gateway::start(&modules).await, Gateway::start(&modules).await);
    let asking = question(450, false);
    // Its clients wait until it dies: who leaves before gives back what is reserved.
    let mut both = std::pin::pin!(async { tokio::join!(first.post(CHAT, &asking), first.post(CHAT, &asking)) });
    tokio::select! {
        _ = &mut both => panic!("an answer"),
        () = async { while provider.requests().len() < 2 { tokio::time::sleep(Duration::from_millis(5)).await } } => {}
    }
    first.signal("KILL");
    assert!(is_refused(&second.post(CHAT, &asking).await));
    soon(async {
        while is_refused(&second.post(CHAT, &asking).await) {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    })
    .await;
    soon(async {
        while counted(&redis) != 400 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    assert!(second.stop().await.stderr.contains("come back"));
}

/// Another program writes into the counter of a budget.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn a_counter_that_is_no_number_refuses_calls_and_is_named() {
    let (provider, redis) = (replies([]).await, Redis::start().await);
    let modules = chain(&provider, &redis.url()).module("budget", "limits = [{ window = \"total\", tokens = 1000 }]");
    let gateway = Gateway::start(&modules).await;
    for command in [&["set", COUNTER, "many"][..], &["lpush", COUNTER, "1"]] {
        redis.cli(&["del", COUNTER]);
        redis.cli(command);
        let answer = gateway.post(CHAT, &question(10, false)).await;
        assert!(answer.status == 503 && answer.body.contains("budget"), "{answer:?}");
    }
    assert_eq!(provider.requests().len(), 0);
    redis.cli(&["del", COUNTER]);
    assert_eq!(gateway.post(CHAT, &question(10, false)).await.status, 200);
}
