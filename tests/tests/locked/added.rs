//! `arcllm module add`, `list`, `verify`, `remove` and `install`, with files.

use std::fs;

use serde_json::json;

use super::stage::{CONFIG, Place};
use crate::support::test_module;

#[tokio::test]
async fn a_file_is_added_runs_and_is_removed_and_the_rest_of_the_configuration_stays() {
    let place = Place::new().await;
    let file = place.file("upper", "build/upper.wasm");
    let output = place.succeeds(&["module", "add", &file, "--yes", "--enable"]).await;
    assert!(
        output.stdout.contains("rewrite answers") && output.stdout.contains("added upper from upper.wasm"),
        "{output:?}"
    );

    let config = place.text("config.toml");
    let ours = CONFIG.replace("URL", &place.provider.url());
    assert!(config.starts_with(&ours), "{config}");
    assert!(
        config.contains("[modules.upper]\nenabled = true\n\n[modules.upper.sandbox]\nwasm = \"upper.wasm\"\n"),
        "{config}"
    );
    let lock = place.text("arcllm.lock");
    let digest = format!("wasm = \"{}\"", arcllm::registry::Digest::of(&fs::read(test_module("upper")).unwrap()));
    for part in ["version = 1\n", "[modules.upper]\nsource = \"upper.wasm\"\n", &digest, "allow = []", "wasi:logging"] {
        assert!(lock.contains(part), "{part}: {lock}");
    }
    let answer = place.succeeds(&["invoke", "Hi"]).await.stdout;
    assert_eq!(answer, answer.to_uppercase(), "the module is in the chain");

    let list = place.succeeds(&["module", "list", "--json"]).await.json().unwrap();
    let listed = &list["modules"][0];
    assert_eq!((&listed["name"], &listed["locked"], &listed["position"]), (&json!("upper"), &json!(true), &json!(1)));
    assert_eq!(listed["signature"], json!({ "state": "not_signed" }));
    let verified = place.succeeds(&["module", "verify", "--json"]).await.json().unwrap();
    assert_eq!((&verified["ok"], &verified["modules"][0]["problem"]), (&json!(true), &json!(null)));
    assert!(place.succeeds(&["modules"]).await.stdout.contains("signed   no, not signed"));

    place.succeeds(&["module", "remove", "upper"]).await;
    assert!(!place.text("config.toml").contains("upper") && !place.text("arcllm.lock").contains("upper"));
    assert!(place.text("config.toml").starts_with(&ours), "{}", place.text("config.toml"));
    place.succeeds(&["invoke", "Hi"]).await;
}

#[tokio::test]
async fn without_a_terminal_nothing_is_added_unless_it_is_said() {
    let place = Place::new().await;
    let file = place.file("everything", "everything.wasm");
    let error = place.refused(&["module", "add", &file]).await;
    assert!(error.contains("no terminal to ask you on") && error.contains("--yes"), "{error}");
    let error = place.refused(&["module", "add", &file, "--allow", "state=10", "--yes"]).await;
    assert!(error.contains("cannot run without the grant `models`"), "{error}");
    for (grant, expected) in [("everything", "unknown grant"), ("state=x", "as a number"), ("urls=1", "no scope")] {
        let error = place.refused(&["module", "add", &file, "--allow", grant]).await;
        assert!(error.contains(expected), "{error}");
    }
    let error = place.refused(&["module", "add", "nowhere.wasm", "--yes"]).await;
    assert!(error.contains("nowhere.wasm"), "{error}");
    let error = place.refused(&["module", "add", "config.toml", "--yes"]).await;
    assert!(error.contains("is not WebAssembly"), "{error}");
}

#[tokio::test]
async fn what_was_added_is_added_once_and_names_are_checked() {
    let place = Place::with("\n[modules.taken.sandbox]\nwasm = \"else.wasm\"\n").await;
    let file = place.file("upper", "upper.wasm");
    place.file("upper", "modules/else.wasm");
    place.succeeds(&["module", "add", &file, "--yes"]).await;
    for (arguments, expected) in [
        (vec!["module", "add", "upper.wasm", "--yes"], "`upper` was added already"),
        (vec!["module", "add", "upper.wasm", "--name", "taken", "--yes"], "[modules.taken] loads else.wasm already"),
        (vec!["module", "add", "upper.wasm", "--name", "Up per", "--yes"], "expected lower-case letters"),
        (vec!["module", "remove", "nothing"], "there is no module `nothing`"),
        (vec!["module", "remove", "retry"], "`retry` is built in"),
        (vec!["module", "verify", "taken"], "`taken` is not in arcllm.lock"),
        (vec!["module", "update", "taken"], "`taken` is not in arcllm.lock"),
        (vec!["module", "install", "upper.wasm"], "`upper` is in arcllm.lock"),
    ] {
        let error = place.refused(&arguments).await;
        assert!(error.contains(expected), "{arguments:?}: {error}");
    }
}

#[tokio::test]
async fn a_module_that_a_model_uses_stays() {
    let place = Place::new().await;
    let file = place.file("upper", "upper.wasm");
    place.succeeds(&["module", "add", &file, "--yes", "--enable"]).await;
    let used = format!("{}\n[models.loud]\nprovider = \"main\"\nmodules.upper = true\n", place.text("config.toml"));
    place.folder.write("config.toml", used).unwrap();
    let error = place.refused(&["module", "remove", "upper"]).await;
    assert!(error.contains("the model `loud` uses the module `upper`"), "{error}");
}

#[tokio::test]
async fn a_file_is_installed_as_it_is() {
    let place = Place::new().await;
    let file = place.file("upper", "build/upper.wasm");
    let output = place.succeeds(&["module", "install", &file, "--json"]).await.json().unwrap();
    assert_eq!(output["installed"]["name"], json!("upper"));
    let bytes = |file: &str| fs::read(place.folder.path().join(file)).unwrap();
    assert_eq!(bytes("modules/upper.wasm"), bytes("build/upper.wasm"));
    let output = place.succeeds(&["module", "install", &file, "--name", "loud", "--modules-dir", "other"]).await;
    assert!(output.stdout.contains("installed other/loud.wasm"), "{output:?}");
    let error = place.refused(&["module", "install", "config.toml", "--name", "x"]).await;
    assert!(error.contains("nothing was installed") && error.contains("is not WebAssembly"), "{error}");
    assert_eq!(fs::read_dir(place.folder.path().join("other")).unwrap().count(), 1, "nothing is left over");
}
