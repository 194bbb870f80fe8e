//! The cost of streaming until the first event, for each event, and in memory, beside the same without modules and
//! beside the HTTP client alone.
//!
//! `cargo bench --workspace --bench streams`. The server is a process of its own. What is compared is measured in turn,
//! round after round.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark reports, and ends where it cannot go on")]

mod support;

use std::{
    io::Read as _,
    sync::Arc,
    time::{Duration, Instant},
};

use arcllm::{Event, Host, Message, Model, Overrides, Request};
use arcllm_simulator::{Reply, Script, Simulator};
use futures::{StreamExt as _, future::BoxFuture};
use support::{Child, Table, child_arguments, host, loopback, median, resident_kb, retry_and_fallback, time};
use tokio::{runtime::Runtime, task::JoinSet};

/// Events of the long answer.
const EVENTS: usize = 100_000;
const ROUNDS: usize = 21;
/// Answers whose first event is waited for.
const FIRSTS: usize = 1001;
/// Streams that are open at once.
const OPEN: usize = 10_000;

fn main() {
    let arguments = child_arguments();
    let arguments: Option<Vec<&str>> = arguments.as_ref().map(|all| all.iter().map(String::as_str).collect());
    let runtime = support::runtime();
    match arguments.as_deref() {
        Some(["server", answer]) => runtime.block_on(server(answer)),
        Some(["open", how, url]) => println!("{}", runtime.block_on(open(how, url))),
        _ => {
            if std::env::var_os("EVENTS_ONLY").is_none() {
                first_events(&runtime);
            }
            each_event(&runtime);
            if std::env::var_os("EVENTS_ONLY").is_none() {
                memory();
            }
        }
    }
}

/// A chunk in OpenAI's format.
fn chunk(delta: &str, finish: &str) -> Vec<u8> {
    let head =
        r#"{"id":"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT","object":"chat.completion.chunk","created":1741569952"#;
    let model = r#""model":"m","service_tier":"default","system_fingerprint":"fp_b376dfbbd5""#;
    let choice = format!("{{\"index\":0,\"delta\":{delta},\"logprobs\":null,\"finish_reason\":{finish}}}");
    format!("data: {head},{model},\"choices\":[{choice}],\"usage\":null}}\n\n").into_bytes()
}

