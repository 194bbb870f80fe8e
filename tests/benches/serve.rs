//! What the gateway adds: processor time of a call, latency, throughput and memory, beside the same calls without it.
//!
//! `cargo bench --workspace --bench serve`. The provider, the gateway and the load each have a process of their own. Direct
//! calls and calls through the gateway are measured in turn. `serve -- 2` gives each combination two seconds.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark reports, and ends where it cannot go on")]

mod support;

use std::{io::Read as _, net::SocketAddr, time::Duration};

use arcllm::{Config, Host, RequestLog};
use arcllm_server::serve::{Server, Setup};
use support::{Child, EVENTS, Load, Table, body, child_arguments, provider, time};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    runtime::Runtime,
    task::JoinSet,
};

/// The gateway has the allocator of the command, and its settings.
#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[used]
#[expect(unsafe_code, reason = "nothing else has this name, and the text ends with a zero")]
#[unsafe(export_name = "_rjem_malloc_conf")]
static ALLOCATOR_SETTINGS: &[u8; 43] = b"background_thread:true,dirty_decay_ms:1000\0";

/// How long each combination runs unless an argument says otherwise.
const SECONDS: f64 = 3.0;
/// Streams that are open at once.
const OPEN: usize = 10_000;
const CONNECTIONS: [usize; 3] = [1, 64, 1000];

/// The chains, each with the modules of its `config.toml`.
const CHAINS: [(&str, &[&str]); 3] = [
    ("no module", &[]),
    ("retry and fallback", &["retry", "fallback"]),
    ("all six", &["telemetry", "redact", "retry", "fallback", "circuit-breaker", "rate-limit"]),
];

fn main() {
    let arguments = child_arguments();
    let arguments: Option<Vec<&str>> = arguments.as_ref().map(|all| all.iter().map(String::as_str).collect());
    match arguments.as_deref() {
        Some(["provider"]) => support::runtime().block_on(provider()),
        Some(["gateway", threads, modules, provider]) => gateway(threads.parse().unwrap(), modules, provider),
        _ => measure(),
    }
}

fn measure() {
    let seconds = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(SECONDS);
    let runtime = support::runtime();
    let mut provider = Child::start(&["provider".to_owned()], &[]);
    let address = provider.line();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let gateways: Vec<_> =
        CHAINS.iter().map(|(name, modules)| (*name, Gateway::start(cores, modules, &address))).collect();
    let ways: Vec<_> = std::iter::once(("direct", &address, None))
        .chain(gateways.iter().map(|(name, gateway)| (*name, &gateway.address, Some(gateway))))
        .collect();
    for (answer, streamed) in [("whole", false), ("streamed, three events", true)] {
        let columns = ["CPU a call", "calls/s", "p50", "p99", "MB"];
        let table = Table::new(&format!("each call, {answer}"), &columns);
        for connections in CONNECTIONS {
            for (name, address, gateway) in &ways {
                let before = gateway.map(|gateway| gateway.child.cpu_time());
                let load =
                    Load { address: address.parse().unwrap(), connections, body: body(streamed, "short"), pace: None };
                let run = runtime.block_on(load.run(Duration::from_secs_f64(seconds)));
                let cpu = gateway.zip(before).map(|(gateway, before)| gateway.child.cpu_time() - before);
                let cpu = cpu.map_or("-".to_owned(), |cpu| time(cpu / run.calls()));
                let memory = gateway.map_or("-".to_owned(), |gateway| (gateway.child.resident_kb() / 1024).to_string());
                let (p50, p99) = (time(run.quantile(0.5)), time(run.quantile(0.99)));
                let row = [cpu, format!("{:.0}", run.rate()), p50, p99, memory];
                table.row(&format!("{connections} connections, {name}"), &row);
            }
        }
    }
    half_load(&runtime, &gateways, seconds);
    each_event(&runtime, &ways, seconds);
    threads(&runtime, &address, seconds);
    open_streams(&runtime, &address);
}

/// Latency at half of what the gateway can do.
fn half_load(runtime: &Runtime, gateways: &[(&str, Gateway)], seconds: f64) {
    let table = Table::new("whole calls at half of the most, 64 connections", &["calls/s", "p50", "p99", "p99 to p50"]);
    for (name, gateway) in gateways {
        let load = |pace| Load {
            address: gateway.address.parse().unwrap(),
            connections: 64,
            body: body(false, "short"),
            pace,
        };
        let most = runtime.block_on(load(None).run(Duration::from_secs_f64(seconds))).rate();
        let pace = Duration::from_secs_f64(64.0 / (most / 2.0));
        let run = runtime.block_on(load(Some(pace)).run(Duration::from_secs_f64(seconds)));
        let [p50, p99] = [0.5, 0.99].map(|quantile| run.quantile(quantile));
        let ratio = p99.as_secs_f64() / p50.as_secs_f64();
        table.row(name, &[format!("{:.0}", run.rate()), time(p50), time(p99), format!("{ratio:.1}")]);
    }
}

