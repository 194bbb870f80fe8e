use serde_json::json;

use super::*;
use crate::{
    chat::wire_format::WireFormat,
    config::{overrides::Switched, provider::is_loopback},
};

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Some(Path::new("conf/config.toml")))
}

/// The place and the message of what is wrong.
fn wrong(text: &str) -> String {
    parse(text).expect_err("a config that will not do").to_string()
}

#[test]
fn the_example_is_right_and_safe() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config.toml");
    let config = Config::load(&file).expect("the example config.toml");
    assert_eq!(config.defaults.provider.as_deref(), Some("anthropic"));
    assert!(config.modules.values().all(|module| !module.enabled), "the example switches nothing on");
}

#[test]
fn without_a_file_the_presets_are_there() {
    let config = Config::parse("", None).expect("the built-in configuration");
    let names: Vec<&str> = config.providers.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "anthropic",
            "deepseek",
            "fireworks",
            "groq",
            "huggingface",
            "mistral",
            "ollama",
            "openai",
            "tgi",
            "together",
            "vllm"
        ]
    );
    for provider in config.providers.values() {
        assert_eq!(provider.key.is_none(), is_loopback(&provider.base_url), "{}", provider.name);
    }
    assert_eq!(
        config.order,
        [
            "audit",
            "telemetry",
            "budget",
            "cache",
            "redact",
            "validate",
            "resume",
            "route",
            "retry",
            "fallback",
            "hedge",
            "circuit-breaker",
            "rate-limit",
            "chaos"
        ]
    );
    assert_eq!(config.deadline, Duration::from_secs(600));
    assert_eq!(config.modules_dir, None);
}

#[test]
fn a_table_overrides_a_preset_key_by_key_and_defaults_come_last() {
    let config = parse(
        r#"
        [defaults]
        max_tokens = 100
        temperature = 0.5
        [host]
        modules_dir = "more"
        [providers.anthropic]
        base_url = "http://127.0.0.1:1"
        api_key_env = ""
        timeout_seconds = 0.25
        temperature = 1
        [providers.anthropic.models."m"]
        context_window = 1000
        cost_input_per_1m = 0.5
        "#,
    )
    .expect("a config");
    let provider = &config.providers["anthropic"];
    assert_eq!(provider.adapter, WireFormat::Anthropic);
    assert_eq!(provider.base_url.as_str(), "http://127.0.0.1:1/");
    assert_eq!(provider.key, None);
    assert_eq!(provider.timeout, Duration::from_millis(250));
    assert_eq!((provider.max_tokens, provider.temperature), (Some(100), Some(1.0)));
    assert_eq!(provider.models["m"].context_window, Some(1000));
    assert_eq!(config.providers["openai"].temperature, Some(0.5));
    assert_eq!(config.modules_dir, Some(PathBuf::from("conf/more")));
}

#[test]
fn a_module_gets_all_keys_but_the_hosts() {
    let config = parse(
        r#"
        [modules.retry]
        enabled = true
        max_retries = 5
        [modules.retry.sandbox]
        memory_mb = 8
        "#,
    )
    .expect("a config");
    let module = &config.modules["retry"];
    assert!(module.enabled);
    assert_eq!(Value::Object(module.settings.clone()), json!({"max_retries": 5}));
    assert_eq!(module.sandbox.limits.memory_mb, 8);
}

#[test]
fn errors_name_the_file_the_line_the_key_and_the_way_out() {
    assert_eq!(
        wrong("\n[defaults]\nmax_token = 5\n"),
        "conf/config.toml:3: `defaults.max_token` is not a setting\n  help: did you mean `max_tokens`?"
    );
    assert_eq!(
        wrong("[providers.openai]\ntimeout_seconds = \"300\"\n"),
        "conf/config.toml:2: `providers.openai.timeout_seconds` is the text \"300\"\n  help: a number of seconds above zero"
    );
    assert_eq!(
        wrong("[modules.retry]\nmax_wait_seconds = nan\n"),
        "conf/config.toml:2: `modules.retry.max_wait_seconds` is NaN\n  help: a finite number"
    );
    assert_eq!(
        wrong("[modules.x]\nlist = [1, inf]\n"),
        "conf/config.toml:2: `modules.x.list[1]` is inf\n  help: a finite number"
    );
    assert_eq!(
        wrong("[modules]\nretry = 1\n"),
        "conf/config.toml:2: `modules.retry` is the number 1\n  help: a table, such as [modules.retry]"
    );
    assert_eq!(
        wrong("[defaults]\nprovider = \"antropic\"\n"),
        "conf/config.toml:2: `defaults.provider` names the unknown provider `antropic`\n  help: did you mean \
         `anthropic`?"
    );
    assert_eq!(
        wrong("[providers.mine]\nadapter = \"openai\"\n"),
        "conf/config.toml:1: `providers.mine.base_url` is missing\n  help: such as \"https://api.example.com/v1\""
    );
    assert!(wrong("[host\n").starts_with("conf/config.toml:1: is not TOML: "));
}

#[test]
fn plain_http_is_for_this_machine_unless_allowed() {
    let url = |url: &str| format!("[providers.p]\nadapter = \"openai\"\nbase_url = \"{url}\"\ndefault_model = \"m\"\n");
    for good in ["http://localhost:1", "http://127.8.9.1", "http://[::1]:80/v1", "https://example.com"] {
        assert!(parse(&url(good)).is_ok(), "{good}");
    }
    for bad in [
        "http://example.com",
        "http://127.0.0.1.example.com",
        "http://localhost.example.com",
        "http://10.0.0.1",
        "ftp://localhost",
        "https://user:secret@example.com",
        "localhost",
    ] {
        let message = wrong(&url(bad));
        assert!(message.contains("`providers.p.base_url`"), "{bad}: {message}");
        assert!(!message.contains("secret"), "{message}");
    }
    assert!(parse(&format!("{}allow_insecure_http = true\n", url("http://example.com"))).is_ok());
}

#[test]
fn overrides_switch_modules() {
    let text = "[modules.retry]\nenabled = true\nmax_retries = 3\nnested = { a = 1, b = 2 }\n";
    let config = parse(text).expect("a config");
    let of = |asked: Option<Value>| Switched::of("retry", config.modules.get("retry"), asked.as_ref());
    let on = |settings: Value| match settings {
        Value::Object(settings) => Ok(Switched::On(settings)),
        _ => panic!("a table"),
    };
    let configured = json!({"max_retries": 3, "nested": {"a": 1, "b": 2}});
    assert_eq!(of(None), on(configured.clone()));
    assert_eq!(of(Some(json!(true))), on(configured.clone()));
    assert_eq!(of(Some(json!(false))), Ok(Switched::Off));
    assert_eq!(of(Some(json!({}))), on(configured));
    assert_eq!(of(Some(json!({"enabled": false, "max_retries": 9}))), Ok(Switched::Off));
    let merged = json!({"max_retries": 9, "nested": {"a": 1, "b": 7}});
    assert_eq!(of(Some(json!({"max_retries": 9, "nested": {"b": 7}}))), on(merged));
    assert!(of(Some(json!(1))).is_err());
    assert!(of(Some(json!({"enabled": "yes"}))).is_err());
    assert!(of(Some(json!({"sandbox": {"allow": ["models"]}}))).is_err());
    assert_eq!(Switched::of("new", None, None), Ok(Switched::Off));
    assert_eq!(Switched::of("new", None, Some(&json!(true))), on(json!({})));
}
