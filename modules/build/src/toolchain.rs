//! Finds a compiler that builds for `wasm32-unknown-unknown`.
//!
//! The best is one with the target installed. Without it, a compiler that comes with the source of the standard library also
//! works: cargo then builds that source too.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, bail};

/// The target of every module. Its components import only what their world has, and nothing of WASI by themselves.
pub const TARGET: &str = "wasm32-unknown-unknown";

const NONE: &str = "no compiler here builds for wasm32-unknown-unknown: run `rustup target add wasm32-unknown-unknown`, \
                    or on Debian `apt-get install rustc-web rust-web-src lld-22`";

/// How to build for WebAssembly.
#[derive(Debug, PartialEq)]
pub struct Toolchain {
    pub(crate) compiler: PathBuf,
    pub(crate) sysroot: PathBuf,
    /// None if the compiler has its own.
    pub(crate) linker: Option<PathBuf>,
    pub(crate) standard_library: StandardLibrary,
}

/// Where the standard library for [`TARGET`] comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum StandardLibrary {
    Installed,
    Source,
}

impl Toolchain {
    /// Finds a toolchain. Prefers an installed target to one built from source, and the active compiler to the system's.
    ///
    /// # Errors
    ///
    /// If there is none. The error says what to install.
    pub fn find() -> Result<Self> {
        let active = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let compilers: Vec<_> =
            [PathBuf::from(active), "/usr/bin/rustc".into()].iter().filter_map(Compiler::ask).collect();
        let path = env::var_os("PATH").unwrap_or_default();
        Self::choose(&compilers, &env::split_paths(&path).collect::<Vec<_>>())
    }

    fn choose(compilers: &[Compiler], path: &[PathBuf]) -> Result<Self> {
        let installed = compilers.iter().find(|compiler| compiler.has_target());
        let source = || compilers.iter().find(|compiler| compiler.has_source());
        let chosen = installed
            .map(|compiler| (compiler, StandardLibrary::Installed))
            .or_else(|| source().map(|compiler| (compiler, StandardLibrary::Source)));
        let Some((compiler, standard_library)) = chosen else { bail!(NONE) };
        let linker = match compiler.linker() {
            Some(_) => None,
            None => match compilers.iter().find_map(Compiler::linker).or_else(|| linker_on(path)) {
                Some(linker) => Some(linker),
                None => bail!("{NONE} (the linker `wasm-ld` is missing)"),
            },
        };
        let Compiler { program, sysroot, .. } = compiler;
        Ok(Self { compiler: program.clone(), sysroot: sysroot.clone(), linker, standard_library })
    }
}

/// A compiler of this machine.
#[derive(Clone)]
struct Compiler {
    program: PathBuf,
    sysroot: PathBuf,
    /// The folder of its standard library for [`TARGET`], which may be missing.
    target: PathBuf,
}

impl Compiler {
    /// Asks a program for its folders. Returns none if it does not run.
    fn ask(program: &PathBuf) -> Option<Self> {
        let print = |what: &[&str]| {
            let output = Command::new(program).arg("--print").args(what).output().ok()?;
            let text = String::from_utf8(output.stdout).ok()?;
            output.status.success().then(|| PathBuf::from(text.trim_end()))
        };
        let sysroot = print(&["sysroot"])?;
        let target = print(&["target-libdir", "--target", TARGET])?;
        Some(Self { program: program.clone(), sysroot, target })
    }

    fn has_target(&self) -> bool {
        names(&self.target).iter().any(|name| name.starts_with("libstd-"))
    }

    fn has_source(&self) -> bool {
        self.sysroot.join("lib/rustlib/src/rust/library/Cargo.toml").is_file()
    }

    fn linker(&self) -> Option<PathBuf> {
        let hosts = self.sysroot.join("lib/rustlib");
        let linkers = names(&hosts).into_iter().map(|host| hosts.join(host).join("bin/rust-lld"));
        linkers.into_iter().find(|linker| linker.is_file())
    }
}

/// Finds `wasm-ld`, or else the newest `wasm-ld-NN`.
fn linker_on(path: &[PathBuf]) -> Option<PathBuf> {
    let linkers = path.iter().flat_map(|folder| names(folder).into_iter().map(move |name| (folder, name)));
    let rated = linkers.filter_map(|(folder, name)| Some((linker_version(&name)?, folder.join(name))));
    rated.max_by_key(|(version, _)| *version).map(|(_, linker)| linker)
}

fn linker_version(name: &str) -> Option<u32> {
    match name.strip_prefix("wasm-ld")? {
        "" => Some(u32::MAX),
        version => version.strip_prefix('-')?.parse().ok(),
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

#[cfg(test)]
mod tests;
