//! Each command refuses bad input in its own way.

use crate::bad_input::stage::{GOOD, Scene};
use crate::scene::soon;

#[tokio::test]
async fn the_good_configuration_works() {
    let scene = Scene::of(GOOD).await;
    let output = soon(scene.folder.arcllm(["invoke", "Hi"]).unwrap().run()).await.unwrap();
    assert_eq!((output.code, scene.provider.requests().len()), (0, 1), "{output:?}");
}

#[tokio::test]
async fn every_command_refuses_in_its_own_way() {
    let scene = Scene::with("[modules.retry]\nenabled = true\nmax_retires = 5").await;
    let told = scene.refused().await;
    for arguments in [&["invoke", "--json", "Hi"][..], &["invoke", "--json", "--trace", "Hi"]] {
        let output = scene.run(arguments).await;
        let error = &output.json().unwrap()["error"];
        assert_eq!((output.code, &error["kind"]), (2, &"config".into()));
        assert_eq!(told, format!("error: {}\n", error["message"].as_str().unwrap()));
    }
    for arguments in [["check", "--json"], ["modules", "--json"]] {
        let output = scene.run(&arguments).await;
        assert_eq!(output.code, 2, "{output:?}");
        assert!(output.json().unwrap().to_string().contains("max_retires"), "{output:?}");
    }
    for command in ["check", "modules"] {
        let output = scene.run(&[command]).await;
        assert!(output.code == 2 && output.stdout.contains("did you mean `max_retries`?"), "{output:?}");
    }
}

#[tokio::test]
async fn every_command_refuses_a_malformed_file() {
    let scene = Scene::of("[providers").await;
    for command in ["invoke", "check", "modules"] {
        let output = scene.run(&[command, "--json"]).await;
        // `invoke` has no prompt, which it may report instead.
        assert_eq!(output.code, 2, "{output:?}");
        assert!(output.json().unwrap()["error"]["message"].is_string());
        let output = scene.run(&[command]).await;
        assert_eq!((output.code, output.stdout.as_str()), (2, ""), "{output:?}");
        assert!(output.stderr.starts_with("error: "), "{output:?}");
    }
}
