//! Has cargo compile to core WebAssembly.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::toolchain::{StandardLibrary, TARGET, Toolchain};

impl Toolchain {
    /// `cargo build` in this folder, for WebAssembly, into the folder `target`. Messages of panics will name no folder of
    /// this machine: `root` is called `name` in them.
    ///
    /// # Errors
    ///
    /// Where it cannot be found out which folders there are.
    pub fn cargo_build(&self, root: &Path, name: &str, target: &Path) -> Result<Command> {
        // The cargo that runs this, so that one chosen by `cargo +TOOLCHAIN` stays chosen.
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command
            .current_dir(root)
            .args(["build", "--lib", "--target", TARGET, "--target-dir"])
            .arg(target)
            .env("RUSTC", &self.compiler)
            .env("CARGO_ENCODED_RUSTFLAGS", flags(&remaps(root, name, &self.sysroot)?))
            .env_remove("RUSTFLAGS")
            .env_remove("RUSTC_WRAPPER")
            .env_remove("RUSTC_WORKSPACE_WRAPPER");
        if self.standard_library == StandardLibrary::Source {
            command.arg("-Zbuild-std=std,panic_abort").env("RUSTC_BOOTSTRAP", "1");
        }
        if let Some(linker) = &self.linker {
            command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        }
        Ok(command)
    }
}

/// What of this machine a panic message would name, and what it names instead. Of two that match, the later wins.
fn remaps<'a>(root: &Path, name: &'a str, sysroot: &Path) -> Result<Vec<(PathBuf, &'a str)>> {
    let registry = cargo_home()?.join("registry/src");
    let mut remaps = vec![(root.to_owned(), name), (registry.clone(), "crates")];
    for entry in fs::read_dir(&registry).into_iter().flatten() {
        remaps.push((entry?.path(), "crates"));
    }
    let library = sysroot.join("lib/rustlib/src/rust");
    // Debian's is a link.
    remaps.extend(library.canonicalize().map(|path| (path, "rust")));
    remaps.push((library, "rust"));
    Ok(remaps)
}

fn cargo_home() -> Result<PathBuf> {
    let default = || env::home_dir().map(|home| home.join(".cargo"));
    env::var_os("CARGO_HOME").map(PathBuf::from).or_else(default).context("neither CARGO_HOME nor HOME is set")
}

/// As `CARGO_ENCODED_RUSTFLAGS` has them: apart by a character that no path has.
fn flags(remaps: &[(PathBuf, &str)]) -> OsString {
    let flags: Vec<_> = remaps.iter().map(|(from, to)| remap(from, to)).collect();
    flags.join(OsStr::new("\u{1f}"))
}

fn remap(from: &Path, to: &str) -> OsString {
    let mut flag = OsString::from("--remap-path-prefix=");
    flag.push(from);
    flag.push("=");
    flag.push(to);
    flag
}
