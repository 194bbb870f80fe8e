//! Retry and fallback together, in either order.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use arcllm::{ErrorKind, Message, Outcome, Overrides};
use arcllm_simulator::{Fault, Format, Reply, Script, Simulator};
use futures::future::join_all;
use serde_json::json;

use crate::{
    scene::{FAST, LONG, around_both, ask, count, dead, load_over, replies, say_hi, soon, steps},
    support::{Chain, Provider},
};

fn retry_outside(a: &Simulator, b: &Simulator, retries: u32) -> Chain {
    chain(a, b, retries).host("order = [\"retry\", \"fallback\"]")
}

fn fallback_outside(a: &Simulator, b: &Simulator, retries: u32) -> Chain {
    chain(a, b, retries).host("order = [\"fallback\", \"retry\"]")
}

fn chain(a: &Simulator, b: &Simulator, retries: u32) -> Chain {
    with_modules(around_both(a, b), retries)
}

/// The modules without providers.
fn modules(retries: u32) -> Chain {
    with_modules(Chain::new(), retries)
}

fn with_modules(chain: Chain, retries: u32) -> Chain {
    let retry = format!("{FAST}\nmax_retries = {retries}");
    chain.module("retry", &retry).module("fallback", "chain = [\"a\", \"b\"]")
}

#[tokio::test]
async fn retry_outside_tries_the_whole_chain_again() {
    let (a, b) = (replies([Reply::status(529).times(2)]).await, replies([Reply::status(503)]).await);
    let answer = ask(&retry_outside(&a, &b, 3)).await.unwrap();
    assert_eq!(
        steps(&answer.trail),
        ["fallback asks a: 529", "fallback asks b: 503", "retry waits, fallback asks a: 529", "fallback asks b: ok"]
    );
    let mut requests = [a.requests(), b.requests()].concat();
    requests.sort_by_key(|request| request.at);
    let order: Vec<_> = requests.iter().map(|request| request.body["model"].as_str().unwrap()).collect();
    assert_eq!(order, ["a-model", "b-model", "a-model", "b-model"]);
}

#[tokio::test]
async fn fallback_outside_tries_each_provider_again() {
    let (a, b) = (replies([Reply::status(529).times(3)]).await, replies([Reply::status(503)]).await);
    let answer = ask(&fallback_outside(&a, &b, 2)).await.unwrap();
    assert_eq!(
        steps(&answer.trail),
        [
            "retry asks a: 529",
            "retry waits, retry asks a: 529",
            "retry waits, retry asks a: 529",
            "retry asks b: 503",
            "retry waits, retry asks b: ok",
        ]
    );
    assert_eq!((count(&a), count(&b)), (3, 2));
}

/// A target of the fallback has only the modules inside the fallback: attempts multiply once.
#[tokio::test]
async fn exactly_the_attempts_that_the_settings_allow() {
    for (retries, order) in [(0, true), (1, true), (3, true), (0, false), (1, false), (3, false)] {
        let always = || Script::new([Reply::status(500)]).then(arcllm_simulator::Then::Repeat);
        let (a, b) = (Simulator::start(always()).await.unwrap(), Simulator::start(always()).await.unwrap());
        let chain = if order { retry_outside(&a, &b, retries) } else { fallback_outside(&a, &b, retries) };
        let error = ask(&chain).await.unwrap_err();
        let expected = retries as usize + 1;
        assert_eq!((count(&a), count(&b)), (expected, expected), "{retries} retries, retry outside: {order}");
        assert_eq!(error.trail.len(), 2 * expected);
        assert!(matches!(&error.kind, ErrorKind::Api(api) if api.provider == "b"), "{error:?}");
    }
}

#[tokio::test]
async fn one_retryable_attempt_makes_the_whole_round_retryable() {
    let (a, b) = (replies([Reply::status(529)]).await, replies([Reply::status(400)]).await);
    let answer = ask(&retry_outside(&a, &b, 3)).await.unwrap();
    assert_eq!(
        steps(&answer.trail),
        ["fallback asks a: 529", "fallback asks b: 400", "retry waits, fallback asks a: ok"]
    );

    let (a, b) = (replies([Reply::status(401).times(9)]).await, replies([Reply::status(400).times(9)]).await);
    let error = ask(&retry_outside(&a, &b, 3)).await.unwrap_err();
    assert_eq!(steps(&error.trail), ["fallback asks a: 401", "fallback asks b: 400"]);
}

