//! What there is to say of each module.

use std::{path::Path, sync::Arc, time::Duration};

use serde::Serialize;
use serde_json::Value;

use crate::{
    assembly::{
        enabled::enabled,
        host::{Host, HostInner},
        loader::configured_settings,
        prepared::Prepared,
        settings::ModuleSettings,
        source::is_name,
    },
    call::{branch::Branch, cancel::Cancel, invoke::Invoke},
    chat::plain::{self, MESSAGE, SENTENCE, WORD},
    check::{metadata::Metadata, permissions},
    config::{config::Config, error::ConfigError, module::ModuleConfig, overrides::Overrides, sandbox::Sandbox},
    runtime::{
        guest::{component::Streams, hop::Hop, origin::Origin},
        instance::instance::Probe,
    },
    state::state_store::MemoryStore,
    telemetry::scope::Scope,
};

/// The most time that a component which is inspected has to describe itself.
const INSPECTION: Duration = Duration::from_secs(10);

/// The longest schema that is read, in bytes.
const SCHEMA: usize = 256 << 10;

/// What `arcllm modules` says of a module.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ModuleReport {
    /// Its name in the config.
    pub name: String,
    /// Its own version; absent if it could not be asked.
    pub version: Option<String>,
    /// What it says it does.
    pub kind: Option<String>,
    /// JSON Schema of its settings.
    pub config_schema: Option<Value>,
    /// Where it comes from: `built-in` or a file.
    pub origin: Option<String>,
    /// The SHA-256 of its bytes.
    pub sha256: Option<String>,
    /// Its size.
    pub size_bytes: Option<usize>,
    /// What it says of itself.
    pub metadata: Metadata,
    /// The interfaces that it imports.
    pub imports: Vec<String>,
    /// What these let it do, in plain words.
    pub may: Vec<String>,
    /// What it asks for and does not get, whatever config says.
    pub asks_in_vain: Vec<String>,
    /// What it does with streamed answers.
    pub streams: Option<Streams>,
    /// What it asks for that config must grant.
    pub asks_for: Vec<String>,
    /// What it is granted of that.
    pub granted: Vec<String>,
    /// Its place in the chain, counted from one, outermost first; absent if it is off.
    pub position: Option<usize>,
    /// What keeps it from running.
    pub problem: Option<String>,
    /// What is odd about it, and keeps it from nothing.
    pub warnings: Vec<String>,
}

impl Host {
    /// Every module there is: those of the chain first, in their order.
    ///
    /// # Errors
    ///
    /// Where the configuration says nothing sensible about the chain. What is wrong with one module is in its report.
    pub async fn modules(&self) -> Result<Vec<ModuleReport>, ConfigError> {
        let on = enabled(&self.inner.source, &Overrides::new())?;
        let mut reports = Vec::new();
        for name in self.inner.source.names() {
            let position = on.iter().position(|on| on.name == name);
            reports.push(self.inner.module_report(name, position.map(|at| at + 1)).await);
        }
        reports.sort_by_key(|report| (report.position.is_none(), report.position, report.name.clone()));
        Ok(reports)
    }

    /// What a component in this file is, and asks for, without any configuration. It is made, and asked to describe itself,
    /// for ten seconds at most: with no settings, no grants and a state of its own that is empty and gone afterwards. What
    /// keeps it from being loaded is in the report.
    ///
    /// # Errors
    ///
    /// Where the WebAssembly engine does not start.
    pub async fn inspect(file: &Path) -> Result<ModuleReport, ConfigError> {
        let name = file.file_stem().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let name = if is_name(&name) { name } else { "module".to_owned() };
        let mut config = Config::parse("", None)?;
        let wasm = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        config.modules_dir = wasm.parent().map(Path::to_owned);
        let wasm = wasm.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let sandbox = Sandbox { wasm: Some(wasm), ..Sandbox::default() };
        let module = ModuleConfig::off().sandbox(sandbox);
        config.modules.insert(name.clone(), module);
        let store = Arc::new(MemoryStore::default());
        let host = Host::builder().config(config).state_store(store).watch(false).build()?;
        let mut report = ModuleReport::new(name, None);
        if let Err(error) = host.inner.inspect(&mut report).await {
            report.problem = Some(error.to_string());
        }
        Ok(report)
    }

    /// Asks a module, with its configured settings and around `provider`, what only its own exports answer. For those
    /// who hold modules to their contract; the host itself answers both for a whole chain.
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
        };
        let hop = Hop::new(inner.place(module), end, branch, false);
        let probe = instance.probe(Arc::new(hop)).await.map_err(|reason| prepared.failed(module, "answer", &reason))?;
        Ok(Probe { name: word(&probe.name), ..probe })
    }
}

