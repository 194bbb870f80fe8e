//! Files without an end, where a person names a file.

#![cfg(unix)]

use crate::{
    scene::soon,
    support::{Folder, test_module},
};

#[tokio::test]
async fn a_file_without_an_end_is_not_read_to_its_end() {
    let folder = Folder::new("").unwrap();
    let module = test_module("upper").display().to_string();
    for (arguments, expected) in [
        (
            &["module", "publish", &module, "oci://127.0.0.1:9/me/mine:1", "--sign", "/dev/zero"][..],
            "is no private key",
        ),
        (&["module", "test", &module, "--scenarios", "/dev/zero"], "is larger than 8 MB"),
        (&["module", "run", &module, "--script", "/dev/zero"], "is larger than 64 MB"),
        (&["simulate", "--script", "/dev/zero"], "is larger than 64 MB"),
        (&["check", "--config", "/dev/zero"], "is larger than 8 MB"),
        (
            &["module", "add", "/dev/zero", "--name", "mine", "--config", "config.toml", "--yes"],
            "is a device, not a file",
        ),
        (&["module", "install", "/dev/zero", "--name", "mine"], "is a device, not a file"),
        (&["module", "run", "/dev/zero"], "/dev/zero: is a device, not a file"),
    ] {
        let output = soon(folder.arcllm(arguments).unwrap().run()).await.unwrap();
        assert!(output.code == 2 && output.stderr.contains(expected), "{arguments:?}: {output:?}");
    }
}

#[tokio::test]
async fn what_is_no_core_module_says_so_in_words() {
    let folder = Folder::new("").unwrap();
    for (bytes, expected) in [
        (&b"random"[..], "mine.core.wasm: this is not a core WebAssembly module"),
        (b"", "mine.core.wasm: this is not a core WebAssembly module"),
        (b"\0asm\x0d\0\x01\0", "it is a component already"),
        (b"\0asm\x01\0\0\0garbage", "this is not a core WebAssembly module"),
        (b"\0asm\x01\0\0\0", "it does not fit its world"),
    ] {
        folder.write("mine.core.wasm", bytes).unwrap();
        let output = soon(folder.arcllm(["module", "build", "mine.core.wasm"]).unwrap().run()).await.unwrap();
        assert!(output.code > 0 && output.stderr.contains(expected), "{output:?}");
        assert!(!output.stderr.contains("0x0,"), "{output:?}");
    }
}

#[tokio::test]
async fn modules_lists_all_others_and_says_what_is_wrong_with_one() {
    let config =
        "[host]\norder = [\"retry\", \"fallbak\"]\n[modules.retry]\nenabled = true\n[modules.chaos]\nenabled = true\n";
    let folder = Folder::new(config).unwrap();
    let output = soon(folder.arcllm(["modules"]).unwrap().run()).await.unwrap();
    assert_eq!(output.code, 2, "{output:?}");
    for expected in [
        "retry 0.1.0",
        "on, place 1",
        "circuit-breaker 0.1.0",
        "`host.order` names the unknown module `fallbak`",
        "did you mean `fallback`?",
        "`host.order` does not list the module `chaos`, which is enabled",
    ] {
        assert!(output.stdout.contains(expected), "{expected}: {}", output.stdout);
    }
    let output = soon(folder.arcllm(["modules", "--json"]).unwrap().run()).await.unwrap().json().unwrap();
    assert_eq!(output["problems"].as_array().unwrap().len(), 2, "{output}");
    assert!(output["modules"].as_array().unwrap().iter().any(|module| module["name"] == "redact"));
    let output = soon(folder.arcllm(["module", "list"]).unwrap().run()).await.unwrap();
    assert!(output.code == 2 && output.stdout.contains("unknown module `fallbak`"), "{output:?}");
}
