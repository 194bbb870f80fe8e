//! What a call may cost is bounded: the requests that it sends, whatever its modules do, and the retries of all calls.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use arcllm::{
    Adapter, ApiError, Bucket, Config, Error, ErrorKind, Event, Host, MemoryStore, Message, Model, Overrides, Request,
    Response, StateError, StateStore,
};
use arcllm_simulator::{Reply, Simulator};
use futures::{
    StreamExt as _,
    future::{BoxFuture, join_all},
};
use insta::assert_snapshot;
use serde_json::json;
use tokio::{sync::Semaphore, time::Instant};

use crate::{
    scene::{FAST, around, around_both, ask, count, load, replies, soon, steps},
    support::{Chain, Folder},
};

/// Makes an answer of every error that it is not to retry.
const FAULTY: &[u8] = include_bytes!("../prebuilt/faulty.wasm");

/// Writes its answers itself.
const STREAMED: &[u8] = include_bytes!("../prebuilt/upper-streamed.wasm");

const REPEAT: &str = "fault = \"repeat\"";

/// One that is overloaded for ever.
async fn overloaded() -> Simulator {
    replies([Reply::status(529).times(u32::MAX)]).await
}

/// That the call ended since this module asked for more than `most` requests, which are in the trail.
fn assert_exceeded(error: &Error, module: &str, most: usize) {
    let seen = serde_json::to_value(error).unwrap();
    let message = format!(
        "the module `{module}` asks for more than the {most} requests that one call may send (host.max_attempts)"
    );
    assert_eq!((&seen["kind"], &seen["message"]), (&json!("module"), &json!(message)));
    assert_eq!(seen["extensions"], json!({ "module": module, "limit": "max_attempts" }));
    assert_eq!(error.trail.len(), most);
}

async fn ended(model: &Model) -> Error {
    soon(model.invoke(&[Message::user("Hi")], &[])).await.unwrap_err()
}

#[tokio::test]
async fn a_module_that_asks_again_and_again_ends_its_call() {
    for (setting, most) in [("", 32), ("max_attempts = 1", 1), ("max_attempts = 7", 7)] {
        for good in [true, false] {
            let a = if good { replies([]).await } else { overloaded().await };
            let folder = around(&a).module("chaos", REPEAT).host(setting).folder().unwrap();
            let model = load(&folder, Overrides::new()).await;
            assert_exceeded(&ended(&model).await, "chaos", most);
            assert_exceeded(
                &soon(model.stream(&[Message::user("Hi")], &[]).collect()).await.unwrap_err(),
                "chaos",
                most,
            );
            assert_eq!(count(&a), 2 * most);
        }
    }
}

#[tokio::test]
async fn what_is_within_the_bound_is_as_it_was() {
    let a = overloaded().await;
    let chain = around(&a).module("retry", &format!("{FAST}\nmax_retries = 3")).host("max_attempts = 4");
    let error = ask(&chain).await.unwrap_err();
    assert_eq!((error.kind.as_str(), error.trail.len(), count(&a)), ("api", 4, 4));
    let a = replies([]).await;
    assert!(ask(&around(&a).host("max_attempts = 1")).await.is_ok());
}

/// All that one invoke sends counts, through whichever module and to whichever provider.
#[tokio::test]
async fn retries_and_fallbacks_add_up() {
    let (a, b) = (overloaded().await, overloaded().await);
    let chain = around_both(&a, &b).module("retry", FAST).module("fallback", "chain = [\"a\", \"b\"]");
    let error = ask(&chain.host("max_attempts = 3")).await.unwrap_err();
    assert_exceeded(&error, "fallback", 3);
    let trail = ["fallback asks a: 529", "fallback asks b: 529", "retry waits, fallback asks a: 529"];
    assert_eq!((steps(&error.trail), count(&a), count(&b)), (trail.map(str::to_owned).to_vec(), 2, 1));
}

