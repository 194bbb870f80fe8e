//! Cached answers that several processes share.

use std::time::Duration;

use arcllm_simulator::{Reply, Simulator};
use futures::future::join_all;
use serde_json::{Value, json};

use super::processes::{CHAT, chain, four};
use crate::{
    scene::{replies, soon},
    serve::{
        gateway::{Answer, Gateway, client},
        keys::new_key,
    },
    support::Redis,
};

fn question(stream: bool) -> Value {
    json!({ "model": "sim", "stream": stream, "temperature": 0, "messages": [{ "role": "user", "content": "Hi" }] })
}

/// What was said, and whether it is whole.
fn said(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    if let Ok(body) = serde_json::from_str::<Value>(&answer.body) {
        return body["choices"][0]["message"]["content"].as_str().unwrap().to_owned();
    }
    assert!(answer.body.contains("[DONE]"), "{answer:?}");
    let events = answer.events().into_iter().filter_map(|(_, data)| serde_json::from_str::<Value>(&data).ok());
    events.filter_map(|event| Some(event["choices"][0]["delta"]["content"].as_str()?.to_owned())).collect()
}

async fn numbered() -> Simulator {
    replies((0..99).map(|number| Reply::text(format!("answer {number}")).piece_bytes(3))).await
}

async fn is_stored(redis: &Redis, count: usize) {
    soon(async {
        while redis.cli(&["--scan", "--pattern", "arcllm:{cache}:v:*"]).lines().count() != count {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn what_one_process_has_stored_the_others_replay_for_as_long_as_the_store_keeps_it() {
    for stream in [false, true] {
        let (provider, redis) = (numbered().await, Redis::start().await);
        let gateways = four(&chain(&provider, &redis.url()).module("cache", "ttl_seconds = 600")).await;
        assert_eq!(said(&gateways[0].post(CHAT, &question(stream)).await), "answer 0");
        is_stored(&redis, 1).await;
        for gateway in &gateways {
            for stream in [false, true] {
                assert_eq!(said(&gateway.post(CHAT, &question(stream)).await), "answer 0");
            }
        }
        // The time is the store's: it is over for all of them at once.
        let key = redis.cli(&["--scan", "--pattern", "arcllm:{cache}:v:*"]);
        let left: i64 = redis.cli(&["pttl", key.trim()]).trim().parse().unwrap();
        assert!((500_000..=600_000).contains(&left), "{left}");
        redis.cli(&["pexpire", key.trim(), "1"]);
        is_stored(&redis, 0).await;
        // So that no equal call is said to be under way.
        redis.cli(&["flushall"]);
        assert_eq!(said(&gateways[3].post(CHAT, &question(stream)).await), "answer 1");
        assert_eq!(provider.requests().len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn one_of_those_who_wait_in_four_processes_asks_when_the_first_fails() {
    for streams in [[false; 4], [true; 4], [false, true, false, true]] {
        let slow = Reply::status(500).delay(Duration::from_millis(500));
        let (provider, redis) =
            (replies([slow, Reply::text("good").delay(Duration::from_millis(500))]).await, Redis::start().await);
        let gateways = four(&chain(&provider, &redis.url()).module("cache", "")).await;
        let asking = streams.map(question);
        let calls = (0..64).map(|number| gateways[number % 4].post(CHAT, &asking[number / 4 % 4]));
        let answers = join_all(calls).await;
        let good = answers.iter().filter(|answer| answer.status == 200).map(said);
        assert_eq!(good.filter(|text| text == "good").count(), 63, "{streams:?}");
        assert_eq!(provider.requests().len(), 2, "{streams:?}");
    }
}

/// The first one to ask goes away, and a store that is not in the process hears of it.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn one_of_those_who_wait_in_four_processes_asks_when_the_first_caller_leaves() {
    for stream in [false, true] {
        let slow = Reply::text("slow").delay(Duration::from_secs(60));
        let (provider, redis) = (replies([slow, Reply::text("good")]).await, Redis::start().await);
        let modules = chain(&provider, &redis.url()).module("cache", "max_wait_seconds = 50");
        let gateways = four(&modules).await;
        let request = client().post(format!("{}{CHAT}", gateways[0].url)).body(question(stream).to_string());
        let first = tokio::spawn(request.send());
        soon(async {
            while provider.requests().is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        let asking = question(stream);
        let others = join_all((0..8).map(|number| gateways[number % 4].post(CHAT, &asking)));
        let leaves = async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            first.abort();
        };
        // They need not wait until the first one would count as lost.
        let (answers, ()) =
            tokio::time::timeout(Duration::from_secs(40), async { tokio::join!(others, leaves) }).await.unwrap();
        assert!(answers.iter().all(|answer| said(answer) == "good"));
        assert_eq!(provider.requests().len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn clients_of_different_labels_share_no_answer() {
    let (provider, redis) = (numbered().await, Redis::start().await);
    let mut modules = chain(&provider, &redis.url()).module("cache", "scope = \"team\"");
    let mut keys = Vec::new();
    // Texts that could be mistaken for other keys, and for the slot of a cluster.
    for (at, team) in ["a", "b", "a}:v:{b", "a\\n", ""].into_iter().enumerate() {
        let (key, table) = new_key(&format!("k{at}"), &format!("labels = {{ team = \"{team}\" }}")).await;
        modules = modules.table(&format!("serve.keys.k{at}"), &table);
        keys.push(key);
    }
    let gateways = [Gateway::start(&modules).await, Gateway::start(&modules).await];
    for (at, key) in keys.iter().enumerate() {
        let headers = [("x-api-key", key.as_str())];
        let first = gateways[0].post_with(CHAT, &headers, &question(false)).await;
        assert_eq!(said(&first), format!("answer {at}"));
        is_stored(&redis, at + 1).await;
        let second = gateways[1].post_with(CHAT, &headers, &question(true)).await;
        assert_eq!(said(&second), format!("answer {at}"));
    }
}

/// What another program writes in place of an answer is no answer.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn what_another_program_has_written_is_asked_for_and_replaced() {
    let (provider, redis) = (numbered().await, Redis::start().await);
    let gateway = Gateway::start(&chain(&provider, &redis.url()).module("cache", "")).await;
    gateway.post(CHAT, &question(false)).await;
    is_stored(&redis, 1).await;
    let key = redis.cli(&["--scan", "--pattern", "arcllm:{cache}:v:*"]).trim().to_owned();
    let leases = key.replace(":v:", ":l:");
    let cut = "redis.call('SET', KEYS[1], redis.call('GETRANGE', KEYS[1], 0, 40))";
    let commands = [
        vec!["set", &key, "garbage"],
        vec!["set", &key, ""],
        vec!["eval", cut, "1", &key],
        vec!["setrange", &key, "9", "\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}"],
        vec!["append", &key, "more"],
        vec!["lpush", &key, "a list"],
        vec!["hset", &key, "a", "hash"],
    ];
    for (at, command) in commands.iter().enumerate() {
        redis.cli(&["del", &leases]);
        if matches!(command[0], "lpush" | "hset") {
            redis.cli(&["del", &key]);
        }
        redis.cli(command);
        let answers = [gateway.post(CHAT, &question(false)).await];
        assert_eq!(answers.iter().map(said).collect::<Vec<_>>(), [format!("answer {}", at + 1)], "{command:?}");
        soon(async {
            while redis.cli(&["type", &key]).trim() != "string"
                || redis.cli(&["strlen", &key]).trim().parse::<usize>().unwrap() < 60
            {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        assert_eq!(said(&gateway.post(CHAT, &question(true)).await), format!("answer {}", at + 1), "{command:?}");
    }
    // Something else in place of the leases.
    redis.cli(&["del", &key, &leases]);
    redis.cli(&["set", &leases, "garbage"]);
    assert_eq!(gateway.post(CHAT, &question(false)).await.status, 200);
}
