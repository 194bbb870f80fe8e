//! Targets of fallback: models of a provider, options of a target, and windows.

use arcllm::{ConfigError, Overrides};
use arcllm_simulator::{Format, Reply};
use serde_json::{Value, json};

use super::stage::{Played, both_ways};
use crate::{
    scene::{around_both, ask, replies, soon},
    support::Chain,
};

const FORMATS: [Format; 2] = [Format::Anthropic, Format::OpenAi];

fn falling_back(chain: &str) -> impl Fn(Chain) -> Chain {
    let settings = format!("chain = {chain}");
    move |chain| chain.module("fallback", &settings)
}

/// How often each provider answers with 500 before it answers well.
async fn failing(a: usize, b: usize, changes: impl Fn(Chain) -> Chain) -> [Played; 2] {
    let fail = |times| vec![Reply::status(500); times];
    both_ways(FORMATS, fail(a), fail(b), changes).await
}

/// What `b` was sent for this option, request by request.
fn sent(played: &Played, option: &str) -> Vec<Value> {
    played.sent_to_b.iter().map(|request| request.body[option].clone()).collect()
}

#[tokio::test]
async fn a_target_is_a_provider_a_model_of_it_or_a_table_of_models() {
    let table = "provider = \"b\"\nmodel = \"small\"";
    let chain = "[\"b/large\", { model = \"b\" }, \"fast\"]";
    for played in failing(1, 2, |chain_of| falling_back(chain)(chain_of.table("models.fast", table))).await {
        assert_eq!(played.trail(), ["a-model: 500", "large: 500", "b-model: 500", "small: ok"]);
        assert_eq!(sent(&played, "model"), [json!("large"), json!("b-model"), json!("small")]);
    }
}

#[tokio::test]
async fn the_failed_one_is_skipped_by_provider_and_model() {
    let chain = "[\"a\", \"a/a-model\", \"a/other\", \"b\", \"b/b-model\"]";
    for played in failing(2, 1, falling_back(chain)).await {
        assert_eq!(played.trail(), ["a-model: 500", "other: 500", "b-model: 500"]);
        assert!(played.result.is_err());
    }
}

/// They are in the config for this target, and the caller does not know it.
#[tokio::test]
async fn options_of_a_target_replace_those_of_the_caller_for_it_alone() {
    let chain = "[{ model = \"b/small\", max_tokens = 100, temperature = 0.2, top_p = 0.5 }, \"b\"]";
    for played in failing(1, 1, falling_back(chain)).await {
        assert_eq!(played.trail(), ["a-model: 500", "small: 500", "b-model: ok"]);
        assert_eq!(sent(&played, "max_tokens"), [json!(100), json!(500)]);
        assert_eq!(sent(&played, "temperature"), [json!(0.2), json!(0.9)]);
        assert_eq!(sent(&played, "top_p"), [json!(0.5), Value::Null]);
    }
}

/// Those of a `[models.NAME]` count only where the caller sets none.
#[tokio::test]
async fn options_of_a_table_of_models_do_not_replace_those_of_the_caller() {
    let table = "provider = \"b\"\noptions = { max_tokens = 100, top_p = 0.5 }";
    for played in failing(1, 0, |chain| falling_back("[\"fast\"]")(chain.table("models.fast", table))).await {
        assert_eq!(sent(&played, "max_tokens"), [json!(500)]);
        assert_eq!(sent(&played, "top_p"), [json!(0.5)]);
    }
}

/// A chain over `b/small`, `b/same`, `b/unknown` and `b/large`; the model of `a` has this window.
fn with_windows(window: Option<u32>) -> impl Fn(Chain) -> Chain {
    move |mut chain| {
        let windows = [("b", "small", 1000), ("b", "same", 2000), ("b", "large", 3000)];
        let own = window.map(|window| ("a", "a-model", window));
        for (provider, model, window) in windows.into_iter().chain(own) {
            chain = chain.table(&format!("providers.{provider}.models.{model}"), &format!("context_window = {window}"));
        }
        chain.module("fallback", "chain = [\"b/small\", \"b/same\", \"b/unknown\", \"b/large\"]")
    }
}

