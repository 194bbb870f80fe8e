//! The question on a terminal, which `script` of util-linux makes, and folders that cannot be written.

#![cfg(target_os = "linux")]

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::fs::PermissionsExt as _,
    process::{Command, Stdio},
};

use super::stage::Place;
use crate::support::ARCLLM;

/// The environment of a command in this place.
fn set_up<'a>(command: &'a mut Command, place: &Place) -> &'a mut Command {
    let folder = place.folder.path();
    command.current_dir(folder).env_clear().env("HOME", folder).env("ARCLLM_CONFIG", "config.toml");
    command.env("PATH", std::env::var_os("PATH").unwrap()).env("XDG_CACHE_HOME", folder.join(".cache"))
}

/// Runs `arcllm module …` on a terminal, and types this when it asks. Returns its exit code and all that it shows.
fn typed(place: &Place, arguments: &str, answer: &[u8]) -> (i32, String) {
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--command", &format!("{ARCLLM} module {arguments}"), "/dev/null"]);
    let command = set_up(&mut command, place).env("SHELL", "/bin/sh").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut process = command.spawn().unwrap();
    let (mut keyboard, mut screen) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
    let (mut shown, mut buffer, mut is_asked) = (Vec::new(), [0; 4096], false);
    loop {
        let length = screen.read(&mut buffer).unwrap();
        if length == 0 {
            break;
        }
        shown.extend_from_slice(&buffer[..length]);
        if !is_asked && shown.windows(6).any(|text| text == b"[y/N] ") {
            is_asked = true;
            keyboard.write_all(answer).unwrap();
        }
    }
    drop(keyboard);
    let shown = String::from_utf8_lossy(&shown).into_owned();
    assert!(is_asked, "it did not ask: {shown}");
    (process.wait().unwrap().code().unwrap(), shown)
}

#[tokio::test]
async fn a_terminal_is_asked_and_only_yes_is_a_yes() {
    let place = Place::new().await;
    place.file("upper", "upper.wasm");
    let before = place.files().keys().cloned().collect::<Vec<_>>();
    for no in [&b"n\r"[..], b"\r", b"\x04", b"yes please\r", b"\xff\xfe\r"] {
        let (code, shown) = typed(&place, "add upper.wasm", no);
        assert_eq!(code, if no == b"\xff\xfe\r" { 2 } else { 1 }, "{no:?}: {shown}");
        assert!(shown.contains("Add it as `upper`, without any grant? [y/N] "), "{shown}");
        assert!(!shown.contains("panicked"), "{shown}");
    }
    // Ctrl-C while it asks: 128 and the number of SIGINT.
    let (code, _) = typed(&place, "add upper.wasm", b"\x03");
    assert_eq!(code, 130);
    let after = place.files().keys().filter(|name| !name.starts_with('.')).cloned().collect::<Vec<_>>();
    assert_eq!(after, before, "nothing was added");

    let (code, shown) = typed(&place, "add upper.wasm", b"Y\r");
    assert!(code == 0 && shown.contains("added upper from upper.wasm"), "{shown}");
    place.succeeds(&["module", "verify"]).await;
}

#[tokio::test]
async fn an_update_that_wants_more_asks_and_says_what() {
    let place = Place::new().await;
    place.file("upper", "mine.wasm");
    place.succeeds(&["module", "add", "mine.wasm", "--yes"]).await;
    place.file("everything", "next.wasm");
    let before = place.text("arcllm.lock");
    let (code, shown) = typed(&place, "update mine --to next.wasm", b"n\r");
    assert!(code == 1 && shown.contains("mine wants more than before: models, state"), "{shown}");
    assert_eq!(place.text("arcllm.lock"), before);
    let (code, shown) = typed(&place, "update mine --to next.wasm", b"y\r");
    assert!(code == 0 && place.text("arcllm.lock").contains("models"), "{shown}");
}

/// Runs the command as somebody who may not write where the permissions forbid it: root may, and loses that right here.
fn without_rights(place: &Place, arguments: &[&str]) -> (i32, String) {
    let owner = fs::metadata("/proc/self").map(|metadata| std::os::unix::fs::MetadataExt::uid(&metadata)).unwrap();
    let mut command = Command::new(if owner == 0 { "setpriv" } else { ARCLLM });
    if owner == 0 {
        let rights = "-dac_override,-dac_read_search";
        command.args([&format!("--bounding-set={rights}"), &format!("--inh-caps={rights}"), ARCLLM]);
    }
    let output = set_up(command.args(arguments), place).stdin(Stdio::null()).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_changes_nothing() {
    let place = Place::new().await;
    place.file("upper", "mine.wasm");
    place.file("twice", "next.wasm");
    place.succeeds(&["module", "add", "mine.wasm", "--yes", "--enable"]).await;
    let before = place.files();
    let forbid = |folder: &str, mode: u32| {
        fs::set_permissions(place.folder.path().join(folder), fs::Permissions::from_mode(mode)).unwrap();
    };
    for folder in ["", "modules"] {
        forbid(folder, 0o555);
        let commands: [&[&str]; 4] = [
            &["module", "update", "mine", "--to", "next.wasm", "--yes"],
            &["module", "add", "next.wasm", "--yes"],
            &["module", "remove", "mine"],
            &["module", "key", "new.key"],
        ];
        // The modules directory alone stops what puts files there.
        let stopped = if folder.is_empty() { 4 } else { 2 };
        for arguments in commands.iter().take(stopped) {
            let (code, error) = without_rights(&place, arguments);
            assert_eq!(code, 2, "{folder}: {arguments:?}: {error}");
            assert!(error.contains("ermission denied") && !error.contains("panicked"), "{error}");
        }
        forbid(folder, 0o755);
        let after = place.files();
        let names = |files: &std::collections::BTreeMap<String, Vec<u8>>| {
            files
                .iter()
                .filter(|(name, _)| !name.starts_with('.'))
                .map(|(name, bytes)| (name.clone(), bytes.clone()))
                .collect::<Vec<_>>()
        };
        assert!(names(&after) == names(&before), "{folder}: {:?}", after.keys());
    }
    place.succeeds(&["module", "verify"]).await;
    place.succeeds(&["invoke", "Hi"]).await;
}
