//! `module build` of core modules, as tools make them that know nothing of components.

use std::fs;

use arcllm_conformance::kit;
use serde_json::Map;

use crate::{
    scene::soon,
    support::{Folder, Output, test_module},
};

async fn build(folder: &Folder, arguments: &[&str]) -> Output {
    soon(folder.arcllm([&["module", "build"], arguments].concat()).unwrap().run()).await.unwrap()
}

/// A number of the binary format, and what follows. <https://webassembly.github.io/spec/core/binary/values.html>
fn number(bytes: &[u8]) -> (usize, &[u8]) {
    let length = bytes.iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
    let number = bytes[..length].iter().rev().fold(0, |number, byte| number << 7 | usize::from(byte & 0x7f));
    (number, &bytes[length..])
}

/// The first core module in a component: the module's own.
fn core_of(name: &str) -> Vec<u8> {
    let component = fs::read(test_module(name)).unwrap();
    let mut rest = &component[8..];
    loop {
        let (length, content) = number(&rest[1..]);
        if rest[0] == 1 {
            return content[..length].to_vec();
        }
        rest = &content[length..];
    }
}

async fn passes(file: std::path::PathBuf) {
    let testing = move || kit::test(&file, &Map::new(), &[]).unwrap();
    let report = tokio::task::spawn_blocking(testing).await.unwrap();
    assert!(report.checks.iter().any(|check| check.differences.is_empty()), "{report:#?}");
}

#[tokio::test]
async fn a_core_module_becomes_a_component_of_the_world_that_fits() {
    for name in ["upper", "blocking"] {
        let folder = Folder::new("").unwrap();
        folder.write("mine.core.wasm", core_of(name)).unwrap();
        let output = build(&folder, &["mine.core.wasm"]).await;
        assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{name}");
        assert!(output.stdout.starts_with("built mine.wasm ("), "{}", output.stdout);
        let again = fs::read(folder.path().join("mine.wasm")).unwrap();
        passes(folder.path().join("mine.wasm")).await;
        // Under another name, it does not take the place of what it is made of.
        folder.write("core.wasm", core_of(name)).unwrap();
        let output = build(&folder, &["core.wasm", "--install"]).await;
        assert_eq!(output.code, 0, "{}", output.stderr);
        assert!(output.stdout.contains("built core.component.wasm (") && output.stdout.contains("modules/core.wasm"));
        let others = build(&folder, &["mine.core.wasm", "--out", "again.wasm"]).await;
        assert_eq!(others.code, 0, "{}", others.stderr);
        assert_eq!(fs::read(folder.path().join("again.wasm")).unwrap(), again, "the same bytes");
    }
}

#[tokio::test]
async fn the_world_can_be_named() {
    let folder = Folder::new("").unwrap();
    folder.write("mine.core.wasm", core_of("blocking")).unwrap();
    let built = build(&folder, &["mine.core.wasm", "--world", "module-blocking-with-all"]).await;
    assert_eq!(built.code, 0, "{}", built.stderr);
    // It imports what this world does not have.
    let small = build(&folder, &["mine.core.wasm", "--world", "module-blocking"]).await;
    assert_eq!(small.code, 1);
    assert!(small.stderr.contains("it does not fit its world"), "{}", small.stderr);
    let unknown = build(&folder, &["mine.core.wasm", "--world", "no-such"]).await;
    assert_eq!(unknown.code, 1);
    assert!(unknown.stderr.contains("no-such"), "{}", unknown.stderr);
    // The folder beside it comes first.
    folder.write("wit/mine.wit", "package me:mine;\nworld mine {}\n").unwrap();
    let own = build(&folder, &["mine.core.wasm", "--world", "mine"]).await;
    assert!(own.stderr.contains("it does not fit its world"), "{}", own.stderr);
    let project = build(&folder, &[".", "--world", "mine"]).await;
    assert_eq!(project.code, 2);
    assert!(project.stderr.starts_with("error: --world is for core modules\n  help: "), "{}", project.stderr);
}

