//! `arcllm module update`: accepts another version of a module.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::ExitCode,
};

use arcllm::{Grant, LockedModule};
use arcllm_registry::{Reference, Registry};
use serde_json::{Value, json};

use crate::{
    failure::Failure,
    module::{
        locked::{
            add::file_of,
            candidate::Candidate,
            change::ConfigFile,
            consent::{agreed, grant, grants, shown, typed},
            edit,
        },
        sdk,
    },
    output::{self, line, tell, word},
};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  arcllm module update                  every module, to what its tag points to now
  arcllm module update mine --to 1.3.0  another tag of the same repository
  arcllm module update mine --to oci://registry.example/me/mine@sha256:…
                                        back to a version
  arcllm module update mine --allow state --yes
                                        accepts a new grant, too
  arcllm module update --sdk mine       the SDK and the WIT package that a project carries

You see what differs: version, imports, grants, signature. A module that wants more than before is
taken only if you agree to that. --yes does not agree to it: name the grants with --allow. Nor does
it agree to a version that lost its signature, or that another key has signed: --other-signer does.

Exit codes: 0 it is updated, or there is nothing new; 1 you said no, or the registry failed; 2 it
cannot be updated as asked.")]
pub(crate) struct ModuleUpdate {
    /// The module [default: all that are in arcllm.lock]
    pub(crate) name: Option<String>,
    /// Update the SDK and the WIT package of the project in this folder, and no installed module.
    #[arg(
        long,
        value_name = "DIR",
        num_args = 0..=1,
        default_missing_value = ".",
        conflicts_with_all = ["name", "config", "yes", "json"]
    )]
    pub(crate) sdk: Option<PathBuf>,
    /// What to update it to: a tag, oci://HOST/REPOSITORY:TAG, or a file.
    #[arg(long, value_name = "REF", requires = "name")]
    pub(crate) to: Option<String>,
    /// Grant this: models, state, urls or extensions, or with a scope as `state=10`. Can be repeated.
    #[arg(long, value_name = "GRANT", value_parser = grant, requires = "name")]
    pub(crate) allow: Vec<Grant>,
    /// Accept a version without a signature, or with that of another key, in the place of a signed one.
    #[arg(long, requires = "name")]
    pub(crate) other_signer: bool,
    /// Agree without being asked, but not to more grants or to another signer.
    #[arg(long)]
    pub(crate) yes: bool,
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) async fn run(arguments: ModuleUpdate) -> Result<ExitCode, Failure> {
    if let Some(project) = &arguments.sdk {
        return sdk::update(project);
    }
    let file = ConfigFile::find(arguments.config.as_deref())?;
    let known = &file.config.lock.modules;
    let names: Vec<&String> = match &arguments.name {
        None => known.keys().collect(),
        Some(name) if known.contains_key(name) => vec![name],
        Some(name) => {
            let help = "`arcllm module add` adds it; `arcllm module list` shows the modules";
            return Err(Failure::usage(format!("`{}` is not in arcllm.lock\n  help: {help}", word(name))));
        }
    };
    let mut updated = Vec::new();
    for name in names {
        if let Some(locked) = known.get(name) {
            updated.push(update(&arguments, &file, name, locked).await?);
        }
    }
    if arguments.json {
        output::json(&json!({ "updated": updated }))?;
    } else if updated.is_empty() {
        line!("arcllm.lock has no module")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Updates a module. Returns what has changed.
async fn update(
    arguments: &ModuleUpdate,
    file: &ConfigFile,
    name: &str,
    before: &LockedModule,
) -> Result<Value, Failure> {
    let candidate = candidate(arguments, file, name, before).await?;
    let allow = wanted(arguments, file, name, before, &candidate);
    let after = candidate.locked(allow.clone());
    let configured = file.config.modules.get(name).map(|module| &module.sandbox);
    let is_configured = configured
        .is_some_and(|sandbox| sandbox.allow == allow && sandbox.wasm.as_deref() == Some(&*after.source.wasm()));
    if after == *before && is_configured {
        if !arguments.json {
            line!("{name} is up to date: {}", after.source.wasm())?;
        }
        return Ok(json!({ "name": name, "changed": false, "source": after.source.wasm() }));
    }
    let more: Vec<&Grant> = allow.iter().filter(|grant| before.beyond([*grant]).is_some()).collect();
    let lost = candidate.lost_signer(before);
    if !arguments.json {
        candidate.print()?;
        difference(name, before, &after, lost)?;
    }
    agree(arguments, name, &more, lost, &candidate)?;
    file.change(file_of(file, &candidate)?, |document, lock| {
        if lock.modules.get(name) != Some(before) {
            let help = "run this again";
            return Err(Failure::usage(format!("another command has changed `{name}` meanwhile\n  help: {help}")));
        }
        lock.modules.insert(name.to_owned(), after.clone());
        edit::set_module(document, name, &after.source.wasm(), &allow)
    })?;
    if !arguments.json {
        line!("\nupdated {name} to {}", after.source.wasm())?;
        if before.source != after.source && before.source.reference().is_some() {
            line!("To go back: arcllm module update {name} --to {}", before.source.wasm())?;
        }
    }
    let of = |locked: &LockedModule| {
        json!({
            "source": locked.source.wasm(),
            "version": locked.version,
            "sha256": locked.wasm.hex(),
            "allow": locked.allow,
            "imports": locked.imports,
        })
    };
    let signature = &candidate.report.signature;
    Ok(json!({ "name": name, "changed": true, "from": of(before), "to": of(&after), "signature": signature }))
}

/// Looks at what the module is updated to.
async fn candidate(
    arguments: &ModuleUpdate,
    file: &ConfigFile,
    name: &str,
    before: &LockedModule,
) -> Result<Candidate, Failure> {
    let to = arguments.to.as_deref();
    let reference = match (to.filter(|to| Reference::is_reference(to)), before.source.reference()) {
        (Some(to), _) => to.parse()?,
        // Without a tag there is only the version that it has.
        (None, Some(known)) => to.or(known.tag()).map_or(Ok(known.clone()), |tag| known.with_tag(tag))?,
        (None, None) => {
            let stored_as = before.source.wasm();
            let stored = file.modules_dir().join(&stored_as);
            let path = to.map_or(stored.as_path(), Path::new);
            return Candidate::from_file(&file.config, path, &stored_as, name).await;
        }
    };
    let registry = Registry::new(file.config.registry_limits())?;
    Candidate::from_registry(&file.config, &registry, &reference, name).await
}

/// The grants that the module would have: those that it has and still asks for, and those that it asks for anew.
fn wanted(
    arguments: &ModuleUpdate,
    file: &ConfigFile,
    name: &str,
    before: &LockedModule,
    candidate: &Candidate,
) -> Vec<Grant> {
    let configured = file.config.modules.get(name).map(|module| module.sandbox.allow.clone());
    let had = configured.unwrap_or_else(|| before.allow.clone());
    let asked = &candidate.report.asks_for;
    // The grants to add to requests are asked for by no import.
    let still = |grant: &Grant| !["models", "state", "journal"].contains(&&*grant.name) || asked.contains(&grant.name);
    let named = |grant: &Grant| arguments.allow.iter().any(|given| given.name == grant.name);
    let kept = had.into_iter().filter(|grant| still(grant) && !named(grant));
    let given: Vec<Grant> = kept.chain(arguments.allow.iter().cloned()).collect();
    grants(asked, &given)
}

/// Prints what differs from what was accepted.
fn difference(name: &str, before: &LockedModule, after: &LockedModule, lost: Option<&str>) -> Result<(), Failure> {
    let unknown = "unknown".to_owned();
    let versions = [before, after].map(|locked| locked.version.as_ref().unwrap_or(&unknown));
    line!("\nWhat changes for {name}:")?;
    line!("    from     {}", word(&before.source.wasm()))?;
    line!("    to       {}", word(&after.source.wasm()))?;
    line!("    version  {} -> {}", word(versions[0]), word(versions[1]))?;
    let sets = [before, after].map(|locked| locked.imports.iter().collect::<BTreeSet<_>>());
    sets[1].difference(&sets[0]).try_for_each(|import| line!("    imports  + {}", word(import)))?;
    sets[0].difference(&sets[1]).try_for_each(|import| line!("    imports  - {}", word(import)))?;
    let new = after.allow.iter().filter(|grant| before.beyond([*grant]).is_some());
    new.into_iter().try_for_each(|grant| line!("    grants   + {}", word(&grant.to_string())))?;
    let gone = before.allow.iter().filter(|grant| after.beyond([*grant]).is_some());
    gone.into_iter().try_for_each(|grant| line!("    grants   - {}", word(&grant.to_string())))?;
    lost.map_or(Ok(()), |lost| line!("    signed   {lost}"))
}

/// Asks for consent. More grants than before need it by name, and so does another signer.
fn agree(
    arguments: &ModuleUpdate,
    name: &str,
    more: &[&Grant],
    lost: Option<&str>,
    candidate: &Candidate,
) -> Result<(), Failure> {
    let unnamed: Vec<&Grant> = more.iter().copied().filter(|grant| !arguments.allow.contains(grant)).collect();
    let wants = (!unnamed.is_empty())
        .then(|| format!("{name} wants more than before, which --yes does not accept: {}", shown(unnamed)));
    let unsigned =
        lost.filter(|_| !arguments.other_signer).map(|lost| format!("{lost}, which --yes does not accept: {name}"));
    let mut command = vec![format!("arcllm module update {name} --to {}", candidate.source.wasm())];
    command.extend(Some(typed(more.iter().copied())).filter(|grants| !grants.is_empty()));
    command.extend(lost.map(|_| "--other-signer".to_owned()));
    let help = match (more, lost) {
        ([], None) => "--yes updates it".to_owned(),
        _ => format!("`{} --yes` accepts that", command.join(" ")),
    };
    if let (true, Some(problem)) = (arguments.yes, unsigned.or(wants)) {
        return Err(Failure::usage(format!("nothing was changed: {problem}\n  help: {help}")));
    }
    let mut question = format!("Update {name}");
    if let Some(lost) = lost {
        tell(format_args!("Take care: {lost}.\n"));
        question.push_str(", although the signer is not that of before");
    }
    if !more.is_empty() {
        let more = shown(more.iter().copied());
        tell(format_args!("{name} wants more than before: {more}\n"));
        question.push_str(&format!(", and grant it {more}"));
    }
    agreed(&format!("{question}?"), arguments.yes, &help)
}