#[tokio::test]
async fn only_the_attempts_of_the_last_round_count() {
    let (a, b) =
        (replies([Reply::status(529), Reply::status(401)]).await, replies([Reply::status(400).times(9)]).await);
    let error = ask(&retry_outside(&a, &b, 9)).await.unwrap_err();
    assert_eq!(
        steps(&error.trail),
        ["fallback asks a: 529", "fallback asks b: 400", "retry waits, fallback asks a: 401", "fallback asks b: 400"]
    );
}

#[tokio::test]
async fn the_smallest_hint_of_the_round_counts() {
    let (a, b) = (
        replies([Reply::status(429).header("retry-after-ms", "60")]).await,
        replies([Reply::status(429).header("retry-after", "3600")]).await,
    );
    let answer = ask(&retry_outside(&a, &b, 3)).await.unwrap();
    assert_eq!(
        steps(&answer.trail),
        ["fallback asks a: 429", "fallback asks b: 429", "retry waits, fallback asks a: ok"]
    );
    assert!(answer.trail[2].waited >= Duration::from_millis(60), "{answer:?}");
}

#[tokio::test]
async fn one_retryable_attempt_without_a_hint_means_backoff() {
    // If this hint counted, it would end the retrying.
    let (a, b) = (replies([Reply::status(429).header("retry-after", "3600")]).await, dead().await);
    let answer = ask(&retry_outside(&a, &b, 3)).await.unwrap();
    assert_eq!(
        steps(&answer.trail),
        ["fallback asks a: 429", "fallback asks b: connection", "retry waits, fallback asks a: ok"]
    );
    // The hint of an attempt that is not retryable does not count.
    let (a, b) = (
        replies([Reply::status(429).header("retry-after", "3600").times(9)]).await,
        replies([Reply::status(400).header("retry-after-ms", "1")]).await,
    );
    let error = ask(&retry_outside(&a, &b, 3)).await.unwrap_err();
    assert_eq!(steps(&error.trail), ["fallback asks a: 429", "fallback asks b: 400"]);
}

#[tokio::test]
async fn a_hint_above_the_longest_wait_lets_fallback_act() {
    let (a, b) = (replies([Reply::status(429).header("retry-after", "3600").times(9)]).await, replies([]).await);
    let answer = ask(&fallback_outside(&a, &b, 3)).await.unwrap();
    assert_eq!(steps(&answer.trail), ["retry asks a: 429", "retry asks b: ok"]);
}

/// On virtual time. One attempt fits into the deadline, and a part of another.
#[tokio::test(start_paused = true)]
async fn one_deadline_for_retries_and_fallbacks() {
    for order in ["[\"retry\", \"fallback\"]", "[\"fallback\", \"retry\"]"] {
        let slow = || Arc::new(Provider::open().failing(529).taking(Duration::from_millis(700)));
        let (a, b) = (slow(), slow());
        let chain = modules(9).host(&format!("order = {order}\ndeadline_seconds = 1.2"));
        let error = say_hi(&load_over(&chain, &a, &b).await).await.unwrap_err();
        assert!(matches!(error.kind, ErrorKind::DeadlineExceeded), "{error:?}");
        let outcomes: Vec<_> = error.trail.iter().map(|attempt| attempt.outcome).collect();
        assert_eq!(outcomes, [Outcome::Api, Outcome::DeadlineExceeded]);
        tokio::time::sleep(LONG).await;
        assert_eq!(a.asked() + b.asked(), 2);
    }
}

