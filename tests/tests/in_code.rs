//! A host that a program writes in code, without a configuration file.

use std::{error::Error as _, sync::Arc, time::Duration};

use arcllm::{
    Config, ConfigError, Error, ErrorKind, Host, MemoryStore, Message, ModelConfig, ModuleConfig, Options, Overrides,
    ProviderConfig, Sandbox, WireFormat,
};
use arcllm_simulator::{Reply, Simulator};
use serde_json::json;

use crate::{
    scene::{count, replies, soon},
    support::test_module,
};

fn provider(server: &Simulator) -> ProviderConfig {
    ProviderConfig::openai(&server.url()).unwrap().model("tiny")
}

async fn ask(host: &Host, name: &str) -> Result<arcllm::Response, Error> {
    let model = soon(host.load_model(name, Overrides::new())).await?;
    soon(model.invoke(&[Message::user("Hi")], &[])).await
}

#[tokio::test]
async fn providers_modules_models_and_limits_are_set_in_code() {
    let (a, b) = (replies([Reply::status(503), Reply::status(503)]).await, replies([]).await);
    let anthropic = ProviderConfig::new(WireFormat::Anthropic, &b.url()).unwrap().model("big").key("sk-b".into());
    let host = Host::builder()
        .state_store(Arc::new(MemoryStore::default()))
        .provider("a", provider(&a).header("x-team", "blue").query("v", "1"))
        .provider("b", anthropic)
        .module("retry", ModuleConfig::on().setting("max_retries", 1).setting("backoff_base_seconds", 0.001))
        .module("fallback", ModuleConfig::on().setting("chain", json!(["main"])))
        .model("main", ModelConfig::new("b").options(Options::new().max_tokens(5)))
        .order(["fallback", "retry"])
        .deadline(Duration::from_secs(30))
        .max_attempts(3)
        .build()
        .unwrap();
    let answer = ask(&host, "a").await.unwrap();
    assert_eq!((answer.provider.as_str(), answer.trail.len()), ("b", 3));
    let (first, last) = (a.requests().remove(0), b.requests().remove(0));
    assert_eq!(first.body["model"], "tiny");
    assert_eq!(first.header("x-team"), Some("blue"));
    assert!(last.authorized_with("sk-b"));
    assert_eq!((&last.body["model"], &last.body["max_tokens"]), (&json!("big"), &json!(5)));
    assert_eq!((host.config().deadline, host.config().max_attempts), (Duration::from_secs(30), 3));
}

#[tokio::test]
async fn a_key_in_code_is_sent_and_never_shown() {
    let echo = Reply::body("text/plain", "sk-secret is wrong");
    let a = replies([echo]).await;
    let host = Host::builder().provider("a", provider(&a).key("sk-secret".into())).build().unwrap();
    let error = ask(&host, "a").await.unwrap_err();
    assert!(a.requests()[0].authorized_with("sk-secret"));
    for shown in [format!("{error:?}"), format!("{host:?}"), format!("{:?}", host.config())] {
        assert!(!shown.contains("sk-secret"), "{shown}");
    }
    let empty = Host::builder().provider("a", provider(&a).key("".into())).build().unwrap();
    let error = soon(empty.load_model("a", Overrides::new())).await.unwrap_err();
    assert_eq!(error.to_string(), "`providers.a.key` was given in code and is empty");
}

#[tokio::test]
async fn a_module_is_given_as_bytes() {
    let a = replies([]).await;
    let wasm = std::fs::read(test_module("patient")).unwrap();
    let host = |module: ModuleConfig| {
        let host = Host::builder().provider("a", provider(&a)).module("mine", module.wasm_bytes(wasm.clone()));
        host.order(["mine"]).build().unwrap()
    };
    let on = host(ModuleConfig::on());
    ask(&on, "a").await.unwrap();
    let report = on.modules().await.unwrap().remove(0);
    assert_eq!((report.name.as_str(), report.origin.as_deref()), ("mine", Some("given in code")));
    assert_eq!(report.size_bytes, Some(wasm.len()));
    let pinned = host(ModuleConfig::on().sandbox(Sandbox::new().sha256("0".repeat(64))));
    let error = soon(pinned.load_model("a", Overrides::new())).await.unwrap_err();
    assert_eq!(error.key.as_deref(), Some("modules.mine.sandbox.sha256"));
}

