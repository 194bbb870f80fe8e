//! `arcllm module key`: makes a pair of keys that sign and verify modules.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use arcllm_registry::SigningKey;

use crate::{failure::Failure, output::line};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  arcllm module key mine.key               # writes mine.key and mine.pub
  arcllm module publish mine.wasm oci://registry.example/me/mine:1.2.0 --sign mine.key

The keys are ECDSA on P-256 in PEM form. cosign and openssl read them. Keep the private one secret:
a thief of it signs in your name. Give the public one to the users of your modules. They name it in
config.toml:
  [trust]
  keys = [\"mine.pub\"]")]
pub(crate) struct ModuleKey {
    /// The file for the private key. The public one is written beside it, with the ending `.pub`.
    pub(crate) file: PathBuf,
}

pub(crate) fn run(arguments: &ModuleKey) -> Result<ExitCode, Failure> {
    let private = &arguments.file;
    let public = private.with_extension("pub");
    if *private == public {
        return Err(Failure::usage(
            "the private key needs another ending than `.pub`\n  help: name it such as `mine.key`",
        ));
    }
    if public.exists() {
        return Err(exists(&public));
    }
    let (pem, key) = SigningKey::generate(&public.display().to_string())?;
    write_private(private, &pem)?;
    fs::write(&public, key.to_pem()).map_err(|error| {
        // One without the other would be in the way of the next try.
        let _ = (fs::remove_file(&public), fs::remove_file(private));
        unable(&public, &error)
    })?;
    line!("wrote {}, the private key: keep it secret", private.display())?;
    line!("wrote {}, the public key, with the fingerprint {}", public.display(), key.fingerprint())?;
    Ok(ExitCode::SUCCESS)
}

/// Writes a new file that only its owner can read.
fn write_private(path: &Path, pem: &str) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => exists(path),
        _ => unable(path, &error),
    })?;
    file.write_all(pem.as_bytes()).map_err(|error| {
        // A part of a key would be in the way of the next try.
        let _ = fs::remove_file(path);
        unable(path, &error)
    })
}

fn exists(path: &Path) -> Failure {
    Failure::usage(format!(
        "{}: this file exists, and a key is never overwritten\n  help: name another file",
        path.display()
    ))
}

fn unable(path: &Path, error: &io::Error) -> Failure {
    Failure::usage(format!("{}: {error}", path.display()))
}
