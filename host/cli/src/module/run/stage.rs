//! The simulated providers around a module, and the host that runs it.

use std::{path::Path, str::FromStr, sync::Arc, time::Duration};

use arcllm::{Config, Host, MemoryJournal};
use arcllm_simulator::{Fault, Reply, Script, Simulator};
use serde_json::{Map, Value, json};

use crate::{
    failure::Failure,
    module::{name::name, run::ModuleRun},
};

/// The providers, as in scenarios. The caller asks the first.
const PROVIDERS: [&str; 4] = ["primary", "second", "third", "fourth"];

/// What the module is granted: everything, since nothing leaves this machine.
const GRANTS: [&str; 5] = ["models", "state", "journal", "urls", "extensions"];

/// A value of an argument, and the provider that it is for.
#[derive(Debug, Clone)]
pub(crate) struct ForProvider<T> {
    provider: &'static str,
    pub(crate) value: T,
}

/// Reads `[PROVIDER=]VALUE`.
pub(crate) fn for_provider<T: FromStr<Err: ToString>>(text: &str) -> Result<ForProvider<T>, String> {
    let (provider, value) = split(text);
    Ok(ForProvider { provider, value: value.parse().map_err(|error: T::Err| error.to_string())? })
}

/// Reads `[PROVIDER=]STATUS|FAULT`.
pub(crate) fn fault(text: &str) -> Result<ForProvider<Reply>, String> {
    let (provider, word) = split(text);
    let value = match (word.parse::<u16>(), Fault::ALL.iter().find(|fault| fault.name() == word)) {
        (Ok(status @ 200..=599), _) => Reply::status(status),
        (_, Some(fault)) => Reply::fault(*fault),
        _ => return Err("expected a status from 200 to 599, or a fault that `arcllm simulate --help` lists".to_owned()),
    };
    Ok(ForProvider { provider, value })
}

/// Reads `[PROVIDER=]SECONDS`.
pub(crate) fn delay(text: &str) -> Result<ForProvider<Duration>, String> {
    let (provider, seconds) = split(text);
    let value = seconds.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let value = value.filter(|delay| *delay <= LONGEST).ok_or("expected a number of seconds, at most 86400")?;
    Ok(ForProvider { provider, value })
}

/// The longest delay.
const LONGEST: Duration = Duration::from_secs(86_400);

/// A path may have `=` in it, so only the name of a provider counts.
fn split(text: &str) -> (&'static str, &str) {
    let named = PROVIDERS.into_iter().find_map(|name| Some((name, text.strip_prefix(name)?.strip_prefix('=')?)));
    named.unwrap_or(("primary", text))
}

/// The simulated providers. They end when this is dropped.
pub(crate) struct Stage {
    simulators: Vec<(&'static str, Simulator)>,
}

impl Stage {
    /// Starts the providers on free ports.
    pub(crate) async fn start(arguments: &ModuleRun) -> Result<Self, Failure> {
        let mut simulators = Vec::new();
        for provider in PROVIDERS {
            let simulator = Simulator::start(script(provider, arguments)?).await;
            let simulator = simulator.map_err(|error| {
                Failure::usage(format!("cannot start the simulated providers on 127.0.0.1: {error}"))
            })?;
            simulators.push((provider, simulator));
        }
        Ok(Self { simulators })
    }

    /// A host with the module in front of the providers.
    pub(crate) fn host(&self, component: &Path, settings: Map<String, Value>) -> Result<Host, Failure> {
        let file = component.canonicalize();
        let file = file.map_err(|error| Failure::usage(format!("{}: {error}", component.display())))?;
        let stem = component.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| name(stem).ok());
        let module = stem.unwrap_or_else(|| "module".to_owned());
        let mut table = settings;
        table.insert("enabled".to_owned(), true.into());
        table.insert("sandbox".to_owned(), json!({ "wasm": &file, "allow": GRANTS }));
        let providers: Map<String, Value> = self
            .simulators
            .iter()
            .map(|(name, simulator)| {
                let url = simulator.url();
                ((*name).to_owned(), json!({ "adapter": "openai", "base_url": url, "default_model": "simulated" }))
            })
            .collect();
        let mut modules = Map::new();
        modules.insert(module.clone(), table.into());
        let config = json!({ "host": { "order": [module] }, "providers": providers, "modules": modules });
        let text = toml::to_string(&config).map_err(|error| {
            Failure::usage(format!("--settings cannot be written as TOML: {error}\n  help: leave out what is null"))
        })?;
        // In a folder that does not exist, so that no other file is taken for a module.
        let place = file.with_extension("run").join("config.toml");
        let builder = Host::builder().config(Config::parse(&text, Some(&place))?).watch(false);
        // What the module appends is gone with this process.
        Ok(builder.journal(Arc::new(MemoryJournal::default())).build()?)
    }
}

/// What a provider replies.
fn script(provider: &str, arguments: &ModuleRun) -> Result<Script, Failure> {
    let of = |named: &str| named == provider;
    let file = arguments.scripts.iter().rfind(|script| of(script.provider)).map(|script| &script.value);
    let delay = arguments.delays.iter().rfind(|delay| of(delay.provider)).map(|delay| delay.value);
    let faults: Vec<&Reply> =
        arguments.faults.iter().filter(|fault| of(fault.provider)).map(|fault| &fault.value).collect();
    if let Some(file) = file {
        if delay.is_some() || !faults.is_empty() {
            let help = "write `delay_seconds`, `status` and `fault` into the script";
            let problem = format!("{provider} has a --script, and also --fault or --delay");
            return Err(Failure::usage(format!("{problem}\n  help: {help}")));
        }
        return Script::from_file(file).map_err(|error| Failure::usage(error.to_string()));
    }
    let delay = delay.unwrap_or_default();
    let well = Reply::default().delay(delay).times(u32::MAX);
    let replies = faults.into_iter().map(|fault| fault.clone().delay(delay));
    Ok(Script::new(replies.chain([well])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_is_for_primary_unless_it_names_another_provider() {
        assert_eq!(fault("503").unwrap().provider, "primary");
        assert_eq!(fault("second=reset").unwrap().provider, "second");
        assert_eq!(delay("third=0.5").unwrap().value, Duration::from_millis(500));
        let path = for_provider::<std::path::PathBuf>("a=b.toml").unwrap();
        assert_eq!((path.provider, path.value.to_str()), ("primary", Some("a=b.toml")));
        for text in ["", "99", "600", "fith=503", "no-such-fault"] {
            assert!(fault(text).unwrap_err().contains("expected a status"), "{text}");
        }
        for text in ["-1", "nan", "inf", "1e9", "soon"] {
            assert!(delay(text).unwrap_err().contains("expected a number of seconds"), "{text}");
        }
    }
}
