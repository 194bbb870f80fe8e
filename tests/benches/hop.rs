//! The cost of a module, beside the same call without one and beside the native retry layer of tower.
//!
//! `cargo bench --workspace --bench hop`. Calls are made in a task of the runtime, as by agents; from outside, each
//! would move to another thread and back. What is compared is measured in turn, round after round, so that other
//! programs slow all of it.
#![expect(clippy::unwrap_used, reason = "a benchmark ends where it cannot go on")]

mod support;

use std::{
    future::{Ready, ready},
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant as Clock},
};

use arcllm::{Adapter, ErrorKind, Host, Message, Model, Overrides, Request, Response};
use futures::future::BoxFuture;
use serde_json::json;
use support::{Instant, Modules, Table, cpu_time, host, median, micros};
use tokio::runtime::Runtime;
use tower::{Service, ServiceExt};

const ROUNDS: usize = 101;
/// About how long each case is measured in a round.
const SAMPLE: Duration = Duration::from_millis(5);
const SIZES: [(&str, usize); 3] = [("1 KB", 1 << 10), ("100 KB", 100 << 10), ("10 MB", 10 << 20)];
/// The setting of built-in modules. These are copies of them.
const SHARED: &str = "max_concurrent = 1000";

/// Makes so many calls one after the other.
type Calls = Arc<dyn Fn(u64) -> BoxFuture<'static, ()> + Send + Sync>;

/// A way of calling, and its times.
struct Case {
    name: String,
    /// The number of modules, by which its figure is divided; 0 for the baselines.
    modules: u32,
    calls: Calls,
    /// How many calls a sample has.
    count: u64,
    wall: Vec<Duration>,
    cpu: Vec<Duration>,
}

fn main() {
    let runtime = support::runtime();
    let modules = Modules::new().retry("alone", "max_concurrent = 1").retry("fresh", "fresh = true");
    let modules = (1..=8).fold(modules, |modules, number| modules.retry(&format!("retry{number}"), SHARED));
    let host = host(modules.config(), Arc::new(Instant));
    let mut cases = SIZES.map(|(size, bytes)| {
        let request = Arc::new(Request::new([Message::user("x".repeat(bytes))]));
        cases(&runtime, &host, &request, size == "1 KB")
    });
    cases.iter_mut().flatten().for_each(|case| case.settle(&runtime));
    for _ in 0..ROUNDS {
        cases.iter_mut().flatten().for_each(|case| case.sample(&runtime));
    }
    let each_module: Vec<_> = SIZES.iter().zip(cases).map(|((size, _), cases)| report(size, cases)).collect();
    if let [short, .., long] = each_module.as_slice() {
        let table = Table::new("10 MB against 1 KB, a module", &["times"]);
        for (long, short) in long.iter().zip(short) {
            table.row(&long.0, &[format!("{:.2}", long.1.as_secs_f64() / short.1.as_secs_f64())]);
        }
    }
}

/// The baselines first, the model without a module last of them.
fn cases(runtime: &Runtime, host: &Host, request: &Arc<Request>, all: bool) -> Vec<Case> {
    let load = |names: &[String]| -> Model {
        let overrides = names.iter().fold(Overrides::new(), |overrides, name| overrides.module(name, json!(true)));
        runtime.block_on(host.load_model("a", overrides)).unwrap()
    };
    let mut cases = vec![
        Case::new("the adapter", 0, adapter(request)),
        Case::new("tower's retry around the adapter", 0, tower(request)),
    ];
    for hops in [0, 1, 2, 4, 8].into_iter().filter(|hops| all || *hops <= 2) {
        let names: Vec<String> = (1..=hops).map(|number| format!("retry{number}")).collect();
        cases.push(Case::new(&format!("a model with {hops} modules"), hops, asking(load(&names), request)));
    }
    if all {
        for (name, what) in [("alone", "1 module, one call at a time"), ("fresh", "1 module, made anew for each call")]
        {
            cases.push(Case::new(what, 1, asking(load(&[name.to_owned()]), request)));
        }
    }
    cases
}

