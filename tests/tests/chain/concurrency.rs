//! A thousand calls at once: each has its own outcome, its own trail and its own jitter.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex},
    time::Duration,
};

use arcllm::{
    Adapter, ApiError, Config, ContentBlock, Error, ErrorKind, Failure, Host, MemoryStore, Message, Overrides, Request,
    Response,
};
use arcllm_simulator::{Fault, Reply, Script, Simulator};
use futures::future::{BoxFuture, join_all};
use serde_json::json;

use crate::scene::{around_both, count, load, soon, steps};

const CALLS: usize = 1000;

/// A provider in this process that does what the question says: with `b: 529 ok`, `b` fails once and then answers.
struct Obedient {
    name: &'static str,
    /// How often each question was asked.
    asked: Mutex<HashMap<String, usize>>,
}

impl Obedient {
    fn new(name: &'static str) -> Arc<Self> {
        Arc::new(Self { name, asked: Mutex::default() })
    }

    /// What to do with this question the `at`th time.
    fn told<'a>(&self, question: &'a str, at: usize) -> &'a str {
        let mine = question.split("; ").find_map(|part| part.strip_prefix(self.name)?.strip_prefix(": "));
        let mut words = mine.unwrap_or_default().split(' ');
        words.nth(at).unwrap_or("ok")
    }

    fn ask(&self, question: &str) -> usize {
        let mut asked = self.asked.lock().unwrap();
        let times = asked.entry(question.to_owned()).or_default();
        *times += 1;
        *times - 1
    }

    fn result(&self, word: &str, question: &str) -> Result<Response, ErrorKind> {
        let failure = Failure::new(self.name, question);
        Err(match word {
            "ok" => return Ok(answer(self.name, question)),
            "connection" => ErrorKind::Connection(failure),
            "timeout" => ErrorKind::Timeout(failure),
            "parse" => ErrorKind::Parse(failure),
            status => ErrorKind::Api(
                ApiError::new(status.parse().unwrap(), question)
                    .with_provider(self.name)
                    .with_model(format!("{}-model", self.name)),
            ),
        })
    }
}

impl Adapter for Obedient {
    fn send(self: Arc<Self>, request: Arc<Request>) -> BoxFuture<'static, Result<Response, ErrorKind>> {
        Box::pin(async move {
            let question = match request.messages[0].content.as_slice() {
                [ContentBlock::Text(text)] => text.text.clone(),
                _ => String::new(),
            };
            let word = self.told(&question, self.ask(&question));
            // Some take longer than others, so that calls overtake each other.
            tokio::time::sleep(Duration::from_millis(question.len() as u64 % 7)).await;
            self.result(word, &question)
        })
    }
}

fn answer(provider: &str, text: &str) -> Response {
    Response::new(vec![ContentBlock::text(text)]).with_provider(provider, format!("{provider}-model"))
}

/// A host with a retry around a fallback from `a` to `b`, both in this process.
fn host(seed: u64, retry: &str) -> Host {
    let config = format!(
        "[modules.retry]\nenabled = true\nbudget_min_per_second = 1e6\n{retry}\n[modules.fallback]\nenabled = true\nchain = [\"b\"]"
    );
    let builder = Host::builder()
        .config(Config::parse(&config, None).unwrap())
        .seed(seed)
        .state_store(Arc::new(MemoryStore::default()));
    let builder = builder.adapter("a", "a-model", Obedient::new("a")).adapter("b", "b-model", Obedient::new("b"));
    builder.build().unwrap()
}

/// Mixed faults: what both providers do, and the trail that follows with two retries.
fn call(number: usize) -> (String, Vec<&'static str>) {
    let (told, trail): (&str, &[&str]) = match number % 8 {
        0 => ("a: ok", &["fallback asks a: ok"]),
        1 => ("a: 400; b: ok", &["fallback asks a: 400", "fallback asks b: ok"]),
        2 => {
            ("a: 529 ok; b: 503", &["fallback asks a: 529", "fallback asks b: 503", "retry waits, fallback asks a: ok"])
        }
        3 => (
            "a: connection timeout; b: 401 ok",
            &[
                "fallback asks a: connection",
                "fallback asks b: 401",
                "retry waits, fallback asks a: timeout",
                "fallback asks b: ok",
            ],
        ),
        4 => ("a: 400; b: 401", &["fallback asks a: 400", "fallback asks b: 401"]),
        5 => ("a: parse; b: parse", &["fallback asks a: parse", "fallback asks b: parse"]),
        6 => (
            "a: 529 400; b: 400 400",
            &[
                "fallback asks a: 529",
                "fallback asks b: 400",
                "retry waits, fallback asks a: 400",
                "fallback asks b: 400",
            ],
        ),
        _ => (
            "a: 529 502 timeout; b: 503 connection 429",
            &[
                "fallback asks a: 529",
                "fallback asks b: 503",
                "retry waits, fallback asks a: 502",
                "fallback asks b: connection",
                "retry waits, fallback asks a: timeout",
                "fallback asks b: 429",
            ],
        ),
    };
    (format!("{told}; number {number}"), trail.to_vec())
}

