//! Input that will not do: one clear error that names the file, the key and the way out, exit code 2, and nothing sent.

use crate::support::{Folder, Output};
use arcllm_simulator::Simulator;
use insta::assert_snapshot;

use crate::scene::{replies, soon};

/// A configuration in which all is well. `URL` is where the provider is.
const GOOD: &str = "[defaults]
provider = \"main\"

[providers.main]
adapter = \"anthropic\"
base_url = \"URL\"
default_model = \"m\"
";

/// A provider that must not be asked, and a folder with a configuration for it.
struct Scene {
    provider: Simulator,
    folder: Folder,
}

impl Scene {
    /// This configuration.
    async fn of(config: &str) -> Self {
        let provider = replies([]).await;
        let folder = Folder::new(&config.replace("URL", &provider.url())).unwrap();
        Self { provider, folder }
    }

    /// The good configuration, and this behind it.
    async fn with(more: &str) -> Self {
        Self::of(&format!("{GOOD}\n{more}")).await
    }

    /// With this file in the folder.
    fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        self.folder.write(name, content).unwrap();
        self
    }

    /// How the command ends with these arguments, without anything sent.
    async fn run(&self, arguments: &[&str]) -> Output {
        let command = self.folder.arcllm(arguments).unwrap().trusted().env("ARCLLM_TEST_EMPTY", " ");
        let output = soon(command.run()).await.unwrap();
        assert_eq!(self.provider.connections(), 0, "nothing is sent");
        output
    }

    /// What it says on standard error, having refused these arguments.
    async fn refuses(&self, arguments: &[&str]) -> String {
        let Output { code, stdout, stderr } = self.run(arguments).await;
        assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
        stderr.replace(&self.provider.url(), "URL")
    }

    /// What it says to a question, which it refuses.
    async fn refused(&self) -> String {
        self.refuses(&["invoke", "Hi"]).await
    }
}

/// What the command says to the good configuration with this behind it.
async fn with(more: &str) -> String {
    Scene::with(more).await.refused().await
}

/// What the command says to this configuration.
async fn of(config: &str) -> String {
    Scene::of(config).await.refused().await
}

/// What the command says to these arguments, where the configuration is good.
async fn given(arguments: &[&str]) -> String {
    Scene::of(GOOD).await.refuses(&[&["invoke"], arguments].concat()).await
}

#[tokio::test]
async fn the_good_one_is_good() {
    let scene = Scene::of(GOOD).await;
    let output = soon(scene.folder.arcllm(["invoke", "Hi"]).unwrap().run()).await.unwrap();
    assert_eq!((output.code, scene.provider.requests().len()), (0, 1), "{output:?}");
}

#[tokio::test]
async fn every_command_refuses_in_its_own_way() {
    let scene = Scene::with("[modules.retry]\nenabled = true\nmax_retires = 5").await;
    let told = scene.refused().await;
    for arguments in [&["invoke", "--json", "Hi"][..], &["invoke", "--json", "--trace", "Hi"]] {
        let output = scene.run(arguments).await;
        let error = &output.json().unwrap()["error"];
        assert_eq!((output.code, &error["kind"]), (2, &"config".into()));
        assert_eq!(told, format!("error: {}\n", error["message"].as_str().unwrap()));
    }
    for arguments in [["check", "--json"], ["modules", "--json"]] {
        let output = scene.run(&arguments).await;
        assert_eq!(output.code, 2, "{output:?}");
        assert!(output.json().unwrap().to_string().contains("max_retires"), "{output:?}");
    }
    for command in ["check", "modules"] {
        let output = scene.run(&[command]).await;
        assert!(output.code == 2 && output.stdout.contains("did you mean `max_retries`?"), "{output:?}");
    }
}

#[tokio::test]
async fn every_command_refuses_a_file_that_is_no_configuration() {
    let scene = Scene::of("[providers").await;
    for command in ["invoke", "check", "modules"] {
        let output = scene.run(&[command, "--json"]).await;
        // `invoke` has no prompt here either, which is as good a reason.
        assert_eq!(output.code, 2, "{output:?}");
        assert!(output.json().unwrap()["error"]["message"].is_string());
        let output = scene.run(&[command]).await;
        assert_eq!((output.code, output.stdout.as_str()), (2, ""), "{output:?}");
        assert!(output.stderr.starts_with("error: "), "{output:?}");
    }
}

