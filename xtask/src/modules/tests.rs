use std::{env, fs, process};

use super::check;
use crate::workspace::Workspace;

#[test]
fn the_prebuilt_components_are_as_new_as_their_sources() {
    if let Err(error) = check(None) {
        panic!("{error:#}");
    }
}

#[test]
fn every_folder_with_a_library_for_the_host_is_a_module() {
    let workspace = Workspace::read().unwrap();
    let names: Vec<_> = workspace.modules.iter().map(|module| module.name.as_str()).collect();
    assert!(names.contains(&"retry") && names.contains(&"fallback"), "{names:?}");
    assert!(!names.contains(&"sdk") && !names.contains(&"builtin"), "{names:?}");
}

#[test]
fn a_stale_and_a_missing_component_are_named() {
    let out = env::temp_dir().join(format!("arcllm-stale-{}", process::id()));
    fs::create_dir_all(&out).unwrap();
    fs::write(out.join("retry.wasm"), b"\0asm\x0d\0\x01\0").unwrap();
    let message = check(Some(out.clone())).unwrap_err().to_string();
    fs::remove_dir_all(&out).unwrap();
    for part in ["retry.wasm", "fallback.wasm", "run `cargo xtask modules`"] {
        assert!(message.contains(part), "{message}");
    }
}
