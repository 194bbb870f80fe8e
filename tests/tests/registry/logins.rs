//! Logins, as docker keeps them.

use std::fs;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;

use super::{
    docker::{ALICE, Docker},
    stranger::{Stranger, answer, layer, manifest, with},
};
use crate::support::{Arcllm, Output, built_in_module};

/// Publishes with what docker would have in its folder.
async fn publish(folder: &std::path::Path, address: &str, more: &[&str]) -> Output {
    let file = built_in_module("retry").display().to_string();
    let reference = format!("oci://{address}/me/retry:1.0");
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let command = Arcllm::new(folder).unwrap().arguments(["module", "publish", &file, &reference]).arguments(more);
    command.env("DOCKER_CONFIG", &folder.display().to_string()).env("PATH", &path).run().await.unwrap()
}

fn basic(name: &str, password: &str) -> String {
    STANDARD.encode(format!("{name}:{password}"))
}

#[tokio::test]
#[ignore = "needs docker-registry"]
async fn a_registry_lets_in_whom_docker_would_log_in() {
    let docker = Docker::with_logins().await;
    let (name, password) = ALICE;
    let config = docker.folder().join("config.json");

    let output = publish(docker.folder(), docker.address(), &[]).await;
    assert_eq!(output.code, 1);
    assert!(output.stderr.contains(&format!("docker login {}", docker.address())), "{}", output.stderr);

    fs::write(&config, json!({ "auths": { docker.address(): { "auth": basic(name, "wrong-word") } } }).to_string())
        .unwrap();
    let output = publish(docker.folder(), docker.address(), &[]).await;
    assert_eq!(output.code, 1);
    assert!(output.stderr.contains("access was refused"), "{}", output.stderr);
    assert!(!output.stderr.contains("wrong-word") && !output.stderr.contains(&basic(name, "wrong-word")));

    fs::write(&config, json!({ "auths": { docker.address(): { "auth": basic(name, password) } } }).to_string())
        .unwrap();
    let output = publish(docker.folder(), docker.address(), &[]).await;
    assert_eq!(output.code, 0, "{}", output.stderr);
}

#[cfg(unix)]
#[tokio::test]
#[ignore = "needs docker-registry"]
async fn credential_helpers_are_asked_and_what_they_print_is_never_shown() {
    use std::os::unix::fs::PermissionsExt as _;
    let docker = Docker::with_logins().await;
    let (name, password) = ALICE;
    let helper = docker.folder().join("docker-credential-mine");
    let config = docker.folder().join("config.json");
    fs::write(&config, json!({ "credHelpers": { docker.address(): "mine" } }).to_string()).unwrap();
    let set = |script: &str| {
        fs::write(&helper, format!("#!/bin/sh\ncat > asked\n{script}\n")).unwrap();
        fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).unwrap();
    };

    set(&format!("echo '{{\"Username\": \"{name}\", \"Secret\": \"{password}\"}}'"));
    let output = publish(docker.folder(), docker.address(), &[]).await;
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert_eq!(fs::read_to_string(docker.folder().join("asked")).unwrap(), docker.address());

    set(&format!("echo {password}; echo {password} >&2; exit 1"));
    let output = publish(docker.folder(), docker.address(), &[]).await;
    assert_eq!(output.code, 1);
    assert!(output.stderr.contains("`docker-credential-mine` failed"), "{}", output.stderr);
    assert!(!output.stderr.contains(password), "{}", output.stderr);

    set("echo 'credentials not found in native keychain'; exit 1");
    let output = publish(docker.folder(), docker.address(), &[]).await;
    assert!(output.stderr.contains("access was refused"), "{}", output.stderr);

    fs::write(&config, "{ \"auths\": [").unwrap();
    let output = publish(docker.folder(), docker.address(), &[]).await;
    assert!(output.stderr.contains("its login cannot be read"), "{}", output.stderr);
}

