//! `hedge` over real sockets: the slower request is cancelled, also its stream, and the share of calls holds.

use std::time::Duration;

use arcllm::Overrides;
use arcllm_simulator::Reply;
use futures::future::join_all;

use crate::{
    scene::{around_both, count, load, replies, say_hi, soon, steps},
    support::Chain,
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

#[tokio::test]
async fn no_more_than_the_share_of_many_calls_at_once_ask_twice() {
    let a = replies((0..100).map(|_| Reply::text("slow").delay(Duration::from_millis(400)))).await;
    let b = replies([]).await;
    let model = load(&hedged(around_both(&a, &b), "max_share = 0.05").folder().unwrap(), Overrides::new()).await;
    let outcomes = soon(join_all((0..100).map(|_| say_hi(&model)))).await;
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(count(&a), 100);
    assert!(count(&b) <= 5, "{} of 100 calls asked twice", count(&b));
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
