//! TOML that is wrong: its syntax, its keys, its values.

use crate::bad_input::stage::{GOOD, Scene, given, of, with};
use crate::scene::soon;
use insta::assert_snapshot;

#[tokio::test]
async fn malformed_toml() {
    assert_snapshot!(with("[modules.retry\nenabled = true").await, @"error: config.toml:9: is not TOML: unclosed table, expected `]`");
    assert_snapshot!(with("[providers.main]\nadapter = \"openai\"").await, @"
    error: config.toml:9: sets `main` a second time
      help: keep one of the two
    ");
    assert_snapshot!(with("[host]\ndeadline_seconds = ").await, @"error: config.toml:10: is not TOML: string values must be quoted, expected literal string");
}

#[tokio::test]
async fn an_unreadable_file() {
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
async fn an_unreadable_file_named_by_the_environment() {
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
async fn values_of_a_wrong_type() {
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
    error: config.toml:11: `modules.retry.max_retries` is the text "5"
      help: How often a call is tried again after its first attempt: a whole number, zero or more.
    "#);
    assert_snapshot!(with("[modules.retry]\nenabled = true\nmax_retries = 2.5").await, @"
    error: config.toml:11: `modules.retry.max_retries` is 2.5
      help: How often a call is tried again after its first attempt: a whole number, zero or more.
    ");
    assert_snapshot!(with("[modules.fallback]\nenabled = true\nchain = \"openai\"").await, @r#"
    error: config.toml:11: `modules.fallback.chain` is the text "openai"
      help: The models to ask, in this order; the one that failed is skipped: a list of names, such as "openai" or "openai/gpt-4.1".
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

/// The line is that of the setting. A table that the file does not have has none.
#[tokio::test]
async fn lines() {
    let lines = async |more: &str, arguments: &[&str]| {
        let said = Scene::with(more).await.refuses(&[&["invoke"], arguments, &["Hi"]].concat()).await;
        said.split(" `").next().unwrap().trim_start_matches("error: ").to_owned()
    };
    let mistral = ["--provider", "mistral"];
    assert_eq!(lines("", &mistral).await, "config.toml:");
    assert_eq!(
        lines("[providers]\n[providers.other]\nadapter = \"openai\"\nbase_url = \"http://localhost:1\"", &mistral)
            .await,
        "config.toml:"
    );
    assert_eq!(lines("[providers.mistral]\nmax_tokens = 5", &mistral).await, "config.toml:9:");
    assert_eq!(lines("[modules.fallback]\nenabled = true", &[]).await, "config.toml:9:");
    assert_eq!(lines("[modules.fallback.sandbox]\nfresh = true", &["--module", "fallback=on"]).await, "config.toml:");
    assert_eq!(lines("[host]\norder = []\n[modules.retry]\nenabled = true", &[]).await, "config.toml:10:");
    assert_eq!(lines("[modules.retry]\nenabled = true\n[host]\norder = []", &[]).await, "config.toml:12:");
    assert_eq!(
        lines("[modules.fallback]\nenabled = true\nchain = [\n\"main\",\n{ model = \"main\",\nx = 1 }]", &[]).await,
        "config.toml:14:"
    );
}

#[tokio::test]
async fn keys_that_hold_a_key() {
    assert_snapshot!(of(&format!("{GOOD}api_key = \"sk-0123\"")).await, @r#"
    error: config.toml:8: `providers.main.api_key` would hold a key, and a key never stands in a config file
      help: under [providers.NAME] name where it is: api_key_env = "A_VARIABLE", api_key_file or api_key_command
    "#);
    for setting in ["token", "apikey", "API-KEY", "secret", "password", "OPENAI_API_KEY"] {
        let said = of(&format!("{GOOD}{setting} = \"sk-0123\"")).await;
        assert!(said.contains("a key never stands in a config file") && !said.contains("sk-0123"), "{said}");
    }
    for table in ["defaults", "host", "serve"] {
        let said = with(&format!("[x]\n[{table}]\napi_key = \"sk-0123\"")).await.replace("[x]", "");
        assert!(!said.contains("sk-0123"), "{said}");
    }
    // A module's own setting may have any name.
    assert!(!with("[modules.retry]\nenabled = true\ntoken = \"x\"").await.contains("config file"));
}

#[tokio::test]
async fn temperatures() {
    assert_snapshot!(of(&format!("{GOOD}temperature = 2.1")).await, @"
    error: config.toml:8: `providers.main.temperature` is the number 2.1
      help: a number from 0 to 2
    ");
    for table in [
        "[models.x]\nprovider = \"main\"\noptions.temperature = -1",
        "[models.x]\nprovider = \"main\"\noptions.temperature = \"1\"",
    ] {
        assert!(with(table).await.contains("config.toml:11: `models.x.options.temperature` is "));
    }
    assert!(
        of(&GOOD.replace("[defaults]", "[defaults]\ntemperature = 3"))
            .await
            .contains("config.toml:2: `defaults.temperature` is the number 3")
    );
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

/// The module would stay off without notice.
#[tokio::test]
async fn the_key_enabled_one_letter_off() {
    assert_snapshot!(with("[modules.retry]\nenable = true").await, @"
    error: config.toml:10: `modules.retry.enable` is not a setting
      help: did you mean `enabled`?
    ");
}

#[tokio::test]
async fn wrong_settings_of_a_module_that_is_off() {
    assert_snapshot!(with("[modules.retry]\nmax_retires = 5").await, @"
    error: config.toml:10: `modules.retry.max_retires` is not a setting
      help: did you mean `max_retries`?
    ");
}

#[tokio::test]
async fn nan_and_infinities() {
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
    error: config.toml:11: `modules.retry.max_retries` is -1
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
      help: a number from 0 to 2
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