fn adapter(request: &Arc<Request>) -> Calls {
    let adapter: Arc<dyn Adapter> = Arc::new(Instant);
    calls(request, move |request| {
        let adapter = adapter.clone();
        async move { adapter.send(request).await.is_ok() }
    })
}

fn tower(request: &Arc<Request>) -> Calls {
    let adapter: Arc<dyn Adapter> = Arc::new(Instant);
    let service = tower::service_fn(move |request: Arc<Request>| {
        let adapter = adapter.clone();
        async move { adapter.send(request).await }
    });
    let service = tower::retry::Retry::new(Again { left: 3 }, service);
    calls(request, move |request| {
        let mut service = service.clone();
        async move { service.ready().await.unwrap().call(request).await.is_ok() }
    })
}

fn asking(model: Model, request: &Arc<Request>) -> Calls {
    calls(request, move |request| {
        let model = model.clone();
        async move { model.invoke_with(request).await.is_ok() }
    })
}

fn calls<C, F>(request: &Arc<Request>, call: C) -> Calls
where
    C: Fn(Arc<Request>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = bool> + Send,
{
    let request = request.clone();
    Arc::new(move |count| {
        let (request, call) = (request.clone(), call.clone());
        Box::pin(async move {
            for _ in 0..count {
                assert!(black_box(call(request.clone()).await), "a call failed");
            }
        })
    })
}

/// Retries a failed call as long as it has retries left.
#[derive(Clone)]
struct Again {
    left: u32,
}

impl tower::retry::Policy<Arc<Request>, Response, ErrorKind> for Again {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut Arc<Request>, result: &mut Result<Response, ErrorKind>) -> Option<Ready<()>> {
        result.as_ref().err()?;
        self.left = self.left.checked_sub(1)?;
        Some(ready(()))
    }

    fn clone_request(&mut self, request: &Arc<Request>) -> Option<Arc<Request>> {
        Some(request.clone())
    }
}

impl Case {
    fn new(name: &str, modules: u32, calls: Calls) -> Self {
        Self { name: name.to_owned(), modules, calls, count: 1, wall: Vec::new(), cpu: Vec::new() }
    }

    /// Makes so many calls in a task. Returns their wall time and their processor time.
    fn run(&self, runtime: &Runtime) -> (Duration, Duration) {
        let calls = (self.calls)(self.count);
        let before = cpu_time();
        let agent = runtime.spawn(async {
            let started = Clock::now();
            calls.await;
            started.elapsed()
        });
        let wall = runtime.block_on(agent).unwrap();
        (wall, cpu_time().saturating_sub(before))
    }

    /// Finds out how many calls a sample has.
    fn settle(&mut self, runtime: &Runtime) {
        while self.run(runtime).0 < SAMPLE {
            self.count *= 2;
        }
    }

    fn sample(&mut self, runtime: &Runtime) {
        let (wall, cpu) = self.run(runtime);
        self.wall.push(wall.div_f64(self.count as f64));
        self.cpu.push(cpu.div_f64(self.count as f64));
    }
}

/// Prints the figures, and returns the medians of what a module adds.
fn report(size: &str, cases: Vec<Case>) -> Vec<(String, Duration)> {
    let table = Table::new(size, &["least", "median", "processor", "a module", "its median"]);
    let mut bare = [Duration::ZERO; 2];
    let mut each_module = Vec::new();
    for case in cases {
        let least = case.wall.iter().min().copied().unwrap();
        let (wall, cpu) = (median(case.wall), median(case.cpu));
        let mut figures = [least, wall, cpu].map(micros).to_vec();
        if case.modules == 0 {
            bare = [least, wall];
        } else {
            let [least, wall] =
                [least.saturating_sub(bare[0]), wall.saturating_sub(bare[1])].map(|added| added / case.modules);
            figures.extend([least, wall].map(micros));
            each_module.push((case.name.clone(), wall));
        }
        table.row(&case.name, &figures);
    }
    each_module
}