#[tokio::test]
async fn no_module_outside_goes_on_after_it() {
    let (a, b) = (overloaded().await, replies([]).await);
    let chain = around_both(&a, &b).module("fallback", "chain = [\"a\", \"b\"]");
    let chain = chain.module("chaos", &format!("{REPEAT}\nprovider = \"a\"")).host("max_attempts = 5");
    assert_exceeded(&ask(&chain).await.unwrap_err(), "chaos", 5);
    assert_eq!((count(&a), count(&b)), (5, 0));

    // One that gives an answer of its own instead.
    let chain = around(&a).host("order = [\"faulty\", \"chaos\"]\nmax_attempts = 5").module("chaos", REPEAT);
    let folder = Folder::new(&chain.module("faulty", "fault = \"swallows-errors\"").to_string()).unwrap();
    folder.write("modules/faulty.wasm", FAULTY).unwrap();
    let model = load(&folder, Overrides::new()).await;
    assert_exceeded(&ended(&model).await, "chaos", 5);
    assert_exceeded(&soon(model.stream(&[Message::user("Hi")], &[]).collect()).await.unwrap_err(), "chaos", 5);
}

/// Its call is committed by then, and the caller reads.
#[tokio::test]
async fn a_module_that_asks_while_it_writes_ends_its_answer() {
    let a = replies([]).await;
    let chain = around(&a).host("order = [\"upper-streamed\"]\nmax_attempts = 6");
    let folder = Folder::new(&chain.module("upper-streamed", "fault = \"asks-on\"").to_string()).unwrap();
    folder.write("modules/upper-streamed.wasm", STREAMED).unwrap();
    let model = load(&folder, Overrides::new()).await;
    let mut stream = model.stream(&[Message::user("Hi")], &[]);
    let mut text = String::new();
    let error = loop {
        match soon(stream.next()).await.unwrap() {
            Ok(Event::Text(piece)) => text.push_str(&piece),
            Ok(event) => assert!(!matches!(event, Event::End(_)), "it has no end"),
            Err(error) => break error,
        }
    };
    assert_exceeded(&error, "upper-streamed", 6);
    assert!(!text.is_empty() && !error.received.is_empty(), "what had come is there: {text}");
    assert!(soon(stream.next()).await.is_none());
    assert_exceeded(&ended(&model).await, "upper-streamed", 6);
    assert_eq!(count(&a), 12);
}

/// The module goes on asking, and is not answered for ever: it would compute for as long as it may, and trap.
#[tokio::test]
async fn others_in_the_instance_do_not_notice() {
    let config = format!(
        "[host]\nmax_attempts = 3\n[modules.chaos]\nenabled = true\nprovider = \"bad\"\n{REPEAT}\n\
         [modules.chaos.sandbox]\ncpu_seconds = 0.3\nmax_instances = 1"
    );
    let (gate, open) = (Provider::closed(), Provider::new(None));
    let host = Host::builder().config(Config::parse(&config, None).unwrap());
    let host = host.adapter("good", "m", gate.clone()).adapter("bad", "m", open.clone()).build().unwrap();
    let good = soon(host.load_model("good", Overrides::new())).await.unwrap();
    let bad = soon(host.load_model("bad", Overrides::new())).await.unwrap();
    let waiting = tokio::spawn(async move { good.invoke(&[Message::user("Hi")], &[]).await });
    while gate.asked() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_exceeded(&ended(&bad).await, "chaos", 3);
    tokio::time::sleep(Duration::from_secs(1)).await;
    gate.gate.add_permits(1);
    soon(waiting).await.unwrap().unwrap();
    assert_eq!(open.asked(), 3);
}

