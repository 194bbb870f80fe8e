//! Modules from registries: added, verified, fetched, updated and rolled back, with Debian's `docker-registry`.

use std::fs;

use arcllm::registry::Digest;
use serde_json::json;

use super::stage::Place;
use crate::{registry::docker::Docker, support::test_module};

/// Publishes a test module, and returns its reference with its digest.
async fn publish(docker: &Docker, module: &str, name: &str, more: &[&str]) -> String {
    let file = test_module(module).display().to_string();
    let reference = docker.reference(name).to_string();
    let output = docker.arcllm(&[&["module", "publish", &file, &reference, "--json"], more].concat()).await;
    assert_eq!(output.code, 0, "{output:?}");
    output.json().unwrap()["published"]["reference"].as_str().unwrap().to_owned()
}

/// The file that the store has of a test module.
fn stored(place: &Place, module: &str) -> std::path::PathBuf {
    let digest = Digest::of(&fs::read(test_module(module)).unwrap()).hex();
    place.folder.path().join(format!(".local/share/arcllm/modules/{digest}.wasm"))
}

#[tokio::test]
#[ignore = "needs docker-registry"]
async fn a_signed_module_is_added_served_offline_updated_and_rolled_back() {
    let docker = Docker::start().await;
    let key = docker.key("me").await;
    let old = publish(&docker, "upper", "me/upper:1.0", &["--sign", &key]).await;
    let place = Place::with("\n[trust]\nkeys = [\"me.pub\"]\nrequire_signature = true\n").await;
    place.folder.write("me.pub", fs::read(docker.folder().join("me.pub")).unwrap()).unwrap();

    let tag = docker.reference("me/upper:1.0").to_string();
    let output = place.succeeds(&["module", "add", &tag, "--yes", "--enable"]).await;
    assert!(output.stdout.contains("signed   yes, verified by me.pub"), "{output:?}");
    assert!(place.text("config.toml").contains(&format!("wasm = \"{old}\"")));
    assert!(place.text("arcllm.lock").contains("[modules.upper.signature]"));
    place.succeeds(&["invoke", "Hi"]).await;
    let online = place.succeeds(&["module", "verify", "--online", "--json"]).await.json().unwrap();
    assert_eq!(online["modules"][0]["signature"], json!({ "state": "verified", "key": "me.pub" }));

    // Another key in the configuration does not verify it, without any network.
    let mine = place.text("me.pub");
    docker.key("other").await;
    place.folder.write("me.pub", fs::read(docker.folder().join("other.pub")).unwrap()).unwrap();
    let error = place.refused(&["invoke", "Hi"]).await;
    assert!(error.contains("`trust.keys` has no key that signed oci://") && error.contains("another key"), "{error}");
    place.folder.write("me.pub", mine).unwrap();

    // The tag moves to a version that asks for more, which is signed by somebody else, and then by nobody.
    let other = docker.folder().join("other.key").display().to_string();
    publish(&docker, "everything", "me/upper:1.0", &["--sign", &other]).await;
    let update = ["module", "update", "upper", "--yes", "--allow", "models", "--allow", "state"];
    let error = place.refused(&update).await;
    assert!(error.contains("no key that signed"), "{error}");
    let verify = place.succeeds(&["module", "verify", "--online"]).await.stdout;
    assert!(verify.contains("right  upper: verified by me.pub") && verify.contains("the tag points to"), "{verify}");
    publish(&docker, "upper-streamed", "me/upper:2.0", &[]).await;
    let error = place.refused(&["module", "update", "upper", "--to", "2.0", "--yes"]).await;
    assert!(
        error.contains("`trust.require_signature` is true, and oci://") && error.contains("is not signed"),
        "{error}"
    );

    publish(&docker, "everything", "me/upper:2.0", &["--sign", &key]).await;
    let error = place.refused(&["module", "update", "upper", "--to", "2.0", "--yes"]).await;
    assert!(error.contains("wants more than before, which --yes does not accept: models, state"), "{error}");
    let output = place.succeeds(&[&update[..], &["--to", "2.0"]].concat()).await;
    assert!(output.stdout.contains(&format!("To go back: arcllm module update upper --to {old}")), "{output:?}");
    place.succeeds(&["invoke", "Hi"]).await;
    place.succeeds(&["module", "update", "upper", "--to", &old, "--yes"]).await;
    assert!(place.text("arcllm.lock").contains(&old) && place.text("config.toml").contains(&old));
    // The registry is gone, and what was accepted runs.
    drop(docker);
    place.succeeds(&["invoke", "Hi"]).await;
    place.succeeds(&["module", "verify"]).await;
}

