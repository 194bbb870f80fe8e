//! Compiles the modules to core WebAssembly.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use arcllm_module_build::{TARGET, Toolchain};

use crate::workspace::Workspace;

/// Smaller than `release`: small modules start faster and take less of the host.
const PROFILE: &str = "module";

/// Compiles every module, and returns the folder of the results.
pub(crate) fn modules(workspace: &Workspace, toolchain: &Toolchain) -> Result<PathBuf> {
    // A separate folder: its flags would make Cargo rebuild the ordinary one each time.
    let target = workspace.target.join("modules-build");
    // One by one: built together, a module and one that uses it as a library would share features, and both export.
    for module in &workspace.modules {
        let mut command = toolchain.cargo_build(&workspace.root, "arcllm", &target)?;
        command.args(["--profile", PROFILE, "--package", &module.package]);
        let status = command.status().context("cargo build")?;
        ensure!(status.success(), "the module {} does not build", module.name);
    }
    Ok(target.join(TARGET).join(PROFILE))
}
