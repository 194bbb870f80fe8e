//! `cargo xtask modules`: builds the modules, or checks that they are newer than their sources.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};

use arcllm_module_build::{About, Toolchain, encode, imports, section};

use crate::{
    compile, digest,
    workspace::{Module, Workspace},
};

/// The custom section that holds the digest of the sources.
const SOURCES: &str = "arcllm:sources";

/// Builds every module into a component.
pub(crate) fn build(out: Option<PathBuf>) -> Result<()> {
    let workspace = Workspace::read()?;
    // Before the compiler runs: a later edit then makes the component stale, and not wrong.
    let digests: Vec<_> =
        workspace.modules.iter().map(|module| digest::sources(&workspace.root, module)).collect::<Result<_>>()?;
    let artifacts = compile::modules(&workspace, &Toolchain::find()?)?;
    for (module, sources) in workspace.modules.iter().zip(digests) {
        let out = folder(module, out.as_deref());
        fs::create_dir_all(&out).with_context(|| out.display().to_string())?;
        build_one(module, &sources, &artifacts, &out).with_context(|| module.name.clone())?;
    }
    Ok(())
}

fn build_one(module: &Module, sources: &str, artifacts: &Path, out: &Path) -> Result<()> {
    let core = fs::read(artifacts.join(&module.artifact)).with_context(|| module.artifact.clone())?;
    let component = encode(&core, &about(module), &[(SOURCES, sources)])?;
    let path = file(out, module);
    fs::write(&path, &component).with_context(|| path.display().to_string())?;
    let asks = imports(&component)?.join(", ");
    eprintln!("{}: {} KiB, imports {asks}", path.display(), component.len().div_ceil(1024));
    Ok(())
}

fn about(module: &Module) -> About {
    About {
        name: module.name.clone(),
        version: module.version.clone(),
        description: module.description.clone(),
        licenses: module.license.clone(),
        ..About::default()
    }
}

/// Fails if a component is missing or older than its sources.
pub(crate) fn check(out: Option<PathBuf>) -> Result<()> {
    let workspace = Workspace::read()?;
    let mut stale = Vec::new();
    for module in &workspace.modules {
        let path = file(&folder(module, out.as_deref()), module);
        if made_of(&path)?.as_deref() != Some(&digest::sources(&workspace.root, module)?) {
            stale.push(path.display().to_string());
        }
    }
    ensure!(stale.is_empty(), "missing or older than its sources: {}; run `cargo xtask modules`", stale.join(", "));
    Ok(())
}

fn made_of(path: &Path) -> Result<Option<String>> {
    match fs::read(path) {
        Ok(bytes) => section(&bytes, SOURCES).with_context(|| path.display().to_string()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}

fn folder(module: &Module, out: Option<&Path>) -> PathBuf {
    out.map_or_else(|| module.prebuilt.clone(), |out| out.join(module.inside))
}

fn file(folder: &Path, module: &Module) -> PathBuf {
    folder.join(format!("{}.wasm", module.name))
}

#[cfg(test)]
mod tests;
