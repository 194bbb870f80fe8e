//! Answers that count as failures: fallback asks the next model after them, if a setting says so.

use arcllm_simulator::{Fault, Format, Place, Reply};

use super::stage::both_ways;
use crate::support::Chain;

const OPENAI: [Format; 2] = [Format::OpenAi, Format::Anthropic];
const ANTHROPIC: [Format; 2] = [Format::Anthropic, Format::OpenAi];
const SETTINGS: [&str; 4] = ["on_empty", "on_refusal", "on_content_filter", "on_truncated"];

/// Fallback to `b` and then `c`, with these settings on.
fn falling_back(on: &[&str]) -> impl Fn(Chain) -> Chain {
    let on: String = on.iter().map(|setting| format!("{setting} = true\n")).collect();
    move |chain| chain.module("fallback", &format!("chain = [\"a\", \"b\", \"b/second\"]\n{on}"))
}

/// Ended for this reason after this text.
fn ended(text: &str, reason: &str) -> Reply {
    Reply::text(text).stop_reason(reason)
}

/// Each kind of failed answer in each format that has a word for it, without text: the setting that it is for.
fn failed() -> Vec<([Format; 2], &'static str, Reply)> {
    vec![
        (ANTHROPIC, "on_empty", ended("", "end_turn")),
        (OPENAI, "on_empty", ended("", "stop")),
        (ANTHROPIC, "on_refusal", ended("", "refusal")),
        (OPENAI, "on_content_filter", ended("", "content_filter")),
        (ANTHROPIC, "on_truncated", ended("", "max_tokens")),
        (OPENAI, "on_truncated", ended("", "length")),
    ]
}

#[tokio::test]
async fn by_default_each_answer_comes_back() {
    for (formats, _, reply) in failed() {
        for played in both_ways(formats, [reply.clone()], [], falling_back(&[])).await {
            assert_eq!(played.trail(), ["a-model: ok"], "{reply}");
        }
    }
}

#[tokio::test]
async fn each_setting_makes_its_answers_failures() {
    for (formats, setting, reply) in failed() {
        for played in both_ways(formats, [reply.clone()], &[Reply::text("b")], falling_back(&[setting])).await {
            assert_eq!((played.trail(), played.text()), (both_asked(), "b".to_owned()), "{setting} {reply}");
        }
        // An empty answer is one whatever its reason.
        let others: Vec<&str> =
            SETTINGS.into_iter().filter(|other| *other != setting && *other != "on_empty").collect();
        for played in both_ways(formats, [reply.clone()], [], falling_back(&others)).await {
            assert_eq!(played.trail(), ["a-model: ok"], "{others:?} {reply}");
        }
    }
}

fn both_asked() -> Vec<String> {
    ["a-model: ok", "b-model: ok"].map(str::to_owned).to_vec()
}

/// A stream has begun with its first text, and nothing can be asked after that.
#[tokio::test]
async fn with_text_a_whole_answer_fails_and_a_streamed_one_has_begun() {
    for (formats, setting, reason) in [
        (ANTHROPIC, "on_refusal", "refusal"),
        (OPENAI, "on_content_filter", "content_filter"),
        (OPENAI, "on_truncated", "length"),
    ] {
        for played in both_ways(formats, &[ended("Well", reason)], &[Reply::text("b")], falling_back(&[setting])).await
        {
            let expected = if played.streamed { vec!["a-model: ok".to_owned()] } else { both_asked() };
            assert_eq!(played.trail(), expected, "{setting}");
            assert_eq!(played.text(), if played.streamed { "Well" } else { "b" });
        }
    }
}

#[tokio::test]
async fn good_answers_are_not_failures() {
    let call = Reply::text("").tool_call("call_1", "look", serde_json::json!({"at": "here"}));
    for formats in [ANTHROPIC, OPENAI] {
        for reply in [Reply::text("Hello"), call.clone(), Reply::text("Hello").thinking("Hm", "sig")] {
            for played in both_ways(formats, [reply.clone()], [], falling_back(&SETTINGS)).await {
                assert_eq!(played.trail(), ["a-model: ok"], "{reply}");
            }
        }
    }
}

#[tokio::test]
async fn if_all_answers_fail_the_last_one_comes_back() {
    let last = ended("", "max_tokens").model("last");
    for played in
        both_ways(OPENAI, &[ended("", "length")], &[ended("", "max_tokens"), last], falling_back(&["on_empty"])).await
    {
        assert_eq!(played.trail(), ["a-model: ok", "b-model: ok", "second: ok"]);
        assert_eq!(played.result.unwrap().model, "last");
    }
}

/// Without fallback the caller would have got the answer of `a`, so they do not get less with it.
#[tokio::test]
async fn an_answer_that_failed_comes_back_before_the_error_of_another() {
    let (a, b) = ([ended("", "length").model("mine")], [Reply::status(500), Reply::status(401)]);
    for played in both_ways(OPENAI, &a, &b, falling_back(&["on_truncated"])).await {
        assert_eq!(played.trail(), ["a-model: ok", "b-model: 500", "second: 401"]);
        assert_eq!(played.result.unwrap().model, "mine");
    }
}

#[tokio::test]
async fn a_stream_that_breaks_before_its_first_text_is_a_failure_if_answers_are_judged() {
    let thinks = Reply::text("Well").thinking("Let me see", "sig").with_fault(Fault::Truncate);
    // In Anthropic's format: the message begins, the block begins, and a piece of reasoning comes.
    let thinks = thinks.fault_at(Place::BeforeEvent(5));
    let [_, judged] = both_ways(ANTHROPIC, [thinks.clone()], &[Reply::text("b")], falling_back(&["on_empty"])).await;
    assert_eq!((judged.trail(), judged.text()), (vec!["a-model: connection".into(), "b-model: ok".into()], "b".into()));
    let [_, begun] = both_ways(ANTHROPIC, &[thinks], &[Reply::text("b")], falling_back(&[])).await;
    assert!(begun.result.is_err(), "an answer that has begun is not asked again");
    assert_eq!(begun.trail(), ["a-model: connection"]);
}

/// As when reasoning used up all tokens.
#[tokio::test]
async fn reasoning_without_text_is_an_empty_answer() {
    let thinks = Reply::text("").thinking("Let me see", "sig").stop_reason("max_tokens");
    for setting in ["on_empty", "on_truncated"] {
        for played in both_ways(ANTHROPIC, [thinks.clone()], &[Reply::text("b")], falling_back(&[setting])).await {
            assert_eq!((played.trail(), played.text()), (both_asked(), "b".to_owned()), "{setting}");
            assert_eq!(played.sent_to_b.len(), 1);
        }
    }
}