#[test]
fn mistakes_in_code_are_found_when_the_host_is_built() {
    let local = || ProviderConfig::openai("http://localhost:1").unwrap();
    let remote = ProviderConfig::openai("http://example.com").unwrap();
    let sandbox = |sandbox| ModuleConfig::on().sandbox(sandbox);
    for (builder, key) in [
        (Host::builder().provider("p", remote), "providers.p.base_url"),
        (Host::builder().provider("p", local().timeout(Duration::ZERO)), "providers.p.timeout_seconds"),
        (Host::builder().module("retry", sandbox(Sandbox::new().allow(["all"]))), "modules.retry.sandbox.allow"),
        (Host::builder().module("retry", sandbox(Sandbox::new().memory_mb(0))), "modules.retry.sandbox.memory_mb"),
        (Host::builder().model("groq", ModelConfig::new("openai")), "models.groq"),
        (Host::builder().model("m", ModelConfig::new("openai")).provider("m", local()), "models.m"),
        (Host::builder().order(["retry", "retry"]), "host.order"),
        (Host::builder().deadline(Duration::ZERO), "host.deadline_seconds"),
        (Host::builder().max_attempts(0), "host.max_attempts"),
    ] {
        let error = builder.build().unwrap_err();
        assert_eq!((error.file.as_ref(), error.key.as_deref()), (None, Some(key)), "{error}");
    }
}

#[tokio::test]
async fn code_comes_on_top_of_a_file() {
    let a = replies([]).await;
    let text = "[defaults]\nmax_tokens = 3\n[modules.retry]\nenabled = true";
    let builder = Host::builder().provider("a", provider(&a)).module("retry", ModuleConfig::off());
    let host = builder.config(Config::parse(text, None).unwrap()).build().unwrap();
    let model = soon(host.load_model("a", Overrides::new())).await.unwrap();
    assert_eq!(model.modules().count(), 0);
    assert_eq!(host.config().providers["a"].max_tokens, Some(3), "the defaults of the file hold");
    let unknown = Host::builder().model("m", ModelConfig::new("nobody")).build().unwrap();
    let error = soon(unknown.load_model("m", Overrides::new())).await.unwrap_err();
    assert_eq!(error.key.as_deref(), Some("models.m.provider"));
}

#[tokio::test]
async fn a_config_error_of_a_call_keeps_its_place() {
    let a = replies([Reply::status(500)]).await;
    let text = "[providers.b]\nadapter = \"openai\"\nbase_url = \"http://localhost:1\"\ndefault_model = \"m\"\n\
                api_key_env = \"ARCLLM_TEST_NO_SUCH_KEY\"\n[modules.fallback]\nenabled = true\nchain = [\"b\"]";
    let config = Config::parse(text, Some(std::path::Path::new("config.toml"))).unwrap();
    let host = Host::builder().config(config).provider("a", provider(&a)).build().unwrap();
    let error = ask(&host, "a").await.unwrap_err();
    let ErrorKind::Config(config) = &error.kind else { panic!("{error:?}") };
    let place = (config.file.as_deref(), config.line, config.key.as_deref(), config.provider.as_deref());
    let expected = (std::path::Path::new("config.toml"), 5, "providers.b.api_key_env", "b");
    assert_eq!(place, (Some(expected.0), Some(expected.1), Some(expected.2), Some(expected.3)));
    assert_eq!(error.source().unwrap().downcast_ref::<ConfigError>(), Some(&**config));
    assert_eq!(count(&a), 1);
}

#[tokio::test]
async fn what_is_no_switch_is_an_error_before_anything_is_sent() {
    let a = replies([]).await;
    let host = Host::builder().provider("a", provider(&a)).build().unwrap();
    let overrides = Overrides::new().module("retry", json!(3));
    let error = soon(host.load_model("a", overrides)).await.unwrap_err();
    assert_eq!(error.to_string().lines().next(), Some("`modules.retry` is the number 3 in the overrides of this load"));
    assert_eq!(a.connections(), 0);
}
