//! `arcllm serve key`: makes a key for a client.

use std::process::ExitCode;

use arcllm_server::NewKey;

use crate::{failure::Failure, output::line};

#[derive(Debug, clap::Args)]
pub(crate) struct Key {
    /// Whose key it is, such as search-team.
    #[arg(value_parser = name)]
    pub(crate) name: String,
}

/// A name that is the key of a table in TOML without quotes.
fn name(text: &str) -> Result<String, String> {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    match !text.is_empty() && text.chars().all(is_bare) {
        true => Ok(text.to_owned()),
        false => Err("letters, digits, - and _".to_owned()),
    }
}

pub(crate) fn run(arguments: &Key) -> Result<ExitCode, Failure> {
    let NewKey { key, sha256 } = NewKey::random();
    line!("The key, which is shown only now:\n\n  {key}\n")?;
    line!("Its table for config.toml, where `models` and `labels` may be left out:\n")?;
    line!("[serve.keys.{}]\nsha256 = \"{sha256}\"", arguments.name)?;
    line!("# models = [\"fast\", \"anthropic/*\"]\n# labels = {{ team = \"search\" }}")?;
    Ok(ExitCode::SUCCESS)
}
