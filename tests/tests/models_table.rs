//! What a program loads by name: a provider, a provider with a model, or a table of `[models]`.

use arcllm::{Host, Message, Options, Overrides, Request, Response};
use arcllm_simulator::{Format, Reply, Simulator};
use serde_json::{Value, json};

use crate::{
    scene::{FAST, around_both, count, replies, soon},
    support::Chain,
};

fn host(chain: &Chain) -> Host {
    chain.folder().unwrap().host().unwrap()
}

async fn ask(host: &Host, name: &str, options: Options) -> Result<Response, arcllm::Error> {
    // `?` takes the error of a load as well as that of a call.
    let model = soon(host.load_model(name, Overrides::new())).await?;
    soon(model.invoke_with(Request::new([Message::user("Hi")]).with_options(options))).await
}

/// A setting of each request's body.
fn sent(provider: &Simulator, key: &str) -> Vec<Value> {
    provider.requests().iter().map(|request| request.body[key].clone()).collect()
}

const FAST_MODEL: &str =
    "provider = \"b\"\nmodel = \"small\"\noptions = { max_tokens = 7, temperature = 0.25, stop = [\"END\"] }";

#[tokio::test]
async fn a_provider_a_model_of_it_or_a_table() {
    let (a, b) = (replies([]).await, replies([]).await);
    let host = host(&around_both(&a, &b).table("models.fast", FAST_MODEL));
    for name in ["b", "b/org/big", "fast"] {
        ask(&host, name, Options::new()).await.unwrap();
    }
    assert_eq!(sent(&b, "model"), ["b-model", "org/big", "small"]);
    let model = soon(host.load_model("fast", Overrides::new().model("other"))).await.unwrap();
    assert_eq!((model.name(), model.model()), ("b", "other"), "the load has the last word");
    assert_eq!(count(&a), 0);
}

#[tokio::test]
async fn options_of_a_table_are_defaults_of_its_requests() {
    let (a, b) = (replies([]).await, replies([]).await);
    let host = host(&around_both(&a, &b).table("models.fast", FAST_MODEL));
    ask(&host, "fast", Options::new()).await.unwrap();
    ask(&host, "fast", Options::new().max_tokens(9)).await.unwrap();
    ask(&host, "b", Options::new()).await.unwrap();
    assert_eq!(sent(&b, "temperature"), [json!(0.25), json!(0.25), Value::Null]);
    assert_eq!(sent(&b, "stop"), [json!(["END"]), json!(["END"]), Value::Null]);
    let most = |body: &Value| body.get("max_completion_tokens").or(body.get("max_tokens")).cloned();
    let most: Vec<_> = b.requests().iter().map(|request| most(&request.body)).collect();
    assert_eq!(most, [Some(json!(7)), Some(json!(9)), None]);
}

#[tokio::test]
async fn modules_of_a_table_are_switched_for_its_model_alone() {
    let (a, b) = (replies([]).await, replies([Reply::status(503), Reply::status(503)]).await);
    let table = "provider = \"b\"\nmodules.retry = { max_retries = 0 }";
    let chain = around_both(&a, &b).module("retry", FAST).table("models.once", table);
    let host = host(&chain);
    ask(&host, "once", Options::new()).await.unwrap_err();
    assert_eq!(count(&b), 1);
    assert_eq!(ask(&host, "b", Options::new()).await.unwrap().trail.len(), 2);
    let off = soon(host.load_model("once", Overrides::new().module("retry", false))).await.unwrap();
    assert_eq!(off.modules().count(), 0);
}

#[tokio::test]
async fn a_fallback_turns_to_models_and_tables() {
    let (a, b) = (replies([Reply::status(500)]).await, replies([Reply::status(500)]).await);
    let chain =
        around_both(&a, &b).module("fallback", "chain = [\"b/big\", \"fast\"]").table("models.fast", FAST_MODEL);
    let host = host(&chain);
    let answer = ask(&host, "a", Options::new()).await.unwrap();
    let asked: Vec<_> = answer.trail.iter().map(|attempt| attempt.model.as_str()).collect();
    assert_eq!(asked, ["a-model", "big", "small"]);
    assert_eq!(sent(&b, "temperature"), [Value::Null, json!(0.25)]);
    assert_eq!(host.check(Some("a")).await.worst_case_attempts, 3);
}

#[tokio::test]
async fn a_mistake_names_the_file_the_line_and_what_would_be_right() {
    for (tables, place, says) in [
        ("[models.fast]\nprovider = \"opnai\"", "2: `models.fast.provider`", "did you mean `openai`?"),
        ("[models.fast]\nmodel = \"m\"", "1: `models.fast.provider` is missing", "such as \"anthropic\""),
        ("[models.fast]\nprovider = \"openai\"\nmodle = \"m\"", "3: `models.fast.modle`", "did you mean `model`?"),
        ("[models.fast]\nprovider = \"openai\"\nmodel = 1", "3: `models.fast.model` is the number 1", "a text"),
        ("[defaults]\nprovider = \"fats\"\n[models.fast]\nprovider = \"groq\"", "2: `defaults.provider`", "`fast`?"),
        ("[models.openai]\nprovider = \"groq\"", "1: `models.openai` has the name of a provider", "another name"),
        ("[models.\"a/b\"]\nprovider = \"groq\"", "1: `models.\"a/b\"` is not a name", "without `/`"),
        (
            "[models.m]\nprovider = \"groq\"\noptions.max_tokens = 0",
            "3: `models.m.options.max_tokens` is the number 0",
            "a whole number from 1",
        ),
        (
            "[models.m]\nprovider = \"groq\"\noptions.tool_choice = \"auto\"",
            "3: `models.m.options.tool_choice` is not a setting",
            "",
        ),
        (
            "[models.m]\nprovider = \"groq\"\noptions.extensions = { \"openai.model\" = \"x\" }",
            "3: `models.m.options.extensions.\"openai.model\"` sets what ArcLLM writes itself",
            "",
        ),
        (
            "[models.m]\nprovider = \"groq\"\nmodules.retry = \"on\"",
            "3: `models.m.modules.retry` is the text \"on\"",
            "true (on), false (off)",
        ),
        (
            "[models.m]\nprovider = \"groq\"\nmodules.retry.sandbox.allow = [\"models\"]",
            "3: `models.m.modules.retry.sandbox` is a table",
            "the sandbox is set",
        ),
    ] {
        let error = arcllm::Config::parse(tables, Some(std::path::Path::new("config.toml"))).unwrap_err().to_string();
        assert!(error.starts_with(&format!("config.toml:{place}")) && error.contains(says), "{error}");
    }
}

