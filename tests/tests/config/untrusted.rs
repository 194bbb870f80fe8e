//! A `config.toml` that came with the folder gives nothing away until it is trusted.

use std::fs;

use insta::assert_snapshot;
use serde_json::json;

use crate::config::stranger::{LOCAL, STEALS, Scene, UPPER};

#[tokio::test]
async fn a_preset_at_another_address_gets_no_key() {
    let scene = Scene::of(STEALS).await;
    assert_snapshot!(scene.refused(&[]).await, @"
    error: config.toml:4: `providers.anthropic.base_url` would send the environment variable ANTHROPIC_API_KEY to ADDRESS, and this file is not trusted: it was found in the working directory
      help: if you trust it, run `arcllm trust config.toml`, or name it with --config config.toml or ARCLLM_CONFIG
    ");
    let output = scene.run(&["invoke", "--json", "--stream", "Hi"]).await;
    assert_eq!((output.code, &output.json().unwrap()["error"]["kind"]), (2, &json!("config")));
    assert_eq!(scene.server.connections(), 0);
}

/// A check opens no file that a stranger names, not even to see whether it exists.
#[tokio::test]
async fn check_reads_no_file_and_runs_no_command() {
    let config = "[defaults]\nprovider = \"openai\"\n[providers.openai]\nSETTING\n";
    for (setting, would) in [
        ("api_key_file = \"/dev/stdin\"", "would send what stands in"),
        ("api_key_file = \"nowhere\"", "would send what stands in"),
        ("api_key_command = [\"touch\", \"it-ran\"]", "would run"),
        ("headers.x-a = { env = \"NO_SUCH_VARIABLE\" }", "would send the environment variable NO_SUCH_VARIABLE"),
    ] {
        let scene = Scene::of(&config.replace("SETTING", setting)).await;
        let output = scene.run(&["check", "--json"]).await;
        let report = output.json().unwrap();
        assert!(output.code == 2 && report["problems"].to_string().contains(would), "{report}");
        assert_eq!(report["warnings"], json!([]));
        assert!(!scene.folder.path().join("it-ran").exists());
    }
}

/// Requests cost the caller money.
#[tokio::test]
async fn a_higher_max_attempts_needs_trust() {
    for (most, code) in [(32, 0), (33, 2), (4_294_967_295_u32, 2)] {
        let scene = Scene::of(&format!("[host]\nmax_attempts = {most}\n{LOCAL}")).await;
        let output = scene.run(&["invoke", "--provider", "local", "Hi"]).await;
        assert_eq!(output.code, code, "{output:?}");
        let would =
            format!("`host.max_attempts` would send up to {most} requests for one call, and this file is not trusted");
        assert!(code == 0 || output.stderr.contains(&would), "{output:?}");
        let check = scene.run(&["check", "--provider", "local"]).await;
        assert_eq!((check.code, check.stdout.contains(&would)), (code, code != 0), "{check:?}");
    }
}

#[tokio::test]
async fn a_table_of_models_that_needs_trust_is_a_problem_only_of_its_own_calls() {
    for table in ["modules.mine = true", "options.extensions = { \"openai.x\" = 1 }"] {
        let config = format!("{LOCAL}\n[host]\norder = [\"mine\"]\n[models.fast]\nprovider = \"local\"\n{table}\n");
        let scene = Scene::of(&config).await.file("modules/mine.wasm", UPPER);
        for (name, code) in [("local", 0), ("fast", 2)] {
            let output = scene.run(&["check", "--provider", name, "--json"]).await;
            let report = output.json().unwrap();
            let [problems, warnings] = ["problems", "warnings"].map(|key| report[key].to_string());
            let told = if code == 0 { &warnings } else { &problems };
            assert!(output.code == code && told.contains("this file is not trusted"), "{name}: {report}");
            assert_eq!(scene.run(&["invoke", "--provider", name, "Hi"]).await.code, code);
        }
        assert_eq!(scene.run(&["trust"]).await.code, 0);
        assert_eq!(scene.run(&["check", "--provider", "fast"]).await.code, 0);
    }
}

/// A terminal would obey control characters in an error.
#[tokio::test]
async fn names_in_the_file_cannot_move_a_terminals_cursor() {
    let name = r#""\u001b[2Jx""#;
    for text in [
        format!("[providers.{name}]\nadapter = \"openai\"\nbase_url = \"https://evil.example\""),
        format!("[modules.{name}]\nenabled = true"),
        format!("[modules.retry]\nsandbox.wasm = {name}"),
        format!("[host]\nmodules_dir = {name}"),
        format!("[host]\norder = [{name}]"),
        format!("[providers.openai]\napi_key_file = {name}"),
        format!("[providers.openai]\napi_key_command = [{name}]"),
        format!("[providers.openai]\nheaders.{name} = \"a\""),
        format!("[providers.openai]\nquery.{name} = {{ env = \"A\" }}"),
        format!("[{name}]"),
    ] {
        let scene = Scene::of(&format!("{LOCAL}\n{text}")).await;
        for arguments in [&["check"][..], &["modules"], &["invoke", "--provider", "openai", "Hi"]] {
            let output = scene.run(arguments).await;
            assert!(!output.stdout.contains('\u{1b}') && !output.stderr.contains('\u{1b}'), "{text}: {output:?}");
        }
        let output = scene.run(&["check"]).await;
        assert!(format!("{}{}", output.stdout, output.stderr).contains("u{1b}[2Jx"), "{text}: {output:?}");
    }
}

/// Each is refused with this message, and the server gets no connection.
#[tokio::test]
async fn every_other_way_to_a_key() {
    let evil =
        |settings: &str| format!("{LOCAL}\n[providers.evil]\nadapter = \"openai\"\ndefault_model = \"m\"\n{settings}");
    for (settings, says) in [
        ("base_url = \"URL\"\napi_key_env = \"AWS_SECRET_ACCESS_KEY\"", "AWS_SECRET_ACCESS_KEY to ADDRESS"),
        (
            "base_url = \"URL\"\nheaders.x-a = { env = \"AWS_SECRET_ACCESS_KEY\" }",
            "`providers.evil.headers.x-a` would send",
        ),
        ("base_url = \"URL\"\nquery.a = { env = \"AWS_SECRET_ACCESS_KEY\" }", "`providers.evil.query.a` would send"),
        ("base_url = \"URL\"\napi_key_file = \"secret\"", "secret\" to ADDRESS"),
        ("base_url = \"URL\"\napi_key_command = [\"touch\", \"it-ran\"]", "would run \"touch\""),
        ("base_url = \"URL\"\napi_key_header = \"x-a\"\napi_key_env = \"HOME\"", "HOME to ADDRESS"),
        (
            "base_url = \"http://evil.invalid\"\nallow_insecure_http = true",
            "would send conversations to evil.invalid:80",
        ),
        ("base_url = \"https://api.openai.com@127.0.0.1:9\"", "holds a user name or a password"),
        (
            "base_url = \"https://api.openai.com.\"\napi_key_env = \"OPENAI_API_KEY\"",
            "OPENAI_API_KEY to api.openai.com.:443",
        ),
        (
            "base_url = \"https://api.openai.com:444\"\napi_key_env = \"OPENAI_API_KEY\"",
            "OPENAI_API_KEY to api.openai.com:444",
        ),
    ] {
        let scene = Scene::of(&evil(settings)).await.file("secret", "sk-file");
        let output = scene.run(&["invoke", "--provider", "evil", "Hi"]).await;
        let said = output.stderr.replace(&scene.server.address().to_string(), "ADDRESS");
        assert_eq!((output.code, scene.server.connections()), (2, 0), "{settings}: {output:?}");
        assert!(said.contains(says), "{settings}: {said}");
        for secret in ["aws", "sk-file", "sk-REAL"] {
            assert!(!said.contains(secret), "{said}");
        }
        assert!(!scene.folder.path().join("it-ran").exists());
        if !says.starts_with("holds") {
            scene.answered(&[]).await;
        }
    }
}

/// The first provider is asked only if the others are allowed, too.
#[tokio::test]
async fn every_provider_of_a_fallback_counts() {
    let config =
        format!("{LOCAL}\n[providers.anthropic]\nbase_url = \"URL\"\n[modules.fallback]\nchain = [\"anthropic\"]\n");
    let scene = Scene::of(&format!("{config}enabled = true")).await;
    assert!(scene.refused(&[]).await.contains("ANTHROPIC_API_KEY to ADDRESS"));
    let scene = Scene::of(&config).await;
    assert!(scene.refused(&["--module", "fallback=on"]).await.contains("ANTHROPIC_API_KEY to ADDRESS"));
    assert!(
        scene.refused(&["--module", "fallback={\"chain\": [\"ollama\", \"anthropic\"]}"]).await.contains("ANTHROPIC")
    );
    scene.answered(&["--module", "fallback={\"chain\": [\"ollama\"]}"]).await;
}

#[tokio::test]
async fn a_provider_on_this_machine_without_a_key_needs_no_trust() {
    let modules =
        "[modules.retry]\nenabled = true\n[modules.fallback]\nenabled = true\nchain = [\"ollama\", \"openai\"]\n";
    let scene = Scene::of(&format!("{LOCAL}headers.x-a = \"b\"\n{modules}")).await;
    scene.answered(&[]).await;
    let scene =
        Scene::of("[defaults]\nprovider = \"openai\"\n[providers.openai]\nbase_url = \"URL\"\napi_key_env = \"\"")
            .await;
    scene.answered(&[]).await;
}

#[tokio::test]
async fn no_module_is_loaded_from_a_file() {
    let on = |sandbox: &str| {
        format!("{LOCAL}\n[host]\norder = [\"mine\", \"retry\"]\n[modules.mine]\nenabled = true\n{sandbox}")
    };
    let elsewhere = tempfile::tempdir().unwrap();
    fs::write(elsewhere.path().join("mine.wasm"), UPPER).unwrap();
    let elsewhere = elsewhere.path().display().to_string();
    for config in [
        on(""),
        on("sandbox.wasm = \"other.wasm\""),
        on("sandbox.wasm = \"../modules/mine.wasm\""),
        on(&format!("sandbox.wasm = \"{elsewhere}/mine.wasm\"")),
        on("sandbox.on_trap = \"bypass\""),
        on("").replace("[host]", &format!("[host]\nmodules_dir = \"{elsewhere}\"")),
        on("").replace("[host]", "[host]\nmodules_dir = \"link\""),
        format!("{LOCAL}\n[modules.retry]\nenabled = true\nsandbox.wasm = \"mine.wasm\""),
    ] {
        let scene = Scene::of(&config).await.file("modules/mine.wasm", UPPER).file("modules/other.wasm", UPPER);
        #[cfg(unix)]
        std::os::unix::fs::symlink("modules", scene.folder.path().join("link")).unwrap();
        let said = scene.refused(&[]).await;
        assert!(said.contains("would run the module in \"") && said.contains(".wasm\""), "{said}");
        assert_eq!(scene.run(&["trust"]).await.code, 0);
        scene.answered(&[]).await;
    }
    let off = on("").replace("enabled = true", "enabled = false\nsome = \"setting\"");
    let scene = Scene::of(&off).await.file("modules/mine.wasm", UPPER);
    assert!(scene.refused(&["--module", "mine=on"]).await.contains("would run the module in \"modules/mine.wasm\""));
    scene.answered(&[]).await;
}

#[tokio::test]
async fn check_and_modules_show_what_is_not_trusted_and_run_none_of_it() {
    let config = format!(
        "{LOCAL}\n[providers.anthropic]\nbase_url = \"URL\"\n[host]\norder = [\"mine\"]\n[modules.mine]\nenabled = true\n"
    );
    let scene = Scene::of(&config).await.file("modules/mine.wasm", UPPER).file("modules/stray.wasm", UPPER);
    let output = scene.run(&["check", "--json"]).await;
    let report = output.json().unwrap();
    let problems = report["problems"].to_string();
    assert_eq!((output.code, &report["trusted"]), (2, &json!(false)));
    assert!(problems.contains("would run the module in") && !problems.contains("ANTHROPIC"), "{problems}");
    let warnings = report["warnings"].to_string();
    assert!(warnings.contains("ANTHROPIC_API_KEY to 127.0.0.1") && warnings.contains("stray.wasm"), "{warnings}");
    let asked = scene.run(&["check", "--provider", "anthropic", "--json"]).await.json().unwrap();
    assert!(asked["problems"].to_string().contains("ANTHROPIC_API_KEY to 127.0.0.1"), "{asked}");
    let output = scene.run(&["check"]).await;
    assert!(output.code == 2 && output.stdout.contains("arcllm trust config.toml"), "{output:?}");

    let output = scene.run(&["modules", "--json"]).await;
    assert_eq!(output.code, 2);
    let modules = output.json().unwrap();
    for module in modules["modules"].as_array().unwrap() {
        let is_file = module["name"] == "mine" || module["name"] == "stray";
        assert_eq!(module["problem"].to_string().contains("not trusted"), is_file, "{module}");
        // Only a module that runs can state its version.
        assert_eq!(module["version"].is_null(), is_file, "{module}");
    }
    assert_eq!(scene.run(&["trust"]).await.code, 0);
    let report = scene.run(&["check", "--json"]).await.json().unwrap();
    assert_eq!((&report["trusted"], &report["problems"]), (&json!(true), &json!([])));
    assert_eq!(scene.server.connections(), 0);
}
