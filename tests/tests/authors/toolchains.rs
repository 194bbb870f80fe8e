//! New projects, built with the toolchains of their languages: `cargo test --workspace --test all -- --ignored
//! toolchains`.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use arcllm::{Host, Message, Overrides};
use arcllm_conformance::kit::{self, Scenarios};
use arcllm_simulator::Format;
use serde_json::Map;

use crate::{
    scene::replies,
    support::{Chain, Folder},
};

/// A new project in this language, built by `arcllm module build`.
async fn built(language: &str) -> (Folder, PathBuf) {
    let folder = Folder::new("").unwrap();
    let project = folder.path().join("built");
    let made = folder.arcllm(["module", "new", "built", "--lang", language]).unwrap().run().await.unwrap();
    assert_eq!(made.code, 0, "{}", made.stderr);
    let mut build = folder.arcllm(["module", "build", "built"]).unwrap();
    // The machine says where packages come from.
    for (name, value) in env::vars().filter(|(name, _)| name != "XDG_CACHE_HOME") {
        build = build.env(&name, &value);
    }
    let cache = folder.path().join("npm");
    let output = build.env("npm_config_cache", cache.to_str().unwrap()).run().await.unwrap();
    assert_eq!(output.code, 0, "{}", output.stderr);
    (folder, project)
}

/// Runs the tests of the project.
fn passes(project: &Path, program: &str, arguments: &[&str]) {
    let command = Command::new(program).args(arguments).current_dir(project).stdin(Stdio::null()).output().unwrap();
    assert!(command.status.success(), "{}", String::from_utf8_lossy(&command.stderr));
}

/// Checks the component against the contract and the scenarios of the project.
async fn conforms(project: PathBuf) {
    let text = std::fs::read_to_string(project.join("scenarios.toml")).unwrap();
    let mut scenarios = kit::bundled().unwrap();
    scenarios.extend(toml::from_str::<Scenarios>(&text).unwrap().scenarios);
    let testing = move || kit::test(&project.join("built.wasm"), &Map::new(), &scenarios).unwrap();
    let report = tokio::task::spawn_blocking(testing).await.unwrap();
    assert_eq!(report.kind, "transformer");
    assert_eq!(report.counts().1, 0, "{report:#?}");
    assert!(report.checks.iter().any(|check| check.name == "a forbidden word is refused, and nobody is asked"));
}

/// Many calls and large ones do not use up the memory and the handles of an instance.
async fn lasts(project: &Path) {
    let provider = replies([]).await;
    let chain = Chain::new().provider("a", Format::OpenAi, &provider.url()).host("order = [\"built\"]");
    let folder = chain.module("built", "").folder().unwrap();
    folder.write("modules/built.wasm", std::fs::read(project.join("built.wasm")).unwrap()).unwrap();
    let model = folder.host().unwrap().load_model("a", Overrides::new()).await.unwrap();
    for call in 0..2000 {
        let refused = model.invoke(&[Message::user("my password")], &[]).await;
        refused.unwrap_or_else(|error| panic!("refusal {call}: {error}"));
    }
    for size in [4 << 20, 1 << 20, 100 << 10] {
        for call in 0..20 {
            let said = Message::user("a".repeat(size));
            model.invoke(&[said], &[]).await.unwrap_or_else(|error| panic!("{call} of {size} bytes: {error}"));
        }
    }
}

/// Its toolchain asks for more than the module needs: it does not get that, and `inspect` says so.
async fn asks_in_vain(project: &Path) {
    let report = Host::inspect(&project.join("built.wasm")).await.unwrap();
    assert_eq!((report.problem, report.asks_for), (None, Vec::new()));
    for what in ["files", "network connections", "the environment"] {
        assert!(report.asks_in_vain.iter().any(|asked| asked == what), "{what}: {:?}", report.asks_in_vain);
    }
}

#[tokio::test]
#[ignore = "downloads crates and needs a wasm target"]
async fn rust() {
    let (_folder, project) = built("rust").await;
    passes(&project, "cargo", &["test", "--quiet"]);
    conforms(project).await;
}

#[tokio::test]
#[ignore = "downloads componentize-py from PyPI"]
async fn python() {
    let (_folder, project) = built("python").await;
    passes(&project, "python3", &["-m", "unittest"]);
    asks_in_vain(&project).await;
    lasts(&project).await;
    conforms(project).await;
}

#[tokio::test]
#[ignore = "downloads componentize-js from npm"]
async fn javascript() {
    let (_folder, project) = built("javascript").await;
    passes(&project, "npm", &["test"]);
    lasts(&project).await;
    conforms(project).await;
}
