//! `arcllm models`.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::{command::run, support::Folder};

const CONFIG: &str = r#"
[providers.mine]
adapter = "anthropic"
base_url = "http://127.0.0.1:9"
default_model = "tiny"

[providers.mine.models.big]
context_window = 5000
cost_input_per_1m = 1.25
cost_output_per_1m = 0
input_modalities = ["text", "audio"]

[providers.deepseek.models.deepseek-flash]
cost_output_per_1m = 3
supports_prefix = true
"#;

#[tokio::test]
async fn without_a_configuration_and_without_keys_the_catalogue_is_listed() {
    let folder = Folder::new("").unwrap();
    std::fs::remove_file(folder.path().join("config.toml")).unwrap();
    let output = run(&folder, &["models"]).await;
    assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{}", output.stdout);
    for provider in ["anthropic", "deepseek", "fireworks", "groq", "huggingface", "mistral", "openai", "together"] {
        assert!(output.stdout.contains(&format!("\n{provider} ")), "{provider}: {}", output.stdout);
    }
    assert!(!output.stdout.contains('*'), "no configuration: {}", output.stdout);
    let json = run(&folder, &["models", "--json"]).await.json().unwrap();
    let models = json["models"].as_array().unwrap();
    assert_eq!(json.as_object().unwrap().len(), 1);
    assert_eq!(models.len(), output.stdout.lines().count() - 1);
    let sonnet = models.iter().find(|model| model["model"] == "claude-sonnet-4-5").unwrap();
    for (key, value) in [
        ("provider", json!("anthropic")),
        ("default", json!(true)),
        ("context_window", json!(200_000)),
        ("cost_input_per_1m", json!(3.0)),
        ("cost_cache_write_hour_per_1m", json!(6.0)),
        ("supports_prefix", json!(true)),
        ("long_input_tokens", Value::Null),
        ("set_by_config", json!([])),
    ] {
        assert_eq!(sonnet[key], value, "{key}");
    }
    assert!(sonnet["as_of"].is_string() && sonnet["source"].is_string());
}

#[tokio::test]
async fn what_the_configuration_sets_is_marked() {
    let folder = Folder::new(CONFIG).unwrap();
    let models = async |provider| run(&folder, &["models", "--provider", provider]).await.stdout;
    assert_snapshot!(models("mine").await, @"
    provider  model  window  output     in    out  read  write  as of  can
    mine      big     5000*       -  1.25*  0.00*     -      -  -      audio*
    mine      tiny        -       -      -      -     -      -  -
    ");
    assert_snapshot!(models("deepseek").await, @"
    provider  model             window  output    in    out   read  write  as of       can
    deepseek  deepseek-chat          -       -     -      -      -      -  2026-11-20  tools
    deepseek  deepseek-flash   1000000  393216  0.30  3.00*  0.006      -  2026-11-20  tools images reasoning prefix*
    deepseek  deepseek-v4-pro  1000000  393216  1.32   3.96  0.044      -  2026-11-20  tools reasoning
    ");
    let json = run(&folder, &["models", "--provider", "deepseek", "--json"]).await.json().unwrap();
    let flash = json["models"].as_array().unwrap().iter().find(|model| model["model"] == "deepseek-flash").unwrap();
    assert_eq!(flash["set_by_config"], json!(["cost_output_per_1m", "supports_prefix"]));
    assert_eq!((&flash["cost_input_per_1m"], &flash["cost_output_per_1m"]), (&json!(0.3), &json!(3.0)));
    assert_eq!(flash["aliases"][0], "deepseek-v4-flash");
    assert_eq!(
        models("ollama").await,
        "no models are known; a provider asks for any model that its table or a call names\n"
    );
}

#[tokio::test]
async fn an_unknown_provider_is_an_error_with_the_nearest() {
    let folder = Folder::new(CONFIG).unwrap();
    let output = run(&folder, &["models", "--provider", "opnai"]).await;
    assert_eq!((output.code, output.stdout.as_str()), (2, ""));
    assert_snapshot!(output.stderr, @"
    error: unknown provider `opnai`
      help: did you mean `openai`?
    ");
    let output = run(&folder, &["models", "--provider", "opnai", "--json"]).await;
    assert_eq!((output.code, &output.json().unwrap()["error"]["kind"]), (2, &json!("config")));
    let wrong = Folder::new("[providers.openai.models.\"gpt-4o\"]\ncost_input_per_1m = nan").unwrap();
    let output = run(&wrong, &["models"]).await;
    assert!(output.code == 2 && output.stderr.contains("gpt-4o.cost_input_per_1m"), "{output:?}");
}
