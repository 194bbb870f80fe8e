//! Containment: whatever a module does, it ends a call with an error that says which limit it was, and the next call works.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use arcllm::{Adapter, Config, ContentBlock, Error, ErrorKind, Host, Message, Model, Overrides, Request, Response};
use futures::future::{BoxFuture, join_all};
use tokio::sync::Semaphore;

use crate::scene::soon;

/// A provider in this process that answers as soon as it may.
struct Gate {
    asked: AtomicUsize,
    open: Semaphore,
}

impl Gate {
    fn open() -> Arc<Self> {
        Arc::new(Self { asked: AtomicUsize::new(0), open: Semaphore::new(Semaphore::MAX_PERMITS) })
    }

    fn closed() -> Arc<Self> {
        Arc::new(Self { asked: AtomicUsize::new(0), open: Semaphore::new(0) })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    async fn wait_until_asked(&self, times: usize) {
        soon(async {
            while self.asked() < times {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
    }
}

impl Adapter for Gate {
    fn send(self: Arc<Self>, _: Arc<Request>) -> BoxFuture<'static, Result<Response, ErrorKind>> {
        Box::pin(async move {
            self.asked.fetch_add(1, Ordering::SeqCst);
            self.open.acquire().await.unwrap().forget();
            Ok(Response::new(vec![ContentBlock::text("Hello.")]).with_provider("p", "m"))
        })
    }
}

/// The models of two providers around which the same instances stand, which do wrong with those of `bad` alone.
struct Pair {
    bad: Model,
    good: Model,
}

impl Pair {
    async fn load(adapter: Arc<Gate>, fault: &str, sandbox: &str) -> Self {
        let config = format!(
            "[modules.chaos]\nenabled = true\nprovider = \"bad\"\n{fault}\n[modules.chaos.sandbox]\n{sandbox}\n"
        );
        let host = Host::builder().config(Config::parse(&config, None).unwrap());
        let host = host.adapter("bad", "m", adapter.clone()).adapter("good", "m", adapter).build().unwrap();
        let load = async |name| soon(host.load_model(name, Overrides::new())).await.unwrap();
        Self { bad: load("bad").await, good: load("good").await }
    }
}

async fn ask(model: &Model) -> Result<Response, Error> {
    soon(model.invoke(&[Message::user("Hi")], &[])).await
}

/// The limit that an error of the module is about.
fn limit(error: &Error) -> Option<String> {
    let ErrorKind::Module(failure) = &error.kind else { panic!("an error of the module: {error:?}") };
    assert_eq!(failure.extensions.get("module").unwrap(), "chaos");
    assert!(failure.message.starts_with("the module `chaos` failed: "), "{failure}");
    let limit = failure.extensions.get("limit").map(|limit| limit.as_str().unwrap().to_owned());
    assert!(limit.as_ref().is_none_or(|limit| failure.message.contains(limit)), "{failure}");
    limit
}

/// Every way to do wrong, and the limit that ends it.
const FAULTS: [(&str, &str, Option<&str>); 11] = [
    ("trap", "", None),
    ("spin", "cpu_seconds = 0.05", Some("cpu_seconds")),
    ("allocate", "memory_mb = 8", Some("memory_mb")),
    ("recurse", "stack_kb = 256", Some("stack_kb")),
    ("hang", "stall_seconds = 0.1", Some("stall_seconds")),
    ("leak-handles", "handles = 100", Some("handles")),
    ("swarm", "handles = 100", Some("handles")),
    ("hoard", "memory_mb = 8", Some("memory_mb")),
    ("flood-log", "log_lines_per_second = 50", Some("log_lines_per_second")),
    ("flood-log", "log_kb_per_second = 1", Some("log_kb_per_second")),
    ("move", "hostcall_mb = 2", Some("hostcall_mb")),
];

#[tokio::test]
async fn each_limit_ends_the_call_by_its_name_and_the_next_call_works() {
    for when in ["before", "after"] {
        for shared in [1, 10] {
            for (fault, setting, expected) in FAULTS {
                let fault = format!("fault = \"{fault}\"\nwhen = \"{when}\"");
                let sandbox = format!("max_concurrent = {shared}\n{setting}");
                let pair = Pair::load(Gate::open(), &fault, &sandbox).await;
                for _ in 0..2 {
                    let error = ask(&pair.bad).await.unwrap_err();
                    assert_eq!(limit(&error).as_deref(), expected, "{fault} {sandbox}: {error}");
                    assert_eq!(error.trail.len(), usize::from(when == "after"), "{fault}");
                    ask(&pair.good).await.unwrap();
                }
            }
        }
    }
}

#[tokio::test]
async fn the_default_limits_are_there() {
    // Those that are reached in less than a second. What a call can hand to the host fits no memory of one call.
    for (fault, setting, expected) in FAULTS {
        let left_out = ["cpu_seconds = 0.05", "stall_seconds = 0.1", "log_kb_per_second = 1", "hostcall_mb = 2"];
        if left_out.contains(&setting) {
            continue;
        }
        let pair = Pair::load(Gate::open(), &format!("fault = \"{fault}\""), "max_concurrent = 1").await;
        assert_eq!(limit(&ask(&pair.bad).await.unwrap_err()).as_deref(), expected, "{fault}");
        ask(&pair.good).await.unwrap();
    }
}

#[tokio::test]
async fn tables_are_limited_too() {
    let config = "[modules.retry]\nenabled = true\n[modules.retry.sandbox]\nmax_concurrent = 1\ntable_elements = 1\n";
    let host = Host::builder().config(Config::parse(config, None).unwrap()).adapter("a", "m", Gate::open());
    let error = host.build().unwrap().load_model("a", Overrides::new()).await.unwrap_err().to_string();
    assert!(error.contains("failed to start") && error.contains("table_elements"), "{error}");
}

/// On one thread, so that whoever computes without a break keeps everybody else from running.
#[tokio::test(flavor = "current_thread")]
async fn a_guest_that_spins_does_not_hold_up_the_others() {
    let pair = Pair::load(Gate::open(), "fault = \"spin\"", "max_concurrent = 1\ncpu_seconds = 60").await;
    let spinning = tokio::spawn(async move { ask(&pair.bad).await });
    tokio::task::yield_now().await;
    for _ in 0..5 {
        ask(&pair.good).await.unwrap();
    }
    assert!(!spinning.is_finished(), "it spins on beside them");
    spinning.abort();
}

#[tokio::test]
async fn time_that_passes_while_a_call_waits_is_not_computing() {
    let gate = Gate::closed();
    let pair = Pair::load(gate.clone(), "", "max_concurrent = 1\ncpu_seconds = 0.01\nstall_seconds = 0.05").await;
    let waiting = tokio::spawn(async move { ask(&pair.good).await });
    gate.wait_until_asked(1).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    gate.open.add_permits(1);
    waiting.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_trap_takes_along_whoever_shares_the_instance_and_nobody_else() {
    let gate = Gate::closed();
    let pair = Pair::load(gate.clone(), "fault = \"trap\"", "max_concurrent = 3\nmax_instances = 2").await;
    let pair = Arc::new(pair);
    let calls: Vec<_> = (0..5)
        .map(|_| {
            let pair = pair.clone();
            tokio::spawn(async move { ask(&pair.good).await })
        })
        .collect();
    gate.wait_until_asked(5).await;
    // Five share two instances: three fill the first, and this one comes third into the second.
    let error = ask(&pair.bad).await.unwrap_err();
    assert_eq!(limit(&error), None);
    assert!(!error.to_string().contains("shared"), "it was served again, alone: {error}");
    gate.open.add_permits(5);
    let ended: Vec<_> = join_all(calls).await.into_iter().map(Result::unwrap).collect();
    let taken_along: Vec<_> = ended.iter().filter_map(|ended| ended.as_ref().err()).collect();
    assert_eq!(taken_along.len(), 2, "{ended:?}");
    for error in taken_along {
        assert_eq!(limit(error), None);
        assert!(error.to_string().contains("3 calls shared the instance"), "{error}");
    }
    ask(&pair.good).await.unwrap();
}

#[tokio::test]
async fn a_call_that_is_taken_along_is_told_that_it_was_another() {
    let gate = Gate::closed();
    let pair =
        Pair::load(gate.clone(), "fault = \"spin\"", "max_concurrent = 2\nmax_instances = 1\ncpu_seconds = 0.05").await;
    let good = pair.good.clone();
    let taken_along = tokio::spawn(async move { ask(&good).await });
    gate.wait_until_asked(1).await;
    let (culprit, other) = (ask(&pair.bad).await.unwrap_err(), taken_along.await.unwrap().unwrap_err());
    assert!(!culprit.to_string().contains("in another call"), "{culprit}");
    assert!(other.to_string().contains("(cpu_seconds), in another call"), "{other}");
}

#[tokio::test]
async fn a_call_that_the_guest_had_not_begun_with_goes_to_another_instance() {
    let pair = Pair::load(Gate::open(), "fault = \"spin\"", "max_concurrent = 2\ncpu_seconds = 0.3").await;
    let spinning = tokio::spawn(async move { ask(&pair.bad).await });
    tokio::task::yield_now().await;
    // The instance that spins has a seat, and no time.
    ask(&pair.good).await.unwrap();
    assert_eq!(limit(&spinning.await.unwrap().unwrap_err()).as_deref(), Some("cpu_seconds"));
}

#[tokio::test]
async fn a_call_that_stalls_takes_nobody_along() {
    let gate = Gate::closed();
    let pair = Pair::load(gate.clone(), "fault = \"hang\"", "max_concurrent = 2\nstall_seconds = 0.1").await;
    let good = pair.good.clone();
    let neighbour = tokio::spawn(async move { ask(&good).await });
    gate.wait_until_asked(1).await;
    assert_eq!(limit(&ask(&pair.bad).await.unwrap_err()).as_deref(), Some("stall_seconds"));
    gate.open.add_permits(1);
    neighbour.await.unwrap().unwrap();
}

#[tokio::test]
async fn more_calls_than_may_wait_are_refused_as_overload() {
    let gate = Gate::closed();
    let sandbox = "max_concurrent = 2\nmax_instances = 2\nmax_queued = 3";
    let model = Pair::load(gate.clone(), "", sandbox).await.good;
    let call = || {
        let model = model.clone();
        tokio::spawn(async move { ask(&model).await })
    };
    let served: Vec<_> = (0..4).map(|_| call()).collect();
    gate.wait_until_asked(4).await;
    let queued: Vec<_> = (0..3).map(|_| call()).collect();
    // They wait from their first poll on.
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    let error = ask(&model).await.unwrap_err();
    assert_eq!(limit(&error).as_deref(), Some("max_queued"));
    assert!(error.to_string().contains("overloaded"), "{error}");
    assert_eq!(gate.asked(), 4, "those that wait have not been served");
    gate.open.add_permits(7);
    for ended in join_all(served.into_iter().chain(queued)).await {
        ended.unwrap().unwrap();
    }
    assert_eq!(gate.asked(), 7);
}

#[tokio::test]
async fn a_place_in_the_queue_ends_with_the_call() {
    let gate = Gate::closed();
    let model = Pair::load(gate.clone(), "", "max_concurrent = 1\nmax_instances = 1\nmax_queued = 1").await.good;
    let first = tokio::spawn({
        let model = model.clone();
        async move { ask(&model).await }
    });
    gate.wait_until_asked(1).await;
    for _ in 0..3 {
        let given_up = model.invoke_until(Request::new([Message::user("Hi")]), tokio::task::yield_now());
        assert_eq!(soon(given_up).await.unwrap_err().kind, ErrorKind::Cancelled);
    }
    gate.open.add_permits(2);
    first.await.unwrap().unwrap();
    ask(&model).await.unwrap();
}

#[tokio::test]
async fn a_module_is_passed_by_only_if_it_has_not_asked() {
    for (fault, setting, expected) in FAULTS {
        let sandbox = format!("on_trap = \"bypass\"\nmax_concurrent = 1\n{setting}");
        let gate = Gate::open();
        let before = Pair::load(gate.clone(), &format!("fault = \"{fault}\"\nwhen = \"before\""), &sandbox).await;
        let answer = ask(&before.bad).await.unwrap();
        assert_eq!((answer.text().as_deref(), answer.trail.len(), gate.asked()), (Some("Hello."), 1, 1), "{fault}");
        assert_eq!(answer.trail[0].asked_by, None, "its inner was asked in its stead");

        let gate = Gate::open();
        let after = Pair::load(gate.clone(), &format!("fault = \"{fault}\"\nwhen = \"after\""), &sandbox).await;
        let error = ask(&after.bad).await.unwrap_err();
        assert_eq!((limit(&error).as_deref(), gate.asked()), (expected, 1), "{fault}");
    }
}

#[tokio::test]
async fn an_error_that_the_module_gives_is_no_trap() {
    let gate = Gate::open();
    let pair = Pair::load(gate.clone(), "fault = \"error\"\nerror = \"module\"", "on_trap = \"bypass\"").await;
    ask(&pair.bad).await.unwrap_err();
    assert_eq!(gate.asked(), 0);
}

#[tokio::test]
async fn overload_is_passed_by_too() {
    let gate = Gate::closed();
    let sandbox = "on_trap = \"bypass\"\nmax_concurrent = 1\nmax_instances = 1\nmax_queued = 1";
    let model = Pair::load(gate.clone(), "", sandbox).await.good;
    let calls: Vec<_> = (0..5)
        .map(|_| {
            let model = model.clone();
            tokio::spawn(async move { ask(&model).await })
        })
        .collect();
    // One is served, one waits, three go round.
    gate.wait_until_asked(4).await;
    gate.open.add_permits(5);
    let asked_by = join_all(calls).await.into_iter().map(|ended| ended.unwrap().unwrap().trail[0].asked_by.clone());
    assert_eq!(asked_by.filter(Option::is_none).count(), 3);
}

#[tokio::test]
async fn a_call_that_goes_on_when_nobody_waits_gives_its_place_to_the_next() {
    for (fault, when) in [("linger", "before"), ("hang", "before"), ("spin", "before"), ("linger", "after")] {
        let fault = format!("fault = \"{fault}\"\nwhen = \"{when}\"");
        let pair = Pair::load(Gate::open(), &fault, "max_concurrent = 1\nmax_instances = 1\ncpu_seconds = 60").await;
        let given_up = tokio::time::timeout(Duration::from_millis(50), ask(&pair.bad)).await;
        assert!(given_up.is_err(), "{fault}: it goes on for ever");
        ask(&pair.good).await.unwrap();
    }
}

#[tokio::test]
async fn instances_are_retired_after_their_calls_and_after_idling() {
    let sandbox = "max_concurrent = 2\nmax_instances = 1\nretire_after_calls = 3\nretire_after_idle_seconds = 0.02";
    let model = Pair::load(Gate::open(), "", sandbox).await.good;
    for call in 0..20 {
        ask(&model).await.unwrap();
        if call % 5 == 0 {
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
    }
    // Beside each other as well: the next instance begins while the last calls of the one before are served.
    for ended in join_all((0..50).map(|_| ask(&model))).await {
        ended.unwrap();
    }
}

#[tokio::test]
async fn fresh_instances_serve_one_call_each() {
    let model = Pair::load(Gate::open(), "", "fresh = true\nmax_instances = 4").await.good;
    for ended in join_all((0..50).map(|_| ask(&model))).await {
        ended.unwrap();
    }
}