/// On virtual time.
#[tokio::test(start_paused = true)]
async fn nothing_is_sent_after_the_call_is_dropped() {
    for order in ["[\"retry\", \"fallback\"]", "[\"fallback\", \"retry\"]"] {
        let (a, b) = (Arc::new(Provider::open().failing(529)), Arc::new(Provider::closed()));
        let model = load_over(&modules(1).host(&format!("order = {order}")), &a, &b).await;
        let call = tokio::spawn(async move { say_hi(&model).await });
        b.wait_until_asked(1).await;
        let sent = a.asked();
        call.abort();
        tokio::time::sleep(LONG).await;
        assert_eq!((a.asked(), b.asked()), (sent, 1));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_calls_at_once_keep_their_trails_and_answers() {
    const CALLS: usize = 200;
    let mixed = || {
        let kinds = [Reply::status(529), Reply::text("ok"), Reply::fault(Fault::Reset), Reply::status(400)];
        Script::new(kinds.into_iter().cycle().take(2 * CALLS))
    };
    let (a, b) = (Simulator::start(mixed()).await.unwrap(), Simulator::start(mixed()).await.unwrap());
    let folder = fallback_outside(&a, &b, 2).folder().unwrap();
    let host = folder.host().unwrap();
    let calls = (0..CALLS).map(|number| {
        let host = host.clone();
        tokio::spawn(async move {
            // Each asks `a` for another model, which identifies its requests.
            let model = host.load_model("a", Overrides::new().model(format!("model-{number}"))).await.unwrap();
            model.invoke(&[Message::user(format!("question {number}"))], &[]).await
        })
    });
    let results = soon(join_all(calls)).await;

    let sent = by_question(&[&a, &b]);
    let mut outcomes = BTreeMap::new();
    for (number, result) in results.into_iter().enumerate() {
        let result = result.unwrap();
        let trail = match &result {
            Ok(answer) => &answer.trail,
            Err(error) => &error.trail,
        };
        // The requests of this call are those of its trail.
        let tried: Vec<_> = trail.iter().map(|attempt| attempt.model.clone()).collect();
        assert_eq!(tried, sent[&format!("question {number}")]);
        let is_own = |model: &str| model == format!("model-{number}") || model == "b-model";
        assert!(trail.iter().all(|attempt| is_own(&attempt.model)), "{trail:?}");
        let last = trail.last().unwrap();
        match &result {
            Ok(answer) => assert_eq!((&answer.provider, &answer.model), (&last.provider, &last.model)),
            Err(error) => assert_eq!(error.kind.provider(), Some(last.provider.as_str())),
        }
        assert_eq!(result.is_ok(), last.outcome == Outcome::Ok);
        assert!(trail.iter().rev().skip(1).all(|attempt| attempt.outcome != Outcome::Ok));
        *outcomes.entry(result.map_or_else(|error| error.kind.as_str(), |_| "ok")).or_insert(0) += 1;
    }
    assert!(outcomes["ok"] > CALLS / 2 && count(&b) > 0, "{outcomes:?}");
}

/// The models asked, in order, by question.
fn by_question(providers: &[&Simulator]) -> BTreeMap<String, Vec<String>> {
    let mut requests: Vec<_> = providers.iter().flat_map(|provider| provider.requests()).collect();
    requests.sort_by_key(|request| request.at);
    let mut asked: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for request in requests {
        let question = request.body["messages"][0]["content"].as_str().unwrap().to_owned();
        asked.entry(question).or_default().push(request.body["model"].as_str().unwrap().to_owned());
    }
    asked
}

#[tokio::test]
async fn three_providers_in_two_formats() {
    let wrong = Reply::json(&json!({"type": "message"}));
    let (a, b, c) = (dead().await, replies([wrong]).await, replies([]).await);
    let chain = around_both(&a, &b).provider("c", Format::Anthropic, &c.url());
    let chain = chain.module("retry", &format!("{FAST}\nmax_retries = 1"));
    let chain = chain.module("fallback", "chain = [\"b\", \"c\"]").host("order = [\"fallback\", \"retry\"]");
    assert_eq!(
        steps(&ask(&chain).await.unwrap().trail),
        [
            "retry asks a: connection",
            "retry waits, retry asks a: connection",
            "retry asks b: parse",
            "retry asks c: ok"
        ]
    );
}