/// A registry that gives content by token, from a server that wants the login.
async fn with_tokens(elsewhere: &str, echo: bool) -> Stranger {
    let elsewhere = elsewhere.to_owned();
    Stranger::start_with(|address| {
        let challenge = format!("Bearer realm=\"http://{address}/token?x=1\",service=\"the registry\"");
        move |asked| {
            let login = asked.header("authorization").unwrap_or_default().to_owned();
            if asked.path == "/token" {
                return answer(200, json!({ "token": "the-token-itself" }).to_string());
            }
            if login != "Bearer the-token-itself" {
                return with(401, &[("www-authenticate", &challenge)], "");
            }
            if echo {
                let said = format!("you said {login}");
                return answer(403, json!({ "errors": [{ "code": "DENIED", "message": said }] }).to_string());
            }
            match (asked.method.as_str(), asked.path.contains("/manifests/"), asked.path.ends_with(".sig")) {
                // There is a signature, whose statement is elsewhere.
                ("GET", true, true) => {
                    let mut layer = layer("application/vnd.dev.cosign.simplesigning.v1+json", b"statement");
                    layer["annotations"] = json!({ "dev.cosignproject.cosign/signature": "AAAA" });
                    answer(200, manifest(&[layer]).to_string())
                }
                ("GET", false, _) => with(307, &[("location", &format!("{elsewhere}/statement"))], ""),
                ("GET", true, false) => answer(404, ""),
                ("HEAD", ..) => answer(404, ""),
                ("POST", ..) => with(202, &[("location", &format!("{elsewhere}/upload?state=1"))], ""),
                _ => answer(201, ""),
            }
        }
    })
    .await
}

fn logged_in(address: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let config = json!({ "auths": { address: { "auth": basic("alice", "s3cret-word") } } });
    fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    folder
}

#[tokio::test]
async fn a_login_goes_to_the_token_server_and_a_token_to_the_registry_alone() {
    let other = Stranger::start(|asked| match asked.path.as_str() {
        "/statement" => answer(200, "statement"),
        _ => answer(201, ""),
    })
    .await;
    let elsewhere = format!("http://{}", other.address());
    let stranger = with_tokens(&elsewhere, false).await;
    let folder = logged_in(stranger.address());
    let key = folder.path().join("mine.key").display().to_string();
    let made = Arcllm::new(folder.path()).unwrap().arguments(["module", "key", &key]).run().await.unwrap();
    assert_eq!(made.code, 0, "{}", made.stderr);
    let output = publish(folder.path(), stranger.address(), &["--sign", &key]).await;
    assert_eq!(output.code, 0, "{}", output.stderr);

    let asked = other.asked();
    assert!(asked.iter().any(|asked| asked.path == "/statement"), "{asked:?}");
    assert!(
        asked.iter().any(|asked| asked.path == "/upload" && asked.query.contains("state=1&digest=sha256")),
        "{asked:?}"
    );
    for asked in asked {
        assert_eq!(asked.header("authorization"), None, "{asked:?}");
    }
    let login = format!("Basic {}", basic("alice", "s3cret-word"));
    for asked in stranger.asked() {
        match asked.path.as_str() {
            "/token" => {
                assert_eq!(asked.header("authorization"), Some(login.as_str()));
                assert!(asked.query.starts_with("x=1&scope=repository%3Ame%2Fretry%3Apull"), "{}", asked.query);
                assert!(asked.query.ends_with("service=the+registry"), "{}", asked.query);
            }
            _ => {
                assert!(asked.header("authorization").is_none_or(|sent| sent == "Bearer the-token-itself"), "{asked:?}")
            }
        }
    }
}

#[tokio::test]
async fn a_registry_that_repeats_a_login_does_not_get_it_into_an_error() {
    let stranger = with_tokens("http://127.0.0.1:1", true).await;
    let folder = logged_in(stranger.address());
    let output = publish(folder.path(), stranger.address(), &[]).await;
    assert_eq!(output.code, 1);
    assert!(output.stderr.contains("access was refused"), "{}", output.stderr);
    for secret in ["the-token-itself", "s3cret-word", &basic("alice", "s3cret-word")] {
        assert!(!output.stderr.contains(secret), "{}", output.stderr);
    }
}
