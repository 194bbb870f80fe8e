//! `hedge` over real sockets: the slower request is cancelled, also its stream, and the share of calls holds.

use std::{sync::Arc, time::Duration};

use arcllm::{Config, ErrorKind, Host, MemoryStore, Message, Model, Overrides, StateStore};
use arcllm_simulator::{Fault, Format, Place, Reply};
use futures::future::join_all;

use crate::{
    scene::{FAST, around_both, count, load, replies, say_hi, soon, steps},
    support::{Chain, Elsewhere, Folder, Odd},
};

const LATE: Duration = Duration::from_secs(3600);

fn hedged(chain: Chain, settings: &str) -> Chain {
    chain.module("hedge", &format!("after_seconds = 0.05\ntargets = [\"b\"]\n{settings}"))
}

#[tokio::test]
async fn the_one_that_begins_first_answers_and_the_provider_of_the_other_sees_the_end() {
    let (a, b) = (replies([Reply::text("late").delay(LATE)]).await, replies([Reply::text("quick")]).await);
    let folder = hedged(around_both(&a, &b), "max_share = 1.0").folder().unwrap();
    let answer = soon(say_hi(&load(&folder, Overrides::new()).await)).await.unwrap();
    assert_eq!(answer.text().unwrap(), "quick");
    assert_eq!(steps(&answer.trail), ["hedge asks a: cancelled", "hedge waits, hedge asks b: ok"]);
    soon(a.wait_until(|requests| requests[0].dropped())).await;
}

/// The first has begun to send events, and has said nothing yet.
#[tokio::test]
async fn a_stream_that_says_nothing_is_cancelled_too() {
    let silent = Reply::text("late late late").body_delay(LATE);
    let (a, b) = (replies([silent]).await, replies([Reply::text("quick")]).await);
    let folder = hedged(around_both(&a, &b), "max_share = 1.0").folder().unwrap();
    let model = load(&folder, Overrides::new()).await;
    let answer = soon(model.stream(&[arcllm::Message::user("Hi")], &[]).collect()).await.unwrap();
    assert_eq!(answer.text().unwrap(), "quick");
    soon(a.wait_until(|requests| requests[0].dropped())).await;
    assert_eq!((count(&a), count(&b)), (1, 1));
}

#[tokio::test]
async fn a_stream_that_has_begun_is_not_asked_beside_however_long_it_takes() {
    let slow = Reply::text("One two three four five six").pace(Duration::from_millis(40));
    let (a, b) = (replies([slow]).await, replies([]).await);
    // The first text comes long before.
    let chain = around_both(&a, &b).module("hedge", "after_seconds = 20.0\ntargets = [\"b\"]\nmax_share = 1.0");
    let model = load(&chain.folder().unwrap(), Overrides::new()).await;
    let answer = soon(model.stream(&[arcllm::Message::user("Hi")], &[]).collect()).await.unwrap();
    assert_eq!((answer.text().unwrap().as_str(), count(&b)), ("One two three four five six", 0));
}

/// The model of `a`, over this store.
async fn load_on(folder: &Folder, store: Arc<dyn StateStore>) -> Model {
    let config = Config::load(&folder.path().join("config.toml")).unwrap();
    let host = Host::builder().config(config).state_store(store).build().unwrap();
    soon(host.load_model("a", Overrides::new())).await.unwrap()
}

/// However many instances serve them, and whether they share a process.
#[tokio::test]
async fn a_share_of_many_calls_at_once_ask_twice() {
    for sandbox in ["", "max_concurrent = 1", "fresh = true"] {
        let a = replies([Reply::text("slow").delay(Duration::from_secs(3)).times(1000)]).await;
        let b = replies([]).await;
        let chain = around_both(&a, &b).module("hedge", "after_seconds = 1.0\ntargets = [\"b\"]\nmax_share = 0.05");
        let folder = chain.table("modules.hedge.sandbox", sandbox).folder().unwrap();
        let store = Arc::new(MemoryStore::default());
        let models = join_all((0..2).map(|_| load_on(&folder, store.clone()))).await;
        let outcomes = soon(join_all((0..64).map(|at| say_hi(&models[at % 2])))).await;
        assert!(outcomes.iter().all(Result::is_ok));
        assert_eq!((count(&a), count(&b)), (64, 3), "{sandbox}: of 64 calls");
        let outcomes = soon(join_all((0..36).map(|at| say_hi(&models[at % 2])))).await;
        assert!(outcomes.iter().all(Result::is_ok));
        assert_eq!((count(&a), count(&b)), (100, 5), "{sandbox}: of 100 calls");
    }
}

#[tokio::test]
async fn if_the_store_fails_no_second_target_is_asked() {
    for after in ["fixed", "p95"] {
        let (a, b) = (replies([Reply::text("slow").delay(Duration::from_secs(1)).times(9)]).await, replies([]).await);
        let folder = hedged(around_both(&a, &b), &format!("max_share = 1.0\nafter = {after:?}")).folder().unwrap();
        let model = load_on(&folder, Elsewhere::new(Odd::Fails)).await;
        assert_eq!(soon(say_hi(&model)).await.unwrap().text().as_deref(), Some("slow"));
        assert_eq!((count(&a), count(&b)), (1, 0), "{after}");
    }
}

