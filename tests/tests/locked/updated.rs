//! What differs from the lock, and `arcllm module update`.

use super::stage::Place;
use crate::support::test_module;

/// A place with `upper` in the chain, added from a file.
async fn with_upper() -> Place {
    let place = Place::new().await;
    let file = place.file("upper", "upper.wasm");
    place.succeeds(&["module", "add", &file, "--yes", "--enable"]).await;
    place
}

#[tokio::test]
async fn other_bytes_are_not_loaded_until_they_are_accepted() {
    let place = with_upper().await;
    place.file("upper-streamed", "modules/upper.wasm");
    let error = place.refused(&["invoke", "Hi"]).await;
    assert!(error.contains("is not the module that was accepted"), "{error}");
    assert!(error.contains("`arcllm module update upper` shows what has changed"), "{error}");
    let output = place.run(&["module", "verify"]).await;
    assert!(output.code == 1 && output.stdout.contains("wrong  upper: "), "{output:?}");
    let error = place.refused(&["module", "update", "upper"]).await;
    assert!(error.contains("--yes updates it"), "{error}");
    let output = place.succeeds(&["module", "update", "upper", "--yes"]).await;
    assert!(output.stdout.contains("imports  + arcllm:llm/streams@0.1.0"), "{output:?}");
    place.succeeds(&["invoke", "Hi"]).await;
    let output = place.succeeds(&["module", "update"]).await;
    assert!(output.stdout.contains("upper is up to date"), "{output:?}");
}

#[tokio::test]
async fn a_version_that_wants_more_is_taken_only_if_its_grants_are_named_and_can_be_taken_back() {
    let place = with_upper().await;
    let old = place.file("upper", "old.wasm");
    let new = place.file("everything", "new.wasm");
    let update = ["module", "update", "upper", "--to", &new];
    let error = place.refused(&[&update[..], &["--yes"]].concat()).await;
    assert!(error.contains("wants more than before, which --yes does not accept: models, state"), "{error}");
    assert!(error.contains("--allow models --allow state --yes` accepts that"), "{error}");
    let error = place.refused(&[&update[..], &["--yes", "--allow", "models=main"]].concat()).await;
    assert!(error.contains("does not accept: state"), "{error}");
    let error = place.refused(&update).await;
    assert!(error.contains("no terminal"), "{error}");

    let accepted = [&update[..], &["--yes", "--allow", "models=main", "--allow", "state=5"]].concat();
    let output = place.succeeds(&accepted).await;
    assert!(output.stdout.contains("grants   + models (only main)"), "{output:?}");
    assert!(place.text("config.toml").contains("allow = [{ models = [\"main\"] }, { state = { max_mb = 5 } }]"));
    assert!(place.text("arcllm.lock").contains("allow = [{ models = [\"main\"] }, { state = { max_mb = 5 } }]"));
    place.succeeds(&["invoke", "Hi"]).await;
    let modules = place.succeeds(&["modules"]).await.stdout;
    assert!(modules.contains("granted  models (only main), state (at most 5 MB)"), "{modules}");

    let output = place.succeeds(&["module", "update", "upper", "--to", &old, "--yes"]).await;
    assert!(output.stdout.contains("grants   - state (at most 5 MB)"), "{output:?}");
    assert!(place.text("arcllm.lock").contains("allow = []"));
    assert_eq!(
        std::fs::read(place.folder.path().join("modules/upper.wasm")).unwrap(),
        std::fs::read(test_module("upper")).unwrap()
    );
    place.succeeds(&["module", "verify"]).await;
}

#[tokio::test]
async fn the_configuration_may_grant_less_than_was_accepted_and_not_more() {
    let place = Place::new().await;
    let file = place.file("everything", "everything.wasm");
    let grants = ["--allow", "models", "--allow", "state=5"];
    place.succeeds(&[&["module", "add", &file, "--yes", "--enable"][..], &grants].concat()).await;
    let written = "allow = [\"models\", { state = { max_mb = 5 } }]";
    place.replace("config.toml", written, "allow = [{ models = [\"main\"] }, { state = { max_mb = 4 } }]");
    place.succeeds(&["invoke", "Hi"]).await;
    place.replace("config.toml", "max_mb = 4", "max_mb = 6");
    let error = place.refused(&["invoke", "Hi"]).await;
    assert!(error.contains("grants state (at most 6 MB), which was not accepted in arcllm.lock"), "{error}");
    assert!(error.contains("`arcllm module update everything --allow state=6`"), "{error}");
    place.succeeds(&["module", "update", "everything", "--allow", "state=6", "--yes"]).await;
    place.succeeds(&["invoke", "Hi"]).await;
}

#[tokio::test]
async fn another_source_than_the_accepted_one_is_refused() {
    let place = with_upper().await;
    place.file("upper", "modules/else.wasm");
    place.replace("config.toml", "wasm = \"upper.wasm\"", "wasm = \"else.wasm\"");
    let error = place.refused(&["invoke", "Hi"]).await;
    assert!(
        error.contains("`modules.upper.sandbox.wasm` is modules/else.wasm, and arcllm.lock has upper.wasm"),
        "{error}"
    );
    assert!(error.contains("wasm = \"upper.wasm\""), "{error}");
}

#[tokio::test]
async fn files_that_were_never_added_need_no_lock() {
    let place = with_upper().await;
    place.file("upper", "modules/plain.wasm");
    place.replace("config.toml", "order = [\"upper\"", "order = [\"plain\", \"upper\"");
    let with_plain = format!("{}\n[modules.plain]\nenabled = true\n", place.text("config.toml"));
    place.folder.write("config.toml", with_plain).unwrap();
    place.succeeds(&["invoke", "Hi"]).await;
    let list = place.succeeds(&["module", "list"]).await.stdout;
    assert!(list.contains("plain 0.1.0 (transformer), on, not in arcllm.lock"), "{list}");
    // A rule of signatures holds for them as well.
    place.folder.write("k.pub", "none").unwrap();
    let strict = format!("{}\n[trust]\nkeys = [\"k.pub\"]\nrequire_signature = true\n", place.text("config.toml"));
    place.folder.write("config.toml", strict).unwrap();
    let error = place.refused(&["invoke", "Hi"]).await;
    assert!(error.contains("`trust.require_signature` is true, and modules/plain.wasm is not signed"), "{error}");
    let lenient = format!("{}\n[trust.sources.files]\nrequire_signature = false\n", place.text("config.toml"));
    place.folder.write("config.toml", lenient).unwrap();
    place.succeeds(&["invoke", "Hi"]).await;
}
