//! What there is to say of each module.

use std::{path::Path, sync::Arc};

use serde::Serialize;
use serde_json::{Map, Value};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::{
    chain::{Links, place},
    config::{Config, ConfigError, ModuleConfig, Overrides, Sandbox},
    find::is_name,
    held::Held,
    host::{Host, Shared},
    invoke::Invoke,
    metadata::Metadata,
    permissions,
    runtime::{GRANTS, Hop, Origin, Probe, Streams},
    telemetry::{Scope, own_time},
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
        let on = self.shared.switched_on(&Overrides::new())?;
        let mut reports = Vec::new();
        for name in self.shared.module_names() {
            let position = on.iter().position(|on| on.name == name);
            reports.push(self.shared.module_report(name, position.map(|at| at + 1)).await);
        }
        reports.sort_by_key(|report| (report.position.is_none(), report.position, report.name.clone()));
        Ok(reports)
    }

    /// What a component in this file is, and asks for, without any configuration. Nothing of it runs but what describes it,
    /// in its sandbox. What keeps it from being loaded is in the report.
    ///
    /// # Errors
    ///
    /// Where the WebAssembly engine does not start.
    pub async fn inspect(file: &Path) -> Result<ModuleReport, ConfigError> {
        let name = file.file_stem().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let name = if is_name(&name) { name } else { "module".to_owned() };
        let mut config = Config::parse("", None)?;
        let wasm = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        // Whatever it asks for, it is not told that it has it.
        let sandbox = Sandbox { allow: GRANTS.map(str::to_owned).to_vec(), ..Sandbox::default() };
        config.modules_dir = wasm.parent().map(Path::to_owned);
        let wasm = wasm.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let sandbox = Sandbox { wasm: Some(wasm), ..sandbox };
        let module = ModuleConfig { enabled: false, settings: Map::new(), sandbox };
        config.modules.insert(name.clone(), module);
        let host = Host::builder().config(config).watch(false).build()?;
        let mut report = host.shared.module_report(name, None).await;
        report.granted.clear();
        Ok(report)
    }

    /// Asks a module, with its configured settings and around `provider`, what only its own exports answer. For those
    /// who hold modules to their contract; the host itself answers both for a whole chain.
    ///
    /// # Errors
    ///
    /// Where the module or the provider cannot be loaded, or the module fails.
    pub async fn probe(&self, module: &str, provider: &str) -> Result<Probe, ConfigError> {
        let settings = self.shared.config.modules.get(module).map(|module| module.settings.clone()).unwrap_or_default();
        let prepared = self.shared.prepare(module).await?;
        let mut instance = self.shared.configured(module, &prepared, &settings, None).await?;
        let inner = Arc::new(self.shared.upstream(provider, None)?);
        let name: Arc<str> = module.into();
        let own_time = own_time(&name);
        let hop = Hop::new(
            place(&Arc::downgrade(&self.shared), name, own_time, inner, Links::new(Vec::new(), Handle::current())),
            Invoke::start(self.shared.config.deadline, self.shared.seed, 0, false),
            Held::default(),
            false,
            CancellationToken::new(),
            Scope::default(),
        );
        instance.probe(Arc::new(hop)).await.map_err(|reason| prepared.failed(module, "answer", &reason))
    }
}

impl Shared {
    async fn module_report(&self, name: String, position: Option<usize>) -> ModuleReport {
        let mut report = ModuleReport {
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
        };
        if let Err(error) = self.describe(&mut report).await {
            report.problem = Some(error.to_string());
        }
        report
    }

    /// What else there is by the name of a module, and is not used.
    fn passed_over(&self, name: &str, origin: &Origin) -> Option<String> {
        let Origin::File(used) = origin else { return None };
        let beside = self.config.modules_dir.as_ref()?.join(format!("{name}.wasm"));
        if beside != *used && beside.is_file() {
            let problem = format!("is passed over: modules.{name}.sandbox.wasm names {}", used.display());
            return Some(format!("{}: {problem}", beside.display()));
        }
        // Whoever names a file means it.
        let is_named = self.sandbox(name).wasm.is_some();
        (arcllm_builtin::find(name).is_some() && !is_named)
            .then(|| format!("{}: takes the place of the built-in `{name}`", used.display()))
    }

    async fn describe(&self, report: &mut ModuleReport) -> Result<(), ConfigError> {
        // All that is known stands in the report before this says what is wrong.
        let found = self.find(&report.name).await?;
        report.origin = Some(found.origin.to_string());
        report.sha256 = Some(found.digest.clone());
        report.size_bytes = Some(found.bytes.len());
        report.metadata = Metadata::of(&found.bytes);
        report.warnings.extend(self.passed_over(&report.name, &found.origin));
        let pinned = self.check_pin(&report.name, &found);
        let prepared = self.compile(&report.name, found).await?;
        report.imports.clone_from(&prepared.compiled.imports);
        (report.may, report.asks_in_vain) = permissions::of(&report.imports);
        report.streams = Some(prepared.compiled.streams);
        report.asks_for = prepared.compiled.asks_for().map(str::to_owned).collect();
        report.granted = prepared.granted().into_iter().map(str::to_owned).collect();
        pinned?;
        self.check_grants(&report.name, &prepared)?;
        let (_, description) = self.started(&report.name, &prepared).await?;
        report.version = Some(description.version);
        report.kind = Some(description.kind);
        report.config_schema = serde_json::from_str(&description.config_schema).ok().filter(Value::is_object);
        if report.config_schema.is_none() {
            let told = "says nothing of its settings that is a JSON Schema: mistyped ones go unnoticed";
            report.warnings.push(format!("{}: {told}", prepared.origin));
        }
        let settings = self.config.modules.get(&report.name).map(|module| module.settings.clone()).unwrap_or_default();
        match report.position {
            Some(_) => self.configured(&report.name, &prepared, &settings, None).await.map(drop),
            None => self.check_module_off(&report.name, &settings, None).await,
        }
    }
}
