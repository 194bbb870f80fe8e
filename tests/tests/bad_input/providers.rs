//! Providers, keys and addresses that are wrong.

use crate::bad_input::stage::{GOOD, given, of};
use insta::assert_snapshot;

#[tokio::test]
async fn an_unknown_provider() {
    assert_snapshot!(given(&["--provider", "anthopic", "Hi"]).await, @"
    error: config.toml: unknown model or provider `anthopic`
      help: did you mean `anthropic`?
    ");
    assert_snapshot!(given(&["--provider", "something-else", "Hi"]).await, @"
    error: config.toml: unknown model or provider `something-else`
      help: known are anthropic, deepseek, fireworks, groq, huggingface, main, mistral, ollama, openai, tgi, together, vllm
    ");
    assert_snapshot!(of(&GOOD.replace("provider = \"main\"", "provider = \"mian\"")).await, @"
    error: config.toml:2: `defaults.provider` names the unknown provider `mian`
      help: did you mean `main`?
    ");
}

#[tokio::test]
async fn no_provider() {
    assert_snapshot!(of("").await, @"
    error: there is no provider to ask
      help: give --provider NAME, or set `defaults.provider` in the configuration
    ");
}

#[tokio::test]
async fn no_model() {
    assert_snapshot!(of(&GOOD.replace("default_model = \"m\"\n", "")).await, @"
    error: config.toml:4: `providers.main.default_model` is missing, and no model was asked for
      help: set it, or ask for a model: `main/MODEL`
    ");
}

#[tokio::test]
async fn a_missing_key() {
    assert_snapshot!(of(&format!("{GOOD}api_key_env = \"ARCLLM_TEST_NO_SUCH_KEY\"")).await, @"
    error: config.toml:8: `providers.main.api_key_env` names the environment variable ARCLLM_TEST_NO_SUCH_KEY, which is not set
      help: put the key of main into the environment variable ARCLLM_TEST_NO_SUCH_KEY
    ");
    assert_snapshot!(of(&format!("{GOOD}api_key_env = \"ARCLLM_TEST_EMPTY\"")).await, @"
    error: config.toml:8: `providers.main.api_key_env` names the environment variable ARCLLM_TEST_EMPTY, which is empty
      help: put the key of main into the environment variable ARCLLM_TEST_EMPTY
    ");
}

#[tokio::test]
async fn a_key_written_as_a_variable_is_not_repeated() {
    let told = of(&format!("{GOOD}api_key_env = \"sk-ant-0123456789\"")).await;
    assert!(told.contains("providers.main.api_key_env"), "{told}");
    assert!(!told.contains("0123456789"), "{told}");
}

#[tokio::test]
async fn a_key_in_the_configuration() {
    assert_snapshot!(of(&format!("{GOOD}api_key = \"sk-ant-0123456789\"")).await, @r#"
    error: config.toml:8: `providers.main.api_key` would hold a key, and a key never stands in a config file
      help: under [providers.NAME] name where it is: api_key_env = "A_VARIABLE", api_key_file or api_key_command
    "#);
    assert_snapshot!(of(&GOOD.replace("URL", "https://user:sk-0123456789@example.com")).await, @"
    error: config.toml:6: `providers.main.base_url` holds a user name or a password
      help: keys come from api_key_env, api_key_file or api_key_command
    ");
}

#[tokio::test]
async fn refused_addresses() {
    assert_snapshot!(of(&GOOD.replace("URL", "http://api.example.com/v1")).await, @"
    error: config.toml:6: `providers.main.base_url` would send keys and conversations to api.example.com in the clear
      help: https, or allow_insecure_http = true if that network is yours
    ");
    assert_snapshot!(of(&GOOD.replace("URL", "http://127.0.0.1.example.com")).await, @"
    error: config.toml:6: `providers.main.base_url` would send keys and conversations to 127.0.0.1.example.com in the clear
      help: https, or allow_insecure_http = true if that network is yours
    ");
    assert_snapshot!(of(&GOOD.replace("URL", "http://localhost@example.com")).await, @"
    error: config.toml:6: `providers.main.base_url` holds a user name or a password
      help: keys come from api_key_env, api_key_file or api_key_command
    ");
    assert_snapshot!(of(&GOOD.replace("URL", "http://10.0.0.1:8080")).await, @"
    error: config.toml:6: `providers.main.base_url` would send keys and conversations to 10.0.0.1 in the clear
      help: https, or allow_insecure_http = true if that network is yours
    ");
    assert_snapshot!(of(&GOOD.replace("URL", "ftp://localhost")).await, @r#"
    error: config.toml:6: `providers.main.base_url` has the scheme "ftp"
      help: https (or http for this machine)
    "#);
    assert_snapshot!(of(&GOOD.replace("URL", "api.example.com")).await, @r#"
    error: config.toml:6: `providers.main.base_url` is not a URL: relative URL without a base
      help: such as "https://api.example.com"
    "#);
}

#[tokio::test]
async fn an_unknown_adapter() {
    assert_snapshot!(of(&GOOD.replace("anthropic", "gemini")).await, @r#"
    error: config.toml:5: `providers.main.adapter` is the text "gemini"
      help: "anthropic", "openai" or "openai-responses": the wire format that the provider speaks
    "#);
    assert_snapshot!(of(&GOOD.replace("adapter = \"anthropic\"\n", "")).await, @r#"
    error: config.toml:4: `providers.main.adapter` is missing
      help: "anthropic", "openai" or "openai-responses"
    "#);
    assert_snapshot!(of(&GOOD.replace("base_url = \"URL\"\n", "")).await, @r#"
    error: config.toml:4: `providers.main.base_url` is missing
      help: such as "https://api.example.com/v1"
    "#);
}
