//! Downloads that are ended by Ctrl-C, and the largest module that a configuration takes.

use std::{fs, process::Command, time::Duration};

use arcllm_registry::Digest;

use super::{
    cut::{Fault, Line},
    docker::at,
    stranger::{Stranger, answer, module, with},
};
use crate::{
    scene::soon,
    support::{Folder, Output, built_in_module},
};

/// A registry with one module, of these bytes.
async fn with_module(bytes: Vec<u8>) -> Stranger {
    Stranger::start(move |asked| {
        let first =
            asked.header("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
        match (asked.path.contains("/blobs/"), first) {
            (true, Some(first @ 1_usize..)) => {
                let range = format!("bytes {first}-{}/{}", bytes.len() - 1, bytes.len());
                with(206, &[("content-range", &range)], bytes[first..].to_vec())
            }
            (true, _) => answer(200, bytes.clone()),
            _ if asked.path.ends_with(".sig") => answer(404, ""),
            _ => answer(200, module(&bytes).to_string()),
        }
    })
    .await
}

async fn run(folder: &Folder, arguments: &[&str]) -> Output {
    soon(folder.arcllm(arguments).unwrap().run()).await.unwrap()
}

#[cfg(unix)]
#[tokio::test]
async fn ctrl_c_while_a_module_comes_changes_nothing_and_the_next_pull_goes_on() {
    let stranger = with_module(fs::read(built_in_module("redact")).unwrap()).await;
    let line = Line::to(stranger.address(), Fault::HangDown(50_000)).await;
    let folder = Folder::new("").unwrap().trusted();
    let (slow, well) = (at(line.address(), "me/mine:1.0").to_string(), stranger.reference().to_string());
    let mut running = folder.arcllm(["module", "add", &slow, "--yes"]).unwrap().start().unwrap();
    let store = folder.path().join(".local/share/arcllm/modules");
    let has_begun =
        || fs::read_dir(&store).is_ok_and(|mut files| files.any(|file| file.unwrap().metadata().unwrap().len() > 0));
    soon(async {
        while line.hit() == 0 || !has_begun() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert!(Command::new("kill").args(["-INT", &running.id().to_string()]).status().unwrap().success());
    let status = soon(running.ended()).await.unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(2), "it ends as others do: {status}");
    assert!(!folder.path().join("arcllm.lock").exists());
    assert_eq!(fs::read_to_string(folder.path().join("config.toml")).unwrap(), "");
    let left: Vec<_> = fs::read_dir(&store).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(left.len() == 1 && left[0].extension().unwrap() == "part", "{left:?}");

    let output = run(&folder, &["module", "add", &well, "--yes"]).await;
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert!(stranger.asked().iter().any(|asked| asked.header("range").is_some()), "it goes on where it ended");
    assert_eq!(run(&folder, &["module", "verify"]).await.code, 0);
}

#[tokio::test]
async fn the_largest_module_is_a_setting_for_each_way_to_get_one() {
    // It is refused by its manifest, and never asked for.
    let bytes = vec![0; (1 << 20) + 1];
    let wasm = Digest::of(&bytes);
    let stranger = with_module(bytes.clone()).await;
    let reference = stranger.reference().with_digest(Digest::of(module(&bytes).to_string().as_bytes())).to_string();
    let config = |most: u64| {
        format!(
            "[host]\nmax_module_mb = {most}\nfetch_modules = true\norder = [\"mine\"]\n[defaults]\nprovider = \"ollama\"\n\
             [providers.ollama]\ndefault_model = \"m\"\n[modules.mine]\nenabled = true\n[modules.mine.sandbox]\nwasm = \"{reference}\"\n"
        )
    };
    let folder = Folder::new(&config(1)).unwrap().trusted();
    folder
        .write("arcllm.lock", format!("version = 1\n[modules.mine]\nsource = \"{reference}\"\nwasm = \"{wasm}\"\n"))
        .unwrap();
    let tag = stranger.reference().to_string();
    for arguments in [
        &["module", "fetch"][..],
        &["module", "add", &tag, "--name", "other", "--yes"],
        &["module", "update", "mine", "--yes"],
        &["invoke", "Hi"],
    ] {
        let output = run(&folder, arguments).await;
        assert!(output.code > 0 && output.stderr.contains("is larger than the limit of 1048576 bytes"), "{output:?}");
        assert!(output.stderr.contains("host.max_module_mb"), "{output:?}");
    }
    let verified = run(&folder, &["module", "verify", "--online"]).await;
    assert!(verified.code == 1, "{verified:?}");
    assert!(!stranger.asked().iter().any(|asked| asked.path.contains("/blobs/")));
    folder.write("config.toml", config(2)).unwrap();
    let output = run(&folder, &["module", "fetch"]).await;
    assert_eq!(output.code, 0, "{}", output.stderr);
}
