//! Runs cargo to compile core WebAssembly.

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
    /// Returns the command `cargo build` for WebAssembly, in the folder `root`, into the folder `target`.
    ///
    /// Messages of panics then name no folder of this machine: they call `root` by `name`.
    ///
    /// # Errors
    ///
    /// If cargo's folders cannot be found or read.
    pub fn cargo_build(&self, root: &Path, name: &str, target: &Path) -> Result<Command> {
        // The same cargo that runs this program, so that `cargo +TOOLCHAIN` has its effect.
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

/// Returns the folders of this machine that a panic message would name, and their new names. The last match wins.
fn remaps<'a>(root: &Path, name: &'a str, sysroot: &Path) -> Result<Vec<(PathBuf, &'a str)>> {
    let registry = cargo_home()?.join("registry/src");
    let mut remaps = vec![(root.to_owned(), name), (registry.clone(), "crates")];
    for entry in fs::read_dir(&registry).into_iter().flatten() {
        remaps.push((entry?.path(), "crates"));
    }
    let library = sysroot.join("lib/rustlib/src/rust");
    // In Debian it is a link.
    remaps.extend(library.canonicalize().map(|path| (path, "rust")));
    remaps.push((library, "rust"));
    Ok(remaps)
}

fn cargo_home() -> Result<PathBuf> {
    let default = || env::home_dir().map(|home| home.join(".cargo"));
    env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(default)
        .context("neither CARGO_HOME nor HOME is set: set one of them")
}

/// Joins flags for `CARGO_ENCODED_RUSTFLAGS`, with a character that no path has.
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
