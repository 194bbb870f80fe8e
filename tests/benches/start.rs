//! How long `arcllm invoke` takes from the start of its process until its request is on the wire, modules cached.
//!
//! Side by side in one run: no module, retry and fallback, and the process that only prints its version. Run it with
//! `cargo bench -p arcllm-conformance --bench start`.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark reports, and ends where it cannot")]

use std::{
    path::PathBuf,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use arcllm_simulator::{Script, Simulator};

const RUNS: usize = 30;

fn main() {
    let built =
        Command::new(env!("CARGO")).args(["build", "--quiet", "--release", "-p", "arcllm-cli"]).status().unwrap();
    assert!(built.success(), "the command does not build");
    // target/release/deps/start-…
    let binary: PathBuf = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("arcllm");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let simulator = runtime.block_on(Simulator::start(Script::default())).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml");
    let provider = "adapter = \"openai\"\nbase_url = \"URL\"\ndefault_model = \"m\"\n".replace("URL", &simulator.url());
    std::fs::write(&config, format!("[providers.a]\n{provider}[providers.b]\n{provider}")).unwrap();
    let invoke = |modules: &[&str]| {
        let mut command = Command::new(&binary);
        command.args(["invoke", "--provider", "a", "Hello", "--config"]).arg(&config).args(modules);
        command
    };
    let on = ["--module", "retry=on", "--module", "fallback={\"chain\": [\"a\", \"b\"]}"];

    println!("{:<42} {:>9} {:>9} {:>9}", "milliseconds, of 30 runs", "least", "median", "most");
    report("the process alone (--version), to its end", || {
        let started = Instant::now();
        run(Command::new(&binary).arg("--version"));
        started.elapsed()
    });
    let on_wire = |modules: &[&str]| {
        simulator.forget_requests();
        let started = Instant::now();
        run(&mut invoke(modules));
        simulator.requests().first().unwrap().at.duration_since(started)
    };
    let bare = report("no module, to the request on the wire", || on_wire(&[]));
    let chain = report("retry and fallback, the same", || on_wire(&on));
    println!("retry and fallback take {:.2} times as long as no module", chain.as_secs_f64() / bare.as_secs_f64());
}

fn run(command: &mut Command) {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status().unwrap();
    assert!(status.success(), "{command:?} failed");
}

/// Runs it often, prints the figures, and gives the median.
fn report(what: &str, once: impl Fn() -> Duration) -> Duration {
    // The first fills the cache.
    once();
    let mut times: Vec<Duration> = (0..RUNS).map(|_| once()).collect();
    times.sort();
    let at = |index: usize| times.get(index).copied().unwrap_or_default();
    let milliseconds = |time: Duration| format!("{:.1}", time.as_secs_f64() * 1e3);
    let (least, median, most) = (at(0), at(RUNS / 2), at(RUNS - 1));
    println!("{what:<42} {:>9} {:>9} {:>9}", milliseconds(least), milliseconds(median), milliseconds(most));
    median
}