fn each_event(runtime: &Runtime, ways: &[(&str, &String, Option<&Gateway>)], seconds: f64) {
    let table =
        Table::new(&format!("each of {EVENTS} events of a stream, 16 connections"), &["CPU an event", "events/s"]);
    for (name, address, gateway) in ways {
        let before = gateway.map(|gateway| gateway.child.cpu_time());
        let load = Load { address: address.parse().unwrap(), connections: 16, body: body(true, "long"), pace: None };
        let run = runtime.block_on(load.run(Duration::from_secs_f64(seconds)));
        let events = run.calls() * u32::try_from(EVENTS).unwrap();
        let cpu = gateway.zip(before).map(|(gateway, before)| gateway.child.cpu_time() - before);
        let cpu = cpu.map_or("-".to_owned(), |cpu| time(cpu / events));
        table.row(name, &[cpu, format!("{:.0}", run.rate() * EVENTS as f64)]);
    }
}

/// What a second thread adds. The load and the provider share the cores with the gateway, so what counts is processor time: it must
/// not grow.
fn threads(runtime: &Runtime, provider: &str, seconds: f64) {
    let table = Table::new("whole calls, 64 connections", &["CPU a call", "calls/s"]);
    for (name, modules) in CHAINS {
        for threads in [1, 2] {
            let gateway = Gateway::start(threads, modules, provider);
            let load = Load {
                address: gateway.address.parse().unwrap(),
                connections: 64,
                body: body(false, "short"),
                pace: None,
            };
            runtime.block_on(load.run(Duration::from_secs_f64(seconds / 4.0)));
            let before = gateway.child.cpu_time();
            let run = runtime.block_on(load.run(Duration::from_secs_f64(seconds)));
            let cpu = (gateway.child.cpu_time() - before) / run.calls();
            table.row(&format!("{threads} threads, {name}"), &[time(cpu), format!("{:.0}", run.rate())]);
        }
    }
}

fn open_streams(runtime: &Runtime, provider: &str) {
    let table = Table::new(&format!("{OPEN} open streams"), &["MB before", "MB", "KB a stream"]);
    for (name, modules) in CHAINS {
        let gateway = Gateway::start(2, modules, provider);
        let address: SocketAddr = gateway.address.parse().unwrap();
        let body = body(true, "open");
        let before = gateway.child.resident_kb();
        let streams = runtime.block_on(async {
            let mut opening = JoinSet::new();
            for _ in 0..OPEN {
                let body = body.clone();
                opening.spawn(async move {
                    let mut stream = TcpStream::connect(address).await.unwrap();
                    stream.write_all(&body).await.unwrap();
                    let mut first = [0; 4096];
                    assert!(stream.read(&mut first).await.unwrap() > 0, "a stream did not begin");
                    stream
                });
                if opening.len() >= 256 {
                    // So that the queue of the listener does not overflow.
                    tokio::task::yield_now().await;
                }
            }
            opening.join_all().await
        });
        let after = gateway.child.resident_kb();
        drop(streams);
        let each = format!("{:.1}", (after - before) as f64 / OPEN as f64);
        table.row(name, &[(before / 1024).to_string(), (after / 1024).to_string(), each]);
    }
}

/// A gateway in a process of its own.
struct Gateway {
    child: Child,
    address: String,
}

impl Gateway {
    fn start(threads: usize, modules: &[&str], provider: &str) -> Self {
        let arguments = ["gateway", &threads.to_string(), &modules.join(","), provider].map(str::to_owned);
        let mut child = Child::start(&arguments, &[]);
        let address = child.line();
        Self { child, address }
    }
}

/// Serves with these modules, separated by commas, until the input ends.
fn gateway(threads: usize, modules: &str, provider: &str) {
    let modules: Vec<&str> = modules.split_terminator(',').collect();
    let mut text = String::new();
    for name in ["a", "b"] {
        text += &format!(
            "[providers.{name}]\nadapter = \"openai\"\nbase_url = \"http://{provider}\"\ndefault_model = \"m\"\n"
        );
    }
    text += &format!("[host]\norder = {modules:?}\n");
    for module in &modules {
        text += &format!("[modules.{module}]\nenabled = true\n");
        text += match *module {
            "fallback" => "chain = [\"a\", \"b\"]\n",
            "rate-limit" => "requests_per_minute = 100000000\n",
            _ => "",
        };
    }
    let host = Host::builder().config(Config::parse(&text, None).unwrap()).build().unwrap();
    let listen = Some("127.0.0.1:0".parse().unwrap());
    let log = Some(RequestLog::Off);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let inside = runtime.enter();
    let server = Server::listen(Setup { host, read: None, listen, log, threads, otlp: None }).unwrap();
    drop(inside);
    println!("{}", server.address());
    std::thread::spawn(|| {
        std::io::stdin().read_to_string(&mut String::new()).unwrap();
        std::process::exit(0);
    });
    runtime.block_on(server.run()).unwrap();
}
