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

/// A test module of more than 1 MB: a custom section follows it.
fn large(place: &Place, name: &str) -> String {
    let mut bytes = fs::read(test_module("upper")).unwrap();
    // The size of the section as LEB128, then its name and what it holds.
    bytes.extend([0, 0x84, 0x80, 0x40, 3]);
    bytes.extend(b"pad");
    bytes.extend(vec![0; 1 << 20]);
    place.folder.write(name, bytes).unwrap();
    name.to_owned()
}

#[tokio::test]
async fn a_file_that_no_start_would_load_is_not_taken() {
    let place = Place::with("\n[host]\nmax_module_mb = 1\n").await;
    let file = large(&place, "large.wasm");
    for command in [&["module", "add", &file, "--yes"][..], &["module", "install", &file]] {
        let error = place.refused(command).await;
        assert!(error.contains("more than the 1 MB that a module may have"), "{error}");
    }
    let small = place.file("upper", "upper.wasm");
    place.succeeds(&["module", "add", &small, "--yes"]).await;
    let error = place.refused(&["module", "update", "upper", "--to", &file, "--yes"]).await;
    assert!(error.contains("more than the 1 MB that a module may have"), "{error}");
    place.replace("config.toml", "max_module_mb = 1", "max_module_mb = 2");
    place.succeeds(&["module", "update", "upper", "--to", &file, "--yes"]).await;
    // What cannot be loaded any more is still in the lock.
    place.replace("config.toml", "max_module_mb = 2", "max_module_mb = 1");
    let list = place.run(&["module", "list"]).await.stdout;
    assert!(list.contains("upper, off, in arcllm.lock") && list.contains("more than the 1 MB"), "{list}");
}

#[tokio::test]
async fn bytes_that_are_no_component_any_more_are_told_to_be_changed() {
    let place = Place::new().await;
    let file = place.file("upper", "upper.wasm");
    place.succeeds(&["module", "add", &file, "--yes", "--enable"]).await;
    let stored = place.folder.path().join("modules/upper.wasm");
    let good = fs::read(&stored).unwrap();
    for at in [8, 12, good.len() / 2] {
        let mut bytes = good.clone();
        bytes[at] ^= 0x55;
        fs::write(&stored, bytes).unwrap();
        let output = place.run(&["module", "verify"]).await;
        assert!(output.code == 1 && output.stdout.contains("is not the module that was accepted"), "{output:?}");
    }
}

#[tokio::test]
async fn a_module_is_switched_on_where_the_order_has_it() {
    let place = Place::with("\n[host]\norder = [\"retry\", \"upper\"]\n").await;
    let file = place.file("upper", "upper.wasm");
    let output = place.succeeds(&["module", "add", &file, "--yes", "--enable"]).await;
    assert!(output.stdout.contains("It is on, at place 2 of host.order, which has it already"), "{output:?}");
    assert!(place.text("config.toml").contains("order = [\"retry\", \"upper\"]"));
    let output = place.succeeds(&["module", "add", &file, "--name", "retry", "--yes"]).await;
    assert!(
        output.stdout.contains("set `enabled = true` under [modules.retry]. host.order has it already"),
        "{output:?}"
    );

    let place = Place::new().await;
    let file = place.file("upper", "upper.wasm");
    let output = place.succeeds(&["module", "add", &file, "--name", "retry", "--yes", "--enable"]).await;
    assert!(output.stdout.contains("of host.order, which has it already"), "{output:?}");
    assert!(!place.text("config.toml").contains("order"), "the default order has it");
    let answer = place.succeeds(&["invoke", "Hi"]).await.stdout;
    assert_eq!(answer, answer.to_uppercase(), "the module is in the chain");
}

#[tokio::test]
async fn a_help_stands_on_its_own_line_and_takes_nothing_away() {
    let place = Place::with(
        "\n[host]\norder = [\"everything\"]\n[modules.everything]\nenabled = true\n\
         [modules.everything.sandbox]\nallow = [{ state = { max_mb = 1 } }, \"urls\"]\n",
    )
    .await;
    place.file("everything", "modules/everything.wasm");
    let error = place.refused(&["invoke", "Hi"]).await;
    assert!(error.contains("allow = [{ state = { max_mb = 1 } }, \"urls\", \"models\"] under"), "{error}");

    let place = Place::new().await;
    place.file("upper", "modules/retry.wasm");
    for command in ["check", "modules"] {
        let output = place.succeeds(&[command]).await.stdout;
        assert!(output.contains("is ignored: `retry` is built in\n") && !output.contains("\\n"), "{output}");
    }
    let output = place.succeeds(&["module", "install", "modules/retry.wasm"]).await;
    assert!(output.stdout.contains("wasm = \"retry.wasm\" under [modules.retry.sandbox]"), "{output:?}");
}

#[tokio::test]
async fn check_reads_the_keys_of_trust() {
    for (key, content, expected) in
        [("nosuch.pub", None, "which cannot be read"), ("own.key", Some("no key"), "names no key")]
    {
        let place = Place::with(&format!("\n[trust]\nkeys = [\"{key}\"]\n")).await;
        if let Some(content) = content {
            place.folder.write(key, content).unwrap();
        }
        let output = place.run(&["check"]).await;
        assert!(output.code == 2 && output.stdout.contains("`trust.keys` names"), "{output:?}");
        assert!(output.stdout.contains(expected), "{output:?}");
    }
}
