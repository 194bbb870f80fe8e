//! `arcllm module publish`, to Debian's `docker-registry`.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use arcllm_registry::{Digest, Limits, Reference, Registry, RegistryError};
use serde_json::Value;

use super::{
    cut::{Fault, Line},
    docker::{Docker, at},
};
use crate::{
    authors::guide::commands,
    scene::soon,
    support::{ARCLLM, Output, built_in_module, root},
};

/// Pulls a module into the folder. Returns its bytes.
async fn pull(docker: &Docker, reference: &Reference) -> Result<Vec<u8>, RegistryError> {
    let registry = Registry::new(Limits::default()).unwrap();
    let file = docker.folder().join("pulled.wasm");
    let found = soon(registry.look(reference)).await?;
    soon(registry.pull(&found, &file, &mut |_, _| ())).await?;
    Ok(fs::read(file).unwrap())
}

fn bytes(module: &str) -> Vec<u8> {
    fs::read(built_in_module(module)).unwrap()
}

async fn publish(docker: &Docker, file: &str, reference: &Reference) -> Output {
    docker.arcllm(&["module", "publish", file, &reference.to_string()]).await
}

#[tokio::test]
#[ignore = "needs docker-registry"]
async fn what_is_published_is_pulled_with_what_the_module_says_of_itself() {
    let docker = Docker::start().await;
    let reference = docker.publish("retry", "me/retry:1.0", &[]).await;
    assert_eq!(pull(&docker, &docker.reference("me/retry:1.0")).await.unwrap(), bytes("retry"));
    assert_eq!(pull(&docker, &reference).await.unwrap(), bytes("retry"));
    let found = soon(Registry::new(Limits::default()).unwrap().look(&reference)).await.unwrap();
    assert_eq!(found.wasm_digest, Digest::of(&bytes("retry")));
    assert_eq!(found.annotation("title"), Some("retry"));
    assert_eq!(found.annotation("version"), Some(env!("CARGO_PKG_VERSION")));
    assert!(found.annotation("description").unwrap().contains("asks again"), "{found:?}");

    // The same file gives the same digest, today and tomorrow.
    assert_eq!(docker.publish("retry", "me/retry:1.0", &[]).await, reference);
    assert_eq!(docker.publish("retry", "other/place:2", &[]).await.digest(), reference.digest());
}

#[tokio::test]
#[ignore = "needs docker-registry"]
async fn the_command_says_what_it_did_and_what_others_do() {
    let docker = Docker::start().await;
    let file = built_in_module("retry").display().to_string();
    let reference = docker.reference("me/retry:1.0");
    let output = publish(&docker, &file, &reference).await;
    assert_eq!((output.code, output.stderr.as_str()), (0, ""));
    let digest = output.stdout.split('@').nth(1).unwrap().split_whitespace().next().unwrap();
    assert!(output.stdout.contains(&format!("arcllm module add {reference}@{digest}\n")), "{}", output.stdout);
    assert!(output.stdout.contains("signed     no; --sign KEY does"), "{}", output.stdout);

    // A tag that is moved is a warning: others may rely on it.
    let other = built_in_module("fallback").display().to_string();
    let output = publish(&docker, &other, &reference).await;
    assert_eq!(output.code, 0);
    assert!(output.stderr.contains(&format!("warning: the tag pointed to {digest} before")), "{}", output.stderr);
    let output = docker.arcllm(&["module", "publish", &file, &reference.to_string(), "--json"]).await;
    let published: Value = output.json().unwrap()["published"].clone();
    assert_eq!(published["manifest_digest"], digest);
    assert_ne!(published["replaced"], Value::Null);
    assert_eq!(published["sha256"], Digest::of(&bytes("retry")).hex());
}

#[tokio::test]
#[ignore = "needs docker-registry"]
async fn what_is_no_module_is_not_published() {
    let docker = Docker::start().await;
    let file = |name: &str, content: &[u8]| {
        let path = docker.folder().join(name);
        fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    let good = built_in_module("retry").display().to_string();
    let core = file("core.wasm", b"\0asm\x01\0\0\0");
    let here = docker.reference("me/x:1").to_string();
    let long = format!("{here}@{}", Digest::of(b""));
    for (file, reference, expected) in [
        (file("text.wasm", b"hello"), here.as_str(), "cannot be loaded"),
        (core, here.as_str(), "cannot be loaded"),
        ("nowhere.wasm".to_owned(), here.as_str(), "nowhere.wasm"),
        (good.clone(), "me/x:1", "oci://HOST"),
        (good.clone(), "oci://me/x:1", "no registry"),
        (good, long.as_str(), "published at a tag"),
    ] {
        let output = docker.arcllm(&["module", "publish", &file, reference]).await;
        assert_eq!(output.code, 2, "{file} {reference}: {}", output.stderr);
        assert!(output.stderr.contains(expected), "{file} {reference}: {}", output.stderr);
    }
    let looked = soon(Registry::new(Limits::default()).unwrap().look(&here.parse().unwrap())).await;
    assert!(matches!(looked, Err(RegistryError::NotFound { .. })), "nothing was sent");
}

#[tokio::test]
#[ignore = "needs docker-registry"]
async fn tampering_in_the_storage_is_caught() {
    let docker = Docker::start().await;
    let reference = docker.publish("retry", "me/retry:1.0", &[]).await;
    let blob = docker.stored(&Digest::of(&bytes("retry")));
    let mut content = fs::read(&blob).unwrap();
    let middle = content.len() / 2;
    content[middle] ^= 1;
    fs::write(&blob, content).unwrap();
    let error = pull(&docker, &docker.reference("me/retry:1.0")).await.unwrap_err();
    assert!(matches!(error, RegistryError::Changed { .. }), "{error}");
    assert!(!docker.folder().join("pulled.wasm").exists());
    assert!(!docker.folder().join("pulled.wasm.part").exists());

    let manifest = docker.stored(&reference.digest().unwrap());
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replace("0.1.0", "6.6.6")).unwrap();
    let error = pull(&docker, &reference).await.unwrap_err();
    assert!(matches!(error, RegistryError::Changed { .. } | RegistryError::Connection { .. }), "{error}");
}

