//! Calls a second on all cores, with an adapter that answers at once.
//!
//! `cargo bench --workspace --bench throughput`
#![expect(clippy::unwrap_used, reason = "a benchmark ends where it cannot go on")]

mod support;

use std::{
    sync::Arc,
    time::{Duration, Instant as Clock},
};

use arcllm::{Config, Message, Model, Request};
use support::{Instant, Table, host, median, retry_and_fallback};
use tokio::{runtime::Runtime, task::JoinSet};

const AGENTS: [usize; 4] = [1, 2, 16, 256];
const SAMPLE: Duration = Duration::from_millis(300);
const ROUNDS: usize = 7;

fn main() {
    let runtime = Runtime::new().unwrap();
    let host = host(Config::parse("", None).unwrap(), Arc::new(Instant));
    let models = [0, 1, 2].map(|modules| runtime.block_on(host.load_model("a", retry_and_fallback(modules))).unwrap());
    let cores = std::thread::available_parallelism().unwrap();
    let what = format!("calls a second, {cores} cores");
    let table = Table::new(&what, &["no module", "retry", "and fallback", "retry costs", "both cost"]);
    for agents in AGENTS {
        // In turn, so that other programs slow all of them.
        let rounds = (0..ROUNDS).map(|_| models.clone().map(|model| runtime.block_on(round(&model, agents))));
        let rounds: Vec<[f64; 3]> = rounds.collect();
        let [none, one, two] = [0, 1, 2].map(|at| median(rounds.iter().filter_map(|round| round.get(at)).collect()));
        let times = [none / one, none / two].map(|times| format!("{times:.1} times"));
        let figures = [none, one, two].map(|figure| format!("{figure:.0}"));
        table.row(&format!("{agents} agents"), &[&figures[..], &times].concat());
    }
}

/// Calls a second of so many agents that ask again as soon as they have an answer.
async fn round(model: &Model, agents: usize) -> f64 {
    let request = Arc::new(Request::new([Message::user("x".repeat(1 << 10))]));
    let started = Clock::now();
    let mut running = JoinSet::new();
    for _ in 0..agents {
        let (model, request) = (model.clone(), request.clone());
        running.spawn(async move {
            let mut calls = 0_u64;
            while started.elapsed() < SAMPLE {
                model.invoke_with(request.clone()).await.unwrap();
                calls += 1;
            }
            calls
        });
    }
    let calls: u64 = running.join_all().await.into_iter().sum();
    calls as f64 / started.elapsed().as_secs_f64()
}
