//! Reports on modules.

use std::{path::Path, sync::Arc, time::Duration};

use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    assembly::{
        behavior,
        enabled::{EnabledModule, enabled_and_wrong},
        host::{Host, HostInner},
        loader::configured_settings,
        locked::SignatureState,
        module_file, order,
        prepared::PreparedModule,
        settings::ModuleSettings,
        source::is_name,
    },
    call::{branch::Branch, cancel::Cancel, invoke::Invoke},
    chat::{
        config_error::ConfigError,
        plain::{self, SENTENCE, WORD},
    },
    check::{imports::imports, metadata::Metadata, permissions},
    config::{
        config::Config,
        grant::{EXTENSIONS, Grant, URLS},
        module::ModuleConfig,
        overrides::Overrides,
        sandbox::Sandbox,
    },
    runtime::{
        guest::{component::Streams, hop::Hop, origin::Origin},
        instance::instance::Probe,
    },
    state::memory_store::MemoryStore,
    telemetry::scope::Scope,
};

/// The most time that an inspected component may take to describe itself.
const INSPECTION: Duration = Duration::from_secs(10);

/// The longest schema that is read, in bytes.
const SCHEMA: usize = 256 << 10;

/// The most words of a behavior that are read.
const BEHAVIORS: usize = 32;

/// What `arcllm modules` reports of a module.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ModuleReport {
    /// Its name in the config.
    pub name: String,
    /// Its own version. Absent if it could not be asked.
    pub version: Option<String>,
    /// Its kind, in its own words.
    pub kind: Option<String>,
    /// What it says that it may do, as `asks-again`.
    pub behavior: Vec<String>,
    /// JSON Schema of its settings.
    pub config_schema: Option<Value>,
    /// Where it comes from: `built-in` or a file.
    pub origin: Option<String>,
    /// The SHA-256 of its bytes.
    pub sha256: Option<String>,
    /// Whether a key of `[trust]` has signed it. Absent for a module that is built in or given by the program.
    pub signature: Option<SignatureState>,
    /// Whether it stands in `arcllm.lock`, so that only these bytes are loaded.
    pub locked: bool,
    /// Its size.
    pub size_bytes: Option<usize>,
    /// The metadata in its custom sections.
    pub metadata: Metadata,
    /// The interfaces that it imports.
    pub imports: Vec<String>,
    /// What these let it do, in plain words.
    pub may: Vec<String>,
    /// What it imports and never gets.
    pub asks_in_vain: Vec<String>,
    /// What it does with streamed answers.
    pub streams: Option<Streams>,
    /// The grants that it asks for.
    pub asks_for: Vec<String>,
    /// The grants that it has, each with its scope.
    pub granted: Vec<Grant>,
    /// Its place in the chain, counted from one, outermost first. Absent if it is off.
    pub position: Option<usize>,
    /// What keeps it from running.
    pub problem: Option<String>,
    /// What is odd about it. It runs all the same.
    pub warnings: Vec<String>,
    /// The settings that it was checked with.
    #[serde(skip)]
    pub(crate) settings: Map<String, Value>,
}

impl Host {
    /// Reports on all modules. Those of the chain come first, in their order.
    ///
    /// # Errors
    ///
    /// Where the chain in the configuration is not valid. What is wrong with one module is in its report.
    pub async fn modules(&self) -> Result<Vec<ModuleReport>, ConfigError> {
        self.inner.module_reports(&Overrides::new()).await
    }

    /// Reports on all modules, as [`modules`](Host::modules), also where the chain in the configuration is not valid. Returns
    /// what is wrong with it beside them, such as a name that no module has.
    pub async fn modules_and_problems(&self) -> (Vec<ModuleReport>, Vec<ConfigError>) {
        let (on, wrong) = enabled_and_wrong(&self.inner.source);
        (self.inner.reports(&on).await, wrong)
    }

    /// What looks like a module in the modules directory and is none because of its name, such as `my module.wasm`. Each
    /// error names the file and what to do.
    pub fn stray_files(&self) -> Vec<ConfigError> {
        self.inner.source.stray_files()
    }

    /// Reports on one module.
    ///
    /// # Errors
    ///
    /// As [`modules`](Host::modules).
    pub async fn module(&self, name: &str) -> Result<ModuleReport, ConfigError> {
        let on = self.inner.loader.enabled(&Overrides::new()).await?;
        Ok(self.inner.module_report(name.to_owned(), &on).await)
    }

    /// Reports on the component in this file, without any configuration. An instance is started and asked to describe
    /// itself, for ten seconds at most. It has no settings, no grants and an empty state. What keeps it from being
    /// loaded is in the report.
    ///
    /// # Errors
    ///
    /// Where the WebAssembly engine does not start.
    pub async fn inspect(file: &Path) -> Result<ModuleReport, ConfigError> {
        Self::inspect_within(file, Config::parse("", None)?.max_module_mb).await
    }

