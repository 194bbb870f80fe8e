//! The crate offers exactly the files of its folder.

use std::{collections::BTreeSet, fs, path::Path};

use arcllm_builtin::{MODULES, find};

#[test]
fn every_prebuilt_component_is_listed() {
    let files = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("prebuilt")).unwrap();
    let files: BTreeSet<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(files, MODULES.iter().map(|module| format!("{}.wasm", module.name)).collect());
}

#[test]
fn a_module_is_found_by_its_exact_name() {
    for module in MODULES {
        assert_eq!(find(module.name), Some(module));
    }
    assert_eq!(find("Retry"), None);
    assert_eq!(find(""), None);
}