#[tokio::test]
async fn the_p95_that_was_seen_becomes_the_delay() {
    let late = Reply::text("late").delay(LATE);
    let (a, b) = (replies([Reply::text("quick").times(20), late]).await, replies([Reply::text("quick")]).await);
    let settings = "after = \"p95\"\nafter_seconds = 3000.0\nmin_samples = 20\nmax_share = 1.0\ntargets = [\"b\"]";
    let folder = around_both(&a, &b).module("hedge", settings).folder().unwrap();
    let model = load(&folder, Overrides::new()).await;
    for _ in 0..20 {
        soon(say_hi(&model)).await.unwrap();
    }
    // The last time may be counted a little later.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(soon(say_hi(&model)).await.unwrap().provider, "b");
    soon(a.wait_until(|requests| requests[20].dropped())).await;
}

#[tokio::test]
async fn retry_and_fallback_around_it_see_one_call() {
    let slow_error = || Reply::status(503).delay(Duration::from_millis(300));
    let (a, b, c) = (replies([slow_error(), slow_error()]).await, replies([slow_error()]).await, replies([]).await);
    let chain = around_both(&a, &b).provider("c", Format::OpenAi, &c.url());
    let chain = hedged(chain, "max_share = 1.0").module("retry", &format!("max_retries = 1\n{FAST}"));
    let folder = chain.module("fallback", "chain = [\"a\", \"c\"]").folder().unwrap();
    let answer = soon(say_hi(&load(&folder, Overrides::new()).await)).await.unwrap();
    assert_eq!((answer.provider.as_str(), count(&a), count(&b), count(&c)), ("c", 1, 1, 1));
    let (a, b) = (replies([slow_error()]).await, replies([slow_error()]).await);
    let chain = hedged(around_both(&a, &b), "max_share = 1.0").module("retry", &format!("max_retries = 1\n{FAST}"));
    let answer = soon(say_hi(&load(&chain.folder().unwrap(), Overrides::new()).await)).await.unwrap();
    assert_eq!((count(&a), answer.trail.len()), (2, 3), "{:?}", answer.trail);
    // Whatever the second answers with, the error is that of the first.
    let (a, b) = (replies([slow_error()]).await, replies([Reply::status(418).delay(Duration::from_millis(600))]).await);
    let model = load(&hedged(around_both(&a, &b), "max_share = 1.0").folder().unwrap(), Overrides::new()).await;
    let error = soon(say_hi(&model)).await.unwrap_err();
    assert!(matches!(&error.kind, ErrorKind::Api(api) if api.status == 503), "{error}");
}

/// Garbage, silence, and streams that end or break off before their first text: the other one answers.
#[tokio::test]
async fn a_second_target_that_never_begins_well_costs_nothing() {
    let bad = [
        Reply::body("text/html", "<html>sorry</html>"),
        Reply::body("text/event-stream", "data: {\n\n"),
        Reply::body("text/event-stream", ""),
        Reply::body("application/json", "{\"error\": {\"message\": \"no\", \"type\": \"server_error\"}}"),
        Reply::text("x").with_fault(Fault::ResetInBody).fault_at(Place::Byte(0)),
        Reply::text("x").with_fault(Fault::ErrorEvent).fault_at(Place::BeforeEvent(1)),
        Reply::fault(Fault::Silence),
    ];
    for bad in bad {
        for streamed in [false, true] {
            let slow = Reply::text("One two three").delay(Duration::from_millis(600));
            let (a, b) = (replies([slow]).await, replies([bad.clone()]).await);
            let model = load(&hedged(around_both(&a, &b), "max_share = 1.0").folder().unwrap(), Overrides::new()).await;
            let answer = match streamed {
                true => soon(model.stream(&[Message::user("Hi")], &[]).collect()).await,
                false => soon(say_hi(&model)).await,
            };
            let text = answer.as_ref().ok().and_then(arcllm::Response::text);
            assert_eq!(text.as_deref(), Some("One two three"), "{bad:?}, streamed: {streamed}: {answer:?}");
            assert_eq!(count(&b), 1);
        }
    }
}

#[tokio::test]
async fn an_error_before_the_delay_goes_on_to_retry() {
    let (a, b) = (replies([Reply::status(503)]).await, replies([]).await);
    let chain = around_both(&a, &b).module("hedge", "after_seconds = 20.0\ntargets = [\"b\"]\nmax_share = 1.0");
    let folder = chain.module("retry", crate::scene::FAST).folder().unwrap();
    let answer = soon(say_hi(&load(&folder, Overrides::new()).await)).await.unwrap();
    assert_eq!(steps(&answer.trail), ["hedge asks a: 503", "retry waits, hedge asks a: ok"]);
    assert_eq!(count(&b), 0);
}

#[tokio::test]
async fn the_worst_case_and_mistakes_are_told_before_a_call() {
    let (a, b) = (replies([]).await, replies([]).await);
    let chain = hedged(around_both(&a, &b), "").module("retry", "max_retries = 1");
    let check = soon(chain.folder().unwrap().host().unwrap().check(Some("a"))).await;
    assert_eq!((check.problems, check.worst_case_attempts), (Vec::new(), 4));
    for (settings, key) in
        [("max_share = 1.5", "max_share"), ("targets = [\"bb\"]", "targets[0]"), ("after = \"p99\"", "after")]
    {
        let folder = around_both(&a, &b).module("hedge", settings).folder().unwrap();
        let error = soon(folder.host().unwrap().load_model("a", Overrides::new())).await.unwrap_err();
        assert_eq!(error.key, Some(format!("modules.hedge.{key}")), "{error}");
    }
}
