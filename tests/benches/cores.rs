//! The cost of a call on one thread and on two: whether a second core serves calls.
//!
//! `cargo bench --workspace --bench cores`. Both are measured in turn, round after round, so that other programs slow
//! both. The last table is over loopback: the processor time of a call beyond that of one without modules.
//!
//! `ARCLLM_BENCH_PYTHON=guardrail.wasm` adds the guardrail in Python (`arcllm module new mine --lang python`).
#![expect(clippy::print_stdout, reason = "a benchmark reports")]
#![expect(clippy::unwrap_used, reason = "a benchmark ends where it cannot go on")]

mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant as Clock},
};

use arcllm::{Config, Host, Message, Model, Overrides, Request};
use arcllm_simulator::{Script, Simulator};
use serde_json::json;
use support::{Child, Elsewhere, Modules, Table, child_arguments, cpu_time, host, loopback, median, micros};
use tokio::{
    runtime::{Builder, Runtime},
    task::JoinSet,
};

const CALLERS: usize = 64;
const SAMPLE: Duration = Duration::from_millis(200);
const ROUNDS: usize = 9;

/// A chain, and the target for one of its calls on one thread.
struct Chain {
    name: &'static str,
    modules: Overrides,
    target: Option<Duration>,
}

fn main() {
    match child_arguments() {
        None => {
            in_the_process();
            over_loopback();
        }
        Some(_) => runtime(2).block_on(simulator()),
    }
}

fn chains(python: bool) -> Vec<Chain> {
    let on = |names: &[&str]| {
        names.iter().fold(Overrides::new(), |modules, name| match *name {
            "fallback" => modules.module("fallback", json!({ "chain": ["a", "b"] })),
            "rate-limit" => modules.module("rate-limit", json!({ "requests_per_minute": 1e9, "burst": 1_000_000 })),
            name => modules.module(name, true),
        })
    };
    let all = ["telemetry", "redact", "retry", "fallback", "circuit-breaker", "rate-limit"];
    let chain = |name, modules: &[&str], target: Option<u64>| Chain {
        name,
        modules: on(modules),
        target: target.map(Duration::from_micros),
    };
    let mut chains = vec![
        chain("no module", &[], None),
        chain("retry", &["retry"], Some(6)),
        chain("retry, fallback", &["retry", "fallback"], Some(12)),
        chain("redact", &["redact"], Some(10)),
        chain("all six", &all, Some(50)),
    ];
    if python {
        chains.push(chain("a guardrail in Python", &["guardrail"], None));
    }
    chains
}

/// Wall time of a call in microseconds, with an adapter that answers from another task.
fn in_the_process() {
    let python = std::env::var_os("ARCLLM_BENCH_PYTHON").map(|path| std::fs::read(path).unwrap());
    let modules = python.as_ref().map(|wasm| Modules::new().with("guardrail", wasm, "", ""));
    let runtimes = [runtime(1), runtime(2)];
    let hosts = runtimes.each_ref().map(|_| {
        let config = modules.as_ref().map_or_else(|| Config::parse("", None).unwrap(), Modules::config);
        host(config, Arc::new(Elsewhere))
    });
    let only = std::env::var("ARCLLM_BENCH_ONLY").unwrap_or_default();
    let table = Table::new(
        &format!("µs a call, {CALLERS} callers, medians of {ROUNDS}"),
        &["1 thread", "to reach", "2 threads", "speed-up", "to reach"],
    );
    for chain in chains(python.is_some()).into_iter().filter(|chain| only.is_empty() || chain.name == only) {
        let models: Vec<Model> =
            runtimes.iter().zip(&hosts).map(|(runtime, host)| load(runtime, host, &chain.modules)).collect();
        let mut samples: [Vec<Duration>; 2] = Default::default();
        for round in 0..=ROUNDS {
            for ((runtime, model), samples) in runtimes.iter().zip(&models).zip(&mut samples) {
                let sample = runtime.block_on(all_callers(model, CALLERS));
                // The first call starts instances and compiles.
                if round > 0 {
                    samples.push(sample);
                }
            }
        }
        let [one, two] = samples.map(median);
        let target = chain.target.map_or_else(String::new, micros);
        let speed_up = format!("{:.2}", one.as_secs_f64() / two.as_secs_f64());
        table.row(chain.name, &[micros(one), target, micros(two), speed_up, "1.60".to_owned()]);
    }
}

