//! What other tools write and read.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use arcllm_registry::{Limits, PublicKey, Registry, Signature};

use super::docker::Docker;
use crate::{
    scene::soon,
    support::{Arcllm, built_in_module, root},
};

/// Runs a tool of `target/tools/bin`.
fn tool(docker: &Docker, name: &str, arguments: &[&str]) -> std::process::Output {
    let program: PathBuf = root().join("target/tools/bin").join(name);
    let mut command = Command::new(program);
    command.args(arguments).current_dir(docker.folder()).env("HOME", docker.folder()).stdin(Stdio::null());
    command
        .output()
        .unwrap_or_else(|error| panic!("target/tools/bin/{name}: {error}: `.ci/run` says how to install it"))
}

fn wkg(docker: &Docker, arguments: &[&str]) {
    let output = tool(docker, "wkg", &[&["oci"], arguments, &["--insecure", docker.address()]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
#[ignore = "needs docker-registry and wkg"]
async fn wkg_pulls_what_is_published_and_pushes_what_is_pulled() {
    let docker = Docker::start().await;
    let bytes = fs::read(built_in_module("retry")).unwrap();
    let reference = docker.publish("retry", "me/retry:1.0", &[]).await;
    let digest = reference.digest().unwrap();
    for version in [":1.0".to_owned(), format!("@{digest}")] {
        wkg(&docker, &["pull", &format!("{}/me/retry{version}", docker.address()), "--output", "theirs.wasm"]);
        assert_eq!(fs::read(docker.folder().join("theirs.wasm")).unwrap(), bytes);
        fs::remove_file(docker.folder().join("theirs.wasm")).unwrap();
    }

    let name = format!("{}/me/theirs:1.0", docker.address());
    let annotation = "org.opencontainers.image.version=3.2.1";
    let file = built_in_module("retry").display().to_string();
    wkg(&docker, &["push", &name, &file, "--annotation", annotation]);
    let registry = Registry::new(Limits::default()).unwrap();
    let found = soon(registry.look(&docker.reference("me/theirs:1.0"))).await.unwrap();
    assert_eq!(found.annotation("version"), Some("3.2.1"));
    let pulled = docker.folder().join("ours.wasm");
    soon(registry.pull(&found, &pulled, &mut |_, _| ())).await.unwrap();
    assert_eq!(fs::read(pulled).unwrap(), bytes);
}

#[tokio::test]
#[ignore = "needs docker-registry and the checker of tests/sigstore"]
async fn the_sigstore_crate_verifies_what_is_signed_and_signs_what_is_verified() {
    let docker = Docker::start().await;
    let (mine, _) = (docker.key("mine").await, docker.key("theirs").await);
    docker.publish("retry", "me/retry:1.0", &["--sign", &mine]).await;
    let image = format!("{}/me/retry:1.0", docker.address());
    let verify = |key: &str| tool(&docker, "arcllm-sigstore-check", &["verify", &image, key]);
    let output = verify("mine.pub");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!verify("theirs.pub").status.success());

    // And the other way round.
    let reference = docker.publish("fallback", "me/theirs:1.0", &[]).await;
    let image = format!("{}/me/theirs:1.0", docker.address());
    let output = tool(&docker, "arcllm-sigstore-check", &["sign", &image, &mine]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let pem = fs::read_to_string(docker.folder().join("mine.pub")).unwrap();
    let key = PublicKey::from_pem("mine.pub", &pem).unwrap();
    let registry = Registry::new(Limits::default()).unwrap();
    let found = soon(registry.signature(&reference, &reference.digest().unwrap(), &[key])).await.unwrap();
    assert!(matches!(found, Signature::Verified { .. }), "{found:?}");
}

#[tokio::test]
#[ignore = "needs openssl"]
async fn keys_of_openssl_sign_and_openssl_reads_ours() {
    let folder = tempfile::tempdir().unwrap();
    let openssl = |arguments: &str| {
        let run = Command::new("openssl").args(arguments.split(' ')).current_dir(folder.path()).output().unwrap();
        assert!(run.status.success(), "{arguments}: {}", String::from_utf8_lossy(&run.stderr));
    };
    openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out a.key");
    openssl("pkey -in a.key -pubout -out a.pub");
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    let key = arcllm_registry::SigningKey::from_pem("a.key", &read("a.key")).unwrap();
    let public = arcllm_registry::PublicKey::from_pem("a.key", &read("a.pub")).unwrap();
    assert_eq!(*key.public(), public);
    assert_eq!(public.to_pem(), read("a.pub"));

    // In its older form, too, as the shortest command of openssl writes it.
    openssl("ec -in a.key -out a.older");
    openssl("ecparam -name prime256v1 -genkey -out c.older");
    for (name, expected) in [("a.older", Some(&public)), ("c.older", None)] {
        assert!(read(name).contains("-----BEGIN EC PRIVATE KEY-----"));
        let key = arcllm_registry::SigningKey::from_pem("a.key", &read(name)).unwrap();
        assert!(expected.is_none_or(|expected| key.public() == expected));
    }
    openssl("ecparam -name secp384r1 -genkey -noout -out d.older");
    let error = arcllm_registry::SigningKey::from_pem("d.older", &read("d.older")).unwrap_err();
    assert!(error.to_string().contains("no key of ECDSA on P-256"), "{error}");

    let made = Arcllm::new(folder.path()).unwrap().arguments(["module", "key", "b.key"]).run().await.unwrap();
    assert_eq!(made.code, 0, "{}", made.stderr);
    openssl("pkey -in b.key -pubout -out b.theirs");
    assert_eq!(read("b.theirs"), read("b.pub"));
}
