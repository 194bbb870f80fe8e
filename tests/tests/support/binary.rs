//! The command under test. Cargo tells only the tests of its own package where it is, so it is asked for here.

use std::{
    env, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use serde_json::Value;

/// The command `arcllm`, built if it is not up to date.
pub(crate) fn arcllm() -> io::Result<&'static Path> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| build().map_err(|error| format!("`arcllm` does not build: {error}")));
    built.as_deref().map_err(|error| io::Error::other(error.clone()))
}

fn build() -> io::Result<PathBuf> {
    let mut cargo = Command::new(env!("CARGO"));
    // Of the workspace, so that Cargo takes what it has built for these tests: alone, the command would have other
    // features of its dependencies, and wasmtime would be compiled a second time.
    cargo.args(["build", "--quiet", "--workspace", "--bin", "arcllm", "--test", "all"]);
    cargo.args(["--message-format", "json-render-diagnostics"]);
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null()).stderr(Stdio::inherit());
    // What the outer Cargo says of the package of this test would look like news to build scripts.
    for (name, _) in env::vars_os() {
        let is_of_test = |prefix: &&str| name.to_string_lossy().starts_with(prefix);
        if ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_CRATE_", "CARGO_BIN_", "CARGO_PRIMARY_"].iter().any(is_of_test) {
            cargo.env_remove(name);
        }
    }
    let output = cargo.output()?;
    if !output.status.success() {
        return Err(io::Error::other(output.status.to_string()));
    }
    let messages = serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Value>();
    let executable = messages.flatten().find_map(|message| {
        let is_wanted = message.get("target")?.get("name")? == "arcllm";
        message.get("executable")?.as_str().filter(|_| is_wanted).map(PathBuf::from)
    });
    executable.ok_or_else(|| io::Error::other("Cargo does not say where it is"))
}