/// A signature is of a manifest, and the bytes are those that the manifest names. Whoever edits the lock alone changes nothing.
#[tokio::test]
#[ignore = "needs docker-registry"]
async fn a_lock_with_other_bytes_than_those_that_were_signed_is_refused() {
    let docker = Docker::start().await;
    let key = docker.key("me").await;
    let mine = publish(&docker, "upper", "me/upper:1.0", &["--sign", &key]).await;
    let other = publish(&docker, "twice", "me/twice:1.0", &[]).await;
    let place = Place::with("\n[trust]\nkeys = [\"me.pub\"]\nrequire_signature = false\n").await;
    place.folder.write("me.pub", fs::read(docker.folder().join("me.pub")).unwrap()).unwrap();
    place.succeeds(&["module", "add", &mine, "--yes", "--enable"]).await;
    place.succeeds(&["module", "add", &other, "--yes"]).await;
    let good = place.text("arcllm.lock");
    let manifest = |text: &str| text.lines().find(|line| line.starts_with("manifest = ")).unwrap().to_owned();
    let [of_mine, of_other] =
        ["[modules.upper]", "[modules.twice]"].map(|table| manifest(good.split_once(table).unwrap().1));
    let [bytes_of_mine, bytes_of_other] =
        ["upper", "twice"].map(|name| Digest::of(&fs::read(test_module(name)).unwrap()).to_string());
    let wasm = |digest: &str| format!("wasm = \"{digest}\"");
    let bytes = good.replacen(&wasm(&bytes_of_mine), &wasm(&bytes_of_other), 1);
    for (text, expected) in [
        (bytes.clone(), "its manifest names the bytes"),
        (bytes.replace(&of_mine, &of_other), "its manifest has the digest"),
        (bytes.replace(&bytes_of_mine, &bytes_of_other), "its manifest has the digest"),
        (bytes.replace(&format!("{of_mine}\n"), ""), "there is no manifest that ties its bytes to its source"),
        (good.replace(&of_mine, "manifest = \"{\""), "its manifest has the digest"),
    ] {
        assert_ne!(text, good);
        place.folder.write("arcllm.lock", &text).unwrap();
        let error = place.refused(&["invoke", "Hi"]).await;
        assert!(error.contains("is not the module of oci://") && error.contains(expected), "{error}");
        for command in [&["module", "list"][..], &["module", "verify"], &["modules"]] {
            let output = place.run(command).await;
            assert!(output.stdout.contains(expected), "{command:?}: {output:?}");
            assert!(!output.stdout.contains("verified by me.pub"), "{command:?}: {output:?}");
        }
    }
}

#[tokio::test]
#[ignore = "needs docker-registry"]
async fn a_fresh_clone_fetches_what_the_lock_names_and_nothing_else() {
    let docker = Docker::start().await;
    publish(&docker, "upper", "me/upper:1.0", &[]).await;
    let place = Place::new().await;
    let tag = docker.reference("me/upper:1.0").to_string();
    place.succeeds(&["module", "add", &tag, "--yes", "--enable"]).await;
    let file = stored(&place, "upper");
    assert!(fs::metadata(&file).unwrap().permissions().readonly());
    fs::remove_file(&file).unwrap();
    let error = place.refused(&["invoke", "Hi"]).await;
    assert!(error.contains("is not on this machine") && error.contains("`arcllm module fetch`"), "{error}");
    let output = place.succeeds(&["module", "fetch", "--json"]).await.json().unwrap();
    assert_eq!(output, json!({ "fetched": ["upper"], "present": [] }));
    place.succeeds(&["invoke", "Hi"]).await;
    let output = place.succeeds(&["module", "fetch"]).await;
    assert!(output.stdout.contains("nothing to fetch: every module of a registry is here (1)"), "{output:?}");

    // A file of the store that was changed is noticed, and brought again.
    fs::remove_file(&file).unwrap();
    fs::write(&file, fs::read(test_module("everything")).unwrap()).unwrap();
    let error = place.refused(&["invoke", "Hi"]).await;
    assert!(error.contains("store was changed; `arcllm module fetch` brings it again"), "{error}");
    place.succeeds(&["module", "fetch"]).await;
    place.succeeds(&["invoke", "Hi"]).await;

    // A start does it by itself if it may.
    fs::remove_file(&file).unwrap();
    let config = place.text("config.toml");
    place.folder.write("config.toml", config.replace("[host]", "[host]\nfetch_modules = true")).unwrap();
    place.succeeds(&["invoke", "Hi"]).await;
    assert!(file.is_file());

    // A lock that names other bytes than the manifest has.
    fs::remove_file(&file).unwrap();
    let digest = Digest::of(&fs::read(test_module("upper")).unwrap()).to_string();
    place.replace("arcllm.lock", &digest, &Digest::of(b"other").to_string());
    let error = place.refused(&["invoke", "Hi"]).await;
    assert!(error.contains("the content was changed"), "{error}");
}