#[tokio::test]
async fn check_tells_and_warns() {
    let a = replies([]).await;
    let check = async |chain: Chain| {
        let folder = chain.folder().unwrap();
        let json = soon(folder.arcllm(["check", "--json"]).unwrap().run()).await.unwrap().json().unwrap();
        let text = soon(folder.arcllm(["check"]).unwrap().run()).await.unwrap().stdout;
        let lines: Vec<_> = text.lines().skip_while(|line| !line.contains("host.max_attempts")).take(2).collect();
        assert!(text.contains(&format!("attempts    {} at most\n", json["max_attempts"])), "{text}");
        (json["max_attempts"].clone(), json["worst_case_attempts"].clone(), lines.join("\n"))
    };
    let retry = |settings: &str| around(&a).module("retry", &format!("max_wait_seconds = 1\n{settings}"));
    assert_eq!(check(retry("max_retries = 31")).await, (json!(32), json!(32), String::new()));
    let (most, worst, warning) = check(retry("max_retries = 32")).await;
    assert_eq!((most, worst), (json!(32), json!(33)));
    assert_snapshot!(warning, @"
    warning     config.toml:4: `host.max_attempts` is 32, and one call can ask for more requests than that: up to 33
                help: raise it, or have the modules ask less often; it ends the call that asks for one more
    ");
    let (most, _, warning) = check(around(&a).module("chaos", REPEAT).host("max_attempts = 5")).await;
    assert_eq!(most, json!(5));
    assert!(warning.contains("`host.max_attempts` is 5") && warning.contains("than that: any number"), "{warning}");
}

#[test]
fn bounds_that_will_not_do_are_named() {
    for wrong in ["0", "-1", "2.5", "nan", "inf", "\"many\"", "true", "4294967296"] {
        let error = Config::parse(&format!("[host]\nmax_attempts = {wrong}"), None).unwrap_err().to_string();
        assert!(error.starts_with("`host.max_attempts` is ") && error.contains("help: "), "{wrong}: {error}");
    }
}

/// Going around a module that guards something is what `on_trap` says, and what hardly anybody wants.
#[tokio::test]
async fn check_warns_where_a_guard_can_be_gone_around() {
    let a = replies([]).await;
    let bypass = |module: &str| {
        let chain = around(&a).module(module, "").table(&format!("modules.{module}.sandbox"), "on_trap = \"bypass\"");
        soon(async move { chain.folder().unwrap().arcllm(["check"]).unwrap().run().await.unwrap().stdout })
    };
    for (module, kind) in [("rate-limit", "limiter"), ("redact", "transformer")] {
        let text = bypass(module).await;
        let says = format!("`modules.{module}.sandbox.on_trap` is \"bypass\", and the module is a {kind}: ");
        assert!(text.contains(&says), "{text}");
    }
    for module in ["retry", "telemetry"] {
        assert!(!bypass(module).await.contains("on_trap"), "{module} guards nothing");
    }
    let off = around(&a).table("modules.redact.sandbox", "on_trap = \"bypass\"");
    assert!(!soon(off.folder().unwrap().arcllm(["check"]).unwrap().run()).await.unwrap().stdout.contains("on_trap"));
}

/// A provider in this process that answers with this status, or well, a tenth of a second later and once it may.
struct Provider {
    status: Option<u16>,
    asked: AtomicUsize,
    gate: Semaphore,
}

impl Provider {
    fn new(status: Option<u16>) -> Arc<Self> {
        Arc::new(Self { status, asked: AtomicUsize::new(0), gate: Semaphore::new(Semaphore::MAX_PERMITS) })
    }

    fn closed() -> Arc<Self> {
        Arc::new(Self { status: None, asked: AtomicUsize::new(0), gate: Semaphore::new(0) })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Adapter for Provider {
    fn send(self: Arc<Self>, _: Arc<Request>) -> BoxFuture<'static, Result<Response, ErrorKind>> {
        Box::pin(async move {
            self.asked.fetch_add(1, Ordering::SeqCst);
            drop(self.gate.acquire().await.unwrap());
            tokio::time::sleep(Duration::from_millis(100)).await;
            match self.status {
                Some(status) => Err(ErrorKind::Api(ApiError::new(status, "no").with_provider("p").with_model("m"))),
                None => Ok(Response::new(Vec::new()).with_provider("p", "m")),
            }
        })
    }
}

/// The model of `p` in modules that keep what they keep in this store.
async fn model(config: &str, provider: &Arc<Provider>, store: Arc<dyn StateStore>) -> Model {
    // The time of day goes by tokio's, which some of these tests have stand still.
    let (began, since) = (SystemTime::now(), Instant::now());
    let host = Host::builder().config(Config::parse(config, None).unwrap()).seed(7).state_store(store);
    let host = host.clock(move || began + since.elapsed());
    let host = host.adapter("p", "m", provider.clone()).adapter("q", "m", Provider::new(None)).build().unwrap();
    host.load_model("p", Overrides::new()).await.unwrap()
}

fn retry(settings: &str) -> String {
    format!("[modules.retry]\nenabled = true\nbackoff_base_seconds = 0.1\n{settings}\n")
}

/// In virtual time. Each instance serves few calls, so that there are many.
#[tokio::test(start_paused = true)]
async fn an_outage_does_not_multiply_what_is_sent() {
    for (ratio, per_second) in [(0.2, 10.0), (0.5, 2.0), (0.0, 5.0), (1.0, 0.0), (0.0, 0.0)] {
        let provider = Provider::new(Some(529));
        let budget = format!("budget_ratio = {ratio}\nbudget_min_per_second = {per_second:?}");
        let config = retry(&budget) + "[modules.retry.sandbox]\nmax_concurrent = 10";
        let model = model(&config, &provider, Arc::new(MemoryStore::default())).await;
        let started = Instant::now();
        let callers = (0..50).map(|_| async {
            let mut calls = 0;
            while started.elapsed() < Duration::from_secs(5) {
                let error = model.invoke(&[Message::user("Hi")], &[]).await.unwrap_err();
                assert!(matches!(&error.kind, ErrorKind::Api(api) if api.status == 529 && api.message == "no"));
                calls += 1;
            }
            calls
        });
        let calls = join_all(callers).await.into_iter().sum::<u32>().into();
        let (sent, seconds) = (provider.asked() as f64, started.elapsed().as_secs_f64());
        let most: f64 = f64::mul_add(calls, 1.0 + ratio, per_second * (seconds + 1.0));
        assert!(sent <= most, "{ratio}, {per_second}: {sent} of {most}, {calls} calls in {seconds} s");
        // What there is of a budget is there to be used.
        let least = f64::mul_add(calls, 1.0 + ratio * 0.9, per_second * (seconds - 1.0) * 0.9) - 10.0;
        assert!(sent >= least, "{ratio}, {per_second}: only {sent} of {least}, {calls} calls in {seconds} s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_fallback_outside_acts_where_the_budget_is_used_up() {
    let provider = Provider::new(Some(529));
    let config = retry("budget_ratio = 0\nbudget_min_per_second = 0");
    let config = format!(
        "[host]\norder = [\"fallback\", \"retry\"]\n{config}[modules.fallback]\nenabled = true\nchain = [\"p\", \"q\"]"
    );
    let model = model(&config, &provider, Arc::new(MemoryStore::default())).await;
    let answer = model.invoke(&[Message::user("Hi")], &[]).await.unwrap();
    let trail: Vec<_> = answer.trail.iter().map(|attempt| (attempt.provider.as_str(), attempt.waited)).collect();
    assert_eq!(trail, [("p", Duration::ZERO), ("q", Duration::ZERO)]);
}

/// How a store behaves before it does what it is to do.
#[derive(Clone, Copy, PartialEq)]
enum Odd {
    Yields,
    Fails,
}

/// A store elsewhere, in the end in memory.
struct Elsewhere {
    odd: Odd,
    memory: MemoryStore,
    operations: Arc<AtomicUsize>,
}

struct Far {
    odd: Odd,
    bucket: Arc<dyn Bucket>,
    operations: Arc<AtomicUsize>,
}

impl Elsewhere {
    fn new(odd: Odd) -> Arc<Self> {
        Arc::new(Self { odd, memory: MemoryStore::default(), operations: Arc::default() })
    }
}

impl StateStore for Elsewhere {
    fn open(&self, module: &str) -> Arc<dyn Bucket> {
        Arc::new(Far { odd: self.odd, bucket: self.memory.open(module), operations: self.operations.clone() })
    }
}

impl Far {
    fn after<'a, T: Send + 'a>(
        &self,
        doing: BoxFuture<'a, Result<T, StateError>>,
    ) -> BoxFuture<'a, Result<T, StateError>> {
        self.operations.fetch_add(1, Ordering::SeqCst);
        let odd = self.odd;
        Box::pin(async move {
            tokio::task::yield_now().await;
            if odd == Odd::Fails { Err(StateError::new("it is gone")) } else { doing.await }
        })
    }
}

impl Bucket for Far {
    fn get(&self, key: &str) -> BoxFuture<'_, Result<Option<Vec<u8>>, StateError>> {
        let key = key.to_owned();
        self.after(Box::pin(async move { self.bucket.get(&key).await }))
    }

    fn set(&self, key: &str, value: Vec<u8>) -> BoxFuture<'_, Result<(), StateError>> {
        let key = key.to_owned();
        self.after(Box::pin(async move { self.bucket.set(&key, value).await }))
    }

    fn delete(&self, key: &str) -> BoxFuture<'_, Result<(), StateError>> {
        let key = key.to_owned();
        self.after(Box::pin(async move { self.bucket.delete(&key).await }))
    }

    fn increment(&self, key: &str, delta: i64) -> BoxFuture<'_, Result<i64, StateError>> {
        let key = key.to_owned();
        self.after(Box::pin(async move { self.bucket.increment(&key, delta).await }))
    }

    fn compare_and_swap(
        &self,
        key: &str,
        current: Option<Vec<u8>>,
        new: Option<Vec<u8>>,
    ) -> BoxFuture<'_, Result<bool, StateError>> {
        let key = key.to_owned();
        self.after(Box::pin(async move { self.bucket.compare_and_swap(&key, current, new).await }))
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_is_no_reason_to_retry_nothing() {
    let provider = Provider::new(Some(529));
    let model = model(&retry("budget_ratio = 0"), &provider, Elsewhere::new(Odd::Fails)).await;
    for calls in 1..=20 {
        model.invoke(&[Message::user("Hi")], &[]).await.unwrap_err();
        assert_eq!(provider.asked(), 4 * calls);
    }
}