// Providers.

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
    error: no provider was named
      help: name one with --provider, or set `defaults.provider` in the configuration
    ");
}

#[tokio::test]
async fn no_model() {
    assert_snapshot!(of(&GOOD.replace("default_model = \"m\"\n", "")).await, @"
    error: config.toml:4: `providers.main.default_model` is missing, and no model was asked for
      help: set it, or name a model with the call (--model)
    ");
}

#[tokio::test]
async fn a_key_that_is_not_there() {
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
async fn a_key_in_the_place_of_its_variable_is_not_repeated() {
    let told = of(&format!("{GOOD}api_key_env = \"sk-ant-0123456789\"")).await;
    assert!(told.contains("providers.main.api_key_env"), "{told}");
    assert!(!told.contains("0123456789"), "{told}");
}

#[tokio::test]
async fn a_key_in_the_configuration() {
    assert_snapshot!(of(&format!("{GOOD}api_key = \"sk-ant-0123456789\"")).await, @"
    error: config.toml:8: `providers.main.api_key` is not a setting
      help: known are adapter, base_url, allow_insecure_http, max_response_mb, max_event_mb, models, headers, query, api_key_env, api_key_file, api_key_command, api_key_header, api_key_timeout_seconds, default_model, timeout_seconds, connect_timeout_seconds, first_event_timeout_seconds, idle_timeout_seconds, max_tokens, temperature
    ");
    assert_snapshot!(of(&GOOD.replace("URL", "https://user:sk-0123456789@example.com")).await, @"
    error: config.toml:6: `providers.main.base_url` holds a user name or a password
      help: keys come from api_key_env, api_key_file or api_key_command
    ");
}

#[tokio::test]
async fn an_address_that_will_not_do() {
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
async fn an_adapter_that_there_is_not() {
    assert_snapshot!(of(&GOOD.replace("anthropic", "gemini")).await, @r#"
    error: config.toml:5: `providers.main.adapter` is the text "gemini"
      help: "anthropic" or "openai": the wire format that the provider speaks
    "#);
    assert_snapshot!(of(&GOOD.replace("adapter = \"anthropic\"\n", "")).await, @r#"
    error: config.toml:4: `providers.main.adapter` is missing
      help: "anthropic" or "openai"
    "#);
    assert_snapshot!(of(&GOOD.replace("base_url = \"URL\"\n", "")).await, @r#"
    error: config.toml:4: `providers.main.base_url` is missing
      help: such as "https://api.example.com/v1"
    "#);
}

// TOML.

#[tokio::test]
async fn no_toml() {
    assert_snapshot!(with("[modules.retry\nenabled = true").await, @"error: config.toml:9: is not TOML: unclosed table, expected `]`");
    assert_snapshot!(with("[providers.main]\nadapter = \"openai\"").await, @"error: config.toml:9: is not TOML: duplicate key");
    assert_snapshot!(with("[host]\ndeadline_seconds = ").await, @"error: config.toml:10: is not TOML: string values must be quoted, expected literal string");
}

#[tokio::test]
async fn a_file_that_cannot_be_read() {
    assert_snapshot!(given(&["--config", "nowhere.toml", "Hi"]).await, @"
    error: nowhere.toml: cannot be read: No such file or directory (os error 2)
      help: a TOML file that can be read
    ");
    let binary = Scene::of(GOOD).await.file("config.toml", b"\xff\xfe\x00");
    assert_snapshot!(binary.refuses(&["invoke", "--config", "config.toml", "Hi"]).await, @"
    error: config.toml: cannot be read: stream did not contain valid UTF-8
      help: a TOML file that can be read
    ");
}

#[tokio::test]
async fn a_file_of_the_environment_that_cannot_be_read() {
    let scene = Scene::of(GOOD).await;
    let command = scene.folder.arcllm(["invoke", "Hi"]).unwrap().env("ARCLLM_CONFIG", "elsewhere.toml");
    let output = soon(command.run()).await.unwrap();
    assert_eq!((output.code, scene.provider.connections()), (2, 0));
    assert_snapshot!(output.stderr, @"
    error: elsewhere.toml: cannot be read: No such file or directory (os error 2)
      help: ARCLLM_CONFIG names this file
    ");
}

#[tokio::test]
async fn values_of_another_type() {
    assert_snapshot!(with("[host]\norder = \"retry\"").await, @r#"
    error: config.toml:10: `host.order` is the text "retry"
      help: a list of texts, such as ["one", "two"]
    "#);
    assert_snapshot!(with("[host]\ndeadline_seconds = \"600\"").await, @r#"
    error: config.toml:10: `host.deadline_seconds` is the text "600"
      help: a number of seconds above zero
    "#);
    assert_snapshot!(with("[modules.retry]\nenabled = \"yes\"").await, @r#"
    error: config.toml:10: `modules.retry.enabled` is the text "yes"
      help: true or false
    "#);
    assert_snapshot!(with("[modules.retry]\nenabled = true\nmax_retries = \"5\"").await, @r#"
    error: config.toml:11: `modules.retry.max_retries` invalid type: string "5", expected u32
      help: How often a call is tried again after its first attempt: a whole number, zero or more.
    "#);
    assert_snapshot!(with("[modules.retry]\nenabled = true\nmax_retries = 2.5").await, @"
    error: config.toml:11: `modules.retry.max_retries` invalid type: floating point `2.5`, expected u32
      help: How often a call is tried again after its first attempt: a whole number, zero or more.
    ");
    assert_snapshot!(with("[modules.fallback]\nenabled = true\nchain = \"openai\"").await, @r#"
    error: config.toml:11: `modules.fallback.chain` invalid type: string "openai", expected a sequence
      help: The providers to ask, in this order; the one that failed is skipped: a list of provider names.
    "#);
    assert_snapshot!(with("[modules.retry]\nsandbox = \"none\"").await, @r#"
    error: config.toml:10: `modules.retry.sandbox` is the text "none"
      help: a table
    "#);
    assert_snapshot!(with("[modules]\nretry = true").await, @"
    error: config.toml:10: `modules.retry` is true
      help: a table, such as [modules.retry]
    ");
    assert_snapshot!(of(&GOOD.replace("[defaults]", "defaults = 1\n[default]")).await, @"
    error: config.toml:1: `defaults` is the number 1
      help: a table
    ");
}

#[tokio::test]
async fn keys_one_letter_off() {
    assert_snapshot!(with("[hosts]\norder = []").await, @"
    error: config.toml:9: `hosts` is not a setting
      help: did you mean `host`?
    ");
    assert_snapshot!(of(&GOOD.replace("provider = \"main\"", "providr = \"main\"")).await, @"
    error: config.toml:2: `defaults.providr` is not a setting
      help: did you mean `provider`?
    ");
    assert_snapshot!(with("[host]\nordr = []").await, @"
    error: config.toml:10: `host.ordr` is not a setting
      help: did you mean `order`?
    ");
    assert_snapshot!(of(&format!("{GOOD}timeout_second = 5")).await, @"
    error: config.toml:8: `providers.main.timeout_second` is not a setting
      help: did you mean `timeout_seconds`?
    ");
    assert_snapshot!(with("[providers.main.models.\"x-1.5\"]\nsupport_tools = true").await, @r#"
    error: config.toml:10: `providers.main.models."x-1.5".support_tools` is not a setting
      help: did you mean `supports_tools`?
    "#);
    assert_snapshot!(with("[modules.retry]\nenabled = true\nmax_retry = 5").await, @"
    error: config.toml:11: `modules.retry.max_retry` is not a setting
      help: did you mean `max_retries`?
    ");
    assert_snapshot!(with("[modules.retry.sandbox]\nmemory_bm = 64").await, @"
    error: config.toml:10: `modules.retry.sandbox.memory_bm` is not a setting
      help: did you mean `memory_mb`?
    ");
}

/// The module is off then, and yet its user believes that it is on.
#[tokio::test]
async fn the_switch_of_a_module_one_letter_off() {
    assert_snapshot!(with("[modules.retry]\nenable = true").await, @"
    error: config.toml:10: `modules.retry.enable` is not a setting
      help: did you mean `enabled`?
    ");
}

#[tokio::test]
async fn settings_of_a_module_that_is_off() {
    assert_snapshot!(with("[modules.retry]\nmax_retires = 5").await, @"
    error: config.toml:10: `modules.retry.max_retires` is not a setting
      help: did you mean `max_retries`?
    ");
}

#[tokio::test]
async fn numbers_that_are_none() {
    assert_snapshot!(with("[modules.retry]\nenabled = true\nbackoff_base_seconds = nan").await, @"
    error: config.toml:11: `modules.retry.backoff_base_seconds` is NaN
      help: a finite number
    ");
    assert_snapshot!(with("[modules.retry]\nenabled = true\nmax_wait_seconds = inf").await, @"
    error: config.toml:11: `modules.retry.max_wait_seconds` is inf
      help: a finite number
    ");
    assert_snapshot!(with("[host]\ndeadline_seconds = -inf").await, @"
    error: config.toml:10: `host.deadline_seconds` is -inf
      help: a finite number
    ");
    assert_snapshot!(with("[modules.retry]\nenabled = true\nretryable_status_codes = [429, nan]").await, @"
    error: config.toml:11: `modules.retry.retryable_status_codes[1]` is NaN
      help: a finite number
    ");
}

#[tokio::test]
async fn numbers_out_of_range() {
    assert_snapshot!(with("[modules.retry]\nenabled = true\nmax_retries = -1").await, @"
    error: config.toml:11: `modules.retry.max_retries` invalid value: integer `-1`, expected u32
      help: How often a call is tried again after its first attempt: a whole number, zero or more.
    ");
    assert_snapshot!(with("[modules.retry]\nenabled = true\nbackoff_base_seconds = 0.0").await, @"
    error: config.toml:11: `modules.retry.backoff_base_seconds` is 0
      help: a number of seconds above zero
    ");
    assert_snapshot!(with("[modules.retry]\nenabled = true\nmax_wait_seconds = -60").await, @"
    error: config.toml:11: `modules.retry.max_wait_seconds` is -60
      help: a number of seconds above zero
    ");
    assert_snapshot!(with("[modules.retry]\nenabled = true\nretryable_status_codes = [42]").await, @"
    error: config.toml:11: `modules.retry.retryable_status_codes[0]` is 42
      help: an HTTP status, from 100 to 599
    ");
    assert_snapshot!(with("[host]\ndeadline_seconds = 0").await, @"
    error: config.toml:10: `host.deadline_seconds` is the number 0
      help: a number of seconds above zero
    ");
    assert_snapshot!(of(&format!("{GOOD}timeout_seconds = -1.5")).await, @"
    error: config.toml:8: `providers.main.timeout_seconds` is the number -1.5
      help: a number of seconds above zero
    ");
    assert_snapshot!(of(&GOOD.replace("[defaults]", "[defaults]\nmax_tokens = 0")).await, @"
    error: config.toml:2: `defaults.max_tokens` is the number 0
      help: a whole number from 1 to 4294967295
    ");
    assert_snapshot!(of(&GOOD.replace("[defaults]", "[defaults]\ntemperature = -0.1")).await, @"
    error: config.toml:2: `defaults.temperature` is the number -0.1
      help: a number, zero or more
    ");
}

#[tokio::test]
async fn dates() {
    assert_snapshot!(with("[host]\ndeadline_seconds = 2024-01-01").await, @"
    error: config.toml:10: `host.deadline_seconds` is the date 2024-01-01
      help: a string in quotes, or a number
    ");
    assert_snapshot!(with("[modules.retry]\nenabled = true\nmax_wait_seconds = 10:00:00").await, @"
    error: config.toml:11: `modules.retry.max_wait_seconds` is the date 10:00:00
      help: a string in quotes, or a number
    ");
}

// Modules.

#[tokio::test]
async fn a_module_that_there_is_not() {
    assert_snapshot!(with("[modules.retyr]\nenabled = true").await, @"
    error: config.toml:9: `modules.retyr` there is no module named `retyr`: modules/retyr.wasm is not there, and none is built in
      help: did you mean `retry`?
    ");
    assert_snapshot!(with("[host]\norder = [\"retry\", \"fallbak\"]").await, @"
    error: config.toml:10: `host.order` there is no module named `fallbak`: modules/fallbak.wasm is not there, and none is built in
      help: did you mean `fallback`?
    ");
    assert_snapshot!(given(&["--module", "cache=on", "Hi"]).await, @"
    error: `modules.cache` there is no module named `cache`: modules/cache.wasm is not there, and none is built in
      help: known are chaos, circuit-breaker, fallback, rate-limit, redact, retry, telemetry
    ");
    assert_snapshot!(with("[modules.\"../retry\"]\nenabled = true").await, @"
    error: config.toml:9: `modules.../retry` there is no module named `../retry`: a name has letters, digits, `-` and `_`
      help: known are chaos, circuit-breaker, fallback, rate-limit, redact, retry, telemetry
    ");
}

#[tokio::test]
async fn a_module_that_is_in_no_order_or_twice() {
    let order = "[host]\norder = [\"retry\"]\n[modules.fallback]\nenabled = true\nchain = [\"main\"]";
    assert_snapshot!(with(order).await, @r#"
    error: config.toml:10: `host.order` does not say where the module `fallback` stands, which is on
      help: outermost first, such as order = ["retry", "fallback"]
    "#);
    assert_snapshot!(with("[host]\norder = [\"retry\", \"retry\"]").await, @"
    error: config.toml:10: `host.order` names the module `retry` twice
      help: each module once, outermost first
    ");
}

#[tokio::test]
async fn a_fallback_to_nobody() {
    assert_snapshot!(with("[modules.fallback]\nenabled = true").await, @r#"
    error: config.toml:9: `modules.fallback.chain` is empty or missing
      help: a list of provider names, such as ["anthropic", "openai"]
    "#);
    assert_snapshot!(with("[modules.fallback]\nenabled = true\nchain = [\"main\", \"mian\"]").await, @"
    error: config.toml:11: `modules.fallback.chain[1]` names the unknown provider `mian`
      help: did you mean `main`?
    ");
}

#[tokio::test]
async fn a_file_that_is_no_component() {
    const ON: &str = "[modules.retry]\nenabled = true\nsandbox.wasm = \"retry.wasm\"";
    let file = async |content: &[u8]| Scene::with(ON).await.file("modules/retry.wasm", content).refused().await;
    assert_snapshot!(file(b"#!/bin/sh").await, @"
    error: modules/retry.wasm: is not WebAssembly (the module `retry`)
      help: a component built for arcllm:llm@0.1.0
    ");
    assert_snapshot!(file(b"").await, @"
    error: modules/retry.wasm: is not WebAssembly (the module `retry`)
      help: a component built for arcllm:llm@0.1.0
    ");
    assert_snapshot!(file(b"\0asm\x01\0\0\0").await, @"
    error: modules/retry.wasm: is a core WebAssembly module, not a component (the module `retry`)
      help: make a component of it, as with `wasm-tools component new`
    ");
    assert_snapshot!(file(b"\0asm\x0d\0\x01\0").await, @"
    error: modules/retry.wasm: is a component of another world: it exports nothing, and not arcllm:llm/module@0.1.0 (the module `retry`)
      help: build it for a world of arcllm:llm@0.1.0, such as `module-world` or `module-blocking`
    ");
    assert_snapshot!(file(b"\0asm\x0d\0\x01\0\xff\xff\xff").await, @"
    error: modules/retry.wasm: is no valid component: failed to parse WebAssembly module: malformed section id (at offset 0x8) (the module `retry`)
      help: build it anew; this host speaks arcllm:llm@0.1.0
    ");
    let cut = &arcllm_builtin::find("retry").unwrap().wasm[..5000];
    assert!(file(cut).await.contains("modules/retry.wasm: is no valid component"));
}

#[tokio::test]
async fn a_component_that_is_not_there() {
    assert_snapshot!(with("[modules.retry]\nenabled = true\nsandbox.wasm = \"mine.wasm\"").await, @"
    error: config.toml:11: `modules.retry.sandbox.wasm` names modules/mine.wasm, which cannot be read: No such file or directory (os error 2)
      help: a component's file, relative to host.modules_dir
    ");
}

#[tokio::test]
async fn a_component_that_is_not_the_pinned_one() {
    let pinned = format!(
        "[modules.retry]\nenabled = true\nsandbox.sha256 = \"{}\"\nsandbox.wasm = \"retry.wasm\"",
        "0".repeat(64)
    );
    let scene = Scene::with(&pinned).await.file("modules/retry.wasm", "changed");
    assert_snapshot!(scene.refused().await, @"
    error: config.toml:11: `modules.retry.sandbox.sha256` does not match: modules/retry.wasm has d67e2e944994496c8d8ec76eed0cf9f09679448d584b532bebf941852a37f5ed
      help: set this digest if the new file is the one you want
    ");
    assert_snapshot!(with("[modules.retry]\nenabled = true\nsandbox.sha256 = \"abc\"").await, @"
    error: config.toml:11: `modules.retry.sandbox.sha256` is not a SHA-256 digest
      help: write 64 hexadecimal digits; `arcllm modules` prints them
    ");
}

#[tokio::test]
async fn a_component_without_its_grant() {
    let fallback = arcllm_builtin::find("fallback").unwrap().wasm;
    let on = "[modules.fallback]\nenabled = true\nchain = [\"main\"]\nsandbox.wasm = \"fallback.wasm\"";
    let scene = Scene::with(on).await;
    assert_snapshot!(scene.file("modules/fallback.wasm", fallback).refused().await, @r#"
    error: config.toml:12: `modules.fallback.sandbox.allow` does not grant `models`, which modules/fallback.wasm imports (it would ask other models)
      help: allow = ["models"] under [modules.fallback.sandbox], if you trust it with that
    "#);
    assert_snapshot!(with("[modules.fallback.sandbox]\nallow = [\"model\"]").await, @r#"
    error: config.toml:10: `modules.fallback.sandbox.allow` has the unknown grant "model"
      help: known are "models", "state", "urls" and "extensions"
    "#);
}

// Arguments.

#[tokio::test]
async fn overrides_that_will_not_do() {
    assert_snapshot!(given(&["--module", "retry=1", "Hi"]).await, @r#"
    error: invalid value 'retry=1' for '--module <NAME=on|off|{json}>': expected NAME=on, NAME=off or NAME={"key": value}

    For more information, try '--help'.
    "#);
    assert_snapshot!(given(&["--module", "retry", "Hi"]).await, @r#"
    error: invalid value 'retry' for '--module <NAME=on|off|{json}>': expected NAME=on, NAME=off or NAME={"key": value}

    For more information, try '--help'.
    "#);
    assert_snapshot!(given(&["--module", "retry={max_retries: 1}", "Hi"]).await, @r#"
    error: invalid value 'retry={max_retries: 1}' for '--module <NAME=on|off|{json}>': expected NAME=on, NAME=off or NAME={"key": value}; as JSON: key must be a string at line 1 column 2

    For more information, try '--help'.
    "#);
    assert_snapshot!(given(&["--module", "retry={\"max_retires\": 1}", "Hi"]).await, @"
    error: `modules.retry.max_retires` is not a setting (in the overrides of this load)
      help: did you mean `max_retries`?
    ");
    assert_snapshot!(given(&["--module", "retry={\"max_retries\": -1}", "Hi"]).await, @"
    error: `modules.retry.max_retries` invalid value: integer `-1`, expected u32 (in the overrides of this load)
      help: How often a call is tried again after its first attempt: a whole number, zero or more.
    ");
    assert_snapshot!(given(&["--module", "retry={\"enabled\": 1}", "Hi"]).await, @"
    error: `modules.retry.enabled` is the number 1 in the overrides of this load
      help: true or false
    ");
    assert_snapshot!(given(&["--module", "retry={\"sandbox\": {}}", "Hi"]).await, @"
    error: `modules.retry.sandbox` is a table in the overrides of this load
      help: the sandbox is set in the config file alone
    ");
    assert_snapshot!(given(&["--module", "fallback={\"chain\": [\"mian\"]}", "Hi"]).await, @"
    error: `modules.fallback.chain[0]` names the unknown provider `mian` (in the overrides of this load)
      help: did you mean `main`?
    ");
}

#[tokio::test]
async fn a_request_that_is_none() {
    let request = async |json: &str| {
        Scene::of(GOOD).await.file("request.json", json).refuses(&["invoke", "--request", "request.json"]).await
    };
    assert_snapshot!(request("{\"messages\": [").await, @r#"
    error: request.json: is no request: EOF while parsing a list at line 1 column 14
      help: {"messages": [{"role": "user", "content": "…"}], "tools": […], "options": {…}}
    "#);
    assert_snapshot!(request("[]").await, @r#"
    error: request.json: is no request: invalid type: sequence, expected a map at line 1 column 0
      help: {"messages": [{"role": "user", "content": "…"}], "tools": […], "options": {…}}
    "#);
    assert_snapshot!(request("{\"messages\": []}").await, @"
    error: there is nothing to ask
      help: give a PROMPT, or --request FILE
    ");
    assert_snapshot!(request("{\"messages\": \"Hi\"}").await, @r#"
    error: request.json: is no request: invalid type: string "Hi", expected a sequence at line 1 column 17
      help: {"messages": [{"role": "user", "content": "…"}], "tools": […], "options": {…}}
    "#);
    assert_snapshot!(request("{\"messages\": [{\"role\": \"usr\", \"content\": \"Hi\"}]}").await, @r#"
    error: request.json: is no request: unknown variant `usr`, expected one of `system`, `user`, `assistant`, `tool` at line 1 column 28
      help: {"messages": [{"role": "user", "content": "…"}], "tools": […], "options": {…}}
    "#);
    assert_snapshot!(request("{\"messages\": [{\"role\": \"user\", \"content\": [{\"text\": \"Hi\"}]}]}").await, @r#"
    error: request.json: is no request: a block is an object with a `type` that is a string at line 1 column 59
      help: {"messages": [{"role": "user", "content": "…"}], "tools": […], "options": {…}}
    "#);
    assert_snapshot!(request("{\"message\": []}").await, @r#"
    error: request.json: is no request: unknown field `message`, expected one of `messages`, `tools`, `options`, `extensions` at line 1 column 10
      help: {"messages": [{"role": "user", "content": "…"}], "tools": […], "options": {…}}
    "#);
    let image = "{\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"image\", \"data\": \"!\"}]}]}";
    assert_snapshot!(request(image).await, @r#"
    error: request.json: is no request: an image with `data` needs its `media_type` (1 characters given) at line 1 column 75
      help: {"messages": [{"role": "user", "content": "…"}], "tools": […], "options": {…}}
    "#);
    let options = |options: &str| {
        format!("{{\"messages\": [{{\"role\": \"user\", \"content\": \"\"}}], \"options\": {options}}}")
    };
    assert_snapshot!(request(&options("{\"temprature\": 1}")).await, @r#"
    error: request.json: is no request: unknown field `temprature`, expected one of `max_tokens`, `temperature`, `top_p`, `stop`, `tool_choice`, `seed`, `deadline_seconds`, `traceparent`, `metadata`, `extensions` at line 1 column 72
      help: {"messages": [{"role": "user", "content": "…"}], "tools": […], "options": {…}}
    "#);
    assert_snapshot!(request(&options("{\"deadline_seconds\": -1}")).await, @r#"
    error: request.json: is no request: -1 is not a number of seconds at line 1 column 83
      help: {"messages": [{"role": "user", "content": "…"}], "tools": […], "options": {…}}
    "#);
    assert_snapshot!(given(&["--request", "nowhere.json"]).await, @"error: nowhere.json: cannot be read: No such file or directory (os error 2)");
    assert_snapshot!(given(&["--request", "-", "-"]).await, @"error: the prompt and the request cannot both come from standard input");
}

/// The fields of a request have names; their order says nothing.
#[tokio::test]
async fn a_list_in_the_place_of_a_request() {
    let list = "[[{\"role\": \"user\", \"content\": \"Hi\"}], [], {}, {}]";
    let scene = Scene::of(GOOD).await.file("request.json", list);
    let told = scene.refuses(&["invoke", "--request", "request.json"]).await;
    assert!(told.starts_with("error: request.json: is no request"), "{told}");
}

#[tokio::test]
async fn nothing_to_ask() {
    assert_snapshot!(given(&[]).await, @"
    error: there is nothing to ask
      help: give a PROMPT, or --request FILE
    ");
    assert_snapshot!(given(&[""]).await, @"
    error: there is nothing to ask
      help: give a PROMPT, or --request FILE
    ");
}

#[tokio::test]
async fn settings_of_a_module_that_the_call_has_off() {
    assert_snapshot!(given(&["--module", "retry={\"enabled\": false, \"max_retris\": 1}", "Hi"]).await, @"
    error: `modules.retry.max_retris` is not a setting (in the overrides of this load)
      help: did you mean `max_retries`?
    ");
}

#[tokio::test]
async fn options_of_a_request_that_no_provider_takes() {
    for options in [r#"{"max_tokens": 0}"#, r#"{"temperature": -3}"#, r#"{"deadline_seconds": 0}"#] {
        let request = format!(r#"{{"messages": [{{"role": "user", "content": "Hi"}}], "options": {options}}}"#);
        let scene = Scene::of(GOOD).await.file("request.json", request.as_bytes());
        let output = soon(scene.folder.arcllm(["invoke", "--request", "request.json"]).unwrap().run()).await.unwrap();
        assert_eq!((output.code, scene.provider.connections()), (2, 0), "{options}: {output:?}");
    }
}