impl ModuleReport {
    fn new(name: String, position: Option<usize>) -> Self {
        Self {
            name,
            version: None,
            kind: None,
            config_schema: None,
            origin: None,
            sha256: None,
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
        }
    }
}

impl HostInner {
    async fn module_report(&self, name: String, position: Option<usize>) -> ModuleReport {
        let mut report = ModuleReport::new(name, position);
        if let Err(error) = self.describe(&mut report).await {
            report.problem = Some(error.to_string());
        }
        report
    }

    /// What else there is by the name of a module, and is not used.
    fn passed_over(&self, name: &str, origin: &Origin) -> Option<String> {
        let beside = self.config.modules_dir.as_ref()?.join(format!("{name}.wasm"));
        let why = match origin {
            Origin::File(used) if *used == beside => return None,
            Origin::File(used) => format!("is passed over: modules.{name}.sandbox.wasm names {}", used.display()),
            Origin::Code => "is passed over: the program gave the module".to_owned(),
            Origin::BuiltIn => format!(
                "is ignored: `{name}` is built in\n  help: wasm = \"{name}.wasm\" under [modules.{name}.sandbox] puts the file \
                 in its place"
            ),
        };
        beside.is_file().then(|| format!("{}: {why}", beside.display()))
    }

    async fn describe(&self, report: &mut ModuleReport) -> Result<(), ConfigError> {
        let prepared = self.identify(report).await?;
        self.loader.check_grants(&report.name, &prepared)?;
        self.hear(report, &prepared).await?;
        let settings = configured_settings(&self.config, &report.name);
        let settings = ModuleSettings { module: &report.name, settings: &settings, overrides: None };
        match report.position {
            Some(_) => self.loader.configured(&prepared, settings).await.map(drop),
            None => self.loader.check_disabled_module(settings).await,
        }
    }

    /// As [`describe`](HostInner::describe), of a component that nobody has granted or set anything.
    async fn inspect(&self, report: &mut ModuleReport) -> Result<(), ConfigError> {
        let prepared = self.identify(report).await?;
        let heard = tokio::time::timeout(INSPECTION, self.hear(report, &prepared)).await;
        heard.unwrap_or_else(|_| {
            let reason = format!("no answer within {} s", INSPECTION.as_secs());
            Err(prepared.failed(&report.name, "describe itself", &reason))
        })
    }

    /// What is known of a module without running it.
    async fn identify(&self, report: &mut ModuleReport) -> Result<Prepared, ConfigError> {
        // All that is known stands in the report before this says what is wrong.
        let found = self.source.find(&report.name).await?;
        report.origin = Some(plain::line(&found.origin.to_string(), SENTENCE).into_owned());
        report.sha256 = Some(found.digest.clone());
        report.size_bytes = Some(found.bytes.len());
        report.metadata = Metadata::of(&found.bytes);
        let passed_over = self.passed_over(&report.name, &found.origin);
        report.warnings.extend(passed_over.map(|warning| plain::line(&warning, MESSAGE).into_owned()));
        let pinned = self.loader.check_pin(&report.name, &found);
        let prepared = self.loader.compile(&report.name, found).await?;
        report.imports = prepared.compiled.imports.iter().map(|name| word(name)).collect();
        (report.may, report.asks_in_vain) = permissions::of(&report.imports, &prepared.compiled.functions);
        report.streams = Some(prepared.compiled.streams);
        report.asks_for = prepared.compiled.asks_for().map(str::to_owned).collect();
        let additions =
            ["urls", "extensions"].into_iter().filter(|grant| prepared.sandbox.allow.iter().any(|one| one == grant));
        report.granted = prepared.granted().into_iter().chain(additions).map(str::to_owned).collect();
        pinned.map(|()| prepared)
    }

    /// What a module says of itself.
    async fn hear(&self, report: &mut ModuleReport, prepared: &Prepared) -> Result<(), ConfigError> {
        let (_, description) = self.loader.started(&report.name, prepared).await?;
        report.version = Some(word(&description.version));
        report.kind = Some(word(&description.kind));
        let schema = Some(description.config_schema).filter(|schema| schema.len() <= SCHEMA);
        let schema = schema.and_then(|schema| serde_json::from_str(&schema).ok()).filter(Value::is_object);
        report.config_schema = schema.map(|schema| plain::value(schema, SENTENCE));
        if report.config_schema.is_none() {
            let told = "says nothing of its settings that is a JSON Schema: mistyped ones go unnoticed";
            report.warnings.push(format!("{}: {told}", plain::line(&prepared.origin.to_string(), SENTENCE)));
        }
        Ok(())
    }
}

fn word(text: &str) -> String {
    plain::line(text, WORD).into_owned()
}
