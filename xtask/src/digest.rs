//! The digest of a module's sources. A component carries it, which shows whether it is older than its sources.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};

use crate::workspace::Module;

/// The SHA-256, in hexadecimal, of all sources of a module but its tests.
pub(crate) fn sources(root: &Path, module: &Module) -> Result<String> {
    let mut files = Vec::new();
    collect(&root.join("wit"), &mut files)?;
    for home in module.homes.iter().map(String::as_str).chain(["modules/sdk"]) {
        collect(&root.join(home).join("Cargo.toml"), &mut files)?;
        collect(&root.join(home).join("src"), &mut files)?;
    }
    let mut entries = files.iter().map(|file| Ok((relative(root, file)?, read(file)?))).collect::<Result<Vec<_>>>()?;
    entries.sort();
    // The manifests inherit the version, and the component carries it.
    entries.push(("version".to_owned(), module.version.clone().into_bytes()));
    Ok(digest(&entries))
}

/// Hashes each name and each content after its length, so that no byte can move from one into the next unnoticed.
fn digest(entries: &[(String, Vec<u8>)]) -> String {
    let mut hash = Sha256::new();
    for field in entries.iter().flat_map(|(name, content)| [name.as_bytes(), content]) {
        hash.update((field.len() as u64).to_le_bytes());
        hash.update(field);
    }
    format!("{:x}", hash.finalize())
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path).with_context(|| path.display().to_string())? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        // Hidden files belong to editors, and no text for people is in a component.
        if name != "tests.rs" && !name.starts_with('.') && !name.ends_with(".md") {
            collect(&entry.path(), files)?;
        }
    }
    Ok(())
}

/// The path from the root, with slashes on every system.
fn relative(root: &Path, file: &Path) -> Result<String> {
    let parts: Vec<_> = file.strip_prefix(root)?.iter().map(|part| part.to_string_lossy()).collect();
    Ok(parts.join("/"))
}

fn read(file: &Path) -> Result<Vec<u8>> {
    fs::read(file).with_context(|| file.display().to_string())
}

#[cfg(test)]
mod tests;