#[tokio::test]
async fn after_an_overflow_windows_that_are_not_larger_are_skipped() {
    // 413 means that the conversation is too long. `b/unknown` says so again, and what is known of `a` still counts.
    let too_long = || vec![Reply::status(413)];
    for played in both_ways(FORMATS, too_long(), too_long(), with_windows(Some(2000))).await {
        assert_eq!(played.trail(), ["a-model: 413", "unknown: 413", "large: ok"]);
    }
    for played in both_ways(FORMATS, too_long(), [], with_windows(None)).await {
        assert_eq!(played.trail(), ["a-model: 413", "small: ok"], "an unknown window skips none");
    }
    for played in both_ways(FORMATS, too_long(), too_long(), with_windows(None)).await {
        assert_eq!(played.trail(), ["a-model: 413", "small: 413", "same: ok"], "a larger one than the last is asked");
    }
    for played in failing(1, 1, with_windows(Some(2000))).await {
        assert_eq!(played.trail(), ["a-model: 500", "small: 500", "same: ok"], "after other errors all are asked");
    }
    for played in both_ways(FORMATS, too_long(), [], with_windows(Some(3000))).await {
        assert_eq!(played.trail(), ["a-model: 413", "unknown: ok"]);
    }
}

#[tokio::test]
async fn if_no_window_is_large_enough_the_error_comes_back() {
    let chain = |chain: Chain| {
        let chain = chain.table("providers.a.models.a-model", "context_window = 2000");
        chain.table("providers.b.models.b-model", "context_window = 2000").module("fallback", "chain = [\"b\"]")
    };
    for played in both_ways(FORMATS, &[Reply::status(413)], [], chain).await {
        assert_eq!((played.trail(), played.sent_to_b.len()), (vec!["a-model: 413".to_owned()], 0));
        assert!(played.result.is_err());
    }
}

async fn refused(chain: &str) -> ConfigError {
    let (a, b) = (replies([]).await, replies([]).await);
    let folder = falling_back(chain)(around_both(&a, &b)).folder().unwrap();
    let error = folder.host().unwrap().load_model("a", Overrides::new()).await.unwrap_err();
    assert_eq!((a.connections(), b.connections()), (0, 0));
    error
}

#[tokio::test]
async fn a_mistake_in_a_target_names_its_key_and_what_would_be_right() {
    for (chain, key, problem, help) in [
        ("[\"a\", \"bb/large\"]", "chain[1]", "names the unknown provider or model `bb/large`", "did you mean `b`?"),
        ("[{ model = \"bb\" }]", "chain[0].model", "names the unknown provider or model `bb`", "did you mean `b`?"),
        ("[{ model = \"b\", max_token = 5 }]", "chain[0].max_token", "is not a setting", "did you mean `max_tokens`?"),
        ("[\"a\", { model = \"b\", max_tokens = 0 }]", "chain[1].max_tokens", "is 0", "a whole number above zero"),
        (
            "[{ model = \"b\", temperature = \"hot\" }]",
            "chain[0].temperature",
            "is the text \"hot\"",
            "Randomness of the answer: a number, zero or more.",
        ),
        (
            "[3]",
            "chain[0]",
            "is 3",
            "A name, such as \"openai/gpt-4.1\", or a table, such as { model = \"openai/gpt-4.1\", max_tokens = 1000 }.",
        ),
    ] {
        let error = refused(chain).await;
        assert_eq!(error.key, Some(format!("modules.fallback.{key}")), "{error}");
        assert_eq!((error.problem.as_str(), error.help.as_deref()), (problem, Some(help)), "{error}");
    }
    let error = refused("[{ max_tokens = 5 }]").await;
    assert!(
        error.to_string().contains("modules.fallback.chain[0]") && error.to_string().contains("`model`"),
        "{error}"
    );
    assert_eq!(refused("[]").await.problem, "is empty or missing");
    assert!(refused("\"b\"").await.problem.starts_with("is the text"));
}

#[tokio::test]
async fn the_worst_case_counts_each_model_once() {
    let (a, b) = (replies([]).await, replies([]).await);
    let chain = "[\"a\", \"a/a-model\", \"a/other\", { model = \"b/large\", max_tokens = 5 }, \"b\", \"b/b-model\"]";
    let chain = falling_back(chain)(around_both(&a, &b)).module("retry", "max_retries = 1");
    let check = soon(chain.folder().unwrap().host().unwrap().check(Some("a"))).await;
    assert_eq!((check.problems, check.worst_case_attempts), (Vec::new(), 8));
    assert_eq!(ask(&chain).await.unwrap().trail.len(), 1);
}