#[tokio::test]
#[ignore = "needs docker-registry"]
async fn a_signature_without_a_key_is_kept_for_later() {
    let docker = Docker::start().await;
    let key = docker.key("me").await;
    let reference = publish(&docker, "upper", "me/upper:1.0", &["--sign", &key]).await;
    let place = Place::new().await;
    let output = place.succeeds(&["module", "add", &reference, "--yes", "--enable"]).await;
    assert!(
        output.stdout.contains("signed   yes, does not verify: it is signed, and no trusted key is there"),
        "{output:?}"
    );
    place.succeeds(&["invoke", "Hi"]).await;
    let trust = format!("{}\n[trust]\nkeys = [\"me.pub\"]\nrequire_signature = true\n", place.text("config.toml"));
    place.folder.write("config.toml", trust).unwrap();
    place.folder.write("me.pub", fs::read(docker.folder().join("me.pub")).unwrap()).unwrap();
    drop(docker);
    place.succeeds(&["invoke", "Hi"]).await;
    assert!(place.succeeds(&["module", "list"]).await.stdout.contains("signed   yes, verified by me.pub"));
}

/// Whoever can write to a registry has not the key. So a signature is not lost, and no other key takes its place, by a mere yes.
#[tokio::test]
#[ignore = "needs docker-registry"]
async fn an_update_that_loses_the_signer_needs_more_than_a_yes() {
    let docker = Docker::start().await;
    let (key, other) = (docker.key("me").await, docker.key("other").await);
    let first = publish(&docker, "upper", "me/upper:1.0", &["--sign", &key]).await;
    publish(&docker, "upper-streamed", "me/upper:2.0", &[]).await;
    publish(&docker, "twice", "me/upper:3.0", &["--sign", &other]).await;
    publish(&docker, "outcry", "me/upper:4.0", &["--sign", &key]).await;
    let place = Place::with("\n[trust]\nkeys = [\"me.pub\", \"other.pub\"]\n").await;
    for name in ["me.pub", "other.pub"] {
        place.folder.write(name, fs::read(docker.folder().join(name)).unwrap()).unwrap();
    }
    place.succeeds(&["module", "add", &first, "--yes", "--enable"]).await;
    let unsigned = "the version before was signed, and this one is not";
    let of_another = "another key has signed it than the version before";
    for (to, expected) in [("2.0", unsigned), ("3.0", of_another)] {
        let update = ["module", "update", "upper", "--to", to];
        let error = place.refused(&[&update[..], &["--yes"]].concat()).await;
        assert!(error.contains(&format!("{expected}, which --yes does not accept")), "{error}");
        assert!(error.contains("--other-signer --yes` accepts that"), "{error}");
        let error = place.refused(&update).await;
        assert!(error.contains("no terminal") && error.contains("--other-signer --yes` accepts that"), "{error}");
        let error = place.refused(&[&update[..], &["--other-signer"]].concat()).await;
        assert!(error.contains("no terminal"), "{error}");
    }
    place.succeeds(&["module", "update", "upper", "--to", "4.0", "--yes"]).await;
    // The file of the key has another key now: its name does not make that the same signer.
    place.folder.write("me.pub", fs::read(docker.folder().join("other.pub")).unwrap()).unwrap();
    let error = place.refused(&["module", "update", "upper", "--to", "3.0", "--yes"]).await;
    assert!(error.contains(of_another), "{error}");
    let accepted = ["module", "update", "upper", "--to", "2.0", "--yes", "--other-signer"];
    let output = place.succeeds(&accepted).await;
    assert!(output.stdout.contains(&format!("signed   {unsigned}")), "{output:?}");
    // What was not signed before loses nothing.
    place.succeeds(&["module", "update", "upper", "--to", "3.0", "--yes"]).await;
}
