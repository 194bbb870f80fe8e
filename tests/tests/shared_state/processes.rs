//! Several processes of `arcllm serve` on one Redis act as one.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use arcllm_simulator::{Format, Reply, Simulator};
use futures::future::join_all;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::{
    scene::replies,
    serve::gateway::Gateway,
    support::{Chain, Redis},
};

pub(crate) const CHAT: &str = "/v1/chat/completions";

pub(crate) fn question() -> Value {
    json!({ "model": "sim", "messages": [{ "role": "user", "content": "Hi" }] })
}

pub(crate) fn chain(provider: &Simulator, store: &str) -> Chain {
    let state = format!("store = \"{store}\"\ntimeout_seconds = 5");
    Chain::new().provider("sim", Format::OpenAi, &provider.url()).table("state", &state)
}

pub(crate) async fn four(chain: &Chain) -> Vec<Gateway> {
    join_all((0..4).map(|_| Gateway::start(chain))).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server, and takes 20 seconds"]
async fn four_processes_keep_one_limit() {
    let (provider, redis) = (replies([]).await, Redis::start().await);
    let limit = "requests_per_minute = 600.0\nburst = 10\nmax_wait_seconds = 0.0";
    let gateways = four(&chain(&provider, &redis.url()).module("rate-limit", limit)).await;
    let begun = Instant::now();
    let answered = AtomicUsize::new(0);
    let clients = gateways.iter().flat_map(|gateway| std::iter::repeat_n(gateway, 4)).map(|gateway| async {
        while begun.elapsed() < Duration::from_secs(20) {
            let answer = gateway.post(CHAT, &question()).await;
            match answer.status {
                200 => drop(answered.fetch_add(1, Ordering::SeqCst)),
                429 => tokio::time::sleep(Duration::from_millis(20)).await,
                _ => panic!("{answer:?}"),
            }
        }
        begun.elapsed()
    });
    let took = join_all(clients).await.into_iter().max().unwrap();
    let (asked, allowed) = (provider.requests().len(), 10.0 + took.as_secs_f64() * 10.0);
    assert_eq!(asked, answered.into_inner());
    assert!(asked as f64 <= allowed + 1.0, "{asked} of {allowed}");
    // The clients stop at different times, so the end counts as 20 seconds.
    assert!(asked as f64 >= 0.95 * 210.0, "{asked} of {allowed}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn a_circuit_that_one_process_opens_is_open_for_the_others() {
    let (provider, redis) = (replies([Reply::status(503), Reply::status(503)]).await, Redis::start().await);
    let gateways = four(&chain(&provider, &redis.url()).module("circuit-breaker", "failures = 2")).await;
    for _ in 0..2 {
        assert_eq!(gateways[0].post(CHAT, &question()).await.status, 503);
    }
    let asked = provider.requests().len();
    // At their next call.
    for gateway in gateways.iter().rev() {
        let answer = gateway.post(CHAT, &question()).await;
        assert!(answer.status == 503 && answer.body.contains("circuit-breaker"), "{answer:?}");
    }
    assert_eq!((asked, provider.requests().len()), (2, 2));
}

/// What a module decides costs one round trip, however many ask for it at once.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn a_decision_is_one_round_trip() {
    let (provider, redis) = (replies([]).await, Redis::start().await);
    let chain = chain(&provider, &redis.url()).module("rate-limit", "requests_per_minute = 1e6\nburst = 10000");
    let gateway = Gateway::start(&chain).await;
    assert_eq!(gateway.post(CHAT, &question()).await.status, 200);
    let before = redis.operations();
    let asking = question();
    let answers = join_all((0..64).map(|_| gateway.post(CHAT, &asking))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(redis.operations() - before, 64);
}

/// Passes bytes on to a Redis, each way after this time.
async fn far_away(redis: &Redis, way: Duration) -> io::Result<String> {
    let (listener, port) = (TcpListener::bind("127.0.0.1:0").await?, redis.port);
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else { continue };
            let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
            tokio::spawn(pass(from_client, to_server, way));
            tokio::spawn(pass(from_server, to_client, way));
        }
    });
    Ok(format!("redis://{address}"))
}

async fn pass(
    mut from: impl tokio::io::AsyncRead + Unpin,
    to: impl tokio::io::AsyncWrite + Unpin + Send + 'static,
    way: Duration,
) {
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel::<(tokio::time::Instant, Vec<u8>)>();
    tokio::spawn(async move {
        let mut to = to;
        while let Some((at, bytes)) = receiver.recv().await {
            tokio::time::sleep_until(at).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    });
    let mut buffer = vec![0; 64 << 10];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let bytes = buffer.get(..read).unwrap_or_default().to_vec();
        if sender.send((tokio::time::Instant::now() + way, bytes)).is_err() {
            return;
        }
    }
}

/// A store 5 ms away holds up no other call: many calls at once wait for it side by side.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn a_distant_store_holds_up_no_other_call() {
    let (provider, redis) = (replies([]).await, Redis::start().await);
    let store = far_away(&redis, Duration::from_micros(2500)).await.unwrap();
    let modules = chain(&provider, &store).module("rate-limit", "requests_per_minute = 1e6\nburst = 100000");
    let gateway = Arc::new(Gateway::start(&modules.module("circuit-breaker", "")).await);
    // The first call brings the scripts.
    let asking = question();
    assert_eq!(gateway.post(CHAT, &asking).await.status, 200);
    let before = redis.operations();
    let begun = Instant::now();
    for _ in 0..10 {
        assert_eq!(gateway.post(CHAT, &asking).await.status, 200);
    }
    let alone = begun.elapsed() / 10;
    let begun = Instant::now();
    let answers = join_all((0..300).map(|_| gateway.post(CHAT, &asking))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    // One after the other they would take 300 times as long as one.
    assert!(begun.elapsed() < alone * 150, "{:?} for 300, {alone:?} for one", begun.elapsed());
    // One round trip for each module.
    assert_eq!(redis.operations() - before, 2 * 310);
}
