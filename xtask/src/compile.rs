//! Compiles the modules to core WebAssembly.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    toolchain::{StandardLibrary, TARGET, Toolchain},
    workspace::{Module, Workspace, cargo},
};

/// Apart from `release`: small modules start faster and weigh less in the host.
const PROFILE: &str = "module";

/// Compiles every module, and returns the folder that their artifacts are in.
pub(crate) fn modules(workspace: &Workspace, toolchain: &Toolchain) -> Result<PathBuf> {
    // Its own folder: other flags than those of the ordinary build would rebuild that one each time.
    let target = workspace.target.join("modules-build");
    // One by one: together, a module and one that builds on it would share its features, and both be exported.
    for module in &workspace.modules {
        let status = command(workspace, module, toolchain, &target)?.status().context("cargo build")?;
        ensure!(status.success(), "the module {} does not build", module.name);
    }
    Ok(target.join(TARGET).join(PROFILE))
}

fn command(workspace: &Workspace, module: &Module, toolchain: &Toolchain, target: &Path) -> Result<Command> {
    let mut command = Command::new(cargo());
    command
        .current_dir(&workspace.root)
        .args(["build", "--lib", "--profile", PROFILE, "--target", TARGET, "--target-dir"])
        .arg(target)
        .args(["--package", &module.package])
        .env("RUSTC", &toolchain.compiler)
        .env("CARGO_ENCODED_RUSTFLAGS", flags(&remaps(&workspace.root, &toolchain.sysroot)?))
        .env_remove("RUSTFLAGS")
        .env_remove("RUSTC_WRAPPER")
        .env_remove("RUSTC_WORKSPACE_WRAPPER");
    if toolchain.standard_library == StandardLibrary::Source {
        command.arg("-Zbuild-std=std,panic_abort").env("RUSTC_BOOTSTRAP", "1");
    }
    if let Some(linker) = &toolchain.linker {
        command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
    }
    Ok(command)
}

/// What of this machine a panic message would name, and what it names instead. Of two that match, the later wins.
fn remaps(root: &Path, sysroot: &Path) -> Result<Vec<(PathBuf, &'static str)>> {
    let registry = cargo_home()?.join("registry/src");
    let mut remaps = vec![(root.to_owned(), "arcllm"), (registry.clone(), "crates")];
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
