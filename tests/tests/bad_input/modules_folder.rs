//! What lies in the modules directory and is no module: each is named with what it is, and nothing large is read.

use std::{fs, path::Path};

use crate::{
    bad_input::stage::GOOD,
    scene::soon,
    support::{Folder, Output},
};
use insta::assert_snapshot;

const ON: &str = "[host]\norder = [\"mine\"]\n[modules.mine]\nenabled = true\n";

/// As much as no machine can read.
const HUGE: u64 = 1 << 40;

fn folder(more: &str) -> Folder {
    let folder = Folder::new(&format!("{}\n{more}", GOOD.replace("URL", "http://127.0.0.1:9"))).unwrap().trusted();
    fs::create_dir(folder.path().join("modules")).unwrap();
    folder
}

async fn run(folder: &Folder, arguments: &[&str]) -> Output {
    soon(folder.arcllm(arguments).unwrap().run()).await.unwrap()
}

/// The errors of `invoke`, with a module that is on and these files, each made by its function.
async fn refused(make: impl FnOnce(&Path)) -> String {
    let folder = folder(ON);
    make(&folder.path().join("modules/mine.wasm"));
    let output = run(&folder, &["invoke", "Hi"]).await;
    assert_eq!((output.code, output.stdout.as_str()), (2, ""), "{output:?}");
    let checked = run(&folder, &["check"]).await;
    let first = output.stderr.lines().next().unwrap().trim_start_matches("error: ");
    assert!(checked.code == 2 && checked.stdout.contains(first), "{first}: {}", checked.stdout);
    let listed = run(&folder, &["modules"]).await;
    assert!(listed.code == 2 && listed.stdout.contains(first), "{first}: {}", listed.stdout);
    output.stderr
}

fn sparse(file: &Path, beginning: &[u8], length: u64) {
    fs::write(file, beginning).unwrap();
    fs::OpenOptions::new().write(true).open(file).unwrap().set_len(length).unwrap();
}

