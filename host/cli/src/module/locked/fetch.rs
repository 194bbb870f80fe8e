//! `arcllm module fetch`: brings what the lock names to this machine.

use std::{path::PathBuf, process::ExitCode};

use arcllm_registry::Registry;
use serde_json::json;

use crate::{
    failure::Failure,
    module::{
        locked::{candidate::store, change::ConfigFile},
        transfer::Transfer,
    },
    output::{self, line},
};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  git clone … && cd … && arcllm module fetch

Pulls each module of arcllm.lock that is not on this machine, by its digest. Nothing is accepted
anew: the bytes are those of the lock. With `host.fetch_modules = true`, a start does this by
itself.

Exit codes: 0 all are here; 1 a registry failed; 2 the lock or the configuration is wrong.")]
pub(crate) struct ModuleFetch {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) async fn run(arguments: ModuleFetch) -> Result<ExitCode, Failure> {
    let file = ConfigFile::find(arguments.config.as_deref())?;
    let (store, registry) = (store()?, Registry::new(file.config.registry_limits())?);
    let (mut fetched, mut present) = (Vec::new(), Vec::new());
    for (name, locked) in &file.config.lock.modules {
        let Some(reference) = locked.source.reference() else { continue };
        if store.has(&locked.wasm) {
            present.push(name);
            continue;
        }
        let mut transfer = Transfer::start("fetching");
        let done = store.fetch(&registry, reference, &locked.wasm, &mut |done, total| transfer.show(done, total)).await;
        transfer.stop();
        done?;
        fetched.push(name);
        if !arguments.json {
            line!("fetched {name} from {reference}")?;
        }
    }
    if arguments.json {
        output::json(&json!({ "fetched": fetched, "present": present }))?;
    } else if fetched.is_empty() {
        line!("nothing to fetch: every module of a registry is here ({})", present.len())?;
    }
    Ok(ExitCode::SUCCESS)
}
