//! Locks and references that somebody has written to do harm, or by mistake.

use arcllm_registry::Digest;

use super::stage::Place;

const HEX: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

#[tokio::test]
async fn a_lock_that_is_none_is_refused_with_its_place() {
    let place = Place::new().await;
    let file = place.file("upper", "upper.wasm");
    place.succeeds(&["module", "add", &file, "--yes", "--enable"]).await;
    let good = place.text("arcllm.lock");
    for (text, expected) in [
        ("\u{0}".to_owned(), "arcllm.lock"),
        (String::new(), "`version` is missing"),
        (
            good.replace("[modules.upper]", "<<<<<<< HEAD\n[modules.upper]"),
            "arcllm.lock:4: has the marks of a merge conflict",
        ),
        (good.replace("[modules.upper]", "[modules.upper]\nnote = 1"), "`modules.upper.note` is not a key"),
        (format!("{good}\n[modules.upper]\nsource = \"x\"\n"), "arcllm.lock:"),
        (good.replace("version = 1\n", "version = 99\n"), "has the format 99"),
        (format!("{good}\n[[["), "arcllm.lock:"),
        (good.replace("sha256:", "sha256:zz"), "is no digest"),
        (good.replace("[modules.upper]", "[modules.\"../../x\"]"), "is no name that a module can have"),
        (good.replace("allow = []", "allow = [5]"), "arcllm.lock"),
        (format!("{good}#{}", "x".repeat(9 << 20)), "is larger than 8 MB"),
    ] {
        place.folder.write("arcllm.lock", &text).unwrap();
        for command in [vec!["invoke", "Hi"], vec!["module", "update", "--yes"], vec!["module", "remove", "upper"]] {
            let before = place.text("arcllm.lock");
            let output = place.run(&command).await;
            assert!(output.code == 2 && output.stderr.contains(expected), "{command:?}: {output:?}");
            assert!(!output.stderr.contains("panicked"), "{output:?}");
            assert_eq!(place.text("arcllm.lock"), before, "nothing was lost");
        }
        place.folder.write("arcllm.lock", &good).unwrap();
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_lock_that_is_no_file_is_refused_at_once() {
    let place = Place::new().await;
    let lock = place.folder.path().join("arcllm.lock");
    std::fs::create_dir(&lock).unwrap();
    let error = place.refused(&["invoke", "Hi"]).await;
    assert!(error.contains("arcllm.lock: is not a file"), "{error}");
    std::fs::remove_dir(&lock).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &lock).unwrap();
    let error = place.refused(&["invoke", "Hi"]).await;
    assert!(error.contains("arcllm.lock: is not a file"), "{error}");
}

#[tokio::test]
async fn a_reference_needs_its_digest_an_entry_and_its_bytes() {
    let module = |wasm: &str| {
        format!(
            "\n[host]\norder = [\"mine\"]\n[modules.mine]\nenabled = true\n[modules.mine.sandbox]\nwasm = \"{wasm}\"\n"
        )
    };
    for (wasm, expected) in [
        ("oci://registry.example/me/mine:1", "names no digest: a tag can move"),
        ("oci://registry.example/me/mine:1", "`arcllm module add oci://registry.example/me/mine:1`"),
        ("oci://registry.example", "is no place in a registry"),
        ("oci://a:b@registry.example/me/mine", "a login never stands in a reference"),
        ("oci://registry.example/me/mine@sha256:00", "is no place in a registry"),
    ] {
        let error = Place::with(&module(wasm)).await.refused(&["check"]).await;
        assert!(error.contains(expected), "{wasm}: {error}");
    }
    let reference = format!("oci://registry.example/me/mine:1@sha256:{HEX}");
    let place = Place::with(&module(&reference)).await;
    let error = place.refused(&["invoke", "Hi"]).await;
    assert!(error.contains("and arcllm.lock has no entry for it") && error.contains("arcllm module add"), "{error}");

    let entry = |source: &str| format!("version = 1\n[modules.mine]\nsource = \"{source}\"\nwasm = \"sha256:{HEX}\"\n");
    place.folder.write("arcllm.lock", entry(&reference)).unwrap();
    let error = place.refused(&["invoke", "Hi"]).await;
    assert!(error.contains("is not on this machine") && error.contains("`arcllm module fetch` brings it"), "{error}");
    let other = reference.replace("/me/", "/you/");
    place.folder.write("arcllm.lock", entry(&other)).unwrap();
    let error = place.refused(&["invoke", "Hi"]).await;
    assert!(
        error.contains("names oci://registry.example/me/mine") && error.contains("has oci://registry.example/you/mine"),
        "{error}"
    );

    // Bytes in the store that are not those of the lock.
    let layer = format!("{{\"mediaType\":\"application/wasm\",\"digest\":\"sha256:{HEX}\",\"size\":1}}");
    let config = layer.replace("application/wasm", "application/vnd.wasm.config.v0+json");
    let manifest = format!("{{\"schemaVersion\":2,\"config\":{config},\"layers\":[{layer}]}}");
    let reference = format!("oci://registry.example/me/mine:1@{}", Digest::of(manifest.as_bytes()));
    let place = Place::with(&module(&reference)).await;
    place.folder.write("arcllm.lock", format!("{}manifest = '{manifest}'\n", entry(&reference))).unwrap();
    place.file("upper", &format!(".local/share/arcllm/modules/{HEX}.wasm"));
    let error = place.refused(&["invoke", "Hi"]).await;
    assert!(error.contains("is not the module that was accepted") && error.contains("store was changed"), "{error}");
}

#[tokio::test]
async fn a_start_fetches_only_if_the_configuration_says_so() {
    let reference = format!("oci://127.0.0.1:9/me/mine:1@sha256:{HEX}");
    let module = |fetch: &str| {
        format!(
            "\n[host]\norder = [\"mine\"]\n{fetch}\n[modules.mine]\nenabled = true\n[modules.mine.sandbox]\nwasm = \"{reference}\"\n"
        )
    };
    let entry = format!("version = 1\n[modules.mine]\nsource = \"{reference}\"\nwasm = \"sha256:{HEX}\"\n");
    for (fetch, expected) in
        [("", "is not on this machine"), ("fetch_modules = true", "cannot be fetched: 127.0.0.1:9")]
    {
        let place = Place::with(&module(fetch)).await;
        place.folder.write("arcllm.lock", &entry).unwrap();
        let error = place.refused(&["invoke", "Hi"]).await;
        assert!(error.contains(expected), "{error}");
        // Looking at a configuration fetches nothing.
        let output = place.run(&["check"]).await;
        assert!(output.stdout.contains("is not on this machine"), "{output:?}");
    }
}
