//! Compiles the modules to core WebAssembly.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use arcllm_module_build::{TARGET, Toolchain};

use crate::workspace::Workspace;

/// Apart from `release`: small modules start faster and weigh less in the host.
const PROFILE: &str = "module";

/// Compiles every module, and returns the folder that their artifacts are in.
pub(crate) fn modules(workspace: &Workspace, toolchain: &Toolchain) -> Result<PathBuf> {
    // Its own folder: other flags than those of the ordinary build would rebuild that one each time.
    let target = workspace.target.join("modules-build");
    // One by one: together, a module and one that builds on it would share its features, and both be exported.
    for module in &workspace.modules {
        let mut command = toolchain.cargo_build(&workspace.root, "arcllm", &target)?;
        command.args(["--profile", PROFILE, "--package", &module.package]);
        let status = command.status().context("cargo build")?;
        ensure!(status.success(), "the module {} does not build", module.name);
    }
    Ok(target.join(TARGET).join(PROFILE))
}
