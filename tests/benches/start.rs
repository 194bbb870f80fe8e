//! The time until a module can be called: loading a model in a process that has compiled its modules, in one that finds
//! them in the cache, and in one that does not; and the start of the command until its request is sent.
//!
//! `cargo bench --workspace --bench start`. The benchmark `hop` has the cost of a new instance.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark reports, and ends where it cannot")]

mod support;

use std::{
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use arcllm::{Config, Host};
use arcllm_simulator::{Script, Simulator};
use support::{Child, Table, child_arguments, host, median, retry_and_fallback, time};

const RUNS: usize = 30;
const ARCLLM: &str = env!("CARGO_BIN_EXE_arcllm");

fn main() {
    if child_arguments().is_some() {
        return first_loads();
    }
    loads();
    processes();
}

fn new_host() -> Host {
    host(Config::parse("", None).unwrap(), Arc::new(support::Instant))
}

fn load(runtime: &tokio::runtime::Runtime, host: &Host, modules: usize) -> Duration {
    let started = Instant::now();
    runtime.block_on(host.load_model("a", retry_and_fallback(modules))).unwrap();
    started.elapsed()
}

/// Prints the time of the first load in this process, and of the first with another host.
fn first_loads() {
    let runtime = support::runtime();
    let [first, next] = [(); 2].map(|()| load(&runtime, &new_host(), 2).as_secs_f64());
    println!("{first} {next}");
}

fn loads() {
    let runtime = support::runtime();
    let table = Table::new(&format!("loading a model, of {RUNS}"), &["least", "median", "most"]);
    let host = new_host();
    for (modules, chain) in [(0, "no module"), (1, "retry"), (2, "retry and fallback")] {
        report(&table, &format!("{chain}, again"), || load(&runtime, &host, modules));
        report(&table, &format!("{chain}, with a new host"), || load(&runtime, &new_host(), modules));
    }
    let cache = tempfile::tempdir().unwrap();
    let first = |cache: &std::path::Path| {
        let seconds = Child::figures(&["load".to_owned()], &[("XDG_CACHE_HOME", cache)]);
        Duration::from_secs_f64(*seconds.first().unwrap())
    };
    report(&table, "both, first in a process, compiled by an earlier one", || first(cache.path()));
    report(&table, "both, first in a process, compiled by none", || first(tempfile::tempdir().unwrap().path()));
}

fn processes() {
    let runtime = support::runtime();
    let simulator = runtime.block_on(Simulator::start(Script::default())).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml");
    let provider = "adapter = \"openai\"\nbase_url = \"URL\"\ndefault_model = \"m\"\n".replace("URL", &simulator.url());
    std::fs::write(&config, format!("[providers.a]\n{provider}[providers.b]\n{provider}")).unwrap();
    let on_wire = |modules: &[&str]| {
        simulator.forget_requests();
        let started = Instant::now();
        let mut command = Command::new(ARCLLM);
        run(command.args(["invoke", "--provider", "a", "Hello", "--config"]).arg(&config).args(modules));
        simulator.requests().first().unwrap().at.duration_since(started)
    };

    let table = Table::new(&format!("the command, of {RUNS}"), &["least", "median", "most"]);
    report(&table, "the process alone (--version), to its end", || {
        let started = Instant::now();
        run(Command::new(ARCLLM).arg("--version"));
        started.elapsed()
    });
    let on = ["--module", "retry=on", "--module", "fallback={\"chain\": [\"a\", \"b\"]}"];
    let bare = report(&table, "no module, to the request on the wire", || on_wire(&[]));
    let chain = report(&table, "retry and fallback, the same", || on_wire(&on));
    println!("retry and fallback take {:.2} times as long as no module", chain.as_secs_f64() / bare.as_secs_f64());
}

fn run(command: &mut Command) {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status().unwrap();
    assert!(status.success(), "{command:?} failed");
}

/// Runs it often, prints the figures, and returns the median.
fn report(table: &Table, what: &str, once: impl Fn() -> Duration) -> Duration {
    // The first run fills the caches.
    once();
    let times: Vec<Duration> = (0..RUNS).map(|_| once()).collect();
    let (least, most) = (times.iter().min().copied().unwrap(), times.iter().max().copied().unwrap());
    let median = median(times);
    table.row(what, &[least, median, most].map(time));
    median
}
