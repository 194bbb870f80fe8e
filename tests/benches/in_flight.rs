//! Many calls at once: the time until all are answered, and the memory of each while it waits.
//!
//! `cargo bench --workspace --bench in_flight`. Each figure has a process of its own, since memory that one measurement
//! freed would hide what the next one takes.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark reports, and ends where it cannot go on")]

mod support;

use std::{
    io::Read as _,
    sync::Arc,
    time::{Duration, Instant},
};

use arcllm::{Config, Host, Message, Model, Request};
use arcllm_simulator::{Reply, Script, Simulator};
use support::{Child, Parked, Table, child_arguments, host, loopback, millis, resident_kb, retry_and_fallback};
use tokio::task::JoinSet;

const CALLS: [usize; 4] = [1, 100, 10_000, 100_000];
const SOCKETS: usize = 10_000;
/// How long the simulator waits before it answers: longer than sending all requests takes.
const DELAY: Duration = Duration::from_secs(15);

fn main() {
    let arguments = child_arguments();
    let arguments: Option<Vec<&str>> = arguments.as_ref().map(|all| all.iter().map(String::as_str).collect());
    let runtime = support::runtime();
    match arguments.as_deref() {
        Some(["parked", modules, calls]) => {
            runtime.block_on(parked(modules.parse().unwrap(), calls.parse().unwrap()));
        }
        Some(["sockets", modules, url]) => runtime.block_on(sockets(modules.parse().unwrap(), url)),
        Some(["simulator"]) => runtime.block_on(simulator()),
        _ => report(),
    }
}

fn report() {
    let table = Table::new("in this process", &["all waiting", "all answered", "KB a call", "MB in all"]);
    for calls in CALLS {
        let [bare, chain] = [0, 2].map(|modules: usize| {
            let figures = Child::figures(&["parked".to_owned(), modules.to_string(), calls.to_string()], &[]);
            let &[parked, answered, kb, resident] = figures.as_slice() else { return f64::NAN };
            let name = if modules == 0 { "no module" } else { "retry and fallback" };
            let [parked, answered] = [parked, answered].map(|seconds| millis(Duration::from_secs_f64(seconds)));
            let each = kb / calls as f64;
            let memory = [format!("{each:.2}"), format!("{:.0}", resident / 1024.0)];
            table.row(&format!("{calls} in flight, {name}"), &[&[parked, answered][..], &memory].concat());
            each
        });
        table.row("    what the modules add", &["", "", &format!("{:.2}", chain - bare)]);
    }
    let table = Table::new("over loopback sockets", &["all answered", "KB a call", "MB in all", "at once"]);
    for (modules, name) in [(0, "no module"), (2, "retry and fallback")] {
        let mut simulator = Child::start(&["simulator".to_owned()], &[]);
        let url = simulator.line();
        let figures = Child::figures(&["sockets".to_owned(), modules.to_string(), url], &[]);
        let at_once = if simulator.finish() == "true" { "yes" } else { "no" };
        let &[answered, kb, resident, failed] = figures.as_slice() else { return };
        assert!(failed == 0.0, "{failed} of {SOCKETS} calls failed; each takes a socket (see `ulimit -n`)");
        let figures = [millis(Duration::from_secs_f64(answered)), format!("{:.2}", kb / SOCKETS as f64)];
        let rest = [format!("{:.0}", resident / 1024.0), at_once.to_owned()];
        table.row(&format!("{SOCKETS} in flight, {name}"), &[figures, rest].concat());
    }
    println!("the answers come {} s after the requests", DELAY.as_secs());
}

/// Prints the time until all wait, the time until all are answered, and their memory.
async fn parked(modules: usize, calls: usize) {
    let adapter = Arc::new(Parked::new(calls));
    let host = host(Config::parse("", None).unwrap(), adapter.clone());
    let (model, request) = ready(&host, modules).await;
    let (before, started) = (resident_kb(), Instant::now());
    let agents = start(&model, &request, calls);
    adapter.all().await;
    let (parked, resident) = (started.elapsed(), resident_kb());
    adapter.release();
    let failed = failures(agents).await;
    assert_eq!(failed, 0, "some calls failed");
    let answered = started.elapsed();
    println!("{} {} {} {resident}", parked.as_secs_f64(), answered.as_secs_f64(), resident - before);
}

/// The same over sockets. Prints also how many failed.
async fn sockets(modules: usize, url: &str) {
    let host = Host::builder().config(loopback(url, url)).build().unwrap();
    let (model, request) = ready(&host, modules).await;
    let (before, started) = (resident_kb(), Instant::now());
    let agents = start(&model, &request, SOCKETS);
    let resident = tokio::spawn(async move {
        tokio::time::sleep(DELAY.mul_f64(0.9)).await;
        resident_kb()
    });
    let failed = failures(agents).await;
    let (answered, resident) = (started.elapsed(), resident.await.unwrap());
    println!("{} {} {resident} {failed}", answered.as_secs_f64(), resident - before);
}

/// A loaded model that has served one call, and the request that all share.
async fn ready(host: &Host, modules: usize) -> (Model, Arc<Request>) {
    let model = host.load_model("a", retry_and_fallback(modules)).await.unwrap();
    let request = Arc::new(Request::new([Message::user("x".repeat(1 << 10))]));
    model.invoke_with(request.clone()).await.unwrap();
    (model, request)
}

fn start(model: &Model, request: &Arc<Request>, calls: usize) -> JoinSet<bool> {
    let mut agents = JoinSet::new();
    for _ in 0..calls {
        let (model, request) = (model.clone(), request.clone());
        agents.spawn(async move { model.invoke_with(request).await.is_ok() });
    }
    agents
}

async fn failures(agents: JoinSet<bool>) -> usize {
    agents.join_all().await.into_iter().filter(|answered| !answered).count()
}

/// Serves until its input ends, and prints whether all requests came before the first answer.
async fn simulator() {
    // The first call warms up.
    let script = Script::new([Reply::text("Hello"), Reply::text("Hello").delay(DELAY).times(SOCKETS as u32)]);
    let simulator = Simulator::start(script).await.unwrap();
    println!("{}", simulator.url());
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_string(&mut String::new())).await.unwrap().unwrap();
    let requests = simulator.requests();
    let mut parked = requests.iter().skip(1).map(|request| request.at);
    let (first, last) = (parked.next().unwrap(), parked.next_back().unwrap());
    println!("{}", requests.len() == SOCKETS + 1 && last.duration_since(first) < DELAY);
}
