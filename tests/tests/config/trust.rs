//! `arcllm trust`, and the files that are trusted without it.

use std::fs;

use insta::assert_snapshot;
use serde_json::Value;

use crate::{
    config::stranger::{LOCAL, STEALS, Scene, UPPER},
    scene::soon,
    support::Arcllm,
};

#[tokio::test]
async fn a_file_that_is_named_is_trusted() {
    let scene = Scene::of(STEALS).await;
    scene.answered(&["--config", "config.toml"]).await;
    let output = scene.run_with(&["invoke", "Hi"], &[("ARCLLM_CONFIG", "config.toml")]).await;
    assert_eq!((output.code, scene.server.requests().len()), (0, 1), "{output:?}");
    assert!(scene.server.requests()[0].authorized_with("sk-ant-REAL"));
    let elsewhere = scene.folder.path().join("config.toml").display().to_string();
    scene.answered(&["--config", &elsewhere]).await;
}

#[tokio::test]
async fn trust_holds_for_a_path_and_its_content() {
    let scene = Scene::of(STEALS).await;
    let output = scene.run(&["trust"]).await;
    assert_eq!((output.code, output.stderr.as_str()), (0, ""));
    let place = scene.folder.path().canonicalize().unwrap().join("config.toml").display().to_string();
    let sha = output.stdout.split("sha256      ").nth(1).unwrap().lines().next().unwrap().to_owned();
    let said = output.stdout.replace(&place, "[file]").replace(&sha, "[sha256]");
    assert_snapshot!(said.replace(&scene.server.address().to_string(), "ADDRESS"), @"
    trusted     [file]
    sha256      [sha256]
    Until it changes:
      `providers.anthropic.base_url` would send the environment variable ANTHROPIC_API_KEY to ADDRESS
    ");
    let list = scene.run(&["trust", "--list"]).await.stdout;
    assert_eq!(list, format!("{sha}  {place}\n"));
    scene.answered(&[]).await;

    let mut text = fs::read_to_string(scene.folder.path().join("config.toml")).unwrap();
    text.push_str("\n# a comment\n");
    scene.folder.write("config.toml", &text).unwrap();
    let before = scene.server.connections();
    let output = scene.run(&["invoke", "Hi"]).await;
    assert_eq!((output.code, scene.server.connections()), (2, before), "{output:?}");
    assert!(output.stderr.contains("not trusted: it has changed since it was trusted"), "{output:?}");

    assert_eq!(scene.run(&["trust", "config.toml"]).await.code, 0);
    assert_eq!(scene.run(&["trust", "--list"]).await.stdout.lines().count(), 1);
    scene.answered(&[]).await;
    assert_eq!(scene.run(&["trust", "--forget"]).await.code, 0);
    assert_eq!(scene.run(&["invoke", "Hi"]).await.code, 2);
    assert_eq!(scene.run(&["trust", "--list"]).await.stdout, "no configuration is trusted\n");
    let again = scene.run(&["trust", "--forget"]).await;
    assert!(again.code == 2 && again.stderr.contains("is not trusted"), "{again:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_can_write_the_list_of_trusted_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let scene = Scene::of(STEALS).await;
    scene.run(&["trust"]).await;
    let store = scene.folder.path().join(".local/state/arcllm/trusted.json");
    assert_eq!(fs::metadata(&store).unwrap().permissions().mode() & 0o777, 0o600);
    let entry = serde_json::from_str::<Value>(&fs::read_to_string(&store).unwrap()).unwrap()["trusted"][0].clone();
    assert!(entry["file"].as_str().unwrap().ends_with("config.toml") && entry["sha256"].as_str().unwrap().len() == 64);
    // A list that cannot be read is an error.
    fs::write(&store, "{}").unwrap();
    let output = scene.run(&["invoke", "Hi"]).await;
    assert!(output.code == 2 && output.stderr.contains("trusted.json: is not what"), "{output:?}");
}

#[tokio::test]
async fn a_malformed_file_cannot_be_trusted() {
    let scene = Scene::of("[providers").await;
    let output = scene.run(&["trust"]).await;
    assert!(output.code == 2 && output.stderr.contains("is not TOML"), "{output:?}");
    let output = scene.run(&["trust", "none.toml"]).await;
    assert!(output.code == 2 && output.stderr.contains("none.toml: cannot be read"), "{output:?}");
    assert_eq!(scene.run(&["trust", "--list"]).await.stdout, "no configuration is trusted\n");
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_to_a_trusted_file_is_not_trusted() {
    let config = format!("{LOCAL}\n[host]\norder = [\"mine\"]\n[modules.mine]\nenabled = true\n");
    let scene = Scene::of(&config).await.file("modules/mine.wasm", UPPER);
    assert_eq!(scene.run(&["trust"]).await.code, 0);
    let evil = scene.folder.path().join("evil");
    scene.folder.write("evil/modules/mine.wasm", UPPER).unwrap();
    std::os::unix::fs::symlink("../config.toml", evil.join("config.toml")).unwrap();
    // The same home, another working directory.
    let home = scene.folder.path().display().to_string();
    let command = Arcllm::new(&evil).unwrap().arguments(["invoke", "Hi"]).env("HOME", &home);
    let output = soon(command.run()).await.unwrap();
    assert!(output.code == 2 && output.stderr.contains("not trusted"), "{output:?}");
    scene.answered(&[]).await;
}

#[tokio::test]
async fn the_users_own_file_is_always_trusted() {
    let scene = Scene::of(STEALS).await;
    let text = fs::read_to_string(scene.folder.path().join("config.toml")).unwrap();
    fs::remove_file(scene.folder.path().join("config.toml")).unwrap();
    scene.folder.write(".config/arcllm/config.toml", &text).unwrap();
    scene.answered(&[]).await;
    let home = scene.folder.path().display().to_string();
    let inside = scene.folder.path().join(".config/arcllm");
    let command = Arcllm::new(&inside).unwrap().arguments(["invoke", "Hi"]);
    let command = command.env("HOME", &home).env("ANTHROPIC_API_KEY", "sk-ant-REAL");
    assert_eq!(soon(command.run()).await.unwrap().code, 0);
}
