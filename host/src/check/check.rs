//! Checks a configuration: its chain, and what one call can cost at most.

use std::{collections::BTreeSet, time::Duration};

use serde::Serialize;

use crate::{
    assembly::{
        enabled::EnabledModule,
        host::{Host, HostInner},
        settings::ModuleSettings,
    },
    chat::{config_error::ConfigError, seconds},
    check::report::ModuleReport,
    config::{config::Config, grant::JOURNAL, overrides::Overrides},
    runtime::{
        guest::bindings::exports::arcllm::llm::module::{Cost, Target},
        instance::instance::Instance,
    },
};

/// What `arcllm check` reports of a configuration.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CheckReport {
    /// The file. Absent for the built-in configuration.
    pub file: Option<String>,
    /// Whether the file may do all that it says. See [`Config::is_trusted`].
    pub trusted: bool,
    /// The provider of calls that name none.
    pub provider: Option<String>,
    /// The model of that provider.
    pub model: Option<String>,
    /// The modules of the chain, outermost first.
    pub chain: Vec<String>,
    /// The most requests that one call can send.
    pub worst_case_attempts: u64,
    /// The most time that modules can make one call wait.
    #[serde(rename = "worst_case_waiting_seconds", with = "seconds")]
    pub worst_case_waiting: Duration,
    /// The deadline of one call.
    #[serde(rename = "deadline_seconds", with = "seconds")]
    pub deadline: Duration,
    /// The most requests that one call may send, whatever its modules do.
    pub max_attempts: u32,
    /// All modules.
    pub modules: Vec<ModuleReport>,
    /// What is wrong. Empty if the chain can be loaded.
    pub problems: Vec<String>,
    /// What is allowed and may cost dearly.
    pub warnings: Vec<String>,
}

impl Host {
    /// Checks the configuration, every module and every `[models.NAME]`, and computes what one call of `name` can cost at
    /// most. `name` is what [`load_model`](Host::load_model) takes, or the default provider. A missing key is a warning: it
    /// may be present where the calls are made.
    pub async fn check(&self, name: Option<&str>) -> CheckReport {
        let config = self.config();
        let mut report = CheckReport::new(config);
        let name = name.or(config.defaults.provider.as_deref());
        let overrides = match name {
            Some(name) => Box::pin(self.inner.check_end(name, &mut report)).await,
            None => Overrides::new(),
        };
        match Box::pin(self.inner.module_reports(&overrides)).await {
            Ok(modules) => report.modules = modules,
            Err(error) => {
                report.problems.push(error.to_string());
                report.modules = Box::pin(self.inner.reports(&[])).await;
            }
        }
        report.add_modules(config);
        self.inner.check_journal(&mut report);
        self.inner.check_signers(&mut report);
        // It may be set where the calls are made, as a key may.
        report.warnings.extend(self.inner.state.check_named().err().map(|error| error.to_string()));
        report.warnings.extend(self.stray_files().iter().map(ToString::to_string));
        let provider = report.provider.clone().unwrap_or_default();
        Box::pin(self.inner.check_models(&mut report)).await;
        self.inner.note_distrust(&provider, &overrides, &mut report);
        if report.problems.is_empty() {
            match Box::pin(self.inner.worst_case(&provider, &overrides)).await {
                Ok(cost) => {
                    report.worst_case_attempts = cost.attempts;
                    report.worst_case_waiting = Duration::from_nanos(cost.waiting);
                }
                Err(error) => report.problems.push(error.to_string()),
            }
        }
        // A problem is not repeated as a warning.
        report.warnings.extend(self.inner.warnings(&report));
        report.warnings.retain(|warning| !report.problems.contains(warning));
        report
    }
}

