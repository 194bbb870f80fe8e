use arcllm_module::{
    HttpStatus,
    testing::{self, api},
    types::Failure,
};
use proptest::prelude::*;

use super::*;

fn settings(chain: &[&str]) -> Settings {
    let chain = chain.iter().map(|name| Listed(ChainTarget::new(name))).collect();
    Settings { chain, ..Settings::default() }
}

fn of_reason(reason: Reason) -> Error {
    match testing::api(400) {
        Error::Api(error) => Error::Api(arcllm_module::types::ApiError { reason, ..error }),
        error => error,
    }
}

fn answer(stop: StopReason, said: (u64, u32)) -> Answer {
    Answer { stop: Some(stop), said: Some(said) }
}

#[test]
fn another_is_asked_after_any_error_but_cancelled_deadline_and_exceptions() {
    let policy = Policy::new(Settings { except_status_codes: vec![HttpStatus::new(400)], ..settings(&["a"]) });
    let failure = || Failure::new("", "");
    assert_eq!(policy.after_error(&api(401)), Next::Another);
    assert_eq!(policy.after_error(&api(400)), Next::Return);
    assert_eq!(policy.after_error(&Error::Config(failure())), Next::Another);
    assert_eq!(policy.after_error(&Error::Parse(failure())), Next::Another);
    assert_eq!(policy.after_error(&Error::Cancelled), Next::Return);
    assert_eq!(policy.after_error(&Error::DeadlineExceeded), Next::Return);
}

#[test]
fn a_reason_can_be_excepted_and_one_asks_for_a_larger_window() {
    let except = vec![ReasonWord::ContentFilter, ReasonWord::Other];
    let policy = Policy::new(Settings { except_reasons: except, ..settings(&["a"]) });
    assert_eq!(policy.after_error(&of_reason(Reason::ContentFilter)), Next::Return);
    assert_eq!(policy.after_error(&of_reason(Reason::Other("strange".to_owned()))), Next::Return);
    assert_eq!(policy.after_error(&of_reason(Reason::InvalidRequest)), Next::Another);
    assert_eq!(policy.after_error(&of_reason(Reason::ContextLength)), Next::Larger);
}

#[test]
fn an_answer_fails_only_by_a_setting_that_is_on() {
    let full = || StopReason::Other("model_context_window_exceeded".to_owned());
    let answers = || {
        [
            answer(StopReason::EndTurn, (0, 0)),
            answer(StopReason::Refusal, (9, 0)),
            answer(StopReason::ContentFilter, (9, 0)),
            answer(StopReason::MaxTokens, (9, 0)),
            answer(full(), (9, 0)),
            answer(StopReason::PauseTurn, (0, 0)),
            answer(StopReason::ToolUse, (0, 1)),
            answer(StopReason::EndTurn, (9, 0)),
            Answer { stop: None, said: None },
        ]
    };
    let after = |change: fn(&mut Settings)| {
        let mut settings = settings(&["a"]);
        change(&mut settings);
        let policy = Policy::new(settings);
        answers()
            .iter()
            .map(|answer| policy.after_answer(answer))
            .enumerate()
            .filter(|(_, next)| *next != Next::Return)
            .collect::<Vec<_>>()
    };
    assert_eq!(after(|_| {}), []);
    assert_eq!(after(|settings| settings.on_empty = true), [(0, Next::Another)]);
    assert_eq!(after(|settings| settings.on_refusal = true), [(1, Next::Another)]);
    assert_eq!(after(|settings| settings.on_content_filter = true), [(2, Next::Another)]);
    assert_eq!(after(|settings| settings.on_truncated = true), [(3, Next::Another), (4, Next::Larger)]);
}

fn target(name: &str, provider: &str, model: &str, attempts: u64) -> Target {
    let most = Cost { attempts, waiting: 5 };
    Target { name: name.into(), provider: provider.into(), model: model.into(), most }
}

fn attempts(chain: &[&str], inner: &Target, others: &[Target]) -> u64 {
    Policy::new(settings(chain)).worst_case(inner, others).attempts
}

#[test]
fn the_worst_case_adds_up_the_chain_without_the_primary() {
    let others = [target("b", "b", "m", 2), target("c", "c", "m", 4), target("d", "d", "m", 8)];
    let inner = target("", "a", "m", 1);
    assert_eq!(attempts(&["a", "b", "c"], &inner, &others), 7);
    assert_eq!(Policy::new(settings(&["a", "b", "c"])).worst_case(&inner, &others).waiting, 15);
}

#[test]
fn the_worst_case_finds_a_target_by_its_name_and_else_by_its_provider() {
    let others = [
        target("b", "b", "m", 2),
        target("b/large", "b", "large", 4),
        target("a/large", "a", "large", 8),
        target("fast", "c", "m", 16),
    ];
    let inner = target("", "a", "m", 1);
    assert_eq!(attempts(&["a", "a/large", "b/large", "fast"], &inner, &others), 29);
    assert_eq!(attempts(&["a", "a/m"], &inner, &others), 1, "both are the primary");
    assert_eq!(attempts(&["b", "b/m", "b/other"], &inner, &others), 5, "the second is the first");
}

proptest! {
    #[test]
    fn each_other_model_is_asked_once(chain in prop::collection::vec("[a-d]", 0..8), failed in "[a-d]") {
        let names: Vec<&str> = chain.iter().map(String::as_str).collect();
        let policy = Policy::new(settings(&names));
        let known = |name: &str| Some(Known { identity: Identity::of((name, "m")), window: None });
        let mut round = policy.round(failed.clone(), "m".to_owned());
        let mut others = Vec::new();
        while let Some(target) = round.next(known) {
            others.push(target.model.0.as_str());
        }
        prop_assert!(!others.contains(&failed.as_str()));
        for name in &names {
            let asked = others.iter().filter(|other| other == &name).count();
            prop_assert_eq!(asked, usize::from(*name != failed));
        }
    }
}
