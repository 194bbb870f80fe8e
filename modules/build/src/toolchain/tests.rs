use std::{env, fs, process};

use super::*;

/// A folder of empty files, removed when dropped.
struct Machine(PathBuf);

impl Machine {
    fn new(test: &str, files: &[&str]) -> Self {
        let root = env::temp_dir().join(format!("arcllm-toolchain-{test}-{}", process::id()));
        for file in files {
            fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
            fs::write(root.join(file), "").unwrap();
        }
        Self(root)
    }

    fn compiler(&self, name: &str) -> Compiler {
        let sysroot = self.0.join(name);
        let target = sysroot.join("lib/rustlib").join(TARGET).join("lib");
        Compiler { program: sysroot.join("bin/rustc"), sysroot, target }
    }

    fn choose(&self) -> Result<Toolchain> {
        Toolchain::choose(&[self.compiler("rustup"), self.compiler("usr")], &[self.0.join("usr/bin")])
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const TARGET_OF_RUSTUP: &str = "rustup/lib/rustlib/wasm32-unknown-unknown/lib/libstd-1.rlib";
const LINKER_OF_RUSTUP: &str = "rustup/lib/rustlib/x86_64-unknown-linux-gnu/bin/rust-lld";
const SOURCE_OF_SYSTEM: &str = "usr/lib/rustlib/src/rust/library/Cargo.toml";

#[test]
fn an_installed_target_comes_before_the_source() {
    let machine = Machine::new("installed", &[TARGET_OF_RUSTUP, LINKER_OF_RUSTUP, SOURCE_OF_SYSTEM]);
    let toolchain = machine.choose().unwrap();
    assert_eq!(toolchain.compiler, machine.0.join("rustup/bin/rustc"));
    assert_eq!(toolchain.standard_library, StandardLibrary::Installed);
    assert_eq!(toolchain.linker, None);
}

#[test]
fn the_source_is_linked_with_the_linker_of_rustup() {
    let machine = Machine::new("rust-lld", &[LINKER_OF_RUSTUP, SOURCE_OF_SYSTEM, "usr/bin/wasm-ld"]);
    let toolchain = machine.choose().unwrap();
    assert_eq!(toolchain.compiler, machine.0.join("usr/bin/rustc"));
    assert_eq!(toolchain.standard_library, StandardLibrary::Source);
    assert_eq!(toolchain.linker, Some(machine.0.join(LINKER_OF_RUSTUP)));
}

#[test]
fn without_it_the_newest_linker_of_the_system_is_taken() {
    let files = [SOURCE_OF_SYSTEM, "usr/bin/wasm-ld-9", "usr/bin/wasm-ld-22", "usr/bin/wasm-ld-x", "usr/bin/ld"];
    let machine = Machine::new("wasm-ld", &files);
    assert_eq!(machine.choose().unwrap().linker, Some(machine.0.join("usr/bin/wasm-ld-22")));
}

#[test]
fn what_is_missing_is_named_in_one_line() {
    for (test, files) in [("nothing", [LINKER_OF_RUSTUP]), ("no-linker", [SOURCE_OF_SYSTEM])] {
        let error = Machine::new(test, &files).choose().unwrap_err().to_string();
        assert!(error.contains("`rustup target add wasm32-unknown-unknown`"), "{error}");
        assert!(error.contains("`apt-get install rustc-web rust-web-src lld-22`"), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }
}
