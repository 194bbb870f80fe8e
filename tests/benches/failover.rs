//! The cost of a fallback beyond its attempts: the first provider answers 500 at once, and the second one is new, so
//! that a client is made for it.
//!
//! `cargo bench --workspace --bench failover`. Each sample has a host of its own.
#![expect(clippy::unwrap_used, reason = "a benchmark ends where it cannot go on")]

mod support;

use std::time::{Duration, Instant};

use arcllm::{Host, Message, Request};
use arcllm_simulator::{Reply, Script, Simulator, Then};
use support::{Table, loopback, median, retry_and_fallback, time};

const SAMPLES: usize = 100;

/// One call, and its parts.
#[derive(Clone, Copy)]
struct Sample {
    whole: Duration,
    attempts: [Duration; 2],
    started_after: [Duration; 2],
}

fn main() {
    let runtime = support::runtime();
    let samples: Vec<Sample> = runtime.block_on(runtime.spawn(samples())).unwrap();
    let table = Table::new(&format!("medians of {SAMPLES}"), &["took"]);
    let row = |what: &str, part: fn(&Sample) -> Duration| {
        table.row(what, &[time(median(samples.iter().map(part).collect()))]);
    };
    row("the whole call", |sample| sample.whole);
    row("the failing attempt", |sample| sample.attempts[0]);
    row("the successful attempt", |sample| sample.attempts[1]);
    row("without the failing attempt", |sample| sample.whole - sample.attempts[0]);
    row("without both attempts", |sample| sample.whole - sample.attempts[0] - sample.attempts[1]);
    row("between the attempts", |sample| sample.started_after[1] - sample.started_after[0] - sample.attempts[0]);
}

async fn samples() -> Vec<Sample> {
    let failing = Script::new([Reply::status(500)]).then(Then::Repeat);
    let failing = Simulator::start(failing).await.unwrap();
    let answering = Simulator::start(Script::default()).await.unwrap();
    let config = loopback(&failing.url(), &answering.url());
    let request = Request::new([Message::user("x".repeat(1 << 10))]);
    let mut samples = Vec::new();
    // The first call compiles.
    for _ in 0..=SAMPLES {
        let host = Host::builder().config(config.clone()).build().unwrap();
        let model = host.load_model("a", retry_and_fallback(2).module("retry", false)).await.unwrap();
        let started = Instant::now();
        let answer = model.invoke_with(request.clone()).await.unwrap();
        let whole = started.elapsed();
        let [failed, answered] = answer.trail.as_slice() else { continue };
        let (attempts, started_after) = ([failed.took, answered.took], [failed.started_after, answered.started_after]);
        samples.push(Sample { whole, attempts, started_after });
    }
    samples.split_off(samples.len() - SAMPLES)
}