fn trail(result: &Result<Response, Error>) -> &[arcllm::Attempt] {
    match result {
        Ok(answer) => &answer.trail,
        Err(error) => &error.trail,
    }
}

/// Checks that the result belongs to this question.
fn check(question: &str, result: &Result<Response, Error>) {
    let last = trail(result).last().unwrap();
    match result {
        Ok(answer) => assert_eq!((answer.text().as_deref(), &answer.provider), (Some(question), &last.provider)),
        Err(error) => {
            let json = serde_json::to_value(error).unwrap();
            assert_eq!([&json["message"], &json["provider"]], [question, &last.provider]);
            assert_eq!((&json["kind"], &json["status"]), (&json!(last.outcome), &json!(last.status)));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_calls_at_once_do_not_mix() {
    let host = host(1, "max_retries = 2\nbackoff_base_seconds = 0.01\nmax_wait_seconds = 0.1");
    let model = soon(host.load_model("a", Overrides::new())).await.unwrap();
    let calls = (0..CALLS).map(|number| {
        let model = model.clone();
        tokio::spawn(async move { model.invoke(&[Message::user(call(number).0)], &[]).await })
    });
    let (mut waits, mut kinds) = (Vec::new(), BTreeMap::new());
    for (number, result) in soon(join_all(calls)).await.into_iter().enumerate() {
        let (question, expected) = call(number);
        let result = result.unwrap();
        assert_eq!(steps(trail(&result)), expected, "{question}");
        check(&question, &result);
        waits.extend(trail(&result).iter().map(|attempt| attempt.waited).filter(|waited| !waited.is_zero()));
        *kinds.entry(result.map_or_else(|error| error.kind.as_str(), |_| "ok")).or_insert(0) += 1;
    }
    assert_eq!(kinds, BTreeMap::from([("ok", CALLS / 2), ("api", CALLS * 3 / 8), ("parse", CALLS / 8)]));
    // Drawn from ten million nanoseconds and more, almost none are equal.
    assert_eq!(waits.len(), CALLS * 5 / 8);
    assert!(waits.iter().collect::<BTreeSet<_>>().len() > waits.len() - 3);
}

/// A call may take over the place of another in an instance, but not its state.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_begin_while_others_end_keep_their_waits() {
    let host = host(1, "max_retries = 1\nbackoff_base_seconds = 0.000001\nmax_wait_seconds = 0.00001");
    let model = soon(host.load_model("a", Overrides::new())).await.unwrap();
    let callers = (0..100).map(|caller| {
        let model = model.clone();
        tokio::spawn(async move {
            for turn in 0..40 {
                let question = format!("a: 529 ok; b: 503; turn {turn} of {caller}");
                let answer = model.invoke(&[Message::user(&question)], &[]).await.unwrap();
                assert_eq!(steps(&answer.trail)[2], "retry waits, fallback asks a: ok", "{question}");
            }
        })
    });
    soon(join_all(callers)).await.into_iter().for_each(Result::unwrap);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_calls_at_once_over_sockets_do_not_mix() {
    const CALLS: usize = 200;
    let mixed = || {
        let kinds = [Reply::status(529), Reply::text("ok"), Reply::fault(Fault::Reset), Reply::status(400)];
        let more = [Reply::fault(Fault::Malformed), Reply::status(429).header("retry-after-ms", "3")];
        Script::new(kinds.into_iter().chain(more).cycle().take(3 * CALLS))
    };
    let (a, b) = (Simulator::start(mixed()).await.unwrap(), Simulator::start(mixed()).await.unwrap());
    let chain = around_both(&a, &b).module("fallback", "chain = [\"b\"]");
    let chain = chain.module(
        "retry",
        "max_retries = 2\nbackoff_base_seconds = 0.002\nmax_wait_seconds = 0.02\nbudget_min_per_second = 1e6",
    );
    let folder = chain.folder().unwrap();
    let model = load(&folder, Overrides::new()).await;
    let calls = (0..CALLS).map(|number| {
        let model = model.clone();
        tokio::spawn(async move { model.invoke(&[Message::user(format!("question {number}"))], &[]).await })
    });
    let results = soon(join_all(calls)).await;

    let mut requests: Vec<_> = [&a, &b].into_iter().flat_map(Simulator::requests).collect();
    requests.sort_by_key(|request| request.at);
    let mut ends = BTreeMap::new();
    for (number, result) in results.into_iter().enumerate() {
        let result = result.unwrap();
        let question = format!("question {number}");
        // The requests of this call are those of its trail.
        let sent = requests.iter().filter(|request| request.body["messages"][0]["content"] == question);
        let sent: Vec<_> = sent.map(|request| request.body["model"].as_str().unwrap()).collect();
        let trail = trail(&result);
        assert_eq!(trail.iter().map(|attempt| &*attempt.model).collect::<Vec<_>>(), sent, "{question}: {result:?}");
        let rounds = trail.chunk_by(|_, next| next.waited.is_zero());
        assert!(
            rounds.clone().count() <= 3 && rounds.clone().all(|round| round[0].provider == "a" && round.len() <= 2)
        );
        let last = trail.last().unwrap();
        assert_eq!(result.as_ref().map_or_else(|error| error.kind.as_str(), |_| "ok"), last.outcome.as_str());
        *ends.entry(last.outcome.as_str()).or_insert(0) += 1;
    }
    assert_eq!(count(&a) + count(&b), requests.len());
    assert!(ends["ok"] > CALLS / 2 && count(&b) > 0, "{ends:?}");
}

// Jitter, on virtual time and from a seed.

/// The waits of so many calls that always fail, in the order of their beginnings. With `staggered`, each call begins
/// after the end of the one before.
async fn waits(seed: u64, calls: usize, retry: &str, staggered: bool) -> Vec<Vec<Duration>> {
    let host = host(seed, retry);
    let model = host.load_model("a", Overrides::new()).await.unwrap();
    let failing = ["529"; 9].join(" ");
    let mut tasks = Vec::new();
    for number in 0..calls {
        // Longer questions take longer.
        let (model, question) = (model.clone(), format!("a: {failing}; b: {failing}; {}", "?".repeat(number)));
        let mut task = tokio::spawn(async move { model.invoke(&[Message::user(question)], &[]).await });
        if staggered {
            task = tokio::spawn(std::future::ready(task.await.unwrap()));
        }
        tasks.push(task);
    }
    let waits_of = |result: Result<Response, Error>| {
        let waits = result.unwrap_err().trail.into_iter().map(|attempt| attempt.waited);
        waits.filter(|waited| !waited.is_zero()).collect()
    };
    join_all(tasks).await.into_iter().map(|result| waits_of(result.unwrap())).collect()
}

#[tokio::test(start_paused = true)]
async fn waits_after_simultaneous_failures_spread_over_the_window() {
    const BUCKETS: usize = 10;
    let all = waits(7, CALLS, "max_retries = 1\nbackoff_base_seconds = 1.0\nmax_wait_seconds = 60.0", false).await;
    let (from, to) = (Duration::from_secs(1), Duration::from_secs(2));
    let mut buckets = [0; BUCKETS];
    for waits in &all {
        let [wait] = waits.as_slice() else { panic!("one retry, one wait: {waits:?}") };
        assert!((from..=to).contains(wait), "{wait:?}");
        let bucket = (wait.as_nanos() - from.as_nanos()) * BUCKETS as u128 / (to - from).as_nanos();
        buckets[usize::try_from(bucket).unwrap().min(BUCKETS - 1)] += 1;
    }
    // A hundred each, give or take five times the standard deviation of 9.5.
    assert!(buckets.iter().all(|count| (50..=150).contains(count)), "{buckets:?}");
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), CALLS);
}

#[tokio::test(start_paused = true)]
async fn a_capped_wait_is_spread_as_well() {
    let all = waits(7, CALLS, "max_retries = 1\nbackoff_base_seconds = 100.0\nmax_wait_seconds = 2.0", false).await;
    let (from, to) = (Duration::from_secs(1), Duration::from_secs(2));
    let early = all.iter().filter(|waits| waits[0] < (from + to) / 2).count();
    assert!(all.iter().all(|waits| (from..=to).contains(&waits[0])));
    assert!((400..=600).contains(&early), "{early}");
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_waits_however_calls_interleave() {
    let retry = "max_retries = 4\nbackoff_base_seconds = 0.5\nmax_wait_seconds = 5.0";
    let at_once = waits(42, 100, retry, false).await;
    assert!(at_once.iter().all(|waits| waits.len() == 4));
    assert_eq!(at_once, waits(42, 100, retry, false).await);
    assert_eq!(at_once, waits(42, 100, retry, true).await);
    // The number of other calls does not matter.
    assert_eq!(at_once[..10], waits(42, 10, retry, false).await);
    assert_ne!(at_once, waits(43, 100, retry, false).await);
}