#[tokio::test]
#[ignore = "needs docker-registry"]
async fn a_tag_that_moves_changes_nothing_for_those_who_have_looked() {
    let docker = Docker::start().await;
    let first = docker.publish("retry", "me/mine:1.0", &[]).await;
    let registry = Registry::new(Limits::default()).unwrap();
    let found = soon(registry.look(&docker.reference("me/mine:1.0"))).await.unwrap();
    let second = docker.publish("fallback", "me/mine:1.0", &[]).await;
    assert_ne!(first.digest(), second.digest());
    let file = docker.folder().join("mine.wasm");
    soon(registry.pull(&found, &file, &mut |_, _| ())).await.unwrap();
    assert_eq!(fs::read(&file).unwrap(), bytes("retry"));
    assert_eq!(pull(&docker, &first).await.unwrap(), bytes("retry"));
    assert_eq!(pull(&docker, &docker.reference("me/mine:1.0")).await.unwrap(), bytes("fallback"));
}

#[tokio::test]
#[ignore = "needs docker-registry"]
async fn lost_connections_cost_time_and_nothing_else() {
    let docker = Docker::start().await;
    let line = Line::to(docker.address(), Fault::CutUp(100_000, 2)).await;
    let file = built_in_module("retry").display().to_string();
    let output = publish(&docker, &file, &at(line.address(), "me/retry:1.0")).await;
    assert_eq!((output.code, line.hit()), (0, 2), "{}", output.stderr);
    assert_eq!(pull(&docker, &docker.reference("me/retry:1.0")).await.unwrap(), bytes("retry"));

    let line = Line::to(docker.address(), Fault::CutDown(100_000, 2)).await;
    assert_eq!(pull(&docker, &at(line.address(), "me/retry:1.0")).await.unwrap(), bytes("retry"));
    assert_eq!(line.hit(), 2);

    // One that always breaks is an error that says what to do, and leaves no tag.
    let line = Line::to(docker.address(), Fault::CutUp(100_000, 99)).await;
    let output =
        publish(&docker, &built_in_module("fallback").display().to_string(), &at(line.address(), "me/new:1.0")).await;
    assert_eq!(output.code, 1, "{}", output.stderr);
    assert!(output.stderr.contains("run this again"), "{}", output.stderr);
    let error = pull(&docker, &docker.reference("me/new:1.0")).await.unwrap_err();
    assert!(matches!(error, RegistryError::NotFound { .. }), "{error}");
}

#[tokio::test]
#[ignore = "needs docker-registry"]
async fn a_publish_that_is_killed_leaves_no_tag_and_can_be_done_again() {
    let docker = Docker::start().await;
    let line = Line::to(docker.address(), Fault::HangUp(100_000)).await;
    let file = built_in_module("retry").display().to_string();
    let reference = at(line.address(), "me/retry:1.0").to_string();
    let running = docker.command(&["module", "publish", &file, &reference]).start().unwrap();
    soon(async {
        while line.hit() == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
    drop(running);
    let error = pull(&docker, &docker.reference("me/retry:1.0")).await.unwrap_err();
    assert!(matches!(error, RegistryError::NotFound { .. }), "{error}");
    docker.publish("retry", "me/retry:1.0", &[]).await;
    assert_eq!(pull(&docker, &docker.reference("me/retry:1.0")).await.unwrap(), bytes("retry"));
}

#[tokio::test]
#[ignore = "needs docker-registry and openssl"]
async fn publishing_works_command_by_command() {
    let docker = Docker::start().await;
    fs::copy(built_in_module("retry"), docker.folder().join("mine.wasm")).unwrap();
    let guide = fs::read_to_string(root().join("docs/publishing.md")).unwrap();
    let commands = commands(&guide).replace("registry.example", docker.address());
    assert!(commands.contains("arcllm module publish"), "{commands}");
    let program = Path::new(ARCLLM).parent().unwrap().display().to_string();
    let path = format!("{program}:{}", std::env::var("PATH").unwrap());
    let mut shell = Command::new("bash");
    shell.args(["-euxo", "pipefail", "-c", &commands]).current_dir(docker.folder()).env("PATH", path);
    let output = shell.env("HOME", docker.folder()).stdin(Stdio::null()).output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stdout}\n{stderr}");
    assert!(stdout.contains("signed     by mine.key"), "{stdout}");
}

#[tokio::test]
#[ignore = "needs docker-registry"]
async fn what_is_larger_than_the_limit_is_not_pulled() {
    let docker = Docker::start().await;
    let reference = docker.publish("retry", "me/retry:1.0", &[]).await;
    let mut limits = Limits::default();
    limits.max_module_bytes = bytes("retry").len() as u64 - 1;
    let error = soon(Registry::new(limits).unwrap().look(&reference)).await.unwrap_err();
    assert!(matches!(error, RegistryError::TooLarge { .. }), "{error}");
    limits.max_module_bytes += 1;
    soon(Registry::new(limits).unwrap().look(&reference)).await.unwrap();
}
