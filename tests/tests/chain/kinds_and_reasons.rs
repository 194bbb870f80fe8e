//! Retry and fallback decide by kind, status and reason, for whole and for streamed answers.

use arcllm::{ConfigError, Overrides};
use arcllm_simulator::{Fault, Format, Reply};
use serde_json::json;

use super::stage::{Played, both_ways};
use crate::{
    scene::{FAST, around, replies},
    support::Chain,
};

const BOTH: [[Format; 2]; 2] = [[Format::Anthropic, Format::OpenAi], [Format::OpenAi, Format::Anthropic]];

const AGAIN: [u16; 15] = [408, 409, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529, 530];
const FINAL: [u16; 14] = [400, 401, 402, 403, 404, 405, 410, 413, 422, 451, 501, 505, 525, 526];

/// What retry makes of this reply: the attempts, of a whole and of a streamed answer.
async fn retried(formats: [Format; 2], reply: &Reply, settings: &str) -> Vec<Vec<String>> {
    let settings = format!("{FAST}\n{settings}");
    let played = both_ways(formats, [reply.clone()], [], |chain| chain.module("retry", &settings)).await;
    played.iter().map(Played::trail).collect()
}

fn again(outcome: &str) -> [Vec<String>; 2] {
    let trail = || vec![format!("a-model: {outcome}"), "a-model: ok".to_owned()];
    [trail(), trail()]
}

fn at_once(outcome: &str) -> [Vec<String>; 2] {
    let trail = || vec![format!("a-model: {outcome}")];
    [trail(), trail()]
}

/// An error in OpenAI's form with this code.
fn of_code(status: u16, code: &str, message: &str) -> Reply {
    let error = json!({"message": message, "type": code, "code": code, "param": null});
    Reply::json(&json!({ "error": error })).with_status(status)
}

#[tokio::test]
async fn by_default_the_statuses_that_mean_again_and_no_others() {
    for (at, status) in AGAIN.into_iter().enumerate() {
        let attempts = retried(BOTH[at % 2], &Reply::status(status), "").await;
        assert_eq!(attempts, again(&status.to_string()));
    }
    for (at, status) in FINAL.into_iter().enumerate() {
        let attempts = retried(BOTH[at % 2], &Reply::status(status), "").await;
        assert_eq!(attempts, at_once(&status.to_string()));
    }
}

#[tokio::test]
async fn each_of_the_three_kinds_can_be_left_out() {
    let kinds = [("connection", Fault::Reset), ("timeout", Fault::Silence), ("parse", Fault::HtmlBody)];
    for (at, (kind, fault)) in kinds.into_iter().enumerate() {
        let others: Vec<&str> = kinds.iter().map(|(other, _)| *other).filter(|other| *other != kind).collect();
        for (settings, expected) in [
            (String::new(), again(kind)),
            (format!("retryable_kinds = [{kind:?}]"), again(kind)),
            (format!("retryable_kinds = {others:?}"), at_once(kind)),
            ("retryable_kinds = []".to_owned(), at_once(kind)),
        ] {
            assert_eq!(retried(BOTH[at % 2], &Reply::fault(fault), &settings).await, expected, "{kind} {settings}");
        }
    }
}

#[tokio::test]
async fn what_is_no_answer_is_tried_again_and_json_of_the_wrong_shape_is_not() {
    for formats in BOTH {
        for fault in [Fault::EmptyBody, Fault::HtmlBody, Fault::TextBody, Fault::NullChoices, Fault::EmptyChoices] {
            // Anthropic's format has no `choices`, and an empty list of blocks is an answer.
            if formats[0] == Format::OpenAi || !matches!(fault, Fault::NullChoices | Fault::EmptyChoices) {
                for trail in retried(formats, &Reply::fault(fault), "").await {
                    // A stream whose events say nothing looks like one that was cut.
                    let is_right = trail[0] == "a-model: parse" || trail[0] == "a-model: connection";
                    assert!(
                        is_right && trail.len() == 2 && trail[1] == "a-model: ok",
                        "{fault:?} {formats:?}: {trail:?}"
                    );
                }
            }
        }
        for wrong in [json!([]), json!({"choices": [{"message": 7}], "content": 7})] {
            assert_eq!(retried(formats, &Reply::json(&wrong), "").await, at_once("parse"), "{wrong} {formats:?}");
        }
    }
}