#[tokio::test]
async fn other_files_are_refused() {
    let folder = Folder::new("").unwrap();
    folder.write("text.core.wasm", "no wasm").unwrap();
    folder.write("component.core.wasm", fs::read(test_module("patient")).unwrap()).unwrap();
    folder.write("empty.core.wasm", b"\0asm\x01\0\0\0").unwrap();
    folder.write("My Module.wasm", core_of("patient")).unwrap();
    let mut cut = core_of("patient");
    cut.truncate(cut.len() / 2);
    folder.write("cut.core.wasm", cut).unwrap();
    let cases = [
        ("text.core.wasm", "this is not a core WebAssembly module"),
        ("cut.core.wasm", "this is not a core WebAssembly module"),
        ("component.core.wasm", "it is a component already"),
        ("empty.core.wasm", "it does not fit its world"),
        ("My Module.wasm", "the module has the name of this file; expected lower-case letters"),
        ("no-such.wasm", "No such file"),
    ];
    for (file, expected) in cases {
        let output = build(&folder, &[file]).await;
        assert_ne!(output.code, 0, "{file}");
        assert!(output.stderr.contains(expected), "{file}: {}", output.stderr);
        assert!(!folder.path().join(file.replace(".core", "")).exists() || !file.contains(".core"), "{file}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_project_in_c_is_built_by_the_clang_of_the_wasi_sdk_that_is_named() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new("").unwrap();
    let made = soon(folder.arcllm(["module", "new", "mine", "--lang", "c"]).unwrap().run()).await.unwrap();
    assert_eq!(made.code, 0, "{made:?}");
    let manifest = std::fs::read_to_string(folder.path().join("mine/module.toml")).unwrap();
    assert!(manifest.contains("\"module-blocking\""), "{manifest}");
    let with_all = manifest.replace("\"module-blocking\"", "\"module-blocking-with-all\"");
    folder.write("mine/module.toml", with_all).unwrap();
    // It notes how it was called, and gives a core module that was made before.
    let core = folder.write("made.wasm", core_of("blocking")).unwrap();
    let script = format!(
        "#!/bin/sh\nwhile [ \"$1\" ]; do [ \"$1\" = -o ] && cp '{}' \"$2\"; echo \"$1\" >>'{}'; shift; done\n",
        core.display(),
        folder.path().join("called").display()
    );
    let clang = folder.write("sdk/bin/clang", script).unwrap();
    std::fs::set_permissions(&clang, std::fs::Permissions::from_mode(0o755)).unwrap();
    let sdk = folder.path().join("sdk").display().to_string();
    let build = folder.arcllm(["module", "build", "mine"]).unwrap().env("WASI_SDK_PATH", &sdk);
    let output = soon(build.run()).await.unwrap();
    assert_eq!(output.code, 0, "{output:?}");
    let called = std::fs::read_to_string(folder.path().join("called")).unwrap();
    assert!(called.contains("--target=wasm32-wasi\n") && called.contains("module.c\n"), "{called}");
    assert!(folder.path().join("mine/mine.wasm").is_file());

    let build = folder.arcllm(["module", "build", "mine"]).unwrap().env("WASI_SDK_PATH", "/nowhere");
    let output = soon(build.run()).await.unwrap();
    assert_eq!(output.code, 2, "{output:?}");
    assert!(output.stderr.contains("/nowhere/bin/clang") && output.stderr.contains("WASI_SDK_PATH"), "{output:?}");
}

#[tokio::test]
async fn a_project_in_go_has_an_import_path_that_go_takes_for_each_name() {
    // By `go help packages`, `std` and `cmd` are packages of Go itself, and `vendor` is a folder of others.
    for name in ["go", "std", "cmd", "vendor", "mine"] {
        let folder = Folder::new("").unwrap();
        let made = soon(folder.arcllm(["module", "new", name, "--lang", "go"]).unwrap().run()).await.unwrap();
        assert_eq!(made.code, 0, "{made:?}");
        let read = |file: &str| std::fs::read_to_string(folder.path().join(name).join(file)).unwrap();
        assert!(read("go.mod").starts_with(&format!("module {name}-module\n")), "{}", read("go.mod"));
        assert!(read("main.go").contains(&format!("\"{name}-module/bindings/wit_exports\"")), "{}", read("main.go"));
    }
}