/// So many pieces of an answer, with this much time after each.
fn answer(pieces: usize, pace: Duration) -> Reply {
    let first = (Duration::ZERO, chunk(r#"{"role":"assistant","content":""}"#, "null"));
    let pieces = (0..pieces).map(|_| (Duration::ZERO, chunk(r#"{"content":" token"}"#, "null")));
    let last = [(pace, chunk("{}", "\"stop\"")), (Duration::ZERO, b"data: [DONE]\n\n".to_vec())];
    Reply::event_stream([first].into_iter().chain(pieces).chain(last))
}

/// Serves answers until its input ends.
async fn server(which: &str) {
    let answer = match which {
        "short" => answer(3, Duration::ZERO),
        "long" => answer(EVENTS, Duration::ZERO),
        _ => answer(1, Duration::from_secs(600)),
    };
    let simulator = Simulator::start(Script::new([answer.times(u32::MAX)])).await.unwrap();
    println!("{}", simulator.url());
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_string(&mut String::new())).await.unwrap().unwrap();
}

/// A server, and its address.
fn serve(which: &str) -> (Child, String) {
    let mut child = Child::start(&["server".to_owned(), which.to_owned()], &[]);
    let url = child.line();
    (child, url)
}

fn load(runtime: &Runtime, host: &Host, modules: usize) -> Model {
    runtime.block_on(host.load_model("a", retry_and_fallback(modules))).unwrap()
}

fn request() -> Arc<Request> {
    Arc::new(Request::new([Message::user("x".repeat(1 << 10))]))
}

/// The time until the first event, and until the end.
async fn read(model: &Model, request: Arc<Request>) -> (Duration, Duration) {
    let started = Instant::now();
    let mut stream = model.stream_with(request);
    assert!(matches!(stream.next().await, Some(Ok(_))), "no event came");
    let first = started.elapsed();
    let mut ended = false;
    while let Some(event) = stream.next().await {
        ended = matches!(event.unwrap(), Event::End(_));
    }
    assert!(ended, "the answer was not whole");
    (first, started.elapsed())
}

/// Runs this in a task, as agents do.
fn within<T: Send + 'static>(runtime: &Runtime, work: impl Future<Output = T> + Send + 'static) -> T {
    let task = runtime.spawn(work);
    runtime.block_on(task).unwrap()
}

fn first_events(runtime: &Runtime) {
    let (_server, url) = serve("short");
    let over_loopback = Host::builder().config(loopback(&url, &url)).build().unwrap();
    let here = host(arcllm::Config::parse("", None).unwrap(), Arc::new(support::Instant));
    let table = Table::new("until the first event", &["least", "median", "added, least", "added, median"]);
    for (host, place) in [(&here, "an adapter of this process"), (&over_loopback, "over loopback")] {
        let models = [0, 1, 2].map(|modules| load(runtime, host, modules));
        let mut times = [const { Vec::new() }; 3];
        for _ in 0..FIRSTS {
            for (model, times) in models.iter().zip(&mut times) {
                let (model, request) = (model.clone(), request());
                times.push(within(runtime, async move { read(&model, request).await.0 }));
            }
        }
        let mut bare = None;
        for (name, times) in ["no module", "retry", "retry and fallback"].iter().zip(times) {
            let figures = [times.iter().min().copied().unwrap(), median(times)];
            let [least, middle] = *bare.get_or_insert(figures);
            let added = [figures[0].saturating_sub(least), figures[1].saturating_sub(middle)];
            table
                .row(&format!("{place}, {name}"), &[figures, added].concat().into_iter().map(time).collect::<Vec<_>>());
        }
    }
}

/// A way of reading the long answer.
type Reading<'a> = (&'a str, Box<dyn Fn() -> BoxFuture<'static, Duration>>, Vec<f64>);

fn each_event(runtime: &Runtime) {
    let (_server, url) = serve("long");
    let host = Host::builder().config(loopback(&url, &url)).build().unwrap();
    let reading = |overrides: Overrides| -> Box<dyn Fn() -> BoxFuture<'static, Duration>> {
        let model = runtime.block_on(host.load_model("a", overrides)).unwrap();
        Box::new(move || {
            let (model, request) = (model.clone(), request());
            Box::pin(async move { read(&model, request).await.1 })
        })
    };
    let client = client();
    let alone = move || -> BoxFuture<'static, Duration> {
        let (client, url) = (client.clone(), url.clone());
        Box::pin(async move {
            let started = Instant::now();
            let mut body = ask(&client, &url).await;
            let mut bytes = 0;
            while let Some(chunk) = body.chunk().await.unwrap() {
                bytes += chunk.len();
            }
            assert!(bytes > EVENTS * 100, "the answer was not whole");
            started.elapsed()
        })
    };
    let only = |module: &str| retry_and_fallback(0).module(module, true);
    let mut ways: [Reading<'_>; 5] = [
        ("the client alone", Box::new(alone), Vec::new()),
        ("no module", reading(retry_and_fallback(0)), Vec::new()),
        ("retry and fallback", reading(retry_and_fallback(2)), Vec::new()),
        ("telemetry", reading(only("telemetry")), Vec::new()),
        ("redact", reading(only("redact")), Vec::new()),
    ];
    for _ in 0..ROUNDS {
        for (_, read, times) in &mut ways {
            times.push(within(runtime, read()).as_secs_f64() / EVENTS as f64);
        }
    }
    let columns = ["least", "median", "events/s", "to the client", "to no module"];
    let table = Table::new(&format!("each of {EVENTS} events of one stream, over loopback"), &columns);
    let figures =
        ways.map(|(name, _, times)| (name, times.iter().copied().fold(f64::INFINITY, f64::min), median(times)));
    let [(_, _, alone), (_, _, bare), ..] = figures;
    for (name, least, middle) in figures {
        let times = [least, middle].map(|seconds| format!("{:.0} ns", seconds * 1e9));
        let ratios = [alone, bare].map(|baseline| format!("{:.2}", middle / baseline));
        table.row(name, &[&times[..], &[format!("{:.0}", 1.0 / middle)], &ratios].concat());
    }
}

fn client() -> reqwest::Client {
    // Not used over loopback, but the client needs one. It may be installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

async fn ask(client: &reqwest::Client, url: &str) -> reqwest::Response {
    let url = format!("{url}/v1/chat/completions");
    let body = r#"{"model":"m","messages":[{"role":"user","content":"Hi"}],"stream":true}"#;
    client.post(url).header("content-type", "application/json").body(body).send().await.unwrap()
}

fn memory() {
    let table = Table::new(&format!("{OPEN} open streams, over loopback"), &["KB a stream", "beyond that"]);
    let mut bare = None;
    for (how, name) in [("client", "the client alone"), ("0", "no module"), ("2", "retry and fallback")] {
        let (_server, url) = serve("open");
        let figures = Child::figures(&["open".to_owned(), how.to_owned(), url], &[]);
        let each = figures.first().unwrap() / OPEN as f64;
        let beyond = each - *bare.get_or_insert(each);
        table.row(name, &[format!("{each:.2}"), format!("{beyond:.2}")]);
    }
}

/// Opens streams and reads the first event of each. Returns the kilobytes of all of them while they are open.
async fn open(how: &str, url: &str) -> u64 {
    let client = client();
    let model = match how {
        "client" => None,
        modules => {
            let host = Host::builder().config(loopback(url, url)).build().unwrap();
            Some(host.load_model("a", retry_and_fallback(modules.parse().unwrap())).await.unwrap())
        }
    };
    let request = request();
    let mut opening = JoinSet::new();
    // The first one warms up.
    let mut before = None;
    let mut streams = Vec::new();
    for number in 0..=OPEN {
        let (client, model, request, url) = (client.clone(), model.clone(), request.clone(), url.to_owned());
        opening.spawn(async move {
            match model {
                None => {
                    let mut body = ask(&client, &url).await;
                    body.chunk().await.unwrap().unwrap();
                    Open::Body(body)
                }
                Some(model) => {
                    let mut stream = model.stream_with(request);
                    stream.next().await.unwrap().unwrap();
                    Open::Stream(Box::new(stream))
                }
            }
        });
        // The backlog of a listening socket is usually a hundred or more.
        if number == 0 || opening.len() == 100 || number == OPEN {
            while let Some(stream) = opening.join_next().await {
                streams.push(stream.unwrap());
            }
            before.get_or_insert_with(resident_kb);
        }
    }
    let resident = resident_kb();
    drop(streams);
    resident.saturating_sub(before.unwrap())
}

#[expect(dead_code, reason = "they are held, and that is all")]
enum Open {
    Body(reqwest::Response),
    Stream(Box<arcllm::ResponseStream>),
}
