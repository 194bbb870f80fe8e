//! From a project to a signed module in production, and what may go wrong on the way.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use arcllm_registry::{Digest, Reference};
use arcllm_simulator::{Format, Reply, Simulator};
use serde_json::{Value, json};

use super::{
    cut::{Fault, Line},
    docker::{Docker, at},
};
use crate::{
    scene::{replies, soon},
    serve::gateway::Gateway,
    support::{ARCLLM, Chain, Folder, Output, built_in_module},
};

/// What the module of a new project says to a forbidden word.
const REFUSAL: &str = "I cannot help with that.";

/// An operator with a configuration that trusts one key and wants signatures, and a publisher with that key.
struct Walk {
    docker: Docker,
    operator: Folder,
    /// The private key that is trusted.
    key: String,
    _provider: Simulator,
}

impl Walk {
    async fn start() -> Self {
        let docker = Docker::start().await;
        let key = docker.key("mine").await;
        let provider = replies((0..99).map(|_| Reply::text("the model's answer"))).await;
        let chain = Chain::new().provider("a", Format::OpenAi, &provider.url());
        let trust = "keys = [\"mine.pub\"]\nrequire_signature = true";
        let operator = chain.table("trust", trust).folder().unwrap().trusted();
        operator.write("mine.pub", fs::read(docker.folder().join("mine.pub")).unwrap()).unwrap();
        Self { docker, operator, key, _provider: provider }
    }

    /// Runs a command of the operator.
    async fn run(&self, arguments: &[&str]) -> Output {
        soon(self.operator.arcllm(arguments).unwrap().run()).await.unwrap()
    }

    /// Runs one that must succeed.
    async fn does(&self, arguments: &[&str]) -> Output {
        let output = self.run(arguments).await;
        assert_eq!(output.code, 0, "{arguments:?}: {}{}", output.stdout, output.stderr);
        output
    }

    /// Runs one that must fail with this text, and changes neither configuration nor lock.
    async fn refuses(&self, arguments: &[&str], expected: &str) {
        let before = self.written();
        let output = self.run(arguments).await;
        assert_ne!(output.code, 0, "{arguments:?}: {}", output.stdout);
        assert!(output.stderr.contains(expected), "{arguments:?}: {}", output.stderr);
        assert_eq!(self.written(), before, "{arguments:?}");
    }

    fn written(&self) -> [Option<String>; 2] {
        ["config.toml", "arcllm.lock"].map(|name| fs::read_to_string(self.operator.path().join(name)).ok())
    }

    /// What the operator's chain says to a forbidden word.
    async fn answer(&self) -> String {
        self.does(&["invoke", "--provider", "a", "my password"]).await.stdout.trim().to_owned()
    }

    /// Publishes a file, signed with this key or not at all.
    async fn publish(&self, file: &str, name: &str, key: Option<&str>) -> Reference {
        let reference = self.docker.reference(name).to_string();
        let sign: &[&str] = &key.map_or_else(Vec::new, |key| vec!["--sign", key]);
        let output = self.docker.arcllm(&[&["module", "publish", file, &reference, "--json"], sign].concat()).await;
        assert_eq!(output.code, 0, "{}", output.stderr);
        output.json().unwrap()["published"]["reference"].as_str().unwrap().parse().unwrap()
    }

    async fn publish_built_in(&self, module: &str, name: &str) -> Reference {
        let file = built_in_module(module).display().to_string();
        self.publish(&file, name, Some(&self.key)).await
    }

    /// Where the operator's modules from registries lie.
    fn store(&self) -> PathBuf {
        self.operator.path().join(".local/share/arcllm/modules")
    }
}

/// A new project in Rust, built. Returns the file of its component.
async fn built(folder: &Folder) -> String {
    let made = folder.arcllm(["module", "new", "mine", "--lang", "rust"]).unwrap().run().await.unwrap();
    assert_eq!(made.code, 0, "{}", made.stderr);
    // It may take minutes, and the machine says where packages come from.
    let mut build = Command::new(ARCLLM);
    build.args(["module", "build", "mine"]).current_dir(folder.path()).env_remove("ARCLLM_CONFIG").stdin(Stdio::null());
    let output = build.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    folder.path().join("mine/mine.wasm").display().to_string()
}

#[tokio::test]
#[ignore = "needs docker-registry, and packages from the network"]
async fn from_a_project_to_production_and_back() {
    let walk = Walk::start().await;
    let project = Folder::new("").unwrap();
    let file = built(&project).await;

    // Published without a signature, it is not taken. With one, it is.
    let first = walk.publish(&file, "me/mine:1.0", None).await;
    walk.refuses(&["module", "add", &first.to_string(), "--enable", "--yes"], "not signed").await;
    assert_eq!(walk.publish(&file, "me/mine:1.0", Some(&walk.key)).await, first);
    let tag = walk.docker.reference("me/mine:1.0").to_string();
    let added = walk.does(&["module", "add", &tag, "--enable", "--yes"]).await;
    assert!(added.stdout.contains(&first.to_string()), "{}", added.stdout);
    let listed = walk.does(&["module", "list"]).await.stdout;
    assert!(listed.contains("verified") && listed.contains("mine.pub"), "{listed}");
    assert_eq!(walk.answer().await, REFUSAL);
    let walk = served(walk).await;

    // A version that wants more is not taken unless that is granted.
    let second = walk.publish_built_in("retry", "me/mine:2.0").await;
    walk.refuses(&["module", "update", "mine", "--to", "2.0", "--yes"], "--allow state").await;
    walk.does(&["module", "update", "mine", "--to", "2.0", "--allow", "state", "--yes"]).await;
    assert!(fs::read_to_string(walk.operator.path().join("arcllm.lock")).unwrap().contains(&second.to_string()));
    walk.does(&["module", "verify", "--online"]).await;
    assert_eq!(walk.answer().await, "the model's answer");

    // And back.
    walk.does(&["module", "update", "mine", "--to", &first.to_string(), "--yes"]).await;
    walk.does(&["module", "verify"]).await;
    assert_eq!(walk.answer().await, REFUSAL);
}