#[tokio::test]
async fn files_that_are_no_component() {
    assert_snapshot!(refused(|file| fs::write(file, "").unwrap()).await, @"
    error: modules/mine.wasm: is empty (the module `mine`)
      help: put a component there that is built for arcllm:llm@0.1.0
    ");
    assert_snapshot!(refused(|file| fs::write(file, "\0as").unwrap()).await, @"
    error: modules/mine.wasm: is not WebAssembly (the module `mine`)
      help: put a component there that is built for arcllm:llm@0.1.0
    ");
    assert_snapshot!(refused(|file| fs::create_dir(file).unwrap()).await, @"
    error: modules/mine.wasm: is a folder, not a file (the module `mine`)
      help: put the file of a component in its place
    ");
    assert_snapshot!(refused(|file| sparse(file, b"", HUGE)).await, @"
    error: modules/mine.wasm: is not WebAssembly (the module `mine`)
      help: put a component there that is built for arcllm:llm@0.1.0
    ");
    assert_snapshot!(refused(|file| sparse(file, b"\0asm\x0d\0\x01\0", HUGE)).await, @"
    error: modules/mine.wasm: has 1048576 MB, more than the 64 MB that a module may have (the module `mine`)
      help: if it is a module, build it without debug information, or set host.max_module_mb to 1048576 or more
    ");
}

#[cfg(unix)]
#[tokio::test]
async fn things_that_are_no_files() {
    use std::os::unix::{fs::symlink, net::UnixListener};
    let fifo = |file: &Path| assert!(std::process::Command::new("mkfifo").arg(file).status().unwrap().success());
    assert_snapshot!(refused(fifo).await, @"
    error: modules/mine.wasm: is a named pipe, not a file (the module `mine`)
      help: put the file of a component in its place
    ");
    assert_snapshot!(refused(|file| drop(UnixListener::bind(file).unwrap())).await, @"
    error: modules/mine.wasm: is a socket, not a file (the module `mine`)
      help: put the file of a component in its place
    ");
    assert_snapshot!(refused(|file| symlink("/dev/zero", file).unwrap()).await, @"
    error: modules/mine.wasm: is a device, not a file (the module `mine`)
      help: put the file of a component in its place
    ");
    assert_snapshot!(refused(|file| symlink("nowhere/mine.wasm", file).unwrap()).await, @"
    error: modules/mine.wasm: is a link to nowhere/mine.wasm, which does not exist (the module `mine`)
      help: put the file of a component in its place
    ");
    assert_snapshot!(refused(|file| symlink("mine.wasm", file).unwrap()).await, @"
    error: modules/mine.wasm: is a link to mine.wasm, which leads back to itself (the module `mine`)
      help: put the file of a component in its place
    ");
}

#[tokio::test]
async fn the_largest_file_is_a_setting() {
    let of = async |megabytes: &str| {
        let folder = folder(&ON.replace("[host]", &format!("[host]\nmax_module_mb = {megabytes}")));
        sparse(&folder.path().join("modules/mine.wasm"), b"\0asm\x0d\0\x01\0", (2 << 20) + 1);
        run(&folder, &["invoke", "Hi"]).await.stderr
    };
    assert_snapshot!(of("2").await, @"
    error: modules/mine.wasm: has 3 MB, more than the 2 MB that a module may have (the module `mine`)
      help: if it is a module, build it without debug information, or set host.max_module_mb to 3 or more
    ");
    assert!(of("3").await.contains("is not a valid component"));
    for wrong in ["0", "-1", "1.5", "\"64\"", "99999999999999999"] {
        let said = of(wrong).await;
        assert!(said.contains(":10: `host.max_module_mb` is ") || said.contains("is not TOML"), "{said}");
    }
}

/// A module that is off, or that nobody has configured, is a warning.
#[cfg(unix)]
#[tokio::test]
async fn what_nobody_uses_is_named_too() {
    let folder = folder("");
    let modules = folder.path().join("modules");
    for name in
        [".hidden.wasm", "my module.wasm", "x.WASM", "überall.wasm", "\u{1b}[31m.wasm", "notes.txt", "a.wasm.bak"]
    {
        fs::write(modules.join(name), "\0asm").unwrap();
    }
    fs::create_dir(modules.join("folder.wasm")).unwrap();
    fs::create_dir(modules.join("sources")).unwrap();
    sparse(&modules.join("huge.wasm"), b"\0asm\x0d\0\x01\0", HUGE);
    std::os::unix::fs::symlink("gone.wasm", modules.join("link.wasm")).unwrap();
    let checked = run(&folder, &["check"]).await;
    assert_eq!(checked.code, 0, "{checked:?}");
    let warnings: Vec<_> = checked.stdout.lines().filter(|line| !line.contains("models.\"m\"")).skip(6).collect();
    assert_snapshot!(warnings.join("\n"), @r#"
    warning     modules/folder.wasm: is a folder, not a file (the module `folder`)
                help: put the file of a component in its place
    warning     modules/huge.wasm: has 1048576 MB, more than the 64 MB that a module may have (the module `huge`)
                help: if it is a module, build it without debug information, or set host.max_module_mb to 1048576 or more
    warning     modules/link.wasm: is a link to gone.wasm, which does not exist (the module `link`)
                help: put the file of a component in its place
    warning     modules/\u{1b}[31m.wasm: is no module: "\u{1b}[31m" is not a name, which has letters, digits, `-` and `_`
                help: rename it if it is a module, for example to 31m.wasm
    warning     modules/.hidden.wasm: is no module: ".hidden" is not a name, which has letters, digits, `-` and `_`
                help: rename it if it is a module, for example to hidden.wasm
    warning     modules/my module.wasm: is no module: "my module" is not a name, which has letters, digits, `-` and `_`
                help: rename it if it is a module, for example to my-module.wasm
    warning     modules/x.WASM: is no module: its name ends in `.WASM`
                help: rename it if it is a module, for example to x.wasm
    warning     modules/überall.wasm: is no module: "überall" is not a name, which has letters, digits, `-` and `_`
                help: rename it if it is a module, for example to berall.wasm
                help: without them, limits and prices are unknown
    "#);
    let listed = run(&folder, &["modules"]).await;
    for name in ["folder.wasm", "huge.wasm", "link.wasm", ".hidden.wasm", "my module.wasm", "x.WASM", "überall.wasm"] {
        assert!(listed.stdout.contains(&format!("modules/{name}: ")), "{name}: {}", listed.stdout);
    }
    let json = run(&folder, &["modules", "--json"]).await.json().unwrap();
    assert_eq!(json["warnings"].as_array().unwrap().len(), 5, "{json}");
}

/// Config may name a file as it likes.
#[tokio::test]
async fn a_file_that_config_names_may_have_any_name() {
    let folder = folder(&format!("{ON}sandbox.wasm = \"my module.WASM\"\nsandbox.allow = [\"state\"]\n"));
    folder.write("modules/my module.WASM", arcllm_builtin::find("retry").unwrap().wasm).unwrap();
    let checked = run(&folder, &["check"]).await;
    assert!(checked.code == 0 && !checked.stdout.contains("my module"), "{checked:?}");
}

#[tokio::test]
async fn a_modules_directory_that_cannot_be_read() {
    let folder = folder("[host]\nmodules_dir = \"elsewhere\"\n");
    let said = async || run(&folder, &["check"]).await.stdout;
    assert!(said().await.contains("config.toml:10: `host.modules_dir` is elsewhere, which cannot be read: "));
    folder.write("elsewhere", "a file").unwrap();
    assert!(said().await.contains("config.toml:10: `host.modules_dir` is elsewhere, which cannot be read: "));
}

#[tokio::test]
async fn a_new_project_with_the_name_of_a_built_in_module() {
    let folder = Folder::new("").unwrap();
    for (name, is_warned) in [("retry", true), ("chaos", true), ("retry-again", false)] {
        let output = run(&folder, &["module", "new", name, "--lang", "python"]).await;
        assert_eq!((output.code, output.stdout.contains("warning: ")), (0, is_warned), "{output:?}");
    }
    let output = run(&folder, &["module", "new", "retry", "--lang", "python", "--directory", "again"]).await;
    let warning: Vec<_> = output.stdout.lines().skip_while(|line| !line.starts_with("warning")).take(2).collect();
    assert_snapshot!(warning.join("\n"), @r#"
    warning: `retry` is the name of a built-in module, so a host ignores retry.wasm
      help: choose another name; or set wasm = "retry.wasm" under [modules.retry.sandbox], and your module takes the place of the built-in one
    "#);
}
