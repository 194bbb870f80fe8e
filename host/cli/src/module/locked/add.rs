//! `arcllm module add`: accepts a module from a registry or a file.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use arcllm::{Grant, SignatureState};
use arcllm_registry::{Digest, Reference, Registry};
use serde_json::json;

use crate::{
    failure::Failure,
    module::{
        locked::{
            candidate::Candidate,
            change::{ConfigFile, ModuleFile},
            consent::{agreed, grant, grants, shown},
            edit,
        },
        name::name,
    },
    output::{self, line, tell},
};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  arcllm module add oci://registry.example/me/mine:1.2.0
  arcllm module add oci://registry.example/me/mine:1.2.0 --allow state=10 --enable --yes
  arcllm module add ./mine.wasm

The module is pulled, verified and looked at, and you see what it is and what it may do. If you
agree, its place and its grants are written to the configuration, and what you have seen to
arcllm.lock beside it. From then on a start loads exactly these bytes. Keep both files in version
control.

Grants can have a scope: `state=10` is 10 MB, `models=openai,groq` these providers or models.
A module is added switched off; --enable switches it on, as the outermost one of the chain unless
host.order has it already.

Exit codes: 0 it is added; 1 you said no, or the registry failed; 2 it cannot be added as asked.")]
pub(crate) struct ModuleAdd {
    /// What to add: oci://HOST/REPOSITORY:TAG or a file.
    pub(crate) what: String,
    /// Its name in the configuration [default: that of the repository or the file]
    #[arg(long, value_parser = name)]
    pub(crate) name: Option<String>,
    /// Grant this, and not what the module asks for: models, state, urls or extensions. Can be repeated.
    #[arg(long, value_name = "GRANT", value_parser = grant)]
    pub(crate) allow: Vec<Grant>,
    /// Switch it on, as the outermost module unless host.order has it already.
    #[arg(long)]
    pub(crate) enable: bool,
    /// Agree without being asked.
    #[arg(long)]
    pub(crate) yes: bool,
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) async fn run(arguments: ModuleAdd) -> Result<ExitCode, Failure> {
    let config = ConfigFile::find(arguments.config.as_deref())?;
    let (name, candidate) = candidate(&arguments, &config).await?;
    let allow = match arguments.allow.as_slice() {
        [] => grants(&candidate.report.asks_for, &[]),
        given => given.to_vec(),
    };
    if let Some(missing) = candidate.report.asks_for.iter().find(|asked| !allow.iter().any(|one| one.name == **asked)) {
        let help = format!("add --allow {missing}, or do not add the module");
        return Err(Failure::usage(format!("{name} cannot run without the grant `{missing}`\n  help: {help}")));
    }
    if !arguments.json {
        candidate.print()?;
    }
    warn(&candidate, &name);
    let question = match allow.as_slice() {
        [] => format!("Add it as `{name}`, without any grant?"),
        allow => format!("Add it as `{name}`, and grant it {}?", shown(allow)),
    };
    agreed(&question, arguments.yes, "--yes adds it with these grants; --allow names others")?;
    let wasm = candidate.source.wasm();
    config.change(file_of(&config, &candidate)?, |document, lock| {
        refuse_known(lock.modules.contains_key(&name), &name)?;
        lock.modules.insert(name.clone(), candidate.locked(allow.clone()));
        edit::set_module(document, &name, &wasm, &allow)?;
        if arguments.enable { edit::enable(document, &config.config, &name) } else { Ok(()) }
    })?;
    let place = config.config.order.iter().position(|listed| *listed == name);
    tell_added(&arguments, &name, &candidate, &allow, place)?;
    Ok(ExitCode::SUCCESS)
}

/// Finds what to add, and looks at it.
async fn candidate(arguments: &ModuleAdd, file: &ConfigFile) -> Result<(String, Candidate), Failure> {
    let config = &file.config;
    if !Reference::is_reference(&arguments.what) {
        let path = Path::new(&arguments.what);
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let name = named(arguments, stem)?;
        let stored_as = format!("{name}.wasm");
        check_is_new(file, &name, &stored_as)?;
        let candidate = Candidate::from_file(config, path, &stored_as, &name).await?;
        return Ok((name, candidate));
    }
    let reference: Reference = arguments.what.parse()?;
    let last = reference.repository().rsplit('/').next().unwrap_or_default();
    let name = named(arguments, last)?;
    check_is_new(file, &name, &arguments.what)?;
    let registry = Registry::new(config.registry_limits())?;
    let candidate = Candidate::from_registry(config, &registry, &reference, &name).await?;
    Ok((name, candidate))
}