/// However many come at once: others take their places while each asks the store for its own.
#[tokio::test]
async fn a_limit_holds_for_calls_that_come_at_once_to_a_store_elsewhere() {
    const CALLS: usize = 1500;
    let (provider, store) = (Provider::new(None), Elsewhere::new(Odd::Yields));
    // No further place comes up while this runs.
    let limit = "requests_per_minute = 0.1\nburst = 25\nmax_wait_seconds = 0";
    let config = format!("[modules.rate-limit]\nenabled = true\n{limit}\n");
    let model = model(&config, &provider, store.clone()).await;
    let calls = (0..CALLS).map(|_| async { model.invoke(&[Message::user("Hi")], &[]).await });
    let outcomes = soon(join_all(calls)).await;
    assert_eq!((outcomes.iter().filter(|outcome| outcome.is_ok()).count(), provider.asked()), (25, 25));
    let refused = outcomes.into_iter().filter_map(Result::err);
    for error in refused {
        assert!(matches!(&error.kind, ErrorKind::Api(api) if api.status == 429), "{error:?}");
    }
    let operations = store.operations.load(Ordering::SeqCst);
    assert!(operations <= 6 * CALLS, "{operations} operations for {CALLS} calls");
}

#[tokio::test]
async fn budgets_that_will_not_do_are_named() {
    let a = replies([]).await;
    let refused = async |settings: serde_json::Value| {
        let host = around(&a).folder().unwrap().host().unwrap();
        soon(host.load_model("a", Overrides::new().module("retry", settings))).await.unwrap_err().to_string()
    };
    assert_snapshot!(refused(json!({"budget_ratio": -0.5})).await, @"
    `modules.retry.budget_ratio` is -0.5 (in the overrides of this load)
      help: a number, zero or more
    ");
    assert_snapshot!(refused(json!({"budget_min_per_second": "10"})).await, @r#"
    `modules.retry.budget_min_per_second` invalid type: string "10", expected f64 (in the overrides of this load)
      help: How many retries there may be in a second that no call has earned, over all calls: a number, zero or more.
    "#);
    let text = "[modules.retry]\nbudget_ratio = nan";
    assert_snapshot!(Config::parse(text, None).unwrap_err().to_string(), @"
    `modules.retry.budget_ratio` is NaN
      help: a finite number
    ");
}

/// A retry in a file keeps its budget by a grant, as any module does what it keeps.
#[tokio::test]
async fn a_copy_of_retry_asks_for_the_grant() {
    let a = replies([Reply::status(529)]).await;
    let copy = async |sandbox: &str| {
        let chain = around(&a).host("order = [\"mine\"]").module("mine", FAST).table("modules.mine.sandbox", sandbox);
        let folder = Folder::new(&chain.to_string()).unwrap();
        folder.write("modules/mine.wasm", arcllm_builtin::find("retry").unwrap().wasm).unwrap();
        let model = soon(folder.host().unwrap().load_model("a", Overrides::new())).await;
        model.map_err(|error| error.to_string())
    };
    let refused = copy("").await.unwrap_err();
    assert!(refused.contains("allow = [\"state\"]"), "{refused}");
    let answer = soon(copy("allow = [\"state\"]").await.unwrap().invoke(&[Message::user("Hi")], &[])).await.unwrap();
    assert_eq!(steps(&answer.trail), ["mine asks a: 529", "mine waits, mine asks a: ok"]);
}