    /// Does the same where a component has at most `max_module_mb` binary megabytes, as `host.max_module_mb` says.
    ///
    /// # Errors
    ///
    /// As [`inspect`](Host::inspect).
    pub async fn inspect_within(file: &Path, max_module_mb: u64) -> Result<ModuleReport, ConfigError> {
        let name = file.file_stem().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let name = if is_name(&name) { name } else { "module".to_owned() };
        let mut config = Config::parse("", None)?;
        config.max_module_mb = max_module_mb;
        let wasm = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        config.modules_dir = wasm.parent().map(Path::to_owned);
        let wasm = wasm.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let sandbox = Sandbox { wasm: Some(wasm), ..Sandbox::default() };
        let module = ModuleConfig::off().sandbox(sandbox);
        config.modules.insert(name.clone(), module);
        let store = Arc::new(MemoryStore::default());
        let host = Host::builder().config(config).state_store(store).watch(false).build()?;
        let mut report = ModuleReport::new(name, None, Map::new());
        let inspected = match module_file::look(file, host.config().max_module_mb) {
            Ok(()) => host.inner.inspect(&mut report).await,
            Err(unfit) => Err(unfit.error(file)),
        };
        // No configuration names the component, so no key does.
        report.problem = inspected.err().map(|error| ConfigError { key: None, ..error }.to_string());
        Ok(report)
    }

    /// Asks the own `name` and `validate-config` of a module, with its configured settings and around `provider`. It is
    /// for tests of modules: the host itself answers both for a whole chain.
    ///
    /// # Errors
    ///
    /// Where the module or the provider cannot be loaded, or the module fails.
    pub async fn probe(&self, module: &str, provider: &str) -> Result<Probe, ConfigError> {
        let inner = &self.inner;
        let settings = configured_settings(&inner.config, module);
        let prepared = inner.loader.prepare(module).await?;
        let settings = ModuleSettings { module, settings: &settings, overrides: None };
        let mut instance = inner.loader.configured(&prepared, settings).await?;
        let end = inner.upstreams.get(provider, None)?;
        let (deadline, max_attempts) = (inner.config.deadline, inner.config.max_attempts);
        let branch = Branch {
            invoke: Invoke::start(deadline, max_attempts, inner.defaults.seed, 0, false),
            cancel: Cancel::default(),
            span: Scope::default(),
            line: None,
        };
        let hop = Hop::new(inner.place(module), end, branch, false);
        let probe = instance.probe(Arc::new(hop)).await.map_err(|reason| prepared.failed(module, "answer", &reason))?;
        Ok(Probe { name: word(&probe.name), ..probe })
    }
}

impl ModuleReport {
    /// Whether it says that it may do this.
    pub(crate) fn may(&self, behavior: &str) -> bool {
        self.behavior.iter().any(|word| word == behavior)
    }

    /// The default order with this module at the place of its kind, outermost first.
    pub fn suggested_order(&self) -> Vec<String> {
        let kind = self.kind.as_deref().unwrap_or_default();
        order::default_order_with(&self.name, order::depth(kind, &self.behavior))
    }

    fn new(name: String, position: Option<usize>, settings: Map<String, Value>) -> Self {
        Self {
            name,
            version: None,
            kind: None,
            behavior: Vec::new(),
            config_schema: None,
            origin: None,
            sha256: None,
            signature: None,
            locked: false,
            size_bytes: None,
            metadata: Metadata::default(),
            imports: Vec::new(),
            may: Vec::new(),
            asks_in_vain: Vec::new(),
            streams: None,
            asks_for: Vec::new(),
            granted: Vec::new(),
            position,
            problem: None,
            warnings: Vec::new(),
            settings,
        }
    }
}

impl HostInner {
    /// Reports on all modules, as a load with these overrides has them. Those of the chain come first, in their order.
    ///
    /// # Errors
    ///
    /// Where the chain is not valid.
    pub(crate) async fn module_reports(&self, overrides: &Overrides) -> Result<Vec<ModuleReport>, ConfigError> {
        Ok(self.reports(&self.loader.enabled(overrides).await?).await)
    }

    /// Reports on all modules of a host where these are on.
    pub(crate) async fn reports(&self, on: &[EnabledModule]) -> Vec<ModuleReport> {
        let mut reports = Vec::new();
        for name in self.source.names() {
            reports.push(self.module_report(name, on).await);
        }
        reports.sort_by_key(|report| (report.position.is_none(), report.position, report.name.clone()));
        reports
    }

    /// Reports on a module of a host where these modules are on.
    async fn module_report(&self, name: String, on: &[EnabledModule]) -> ModuleReport {
        let on = on.iter().enumerate().find(|(_, on)| on.name == name);
        let (position, settings, overrides) = match on {
            Some((at, on)) => (Some(at + 1), on.settings.clone(), on.overrides.as_ref()),
            None => (None, configured_settings(&self.config, &name), None),
        };
        let mut report = ModuleReport::new(name, position, settings);
        if let Err(error) = self.describe(&mut report, overrides).await {
            report.problem = Some(error.to_string());
        }
        report
    }

