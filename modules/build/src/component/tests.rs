use std::{fs, path::Path};

use super::imports;

fn imports_of(name: &str) -> Vec<String> {
    let prebuilt = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../builtin/prebuilt/{name}.wasm"));
    imports(&fs::read(prebuilt).unwrap()).unwrap()
}

fn imports_models(name: &str) -> bool {
    imports_of(name).iter().any(|import| import.starts_with("arcllm:llm/models"))
}

/// Imports need grants, so a module must not import what it does not use.
#[test]
fn only_a_module_that_asks_other_models_imports_them() {
    for name in ["retry", "chaos"] {
        assert!(!imports_models(name), "{:?}", imports_of(name));
    }
    assert!(imports_models("fallback"), "{:?}", imports_of("fallback"));
}

#[test]
fn no_system_interface_is_imported() {
    for import in ["retry", "fallback", "chaos"].into_iter().flat_map(imports_of) {
        let free = ["arcllm:llm/", "wasi:clocks/", "wasi:random/", "wasi:logging/"];
        assert!(free.iter().any(|package| import.starts_with(package)), "{import}");
    }
}

#[test]
fn other_bytes_are_an_error() {
    for bytes in [&b""[..], b"not wasm"] {
        assert!(imports(bytes).is_err(), "{bytes:?}");
    }
}
