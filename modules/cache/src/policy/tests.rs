use arcllm_module::{
    Amount, Seconds,
    types::{RequestParts, Thinking, ToolCall},
};

use super::*;
use crate::settings::Labels;

fn options(labels: &[(&str, &str)]) -> Options {
    let mut options = RequestParts::from_text("Hi").options;
    options.labels = labels.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    options
}

fn scoped(scope: &[&str]) -> Policy {
    let scope = Labels(scope.iter().map(|&name| name.to_owned()).collect());
    Policy::new(Settings { scope, ..Settings::default() })
}

fn key(policy: &Policy, asked: [&str; 3], labels: &[(&str, &str)]) -> Option<String> {
    let ([provider, model, digest], options) = (asked, options(labels));
    policy.key(&Call { provider, model, digest, options: &options })
}

#[test]
fn provider_model_request_and_scope_make_the_key() {
    let policy = scoped(&["team", "user"]);
    let labels = [("team", "a"), ("user", "b"), ("other", "c")];
    let one = key(&policy, ["p", "m", "d"], &labels).unwrap();
    assert_eq!(one.len(), 64);
    assert_eq!(key(&policy, ["p", "m", "d"], &[("user", "b"), ("team", "a")]).as_ref(), Some(&one));
    let others = [
        key(&policy, ["pm", "", "d"], &labels),
        key(&policy, ["p", "n", "d"], &labels),
        key(&policy, ["p", "m", "e"], &labels),
        key(&policy, ["p", "m", "d"], &[("team", "b"), ("user", "a")]),
        key(&policy, ["p", "m", "d"], &[("team", "ab"), ("user", "")]),
        key(&scoped(&[]), ["p", "m", "d"], &labels),
    ];
    let all: std::collections::BTreeSet<_> = others.into_iter().flatten().chain([one]).collect();
    assert_eq!(all.len(), 7);
}

#[test]
fn a_call_without_a_label_of_the_scope_has_no_key() {
    assert_eq!(key(&scoped(&["team", "user"]), ["p", "m", "d"], &[("team", "a")]), None);
    assert!(key(&scoped(&[]), ["p", "m", "d"], &[]).is_some());
}

#[test]
fn only_what_is_repeatable_is_cached_unless_all_is() {
    let with = |temperature, seed| Options { temperature, seed, ..options(&[]) };
    let all = Policy::new(Settings { cache_all: true, ..Settings::default() });
    for (options, is_repeatable) in [
        (with(None, None), false),
        (with(Some(0.7), None), false),
        (with(Some(0.0), None), true),
        (with(Some(0.7), Some(3)), true),
    ] {
        assert_eq!(Policy::new(Settings::default()).is_cached(&options), is_repeatable);
        assert!(all.is_cached(&options));
    }
}

fn answer(content: Vec<ContentBlock>, stop_reason: StopReason) -> ResponseParts {
    ResponseParts { content, stop_reason, ..ResponseParts::from_text("a", "m", "") }
}

#[test]
fn whole_answers_that_say_something_are_kept() {
    let policy = Policy::new(Settings::default());
    let is_kept = |parts: &ResponseParts| policy.kept(Duration::ZERO, parts).is_some();
    let says = || vec![ContentBlock::from_text("Hi")];
    let call = ToolCall {
        id: "1".to_owned(),
        name: "f".to_owned(),
        arguments: "{}".to_owned(),
        cache: None,
        extensions: Vec::new(),
    };
    for (stop, kept) in [
        (StopReason::EndTurn, true),
        (StopReason::StopSequence, true),
        (StopReason::ToolUse, true),
        (StopReason::MaxTokens, false),
        (StopReason::Refusal, false),
        (StopReason::PauseTurn, false),
        (StopReason::ContentFilter, false),
        (StopReason::Other("odd".to_owned()), false),
    ] {
        assert_eq!(is_kept(&answer(says(), stop.clone())), kept, "{stop:?}");
    }
    assert!(is_kept(&answer(vec![ContentBlock::ToolUse(call)], StopReason::ToolUse)));
    let thinking =
        Thinking { text: "Hm".to_owned(), signature: None, redacted: None, provider: None, extensions: Vec::new() };
    for nothing in [vec![], vec![ContentBlock::from_text(" \n")], vec![ContentBlock::Thinking(thinking)]] {
        assert!(!is_kept(&answer(nothing, StopReason::EndTurn)));
    }
}

#[test]
fn what_the_providers_tools_found_is_kept_only_if_all_is() {
    let searched = ContentBlock::Other(r#"{"type": "web_search_tool_result"}"#.to_owned());
    let parts = answer(vec![searched, ContentBlock::from_text("Hi")], StopReason::EndTurn);
    assert!(Policy::new(Settings::default()).kept(Duration::ZERO, &parts).is_none());
    let all = Policy::new(Settings { cache_all: true, ..Settings::default() });
    assert!(all.kept(Duration::ZERO, &parts).is_some());
}

#[test]
fn an_answer_has_a_largest_size() {
    let policy = Policy::new(Settings { max_kb: 1, ..Settings::default() });
    let text = |bytes: usize| answer(vec![ContentBlock::from_text(&"x".repeat(bytes))], StopReason::EndTurn);
    assert!(policy.kept(Duration::ZERO, &text(500)).is_some_and(|bytes| bytes.len() <= 1024));
    assert!(policy.kept(Duration::ZERO, &text(1024)).is_none());
    let size = |text_bytes| ResponseSize { text_bytes, tool_calls: 0, extensions: Vec::new() };
    assert!(policy.may_keep(&StopReason::EndTurn, Some(&size(1024))));
    assert!(!policy.may_keep(&StopReason::EndTurn, Some(&size(1025))));
}

#[test]
fn a_lease_ends_before_its_answer() {
    let lease = |ttl, wait| {
        let (ttl_seconds, max_wait_seconds) = (Seconds::new(ttl), Amount::new(wait));
        Policy::new(Settings { ttl_seconds, max_wait_seconds, ..Settings::default() }).lease().as_secs()
    };
    assert_eq!((lease(60.0, 30.0), lease(5.0, 30.0), lease(60.0, 0.0)), (30, 5, 0));
}
