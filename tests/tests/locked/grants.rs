//! Grants with a scope, as the host enforces them.

use arcllm::{Attempt, Config, Grant, Host, ModuleConfig, Outcome, Overrides, Sandbox};
use arcllm_simulator::{Format, Reply};

use crate::{
    scene::{around_both, load, replies, say_hi, soon},
    support::{Elsewhere, Odd},
};

#[tokio::test]
async fn a_module_loads_the_models_of_its_scope_by_any_name_and_no_others() {
    // The scope, and which of the targets are asked.
    for (scope, asked) in [
        ("\"b\"", vec!["b: 500", "b: 500", "b: 500"]),
        ("\"b/large\"", vec!["b: 500"]),
        ("\"b/quick\"", vec!["b: 500"]),
        ("\"fast\", \"b/b-model\"", vec!["b: 500", "b: 500"]),
        ("\"b/b-model\"", vec!["b: 500"]),
        ("\"fast\"", vec!["b: 500"]),
        ("\"c\"", vec!["c: ok"]),
    ] {
        let fail = || vec![Reply::status(500); 9];
        let (a, b, c) = (replies(fail()).await, replies(fail()).await, replies([]).await);
        let chain = "chain = [\"b/large\", \"fast\", \"b\", \"c\"]";
        let chain = around_both(&a, &b).provider("c", Format::OpenAi, &c.url()).module("fallback", chain);
        let chain = chain.table("models.fast", "provider = \"b\"\nmodel = \"quick\"\noptions.temperature = 0.1");
        let folder =
            chain.table("modules.fallback.sandbox", &format!("allow = [{{ models = [{scope}] }}]")).folder().unwrap();
        let result = soon(say_hi(&load(&folder, Overrides::new()).await)).await;
        let is_refused = result.is_err();
        assert_eq!(is_refused, scope != "\"c\"");
        let trail = match result {
            Ok(answer) => answer.trail,
            Err(error) => error.trail,
        };
        let is_sent = |attempt: &&Attempt| matches!(attempt.outcome, Outcome::Ok | Outcome::Api);
        let step = |attempt: &Attempt| match attempt.status {
            Some(status) => format!("{}: {status}", attempt.provider),
            None => format!("{}: {}", attempt.provider, attempt.outcome.as_str()),
        };
        let steps: Vec<String> =
            trail.iter().filter(|attempt| attempt.provider != "a" && is_sent(attempt)).map(step).collect();
        assert_eq!(steps, asked, "{scope}");
        let connections = [b.connections() > 0, c.connections() > 0];
        assert_eq!(connections, [scope != "\"c\"", scope == "\"c\""], "{scope}");
    }
}

#[tokio::test]
async fn a_scope_that_names_no_model_is_refused_at_the_load() {
    let (a, b) = (replies([]).await, replies([]).await);
    let chain = around_both(&a, &b).module("fallback", "chain = [\"b\"]");
    let folder = chain.table("modules.fallback.sandbox", "allow = [\n  { models = [\"bb\"] },\n]").folder().unwrap();
    let error = soon(folder.host().unwrap().load_model("a", Overrides::new())).await.unwrap_err().to_string();
    assert!(
        error.contains("`modules.fallback.sandbox.allow` has a scope with the unknown provider or model `bb`"),
        "{error}"
    );
    assert!(error.contains("did you mean `b`?"), "{error}");
}

#[tokio::test]
async fn a_store_that_cannot_count_refuses_a_module_with_a_limit() {
    let sandbox = |max_mb| Sandbox::new().allow([Grant::state_mb(max_mb)]);
    let config = |max_mb| {
        let retry = ModuleConfig::on().sandbox(sandbox(max_mb));
        let a = arcllm::ProviderConfig::openai("http://127.0.0.1:9").unwrap().model("m");
        Config::built_in().unwrap().with_provider("a", a).unwrap().with_module("retry", retry)
    };
    assert!(config(0).unwrap_err().to_string().contains("`modules.retry.sandbox.allow` has a `max_mb` of 0"));
    let host = || Host::builder().config(config(1).unwrap());
    soon(host().build().unwrap().load_model("a", Overrides::new())).await.unwrap();
    let elsewhere = host().state_store(Elsewhere::new(Odd::Yields)).build().unwrap();
    let error = soon(elsewhere.load_model("a", Overrides::new())).await.unwrap_err().to_string();
    assert!(error.contains("its grant `state` has a max_mb"), "{error}");
}