/// Serves the configuration and asks.
async fn served(walk: Walk) -> Walk {
    let Walk { docker, operator, key, _provider } = walk;
    let gateway = Gateway::of(operator, &[]).await;
    let asked = json!({ "model": "a", "messages": [{ "role": "user", "content": "my password" }] });
    let answer = gateway.post("/v1/chat/completions", &asked).await;
    assert_eq!(answer.json()["choices"][0]["message"]["refusal"], REFUSAL, "{}", answer.body);
    let Gateway { folder, running, .. } = gateway;
    drop(running);
    Walk { docker, operator: folder, key, _provider }
}

#[tokio::test]
#[ignore = "needs docker-registry"]
async fn what_goes_wrong_on_the_way_is_caught_and_changes_nothing() {
    let walk = Walk::start().await;
    let first = walk.publish_built_in("redact", "me/mine:1.0").await;
    walk.does(&["module", "add", &first.to_string(), "--yes"]).await;

    // A layer that was tampered with in the registry.
    walk.publish_built_in("chaos", "me/mine:2.0").await;
    let bytes = fs::read(built_in_module("chaos")).unwrap();
    let blob = walk.docker.stored(&Digest::of(&bytes));
    fs::write(&blob, [&bytes[..bytes.len() - 1], b"x"].concat()).unwrap();
    walk.refuses(&["module", "update", "mine", "--to", "2.0", "--yes"], "the content was changed").await;

    // A signature of somebody else.
    let other = walk.docker.key("theirs").await;
    let file = built_in_module("telemetry").display().to_string();
    walk.publish(&file, "me/mine:3.0", Some(&other)).await;
    walk.refuses(&["module", "update", "mine", "--to", "3.0", "--yes"], "another key").await;

    // A tag that was moved. What was added stays what it is.
    let moved = walk.publish_built_in("circuit-breaker", "me/mine:1.0").await;
    assert_ne!(moved.digest(), first.digest());
    let before = walk.written();
    walk.does(&["module", "verify"]).await;
    let verified = walk.run(&["module", "verify", "--online"]).await;
    let digest = moved.digest().unwrap().to_string();
    assert!(verified.stdout.contains(&digest[..19]), "{}{}", verified.stdout, verified.stderr);
    assert_eq!(walk.written(), before);

    // A registry that is not there is not needed.
    let registry = walk.docker.address().to_owned();
    drop(walk.docker);
    let listed = walk.operator.arcllm(["module", "verify"]).unwrap().run().await.unwrap();
    assert_eq!(listed.code, 0, "{registry}: {}", listed.stderr);
}

#[tokio::test]
#[ignore = "needs docker-registry"]
async fn lost_connections_and_killed_commands_leave_what_was() {
    let walk = Walk::start().await;
    let reference = walk.publish_built_in("retry", "me/mine:1.0").await;
    let digest = reference.digest().unwrap();

    // A line that always breaks.
    let line = Line::to(walk.docker.address(), Fault::CutDown(50_000, 99)).await;
    let broken = at(line.address(), &format!("me/mine:1.0@{digest}")).to_string();
    let output = walk.does(&["module", "add", &broken, "--name", "cut", "--allow", "state", "--yes"]).await;
    assert!(output.stdout.contains("added cut"), "it goes on after each break: {}", output.stdout);
    walk.does(&["module", "remove", "cut"]).await;
    fs::remove_dir_all(walk.store()).unwrap();

    // A command that is killed while it pulls.
    let line = Line::to(walk.docker.address(), Fault::HangDown(100_000)).await;
    let hangs = at(line.address(), &format!("me/mine:1.0@{digest}")).to_string();
    let before = walk.written();
    let add = ["module", "add", &hangs, "--allow", "state", "--yes"];
    let running = walk.operator.arcllm(add).unwrap().start().unwrap();
    soon(async {
        while line.hit() == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
    drop(running);
    assert_eq!(walk.written(), before);
    let left: Vec<_> = fs::read_dir(walk.store()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(left.iter().all(|path| path.extension().is_some_and(|ending| ending == "part")), "{left:?}");

    walk.does(&["module", "add", &reference.to_string(), "--allow", "state", "--yes"]).await;
    let verified = walk.does(&["module", "verify", "--json"]).await;
    assert_eq!(verified.json().unwrap()["ok"], Value::Bool(true), "{}", verified.stdout);
}
