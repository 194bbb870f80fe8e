//! Modules and components that are wrong.

use crate::bad_input::stage::{Scene, given, with};
use insta::assert_snapshot;

#[tokio::test]
async fn an_unknown_module() {
    assert_snapshot!(with("[modules.retyr]\nenabled = true").await, @"
    error: config.toml:9: `modules.retyr` names the unknown module `retyr`: none is built in, and modules/retyr.wasm does not exist
      help: did you mean `retry`?
    ");
    assert_snapshot!(with("[host]\norder = [\"retry\", \"fallbak\"]").await, @"
    error: config.toml:10: `host.order` names the unknown module `fallbak`: none is built in, and modules/fallbak.wasm does not exist
      help: did you mean `fallback`?
    ");
    assert_snapshot!(given(&["--module", "store=on", "Hi"]).await, @"
    error: `modules.store` names the unknown module `store`: none is built in, and modules/store.wasm does not exist
      help: known are audit, budget, cache, chaos, circuit-breaker, fallback, hedge, rate-limit, redact, resume, retry, route, telemetry, validate
    ");
    assert_snapshot!(with("[modules.\"../retry\"]\nenabled = true").await, @"
    error: config.toml:9: `modules.\"../retry\"` names the unknown module `../retry`: a name has letters, digits, `-` and `_`
      help: known are audit, budget, cache, chaos, circuit-breaker, fallback, hedge, rate-limit, redact, resume, retry, route, telemetry, validate
    ");
}

#[tokio::test]
async fn a_module_missing_from_the_order_or_named_twice() {
    let order = "[host]\norder = [\"retry\"]\n[modules.fallback]\nenabled = true\nchain = [\"main\"]";
    assert_snapshot!(with(order).await, @r#"
    error: config.toml:10: `host.order` does not list the module `fallback`, which is enabled
      help: list it at its place, outermost first, such as order = ["retry", "fallback"]
    "#);
    assert_snapshot!(with("[host]\norder = [\"retry\", \"retry\"]").await, @"
    error: config.toml:10: `host.order` names the module `retry` twice
      help: each module once, outermost first
    ");
}

#[tokio::test]
async fn a_fallback_without_a_provider() {
    assert_snapshot!(with("[modules.fallback]\nenabled = true").await, @r#"
    error: config.toml:9: `modules.fallback.chain` is empty or missing
      help: a list of names, such as ["anthropic", "openai/gpt-4.1"]
    "#);
    assert_snapshot!(with("[modules.fallback]\nenabled = true\nchain = [\"main\", \"mian\"]").await, @"
    error: config.toml:11: `modules.fallback.chain[1]` names the unknown provider or model `mian`
      help: did you mean `main`?
    ");
}

#[tokio::test]
async fn files_that_are_not_components() {
    const ON: &str = "[modules.retry]\nenabled = true\nsandbox.wasm = \"retry.wasm\"";
    let file = async |content: &[u8]| Scene::with(ON).await.file("modules/retry.wasm", content).refused().await;
    assert_snapshot!(file(b"#!/bin/sh").await, @"
    error: modules/retry.wasm: is not WebAssembly (the module `retry`)
      help: put a component there that is built for arcllm:llm@0.1.0
    ");
    assert_snapshot!(file(b"").await, @"
    error: modules/retry.wasm: is empty (the module `retry`)
      help: put a component there that is built for arcllm:llm@0.1.0
    ");
    assert_snapshot!(file(b"\0asm\x01\0\0\0").await, @"
    error: modules/retry.wasm: is a core WebAssembly module, not a component (the module `retry`)
      help: make a component of it with `arcllm module build FILE`
    ");
    assert_snapshot!(file(b"\0asm\x0d\0\x01\0").await, @"
    error: modules/retry.wasm: is a component of another world: it does not export arcllm:llm/module@0.1.0 (it exports nothing) (the module `retry`)
      help: build it for a world of arcllm:llm@0.1.0, such as `module-world` or `module-blocking`
    ");
    assert_snapshot!(file(b"\0asm\x0d\0\x01\0\xff\xff\xff").await, @"
    error: modules/retry.wasm: is not a valid component: failed to parse WebAssembly module: malformed section id (at offset 0x8) (the module `retry`)
      help: build it again, for arcllm:llm@0.1.0
    ");
    let cut = &arcllm_builtin::find("retry").unwrap().wasm[..5000];
    assert!(file(cut).await.contains("modules/retry.wasm: is not a valid component"));
}

#[tokio::test]
async fn a_missing_component() {
    assert_snapshot!(with("[modules.retry]\nenabled = true\nsandbox.wasm = \"mine.wasm\"").await, @"
    error: config.toml:11: `modules.retry.sandbox.wasm` names modules/mine.wasm, which does not exist
      help: name the file of a component, relative to host.modules_dir
    ");
}

#[tokio::test]
async fn a_component_with_another_digest_than_pinned() {
    let pinned = format!(
        "[modules.retry]\nenabled = true\nsandbox.sha256 = \"{}\"\nsandbox.wasm = \"retry.wasm\"",
        "0".repeat(64)
    );
    let scene = Scene::with(&pinned).await.file("modules/retry.wasm", "\0asm changed");
    assert_snapshot!(scene.refused().await, @"
    error: config.toml:11: `modules.retry.sandbox.sha256` does not match: modules/retry.wasm has a6732e05d8053b7f58eea0455219ac46906effe58c69234de02749828b2f5068
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
    error: config.toml:9: `modules.fallback.sandbox.allow` does not grant `models`, which modules/fallback.wasm imports (it would ask other models)
      help: allow = ["models"] under [modules.fallback.sandbox], if you trust it with that
    "#);
    assert_snapshot!(with("[modules.fallback.sandbox]\nallow = [\"model\"]").await, @r#"
    error: config.toml:10: `modules.fallback.sandbox.allow[0]` has the unknown grant "model"
      help: known are "models", "state", "journal", "urls" and "extensions"
    "#);
    let scoped = |scope: &str| format!("[modules.fallback.sandbox]\nallow = [\n\"state\",\n{scope}\n]");
    assert_snapshot!(with(&scoped("{ models = \"main\" }")).await, @r#"
    error: config.toml:12: `modules.fallback.sandbox.allow[1]` has a scope of `models` that is no list of names
      help: a list of names, such as { models = ["openai", "groq"] }
    "#);
    assert_snapshot!(with(&scoped("{ state = { max_mb = 1 } }")).await, @r#"
    error: config.toml:10: `modules.fallback.sandbox.allow` has the grant `state` twice
      help: each grant once, with all of its scope
    "#);
    let unknown = "[modules.fallback]\nenabled = true\nchain = [\"main\"]\nsandbox.allow = [{ models = [\"mian\"] }]";
    assert_snapshot!(with(unknown).await, @"
    error: config.toml:12: `modules.fallback.sandbox.allow` has a scope with the unknown provider or model `mian`
      help: did you mean `main`?
    ");
}
