//! What `budget` reserves, counts and refuses over real sockets.

use std::time::Duration;

use arcllm::{ApiError, ErrorKind, Event, Message, Model, Options, Overrides, Request};
use arcllm_simulator::{Fault, Place, Reply, Simulator, Usage};
use futures::{StreamExt as _, future::join_all};
use serde_json::json;

use crate::{
    scene::{FAST, around, around_both, count, load, replies, soon},
    support::{Chain, Folder},
};

/// So that a token costs a thousandth.
const PRICES: &str = "cost_input_per_1m = 1000.0\ncost_output_per_1m = 1000.0";

/// And a hundredth.
const DEAR: &str = "cost_input_per_1m = 10000.0\ncost_output_per_1m = 10000.0";

/// An answer that used so many tokens of input and output.
fn using(input_tokens: u64, output_tokens: u64) -> Reply {
    Reply::text("one two three").usage(Usage { input_tokens, output_tokens, ..Usage::default() })
}

async fn limited(chain: Chain, settings: &str) -> (Folder, Model) {
    let folder = chain.module("budget", settings).folder().unwrap();
    let model = load(&folder, Overrides::new()).await;
    (folder, model)
}

/// A question whose answer has at most so many tokens.
fn question(max_tokens: u32) -> Request {
    Request::new(&[Message::user("Hi")]).with_options(Options::new().max_tokens(max_tokens))
}

async fn refusal(model: &Model, request: Request) -> ApiError {
    let error = soon(model.invoke_with(request)).await.unwrap_err();
    let ErrorKind::Api(api) = error.kind else { panic!("{error}") };
    assert_eq!((api.status, api.reason.as_str()), (429, "quota"), "{api:?}");
    assert_eq!(api.extensions["arcllm.refused-by"], json!("budget"));
    api
}

/// What is left of the limit: the words of a refusal, which reserves nothing.
async fn left(model: &Model) -> String {
    let message = refusal(model, question(4_000_000)).await.message;
    let words = message.split_once(" has ").and_then(|(_, rest)| rest.split_once(" left"));
    words.map_or_else(|| message.clone(), |(words, _)| words.to_owned())
}