#[tokio::test]
async fn check_checks_the_chain_that_a_name_loads() {
    let (a, b) = (replies([]).await, replies([]).await);
    let chain = around_both(&a, &b).module("retry", "max_retries = 3");
    let patient = "provider = \"b\"\nmodel = \"small\"\nmodules.retry = { max_retries = 7, max_wait_seconds = 700 }";
    let bare = "provider = \"b\"\nmodules.retry = false";
    let host = host(&chain.table("models.patient", patient).table("models.bare", bare));
    for (name, provider, model, attempts, warned) in [
        (None, "a", "a-model", 4, ""),
        (Some("b/org/big"), "b", "org/big", 4, "models.\"org/big\"` lacks"),
        (Some("patient"), "b", "small", 8, "modules.retry.max_wait_seconds` is 700 s, longer than"),
        (Some("bare"), "b", "b-model", 1, ""),
    ] {
        let report = host.check(name).await;
        assert_eq!(report.problems, Vec::<String>::new(), "{name:?}");
        assert_eq!((report.provider.as_deref(), report.model.as_deref()), (Some(provider), Some(model)));
        assert_eq!((report.worst_case_attempts, report.chain.is_empty()), (attempts, attempts == 1), "{name:?}");
        assert!(report.warnings.iter().any(|warning| warning.contains(warned)) || warned.is_empty(), "{report:?}");
    }
    let problems = host.check(Some("patent")).await.problems;
    assert!(problems[0].contains("did you mean `patient`?"), "{problems:?}");
}

#[tokio::test]
async fn check_checks_every_table() {
    let a = replies([]).await;
    for (modules, key, says) in [
        ("modules.rety = true", "modules.rety", "did you mean `retry`?"),
        ("modules.\"../x\" = true", "modules.\"../x\"", "a name has letters, digits"),
        ("modules.retry = { max_retries = \"x\" }", "modules.retry.max_retries", "a whole number"),
        ("modules.retry = { max_retry = 1 }", "modules.retry.max_retry", "did you mean `max_retries`?"),
        ("modules.retry = { enabled = false, max_retry = 1 }", "modules.retry.max_retry", "is not a setting"),
        ("modules.fallback = { chain = [\"slow\"] }", "modules.fallback.chain[0]", "unknown provider or model `slow`"),
    ] {
        let table = format!("provider = \"a\"\n{modules}");
        let chain = Chain::new().provider("a", Format::OpenAi, &a.url()).table("models.fast", &table);
        let problems = host(&chain).check(Some("a")).await.problems;
        let [problem] = &problems[..] else { panic!("{modules}: {problems:?}") };
        assert!(problem.contains(&format!(": `models.fast.{key}` ")) && problem.contains(says), "{problem}");
        assert!(problem.contains("config.toml:") && !problem.contains("overrides"), "{problem}");
        assert_eq!(host(&chain).check(Some("fast")).await.problems.len(), 1, "{modules}: it is told once");
    }
    let lacking = "provider = \"bare\"";
    let config = format!("[providers.bare]\nadapter = \"openai\"\nbase_url = \"{}\"\n[models.m]\n{lacking}", a.url());
    let host = Host::builder().config(arcllm::Config::parse(&config, None).unwrap()).build().unwrap();
    let problems = host.check(Some("openai")).await.problems;
    assert!(problems.len() == 1 && problems[0].contains("providers.bare.default_model"), "{problems:?}");
}

#[tokio::test]
async fn the_default_is_anything_that_can_be_loaded() {
    let (a, b) = (replies([]).await, replies([]).await);
    for (name, model) in [("fast", "small"), ("b/org/big", "org/big"), ("b", "b-model")] {
        let chain = around_both(&a, &b).table("models.fast", FAST_MODEL).by_default(name);
        let folder = chain.folder().unwrap();
        let answer = folder.arcllm(["invoke", "--json", "Hi"]).unwrap().run().await.unwrap().json().unwrap();
        assert_eq!((&answer["provider"], &answer["model"]), (&json!("b"), &json!(model)), "{answer}");
        let report = folder.host().unwrap().check(None).await;
        assert_eq!((report.provider.as_deref(), report.model.as_deref()), (Some("b"), Some(model)));
    }
}

#[tokio::test]
async fn an_unknown_name_is_an_error_with_the_nearest() {
    let a = replies([]).await;
    let host = host(&Chain::new().provider("a", Format::OpenAi, &a.url()).table("models.fast", "provider = \"a\""));
    for (name, help) in [("fats", "did you mean `fast`?"), ("antropic/x", "did you mean `anthropic`?")] {
        let error = soon(host.load_model(name, Overrides::new())).await.unwrap_err();
        assert_eq!(error.problem, format!("unknown model or provider `{name}`"));
        assert_eq!(error.help.as_deref(), Some(help));
    }
    assert_eq!(a.connections(), 0);
}