/// What the trail shows of each attempt is what retry goes by.
#[tokio::test]
async fn around_fallback_a_round_is_judged_by_the_same_rules() {
    let chain = |settings: &'static str| {
        move |chain: Chain| {
            let order = "order = [\"retry\", \"fallback\"]";
            chain.host(order).module("retry", &format!("{FAST}\n{settings}")).module("fallback", "chain = [\"b\"]")
        }
    };
    let (no_answer, wrong) = (Reply::fault(Fault::HtmlBody), Reply::status(400));
    for formats in BOTH {
        for played in both_ways(formats, [no_answer.clone()], [wrong.clone()], chain("")).await {
            assert_eq!(played.trail(), ["a-model: parse", "b-model: 400", "a-model: ok"]);
        }
        let settings = "retryable_kinds = [\"connection\"]";
        for played in both_ways(formats, [no_answer.clone()], [wrong.clone()], chain(settings)).await {
            assert_eq!(played.trail(), ["a-model: parse", "b-model: 400"]);
        }
        let quota = of_code(429, "insufficient_quota", "You exceeded your current quota.");
        for played in both_ways(formats, &[quota], [wrong.clone()], chain("")).await {
            assert_eq!(played.trail(), ["a-model: 429", "b-model: 400"]);
        }
    }
}

#[tokio::test]
async fn an_account_without_credit_is_left_at_once() {
    let quota = || of_code(429, "insufficient_quota", "You exceeded your current quota.");
    for formats in BOTH {
        assert_eq!(retried(formats, &quota(), "").await, at_once("429"));
        // The header is about the status. No wait fills an account.
        let urged = quota().header("x-should-retry", "true").header("retry-after", "1");
        assert_eq!(retried(formats, &urged, "").await, at_once("429"));
        for order in [["retry", "fallback"], ["fallback", "retry"]] {
            let chain = |chain: Chain| {
                let chain = chain.host(&format!("order = {order:?}")).module("retry", FAST);
                chain.module("fallback", "chain = [\"a\", \"b\"]")
            };
            for played in both_ways(formats, &[quota()], [], chain).await {
                assert_eq!(played.trail(), ["a-model: 429", "b-model: ok"], "{order:?}");
            }
        }
        // Only by its code: the word in a message is an ordinary limit.
        let limit = of_code(429, "rate_limit_exceeded", "Your quota of requests per minute is used up.");
        assert_eq!(retried(formats, &limit, "").await, again("429"));
    }
}

#[tokio::test]
async fn after_an_excepted_reason_no_other_is_asked() {
    let filtered = || of_code(400, "content_filter", "The content is not allowed.");
    for (reply, reason, other) in [
        (Reply::status(401), "authentication", "permission"),
        (Reply::status(413), "context_length", "invalid_request"),
        (filtered(), "content_filter", "invalid_request"),
    ] {
        for formats in BOTH {
            let chain = |reason: &'static str| {
                let settings = format!("chain = [\"a\", \"b\"]\nexcept_reasons = [{reason:?}]");
                move |chain: Chain| chain.module("fallback", &settings)
            };
            let replies = [reply.clone()];
            for played in both_ways(formats, &replies, [], chain(reason)).await {
                let error = played.result.as_ref().unwrap_err();
                assert_eq!(serde_json::to_value(error).unwrap()["reason"], reason, "{error}");
                assert_eq!((played.trail().len(), played.sent_to_b.len()), (1, 0), "{reason}");
            }
            for played in both_ways(formats, &replies, [], chain(other)).await {
                assert_eq!(played.trail()[1], "b-model: ok", "{reason}");
            }
        }
    }
}

async fn refused(module: &str, settings: &str) -> ConfigError {
    let a = replies([]).await;
    let folder = around(&a).module(module, settings).folder().unwrap();
    let error = folder.host().unwrap().load_model("a", Overrides::new()).await.unwrap_err();
    assert_eq!(a.connections(), 0);
    error
}

#[tokio::test]
async fn an_unknown_word_is_refused_with_the_nearest() {
    for (module, setting, word, help) in [
        ("retry", "retryable_kinds", "timeouts", "did you mean `timeout`?"),
        ("retry", "retryable_kinds", "api", "one of `connection`, `timeout`, `parse`"),
        ("fallback", "except_reasons", "content_filtre", "did you mean `content_filter`?"),
        ("fallback", "except_reasons", "ratelimit", "did you mean `rate_limit`?"),
    ] {
        let chain = if module == "fallback" { "chain = [\"a\"]\n" } else { "" };
        let error = refused(module, &format!("{chain}{setting} = [{word:?}]")).await;
        assert_eq!(error.key, Some(format!("modules.{module}.{setting}[0]")));
        assert_eq!((error.problem.as_str(), error.help.as_deref()), (&*format!("is `{word}`"), Some(help)));
        assert!(error.line.is_some());
    }
    let error = refused("retry", "retryable_kinds = \"timeout\"").await;
    assert_eq!(
        error.help.as_deref(),
        Some(
            "The failures without a status that are tried again: a list of \"connection\", \"timeout\" and \"parse\"."
        )
    );
}