/// Waits until so much is left: what a whole answer gives back may come after it.
async fn wait_until_left(model: &Model, expected: &str) {
    for _ in 0..1000 {
        if left(model).await == expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(left(model).await, expected);
}

#[tokio::test]
async fn of_many_calls_at_once_no_more_are_sent_than_there_is_room_for() {
    let slow = using(10, 20).delay(Duration::from_millis(300)).times(500);
    let a = replies([slow]).await;
    let (_folder, model) = limited(around(&a), "limits = [{ window = \"day\", tokens = 5000 }]").await;
    let outcomes = join_all((0..200).map(|_| soon(model.invoke_with(question(450))))).await;
    let answered = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    // A call may use 450 tokens and those of its question.
    assert!((8..=11).contains(&answered) && count(&a) == answered, "{answered} of {}", count(&a));
    wait_until_left(&model, &format!("{} tokens", 5000 - 30 * answered)).await;
}

#[tokio::test]
async fn calls_in_turn_get_all_of_the_limit() {
    let a = replies([using(100, 100).times(100)]).await;
    let (_folder, model) = limited(around(&a), "limits = [{ window = \"total\", tokens = 1000 }]").await;
    for _ in 0..4 {
        soon(model.invoke_with(question(180))).await.unwrap();
    }
    let error = refusal(&model, question(300)).await;
    assert!(error.message.contains("the limit of 1000 tokens in total for all calls has 200 tokens left"), "{error:?}");
    assert!(error.message.ends_with("It does not reset.") && error.retry_after.is_none(), "{error:?}");
}

#[tokio::test]
async fn each_value_of_a_label_has_its_limit_and_a_refusal_says_when_it_resets() {
    let a = replies([using(400, 500).times(100)]).await;
    let settings = "limits = [{ label = \"team\", window = \"day\", cost = 1.0 },\n\
                    { label = \"team\", value = \"search\", window = \"day\", cost = 100.0 }]";
    let (_folder, model) = limited(around(&a).table("providers.a.models.a-model", PRICES), settings).await;
    let of = |team: &str| {
        Request::new(&[Message::user("Hi")]).with_options(Options::new().max_tokens(500).label("team", team))
    };
    for team in ["a", "b", "search", "search"] {
        let answer = soon(model.invoke_with(of(team))).await.unwrap();
        assert_eq!(answer.notes.is_empty(), team == "search" || answer.notes.is_empty());
    }
    wait_for_refusal(&model, || of("a")).await;
    let error = refusal(&model, of("a")).await;
    assert!(error.message.contains("the limit of 1.00 a day for team `a` has 0.10 left"), "{error:?}");
    assert!(error.retry_after.is_some_and(|wait| wait <= Duration::from_secs(86_400)), "{error:?}");
    assert_eq!(count(&a), 4);
}

/// Waits until what was used is counted.
async fn wait_for_refusal(model: &Model, request: impl Fn() -> Request) {
    soon(async {
        while !refusal(model, request()).await.message.contains("0.10 left") {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn streamed_answers_count_what_they_used_also_when_they_break_off() {
    let broken = using(100, 40).with_fault(Fault::Truncate).fault_at(Place::BeforeEvent(5));
    let slow = Reply::text("One ".repeat(500)).usage(Usage { input_tokens: 100, output_tokens: 1, ..Usage::default() });
    let a = replies([using(100, 50), broken, slow.pace(Duration::from_millis(20))]).await;
    let (_folder, model) = limited(around(&a), "limits = [{ window = \"month\", tokens = 10000 }]").await;
    let mut stream = model.stream_with(question(1000));
    let mut last = None;
    while let Some(event) = soon(stream.next()).await {
        last = Some(event.unwrap());
    }
    assert!(matches!(last, Some(Event::End(_))));
    wait_until_left(&model, "9850 tokens").await;
    // Of one that broke off, and of one whose reader went away, all of the output may have been paid for.
    soon(model.stream_with(question(1000)).collect()).await.unwrap_err();
    wait_until_left(&model, "8750 tokens").await;
    let mut stream = model.stream_with(question(1000));
    soon(stream.next()).await.unwrap().unwrap();
    drop(stream);
    wait_until_left(&model, "7650 tokens").await;
}

#[tokio::test]
async fn failed_attempts_and_other_models_count_at_their_own_prices() {
    let (a, b) = (replies([Reply::status(503).times(99)]).await, replies([using(100, 20).times(9)]).await);
    let chain = around_both(&a, &b).table("providers.a.models.a-model", PRICES);
    let chain = chain.table("providers.b.models.b-model", DEAR).module("fallback", "chain = [\"b\"]");
    let chain = chain.module("retry", &format!("max_retries = 1\n{FAST}"));
    let (_folder, model) = limited(chain, "limits = [{ window = \"total\", cost = 100.0 }]").await;
    let answer = soon(model.invoke_with(question(1000))).await.unwrap();
    assert_eq!(answer.provider, "b");
    // 120 tokens of `b`, and nothing of `a`.
    wait_until_left(&model, "98.80").await;
    soon(model.stream_with(question(1000)).collect()).await.unwrap();
    wait_until_left(&model, "97.60").await;
}

#[tokio::test]
async fn a_call_that_nobody_answers_gives_all_back() {
    let a = replies([Reply::error(400, "bad").times(3)]).await;
    let (_folder, model) = limited(around(&a), "limits = [{ window = \"total\", tokens = 2000 }]").await;
    for _ in 0..3 {
        soon(model.invoke_with(question(1500))).await.unwrap_err();
    }
    let error = refusal(&model, question(4_000_000)).await;
    assert!(error.message.contains("more than all of the limit of 2000 tokens in total"), "{error:?}");
}

#[tokio::test]
async fn the_trail_notes_that_a_limit_is_near() {
    let a = replies([using(100, 400).times(9)]).await;
    let (_folder, model) = limited(around(&a), "limits = [{ window = \"hour\", tokens = 1000 }]\nwarn_at = 0.6").await;
    let answer = soon(model.invoke_with(question(400))).await.unwrap();
    assert!(answer.notes.is_empty(), "{:?}", answer.notes);
    let answer = soon(model.invoke_with(question(400))).await.unwrap();
    assert!(format!("{:?}", answer.notes).contains("of the limit of 1000 tokens an hour for all calls is used"));
}

async fn check(a: &Simulator, settings: &str) -> String {
    let folder = around(a).module("budget", settings).folder().unwrap();
    let output = soon(folder.arcllm(["check"]).unwrap().run()).await.unwrap();
    output.stdout + &output.stderr
}

#[tokio::test]
async fn wrong_limits_are_named_and_so_are_unknown_prices() {
    let a = replies([]).await;
    for (settings, words) in [
        ("", "limits` is empty"),
        ("limits = [{ window = \"day\" }]", "limits[0]` limits nothing"),
        ("limits = [{ window = \"day\", cost = 0 }]", "limits[0].cost` is 0"),
        ("limits = [{ window = \"day\", cost = -1.5 }]", "limits[0].cost` is -1.5"),
        ("limits = [{ window = \"day\", tokens = 0 }]", "limits[0].tokens` is 0"),
        ("limits = [{ window = \"day\", tokens = -5 }]", "limits[0].tokens` is -5"),
        ("limits = [{ window = \"week\", tokens = 5 }]", "limits[0].window` is `week`"),
        ("limits = [{ window = \"day\", cost = 1.0 }]", "needs the price of `a/a-model`, which is unknown"),
    ] {
        let said = check(&a, settings).await;
        assert!(said.contains(words), "{settings}: {said}");
    }
    let said = check(&a, "limits = [{ window = \"day\", tokens = 5 }]").await;
    assert!(!said.contains("needs the price"), "{said}");
    let (_folder, model) = limited(around(&a), "limits = [{ window = \"day\", cost = 1.0 }]").await;
    let error = soon(model.invoke_with(question(5))).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Config(_)) && error.to_string().contains("is unknown"), "{error}");
    assert_eq!(count(&a), 0);
}
