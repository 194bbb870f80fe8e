//! `check`, `modules`, `trust` and `module inspect`.

use arcllm_simulator::Format;
use serde_json::{Value, json};

use crate::{
    command::run,
    scene::{around, around_both, dead},
    support::Folder,
};

/// Retry, three times, around a fallback to two providers.
async fn both() -> Folder {
    let (a, b) = (dead().await, dead().await);
    let chain = around_both(&a, &b).module("retry", "max_retries = 3").module("fallback", "chain = [\"a\", \"b\"]");
    chain.folder().unwrap()
}

#[tokio::test]
async fn check_says_what_one_call_can_cost() {
    let folder = both().await;
    let output = run(&folder, &["check"]).await;
    assert_eq!((output.code, output.stderr.as_str()), (0, ""));
    for part in
        ["config.toml", "a (a-model)", "agent -> retry -> fallback -> adapter", "8 attempts", "180 s of waiting"]
    {
        assert!(output.stdout.contains(part), "no {part:?}: {}", output.stdout);
    }
    let report = run(&folder, &["check", "--json"]).await.json().unwrap();
    assert_eq!((&report["chain"], &report["problems"]), (&json!(["retry", "fallback"]), &json!([])));
    assert_eq!(report["worst_case_attempts"], 8);
    assert_eq!((&report["worst_case_waiting_seconds"], &report["deadline_seconds"]), (&json!(180.0), &json!(600.0)));
}

#[tokio::test]
async fn check_warns_of_keys_that_are_missing() {
    let (a, b) = (dead().await, dead().await);
    let chain = around(&a).provider_with("b", Format::OpenAi, &b.url(), "api_key_env = \"ARCLLM_TEST_NO_SUCH_KEY\"");
    let folder = chain.folder().unwrap();
    let output = run(&folder, &["check", "--config", "config.toml", "--provider", "b"]).await;
    assert!(output.code == 0 && output.stdout.contains("ARCLLM_TEST_NO_SUCH_KEY"), "{output:?}");
    for (provider, warned) in [("b", true), ("a", false)] {
        let arguments = ["check", "--config", "config.toml", "--provider", provider, "--json"];
        let report = run(&folder, &arguments).await.json().unwrap();
        assert_eq!(report["problems"], json!([]));
        assert_eq!(report["warnings"].to_string().contains("providers.b.api_key_env"), warned, "{report}");
    }
}

#[tokio::test]
async fn check_finds_what_invoke_would_refuse() {
    let folder = around(&dead().await).module("fallback", "chain = [\"a\", \"c\"]").folder().unwrap();
    let output = run(&folder, &["check"]).await;
    assert!(output.code == 2 && output.stdout.contains("modules.fallback.chain[1]"), "{output:?}");
    let output = run(&folder, &["check", "--json"]).await;
    let report = output.json().unwrap();
    assert_eq!((output.code, report["problems"].as_array().unwrap().len()), (2, 1), "{report}");
}

#[tokio::test]
async fn modules_are_listed_in_their_order() {
    let folder = both().await;
    let output = run(&folder, &["modules"]).await;
    assert_eq!((output.code, output.stderr.as_str()), (0, ""));
    let (retry, fallback) = (output.stdout.find("retry ").unwrap(), output.stdout.find("fallback ").unwrap());
    assert!(retry < fallback && output.stdout.contains("sha256"), "{}", output.stdout);

    let listed = run(&folder, &["modules", "--json"]).await.json().unwrap();
    let modules = listed["modules"].as_array().unwrap();
    let names: Vec<_> = modules.iter().map(|module| module["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "retry",
            "fallback",
            "audit",
            "budget",
            "cache",
            "chaos",
            "circuit-breaker",
            "hedge",
            "rate-limit",
            "redact",
            "resume",
            "route",
            "telemetry",
            "validate"
        ]
    );
    for (module, position) in
        modules.iter().zip([json!(1), json!(2)].into_iter().chain(std::iter::repeat_n(Value::Null, 12)))
    {
        assert_eq!((&module["position"], &module["problem"]), (&position, &Value::Null));
        assert_eq!(module["sha256"].as_str().unwrap().len(), 64);
        assert!(module["version"].is_string() && module["origin"].is_string());
        let imports = module["imports"].as_array().unwrap();
        assert!(imports.contains(&json!("arcllm:llm/types@0.1.0")), "{imports:?}");
    }
    assert_eq!((&modules[0]["asks_for"], &modules[0]["granted"]), (&json!(["state"]), &json!(["state"])));
    assert_eq!((&modules[1]["asks_for"], &modules[1]["granted"]), (&json!(["models"]), &json!(["models"])));
}

// Trust and inspection.

#[tokio::test]
async fn trusted_files_that_changed_or_are_gone_are_marked() {
    let folder = Folder::new("").unwrap();
    for name in ["same.toml", "changed.toml", "gone.toml"] {
        folder.write(name, "").unwrap();
        assert_eq!(run(&folder, &["trust", name]).await.code, 0);
    }
    folder.write("changed.toml", "# a comment").unwrap();
    std::fs::remove_file(folder.path().join("gone.toml")).unwrap();
    let output = run(&folder, &["trust", "--list"]).await;
    let ends: Vec<_> = output.stdout.lines().map(|line| line.rsplit('/').next().unwrap()).collect();
    assert_eq!(ends, ["same.toml", "changed.toml  changed: trust it again", "gone.toml  gone: forget it"]);
    assert_eq!(run(&folder, &["trust", "--forget", "gone.toml"]).await.code, 0);
    assert_eq!(run(&folder, &["trust", "--list"]).await.stdout.lines().count(), 2);
}

#[tokio::test]
async fn a_file_that_is_too_large_is_not_inspected() {
    let folder = Folder::new("").unwrap();
    let file = std::fs::File::create(folder.path().join("large.wasm")).unwrap();
    let inspect = ["module", "inspect", "large.wasm"];
    file.set_len(64 << 20).unwrap();
    let output = run(&folder, &inspect).await;
    assert!(output.code == 2 && output.stdout.contains("large.wasm: is not WebAssembly"), "{output:?}");
    std::fs::write(folder.path().join("large.wasm"), b"\0asm\x0d\0\x01\0").unwrap();
    file.set_len((64 << 20) + 1).unwrap();
    let output = run(&folder, &inspect).await;
    let expected = "problem  large.wasm: has 65 MB, more than the 64 MB that a module may have\n             help: ";
    assert!(output.code == 2 && output.stdout.contains(expected), "{output:?}");
}

#[tokio::test]
async fn a_file_that_is_none_is_not_inspected() {
    let folder = Folder::new("").unwrap();
    std::fs::create_dir(folder.path().join("folder.wasm")).unwrap();
    for (file, says) in [
        ("nosuch.wasm", "nosuch.wasm: does not exist"),
        ("folder.wasm", "folder.wasm: is a folder, not a file"),
        ("config.toml", "config.toml: is empty"),
    ] {
        let output = run(&folder, &["module", "inspect", file]).await;
        assert!(output.code == 2 && output.stdout.contains(&format!("problem  {says}\n")), "{output:?}");
        assert!(!output.stdout.contains("sandbox"), "{output:?}");
    }
}

// The rest.
