//! What a configuration comes to: its chain, its modules, and the most that one call can cost.

use std::time::Duration;

use serde::Serialize;

use crate::{
    config::{ConfigError, Overrides},
    host::{Host, Shared},
    runtime::{Cost, Instance, Origin, Target},
    seconds,
};

/// What `arcllm modules` says of a module.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModuleReport {
    /// Its name in the config.
    pub name: String,
    /// Its own version; absent if it could not be asked.
    pub version: Option<String>,
    /// What it says it does.
    pub kind: Option<String>,
    /// Where it comes from: `built-in` or a file.
    pub origin: Option<String>,
    /// The SHA-256 of its bytes.
    pub sha256: Option<String>,
    /// The interfaces that it imports.
    pub imports: Vec<String>,
    /// What it asks for that config must grant.
    pub asks_for: Vec<String>,
    /// What it is granted of that.
    pub granted: Vec<String>,
    /// Its place in the chain, counted from one, outermost first; absent if it is off.
    pub position: Option<usize>,
    /// What keeps it from running.
    pub problem: Option<String>,
}

/// What `arcllm check` says of a configuration.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CheckReport {
    /// The file; absent if it is the built-in configuration.
    pub file: Option<String>,
    /// The provider that is asked unless a call names one.
    pub provider: Option<String>,
    /// Its model.
    pub model: Option<String>,
    /// The modules of the chain, outermost first.
    pub chain: Vec<String>,
    /// The most requests that one call can send.
    pub worst_case_attempts: u64,
    /// The most time that one call can spend waiting on purpose.
    #[serde(rename = "worst_case_waiting_seconds", with = "seconds")]
    pub worst_case_waiting: Duration,
    /// The budget of one call.
    #[serde(rename = "deadline_seconds", with = "seconds")]
    pub deadline: Duration,
    /// Every module there is.
    pub modules: Vec<ModuleReport>,
    /// What is wrong. Nothing, if calls can be made.
    pub problems: Vec<String>,
}

impl Host {
    /// Every module there is: those of the chain first, in their order.
    ///
    /// # Errors
    ///
    /// Where the configuration says nothing sensible about the chain. What is wrong with one module is in its report.
    pub async fn modules(&self) -> Result<Vec<ModuleReport>, ConfigError> {
        let on = self.shared.switched_on(&Overrides::new())?;
        let mut reports = Vec::new();
        for name in self.shared.module_names() {
            let position = on.iter().position(|(on, _)| *on == name);
            reports.push(self.shared.module_report(name, position.map(|at| at + 1)).await);
        }
        reports.sort_by_key(|report| (report.position.is_none(), report.position, report.name.clone()));
        Ok(reports)
    }

    /// Checks the configuration and every module, and works out what one call of `provider`, or of the default
    /// provider, can cost at most.
    pub async fn check(&self, provider: Option<&str>) -> CheckReport {
        let config = self.config();
        let provider = provider.or(config.defaults.provider.as_deref());
        let mut report = CheckReport {
            file: config.file.as_ref().map(|file| file.display().to_string()),
            provider: provider.map(str::to_owned),
            model: None,
            chain: Vec::new(),
            worst_case_attempts: 1,
            worst_case_waiting: Duration::ZERO,
            deadline: config.deadline,
            modules: Vec::new(),
            problems: Vec::new(),
        };
        match self.modules().await {
            Ok(modules) => report.modules = modules,
            Err(error) => report.problems.push(error.to_string()),
        }
        report.problems.extend(report.modules.iter().filter_map(|module| module.problem.clone()));
        report.chain =
            report.modules.iter().filter(|module| module.position.is_some()).map(|m| m.name.clone()).collect();
        if let Some(provider) = provider {
            match self.shared.upstream(provider, None) {
                Ok(upstream) => report.model = Some(upstream.model),
                Err(error) => report.problems.push(error.to_string()),
            }
        }
        if report.problems.is_empty() {
            match self.shared.worst_case(provider.unwrap_or_default()).await {
                Ok(cost) => {
                    report.worst_case_attempts = cost.attempts;
                    report.worst_case_waiting = Duration::from_nanos(cost.waiting);
                }
                Err(error) => report.problems.push(error.to_string()),
            }
        }
        report
    }
}

impl Shared {
    async fn module_report(&self, name: String, position: Option<usize>) -> ModuleReport {
        let mut report = ModuleReport {
            name,
            version: None,
            kind: None,
            origin: None,
            sha256: None,
            imports: Vec::new(),
            asks_for: Vec::new(),
            granted: Vec::new(),
            position,
            problem: None,
        };
        if let Err(error) = self.describe(&mut report).await {
            report.problem = Some(error.to_string());
        }
        report
    }

    async fn describe(&self, report: &mut ModuleReport) -> Result<(), ConfigError> {
        let prepared = self.prepare(&report.name).await?;
        report.origin = Some(prepared.origin.to_string());
        report.sha256 = Some(prepared.compiled.digest.clone());
        report.imports.clone_from(&prepared.compiled.imports);
        report.asks_for = prepared.compiled.asks_for().map(str::to_owned).collect();
        // Whatever lacks a grant has been refused above, so all is granted that is asked for.
        report.granted.clone_from(&report.asks_for);
        if prepared.origin != Origin::BuiltIn {
            report.granted.retain(|grant| prepared.sandbox.allow.contains(grant));
        }
        let (_, description) = self.started(&report.name, &prepared).await?;
        report.version = Some(description.version);
        report.kind = Some(description.kind);
        // Settings of a module that is off are checked too, unless there are none.
        let settings = self.config.modules.get(&report.name).map(|module| &module.settings);
        if let Some(settings) = settings.filter(|settings| report.position.is_some() || !settings.is_empty()) {
            self.configured(&report.name, &prepared, settings, None).await?;
        }
        Ok(())
    }

    /// The most that one call of `provider` can cost: worked out from the adapter outwards, each module told what it
    /// costs to ask its inner and every model that it could load.
    async fn worst_case(&self, provider: &str) -> Result<Cost, ConfigError> {
        let one = Cost { attempts: 1, waiting: 0 };
        let names = self.provider_names().filter(|name| *name != provider);
        let targets = std::iter::once(provider).chain(names);
        let mut targets: Vec<Target> = targets.map(|name| Target { provider: name.to_owned(), most: one }).collect();
        for (name, settings) in self.switched_on(&Overrides::new())?.into_iter().rev() {
            let prepared = self.prepare(&name).await?;
            let mut instance = self.configured(&name, &prepared, &settings, None).await?;
            targets = outwards(&name, &mut instance, &targets).await?;
        }
        Ok(targets.first().map_or(one, |target| target.most))
    }
}

async fn outwards(name: &str, instance: &mut Instance, targets: &[Target]) -> Result<Vec<Target>, ConfigError> {
    let mut around = Vec::new();
    for target in targets {
        let others = targets.iter().filter(|other| other.provider != target.provider).cloned().collect();
        let most = instance.worst_case(target.clone(), others).await.map_err(|reason| {
            ConfigError::new(format!("the module `{name}` failed to name its worst case: {reason}"))
        })?;
        around.push(Target { provider: target.provider.clone(), most });
    }
    Ok(around)
}
