//! Several commands at once, links, and places that cannot be written.

use std::fs;

use super::stage::Place;
use crate::scene::soon;

#[tokio::test]
async fn what_several_processes_add_at_once_is_all_there() {
    let place = Place::new().await;
    let file = place.file("upper", "upper.wasm");
    let names: Vec<String> = (0..6).map(|at| format!("m{at}")).collect();
    let start = |name: &String| {
        place.folder.arcllm(["module", "add", &file, "--name", name, "--yes", "--enable"]).unwrap().start().unwrap()
    };
    let running: Vec<_> = names.iter().map(start).collect();
    for command in running {
        let output = soon(command.end()).await.unwrap();
        assert_eq!(output.code, 0, "{output:?}");
    }
    let (config, lock) = (place.text("config.toml"), place.text("arcllm.lock"));
    for name in &names {
        assert!(config.contains(&format!("[modules.{name}.sandbox]")), "{config}");
        assert!(lock.contains(&format!("[modules.{name}]")), "{lock}");
    }
    place.succeeds(&["module", "verify"]).await;
    assert!(!place.files().keys().any(|file| file.contains("new")), "{:?}", place.files().keys());
}

#[tokio::test]
async fn configurations_in_one_folder_share_their_lock_without_losing_anything() {
    let place = Place::new().await;
    let file = place.file("upper", "upper.wasm");
    let configs: Vec<String> = (0..6).map(|at| format!("config{at}.toml")).collect();
    for config in &configs {
        place.folder.write(config, place.text("config.toml")).unwrap();
    }
    let start = |(at, config): (usize, &String)| {
        let name = format!("m{at}");
        let add = ["module", "add", &file, "--name", &name, "--yes", "--enable", "--config", config];
        place.folder.arcllm(add).unwrap().start().unwrap()
    };
    let running: Vec<_> = configs.iter().enumerate().map(start).collect();
    for command in running {
        let output = soon(command.end()).await.unwrap();
        assert_eq!(output.code, 0, "{output:?}");
    }
    let lock = place.text("arcllm.lock");
    for at in 0..configs.len() {
        assert!(lock.contains(&format!("[modules.m{at}]")), "m{at}: {lock}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_configuration_that_is_a_link_stays_one() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new().await;
    let file = place.file("upper", "upper.wasm");
    let (link, real) = (place.folder.path().join("config.toml"), place.folder.path().join("real/ours.toml"));
    fs::create_dir(place.folder.path().join("real")).unwrap();
    fs::rename(&link, &real).unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink("real/ours.toml", &link).unwrap();
    place.succeeds(&["module", "add", &file, "--yes", "--enable"]).await;
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(fs::read_to_string(&real).unwrap().contains("[modules.upper.sandbox]"));
    // Its lock and its modules are beside the link, as everything else that it names.
    assert!(
        place.folder.path().join("arcllm.lock").is_file() && place.folder.path().join("modules/upper.wasm").is_file()
    );
    assert_eq!(fs::read_dir(place.folder.path().join("real")).unwrap().count(), 1, "nothing is left over");
    place.succeeds(&["invoke", "Hi"]).await;
}

#[cfg(unix)]
#[tokio::test]
async fn what_cannot_be_written_changes_nothing() {
    let place = Place::with("\n[host]\nmodules_dir = \"none\"\n").await;
    let file = place.file("upper", "upper.wasm");
    place.folder.write("none", "a file where the folder should be").unwrap();
    let error = place.refused(&["module", "add", &file, "--yes"]).await;
    assert!(error.contains("none/upper.wasm"), "{error}");
    // The lock cannot be replaced: it leads into a folder that is none.
    fs::remove_file(place.folder.path().join("none")).unwrap();
    std::os::unix::fs::symlink("/proc/self/arcllm.lock", place.folder.path().join("arcllm.lock")).unwrap();
    let before = place.text("config.toml");
    let output = place.run(&["module", "add", &file, "--yes"]).await;
    assert_eq!((output.code, place.text("config.toml")), (2, before), "{output:?}");
}

#[tokio::test]
async fn a_configuration_that_the_change_would_break_stays() {
    let place = Place::with("\n[modules]\nmine = 5\n").await;
    let file = place.file("upper", "upper.wasm");
    let error = place.refused(&["module", "add", &file, "--yes"]).await;
    assert!(error.contains("`modules.mine` is the number 5"), "{error}");
}