impl CheckReport {
    fn new(config: &Config) -> Self {
        Self {
            file: config.file.as_ref().map(|file| file.display().to_string()),
            trusted: config.is_trusted(),
            provider: None,
            model: None,
            chain: Vec::new(),
            worst_case_attempts: 1,
            worst_case_waiting: Duration::ZERO,
            deadline: config.deadline,
            max_attempts: config.max_attempts,
            modules: Vec::new(),
            problems: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Adds the chain, the problems and the warnings of the modules.
    fn add_modules(&mut self, config: &Config) {
        // The problem of an unused module is only a warning: it is not configured, or it is off and not trusted.
        let is_used = |module: &&ModuleReport| {
            module.position.is_some() || (config.is_trusted() && config.modules.contains_key(&module.name))
        };
        let (used, stray): (Vec<_>, Vec<_>) = self.modules.iter().partition(is_used);
        self.problems.extend(used.into_iter().filter_map(|module| module.problem.clone()));
        self.warnings.extend(stray.into_iter().filter_map(|module| module.problem.clone()));
        self.warnings.extend(self.modules.iter().flat_map(|module| module.warnings.clone()));
        let on = self.modules.iter().filter(|module| module.position.is_some());
        self.chain = on.map(|module| module.name.clone()).collect();
    }
}

impl HostInner {
    /// Notes the keys of `[trust]` that cannot be read or are none. A stranger's are not read.
    fn check_signers(&self, report: &mut CheckReport) {
        if self.config.is_trusted() {
            let wrong = self.config.signers.rules().filter_map(|rule| rule.read_keys(&self.config).err());
            let wrong: BTreeSet<String> = wrong.map(|error| error.to_string()).collect();
            report.problems.extend(wrong);
        }
    }

    /// Notes what keeps the modules that are on from appending to the journal.
    fn check_journal(&self, report: &mut CheckReport) {
        let on = report.modules.iter().filter(|module| module.position.is_some());
        if on.flat_map(|module| &module.granted).any(|grant| grant.name == JOURNAL) {
            report.problems.extend(self.loader.journal.check().err().map(|error| error.to_string()));
        }
    }

    /// Notes what is refused because the configuration is not trusted. A provider that the chain cannot ask is only a
    /// warning.
    fn note_distrust(&self, provider: &str, overrides: &Overrides, report: &mut CheckReport) {
        report.problems.extend(self.config.check_attempts_are_trusted().err().map(|error| error.to_string()));
        let asked = self.asked_by_chain(provider, overrides).unwrap_or_default();
        let providers = self.config.providers.values().filter(|provider| !self.upstreams.has_adapter(&provider.name));
        for provider in providers {
            let Err(error) = self.config.check_provider_is_trusted(provider) else { continue };
            let is_asked = asked.iter().any(|asked| asked.name == provider.name);
            let notes = if is_asked { &mut report.problems } else { &mut report.warnings };
            notes.push(error.to_string());
        }
    }

    /// The most that one call of `provider` can cost. Computed from the adapter outwards: each module is told what its
    /// inner and every other model cost.
    async fn worst_case(&self, provider: &str, overrides: &Overrides) -> Result<Cost, ConfigError> {
        let one = Cost { attempts: 1, waiting: 0 };
        let modules = self.loader.enabled(overrides).await?;
        let mut names: BTreeSet<&str> = self.upstreams.providers().collect();
        for (key, value) in modules.iter().flat_map(|module| &module.settings) {
            self.upstreams.find_models(key, value, &mut names);
        }
        names.remove(provider);
        let targets = std::iter::once(provider).chain(names);
        let target = |name: &str| {
            let (provider, model) = match self.upstreams.known(name) {
                Some(known) => (known.provider, known.model),
                None => (name.to_owned(), String::new()),
            };
            Target { name: name.to_owned(), provider, model, most: one }
        };
        let mut targets: Vec<Target> = targets.map(target).collect();
        for EnabledModule { name, settings, overrides } in modules.iter().rev() {
            let prepared = self.loader.prepare(name).await?;
            let settings = ModuleSettings { module: name, settings, overrides: overrides.as_ref() };
            let mut instance = self.loader.configured(&prepared, settings).await?;
            targets = costs_around(name, &mut instance, &targets).await?;
        }
        Ok(targets.first().map_or(one, |target| target.most))
    }
}

/// The costs of all targets, asked through this module.
async fn costs_around(name: &str, instance: &mut Instance, targets: &[Target]) -> Result<Vec<Target>, ConfigError> {
    let mut around = Vec::new();
    for target in targets {
        let others = targets.iter().filter(|other| other.name != target.name).cloned().collect();
        let inner = Target { name: String::new(), ..target.clone() };
        let most = instance.worst_case(inner, others).await.map_err(|reason| {
            ConfigError::new(format!("the module `{name}` failed to name its worst case: {reason}"))
        })?;
        around.push(Target { most, ..target.clone() });
    }
    Ok(around)
}