/// Processor time of a call beyond that of one without modules, over loopback.
fn over_loopback() {
    let mut server = Child::start(&["simulator".to_owned()], &[]);
    let url = server.line();
    let runtime = runtime(2);
    let host = Host::builder().config(loopback(&url, &url)).build().unwrap();
    let table = Table::new(
        "µs of processor a call beyond the bare client, loopback",
        &["1 caller", "to reach", "16", "to reach"],
    );
    let chains: Vec<Chain> = chains(false).into_iter().filter(|chain| chain.name != "redact").collect();
    let models: Vec<Model> = chains.iter().map(|chain| load(&runtime, &host, &chain.modules)).collect();
    let mut samples = vec![[Vec::new(), Vec::new()]; chains.len()];
    for round in 0..=ROUNDS {
        for (model, samples) in models.iter().zip(&mut samples) {
            for (callers, samples) in [1, 16].into_iter().zip(samples) {
                let sample = runtime.block_on(processor(model, callers));
                if round > 0 {
                    samples.push(sample);
                }
            }
        }
    }
    let figures: Vec<[Duration; 2]> = samples.into_iter().map(|samples| samples.map(median)).collect();
    let bare = figures.first().copied().unwrap();
    println!("{:54} {:>12} {:>12} {:>12}", "the HTTP client alone", micros(bare[0]), "", micros(bare[1]));
    for (chain, [one, many]) in chains.iter().zip(&figures).skip(1) {
        let targets = if chain.name == "retry, fallback" { ["40.00 µs", "20.00 µs"] } else { ["", ""] };
        let added = [one.saturating_sub(bare[0]), many.saturating_sub(bare[1])].map(micros);
        table.row(chain.name, &[added[0].as_str(), targets[0], added[1].as_str(), targets[1]]);
    }
    drop(server.finish());
}

fn runtime(threads: usize) -> Runtime {
    Builder::new_multi_thread().worker_threads(threads).enable_all().build().unwrap()
}

fn load(runtime: &Runtime, host: &Host, modules: &Overrides) -> Model {
    runtime.block_on(host.load_model("a", modules.clone())).unwrap()
}

/// Wall time of a call, with so many callers that ask again as soon as they have an answer.
async fn all_callers(model: &Model, callers: usize) -> Duration {
    let (calls, took) = tokio::spawn(round(model.clone(), callers)).await.unwrap();
    took.div_f64(calls as f64)
}

/// Processor time of a call, with the same callers.
async fn processor(model: &Model, callers: usize) -> Duration {
    let before = cpu_time();
    let (calls, _) = tokio::spawn(round(model.clone(), callers)).await.unwrap();
    cpu_time().saturating_sub(before).div_f64(calls as f64)
}

async fn round(model: Model, callers: usize) -> (u64, Duration) {
    let (over, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let started = Clock::now();
    let mut running = JoinSet::new();
    for _ in 0..callers {
        let (model, over, calls) = (model.clone(), over.clone(), calls.clone());
        // One for each caller, as with agents.
        let request = Arc::new(Request::new([Message::user("Say in one sentence what a monad is. ".repeat(28))]));
        running.spawn(async move {
            let mut made = 0;
            while !over.load(Ordering::Relaxed) {
                model.invoke_with(request.clone()).await.unwrap();
                made += 1;
                // Reading a clock costs as much as a tenth of a call.
                if made % 16 == 0 && started.elapsed() > SAMPLE {
                    over.store(true, Ordering::Relaxed);
                }
            }
            calls.fetch_add(made, Ordering::Relaxed);
        });
    }
    running.join_all().await;
    (calls.load(Ordering::Relaxed), started.elapsed())
}

/// Answers until its input is closed.
async fn simulator() {
    let simulator = Simulator::start(Script::default()).await.unwrap();
    println!("{}", simulator.url());
    let mut rest = String::new();
    let _ = tokio::task::spawn_blocking(move || std::io::stdin().read_line(&mut rest)).await;
}