    /// A file with the name of a module that is not used.
    fn unused_file(&self, name: &str, origin: &Origin) -> Option<String> {
        let beside = self.config.modules_dir.as_ref()?.join(format!("{name}.wasm"));
        let shown = |path: &Path| plain::line(&path.display().to_string(), SENTENCE).into_owned();
        let why = match origin {
            Origin::File(used) if *used == beside => return None,
            Origin::File(used) => format!("is not used: modules.{name}.sandbox.wasm names {}", shown(used)),
            Origin::Registry(used) => format!("is not used: modules.{name}.sandbox.wasm names {used}"),
            Origin::Code => "is not used: the program gave the module".to_owned(),
            Origin::BuiltIn => format!(
                "is ignored: `{name}` is built in\n  help: wasm = \"{name}.wasm\" under [modules.{name}.sandbox] puts the file \
                 in its place"
            ),
        };
        beside.is_file().then(|| format!("{}: {why}", shown(&beside)))
    }

    async fn describe(&self, report: &mut ModuleReport, overrides: Option<&Value>) -> Result<(), ConfigError> {
        let prepared = self.identify(report).await?;
        self.loader.check_grants(&report.name, &prepared)?;
        self.add_description(report, &prepared).await?;
        let settings = ModuleSettings { module: &report.name, settings: &report.settings, overrides };
        match report.position {
            Some(_) => self.loader.configured(&prepared, settings).await.map(drop),
            None => self.loader.check_disabled_module(settings).await,
        }
    }

    /// As [`describe`](HostInner::describe), for a component without settings and grants.
    async fn inspect(&self, report: &mut ModuleReport) -> Result<(), ConfigError> {
        let prepared = self.identify(report).await?;
        let described = tokio::time::timeout(INSPECTION, self.add_description(report, &prepared)).await;
        described.unwrap_or_else(|_| {
            let reason = format!("no answer within {} s", INSPECTION.as_secs());
            Err(prepared.failed(&report.name, "describe itself", &reason))
        })
    }

    /// Reports what can be known without running the module.
    async fn identify(&self, report: &mut ModuleReport) -> Result<PreparedModule, ConfigError> {
        // The report is filled first, so that it is there when an error follows.
        report.locked = self.config.lock.modules.contains_key(&report.name);
        let found = self.source.find(&report.name).await?;
        report.origin = Some(plain::line(&found.origin.to_string(), SENTENCE).into_owned());
        report.sha256 = Some(found.digest.clone());
        report.size_bytes = Some(found.bytes.len());
        report.metadata = Metadata::of(&found.bytes);
        // A component that does not load tells only these.
        report.imports = imports(&found.bytes).iter().map(|name| word(name)).collect();
        (report.may, report.asks_in_vain) = permissions::of(&report.imports, &[]);
        let unused = self.unused_file(&report.name, &found.origin);
        report.warnings.extend(unused);
        report.signature = self.source.signature(&report.name, &found).unwrap_or_default();
        let pinned = self.loader.check_pin(&report.name, &found);
        let pinned = pinned.and_then(|()| self.source.check_lock(&report.name, &found));
        let prepared = match self.loader.compile(&report.name, found).await {
            Ok(prepared) => prepared,
            // That bytes were changed says more than that they are no component any more.
            Err(error) => return Err(pinned.err().unwrap_or(error)),
        };
        report.imports = prepared.compiled.imports.iter().map(|name| word(name)).collect();
        (report.may, report.asks_in_vain) = permissions::of(&report.imports, &prepared.compiled.functions);
        report.streams = Some(prepared.compiled.streams);
        report.asks_for = prepared.compiled.asks_for().map(str::to_owned).collect();
        let additions = [URLS, EXTENSIONS].into_iter().filter_map(|grant| prepared.sandbox.grant(grant).cloned());
        report.granted = prepared.granted().into_iter().chain(additions).collect();
        pinned.map(|()| prepared)
    }

    /// Reports the module's description of itself.
    async fn add_description(&self, report: &mut ModuleReport, prepared: &PreparedModule) -> Result<(), ConfigError> {
        let (_, description) = self.loader.started(&report.name, prepared).await?;
        report.version = Some(word(&description.version));
        report.kind = Some(word(&description.kind));
        report.behavior = description.behavior.iter().take(BEHAVIORS).map(|behavior| word(behavior)).collect();
        let origin = plain::line(&prepared.origin.to_string(), SENTENCE).into_owned();
        report.warnings.extend(behavior::unknown(&report.behavior).map(|unknown| format!("{origin} {unknown}")));
        let schema = Some(description.config_schema).filter(|schema| schema.len() <= SCHEMA);
        let schema = schema.and_then(|schema| serde_json::from_str(&schema).ok()).filter(Value::is_object);
        report.config_schema = schema.map(|schema| plain::value(schema, SENTENCE));
        if report.config_schema.is_none() {
            let told = "does not describe its settings with a JSON Schema, so mistyped settings are not noticed";
            report.warnings.push(format!("{}: {told}", plain::line(&prepared.origin.to_string(), SENTENCE)));
        }
        Ok(())
    }
}

fn word(text: &str) -> String {
    plain::line(text, WORD).into_owned()
}
