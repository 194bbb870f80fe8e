//! Places among the calls at once, which several processes share.

use std::time::Duration;

use arcllm_simulator::{Reply, Simulator};
use serde_json::{Value, json};

use super::processes::{CHAT, chain};
use crate::{
    scene::{replies, soon},
    serve::gateway::{Gateway, client},
    support::{Chain, Redis},
};

const LIMIT: &str = "requests_per_minute = 1e6\nburst = 1000\nmax_in_flight = 2\nmax_wait_seconds = 50.0";

fn question(stream: bool) -> Value {
    json!({ "model": "sim", "stream": stream, "messages": [{ "role": "user", "content": "Hi" }] })
}

fn held(redis: &Redis) -> usize {
    redis.cli(&["zcard", "arcllm:{rate-limit}:l:calls/provider/sim"]).trim().parse().unwrap()
}

/// Two processes, and two clients of the first one who wait for their answers.
async fn two_with_clients(
    provider: &Simulator,
    modules: &Chain,
    stream: bool,
) -> (Gateway, Gateway, Vec<tokio::task::JoinHandle<()>>) {
    let (first, second) = (Gateway::start(modules).await, Gateway::start(modules).await);
    let clients = (0..2).map(|_| {
        let request = client().post(format!("{}{CHAT}", first.url)).body(question(stream).to_string());
        tokio::spawn(async move {
            if let Ok(mut response) = request.send().await {
                while response.chunk().await.is_ok_and(|chunk| chunk.is_some()) {}
            }
        })
    });
    let clients = clients.collect();
    soon(async {
        while provider.requests().len() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    (first, second, clients)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn callers_who_leave_give_their_places_back() {
    // Before the answer has begun, and while it comes.
    let before = Reply::text("slow").delay(Duration::from_secs(120));
    let begun = Reply::text("slow slow slow").piece_bytes(1).pace(Duration::from_secs(10));
    for (stream, slow) in [(false, before.clone()), (true, before), (true, begun)] {
        let (provider, redis) = (replies([slow.times(2)]).await, Redis::start().await);
        let modules = chain(&provider, &redis.url()).module("rate-limit", LIMIT);
        let (_first, second, clients) = two_with_clients(&provider, &modules, stream).await;
        assert_eq!(held(&redis), 2, "{}", redis.cli(&["keys", "*"]));
        tokio::time::sleep(Duration::from_millis(100)).await;
        clients.iter().for_each(|client| client.abort());
        assert_eq!(soon(second.post(CHAT, &question(false))).await.status, 200, "{stream}");
        soon(async {
            while held(&redis) > 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn places_of_a_killed_process_become_free_at_the_deadline_of_its_calls() {
    let slow = Reply::text("slow").delay(Duration::from_secs(120)).times(2);
    let (provider, redis) = (replies([slow]).await, Redis::start().await);
    let modules = chain(&provider, &redis.url()).module("rate-limit", LIMIT).host("deadline_seconds = 8");
    let (first, second, _clients) = two_with_clients(&provider, &modules, false).await;
    first.signal("KILL");
    assert_eq!(held(&redis), 2);
    soon(async {
        while second.post(CHAT, &question(false)).await.status != 200 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    assert_eq!(provider.requests().len(), 3);
}

/// What a module notes after the answer is noted before the command ends.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn a_command_that_ends_has_given_its_place_back() {
    let failing = Reply::status(500);
    let (provider, redis) = (replies([Reply::text("well"), failing, Reply::text("well")]).await, Redis::start().await);
    let limit = "max_in_flight = 1\nmax_wait_seconds = 0.0";
    let folder = chain(&provider, &redis.url()).module("rate-limit", limit).folder().unwrap().trusted();
    for (arguments, code) in [(&["invoke", "Hi"][..], 0), (&["invoke", "Hi"], 1), (&["invoke", "--stream", "Hi"], 0)] {
        let output = soon(folder.arcllm(arguments).unwrap().run()).await.unwrap();
        assert_eq!((output.code, held(&redis)), (code, 0), "{output:?}");
    }
}