/// The name that was given, or else this one.
fn named(arguments: &ModuleAdd, or: &str) -> Result<String, Failure> {
    match &arguments.name {
        Some(name) => Ok(name.clone()),
        None => name(or).map_err(|expected| {
            Failure::usage(format!("{or:?} is no name of a module: {expected}\n  help: name it with --name NAME"))
        }),
    }
}

/// Refuses a name that the configuration has for something else.
fn check_is_new(file: &ConfigFile, name: &str, wasm: &str) -> Result<(), Failure> {
    refuse_known(file.config.lock.modules.contains_key(name), name)?;
    let known = file.config.modules.get(name).and_then(|module| module.sandbox.wasm.as_deref());
    match known {
        Some(known) if known != wasm => {
            let help = "choose another name with --name, or take `wasm` out of its sandbox first";
            Err(Failure::usage(format!(
                "{}: [modules.{name}] loads {known} already\n  help: {help}",
                file.file.display()
            )))
        }
        _ => Ok(()),
    }
}

fn refuse_known(is_known: bool, name: &str) -> Result<(), Failure> {
    match is_known {
        false => Ok(()),
        true => {
            let help =
                format!("`arcllm module update {name} --to …` changes it; --name gives the new one another name");
            Err(Failure::usage(format!("`{name}` was added already\n  help: {help}")))
        }
    }
}

/// Says what the person should know before agreeing.
fn warn(candidate: &Candidate, name: &str) {
    if candidate.report.signature == Some(SignatureState::NotSigned) && candidate.source.reference().is_some() {
        tell("It is not signed: nobody vouches for it but the registry.\n");
    }
    if arcllm::is_built_in(name) {
        tell(format_args!("It takes the place of the built-in module `{name}`.\n"));
    }
}

/// The file that the modules directory is to have, where the configuration names it. `None` for a module of a registry.
pub(crate) fn file_of(config: &ConfigFile, candidate: &Candidate) -> Result<Option<ModuleFile>, Failure> {
    if candidate.source.reference().is_some() {
        return Ok(None);
    }
    let from = candidate.file.display();
    let bytes = fs::read(&candidate.file).map_err(|error| Failure::usage(format!("{from}: {error}")))?;
    if Digest::of(&bytes) != candidate.wasm {
        let help = "nothing was changed; run this again when the file is whole";
        return Err(Failure::usage(format!("{from}: it has changed since you were shown what it is\n  help: {help}")));
    }
    Ok(Some(ModuleFile { file: config.modules_dir().join(candidate.source.wasm()), bytes }))
}

/// Says what was done. `place` is where `host.order` has had the module before.
fn tell_added(
    arguments: &ModuleAdd,
    name: &str,
    candidate: &Candidate,
    allow: &[Grant],
    place: Option<usize>,
) -> Result<(), Failure> {
    if arguments.json {
        return output::json(&json!({ "added": {
            "name": name,
            "source": candidate.source.wasm(),
            "version": candidate.report.version,
            "sha256": candidate.wasm.hex(),
            "signature": candidate.report.signature,
            "imports": candidate.report.imports,
            "allow": allow,
            "enabled": arguments.enable,
        }}));
    }
    line!("\nadded {name} from {}", candidate.source.wasm())?;
    match (arguments.enable, place) {
        (true, None) => line!("It is on, as the outermost module. `arcllm check` shows the chain."),
        (true, Some(at)) => {
            line!("It is on, at place {} of host.order, which has it already. `arcllm check` shows the chain.", at + 1)
        }
        (false, None) => {
            line!("To switch it on, put \"{name}\" into host.order, and set `enabled = true` under [modules.{name}].")
        }
        (false, Some(_)) => {
            line!("To switch it on, set `enabled = true` under [modules.{name}]. host.order has it already.")
        }
    }
}
