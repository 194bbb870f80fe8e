//! The configuration, and where it is read from.

use std::{
    collections::BTreeMap,
    env,
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
    time::Duration,
};

use arcllm_registry::Limits;
use serde_json::{Map, Value};

use crate::{
    chat::config_error::ConfigError,
    config::{
        defaults::Defaults,
        document::{self, Document},
        journal::JournalConfig,
        lock::{self, Lock},
        model::ModelConfig,
        module::ModuleConfig,
        overrides::{self, Overrides},
        provider::{self, ProviderConfig},
        section::Section,
        serve::ServeConfig,
        signers::Signers,
        state::StateConfig,
        trust::Trust,
    },
};

/// The modules that stand in a chain unless `host.order` says otherwise, outermost first.
pub(crate) const DEFAULT_ORDER: [&str; 14] = [
    "audit",
    "telemetry",
    "budget",
    "cache",
    "redact",
    "validate",
    "resume",
    "route",
    "retry",
    "fallback",
    "hedge",
    "circuit-breaker",
    "rate-limit",
    "chaos",
];

/// How many requests one invoke may send unless `host.max_attempts` says otherwise.
pub(crate) const MAX_ATTEMPTS: u32 = 32;

/// A checked configuration. A load checks the rest, such as whether a key is there.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where it was read; absent if it is built in.
    pub file: Option<PathBuf>,
    /// `[defaults]`.
    pub defaults: Defaults,
    /// `host.modules_dir`, resolved against the file; absent with the built-in configuration.
    pub modules_dir: Option<PathBuf>,
    /// `host.watch`: whether modules that change take effect without a reload by hand. Absent is what the program says, which is
    /// no unless [`HostBuilder::watch`](crate::HostBuilder::watch) says yes.
    pub watch: Option<bool>,
    /// `host.order`, outermost first.
    pub order: Vec<String>,
    /// `host.deadline_seconds`: one budget for a whole invoke.
    pub deadline: Duration,
    /// `host.modules_memory_mb`: how much memory the module instances of the process may take, in binary megabytes.
    pub modules_memory_mb: u64,
    /// `host.max_module_mb`: how large the file of a module may be, in binary megabytes.
    pub max_module_mb: u64,
    /// `host.max_attempts`: how many requests one invoke may send, whatever its modules do.
    pub max_attempts: u32,
    /// `host.repair_history`: whether tool calls without a result get one that says so, instead of an error.
    pub repair_history: bool,
    /// `host.fetch_modules`: whether a load fetches a module of the lock that is not on this machine.
    pub fetch_modules: bool,
    /// `host.trace_content`: whether spans hold the messages.
    pub trace_content: bool,
    /// `host.propagate_trace`: whether requests tell providers by `traceparent` which trace they belong to.
    pub propagate_trace: bool,
    /// `[providers.*]`, presets included.
    pub providers: BTreeMap<String, ProviderConfig>,
    /// `[modules.*]`.
    pub modules: BTreeMap<String, ModuleConfig>,
    /// `[models.*]`: names for [`load_model`](crate::Host::load_model).
    pub models: BTreeMap<String, ModelConfig>,
    /// `[serve]`: how `arcllm serve` serves.
    pub serve: ServeConfig,
    /// `[state]`: where modules keep what outlives a call.
    pub state: StateConfig,
    /// `[journal]`: where modules with the grant `journal` append records.
    pub journal: JournalConfig,
    /// `[trust]`: whose signatures of modules count.
    pub signers: Signers,
    /// `arcllm.lock` beside the file: the modules that were accepted.
    pub lock: Lock,
    pub(crate) document: Document,
    pub(crate) trust: Trust,
}

impl Config {
    /// Reads the file that the environment points to: `ARCLLM_CONFIG`, then `./config.toml`, then `arcllm/config.toml`
    /// in the user's configuration directory, then the built-in configuration.
    ///
    /// Anybody may have put a `./config.toml` there. Until [`TrustStore`](crate::TrustStore) remembers it as it is, no module is loaded from a
    /// file, and what could give away a key, a file or a conversation is an error when a model is loaded.
    ///
    /// # Errors
    ///
    /// If the first of these that exists is wrong, or if `ARCLLM_CONFIG` names no file that can be read.
    pub fn find() -> Result<Self, ConfigError> {
        if let Some(file) = env::var_os("ARCLLM_CONFIG").filter(|file| !file.is_empty()) {
            return Self::read(Path::new(&file), "ARCLLM_CONFIG names this file");
        }
        let user = dirs::config_dir().map(|directory| directory.join("arcllm").join("config.toml"));
        let found = Path::new("config.toml");
        if found.is_file() {
            // Read once, so that the text that is trusted is the text that is used.
            let text = read_text(found, "a TOML file that can be read")?;
            let lock_file = Lock::file(found);
            let lock = lock::read_text(&lock_file)?;
            let trust = Trust::of_found((found, &text), (&lock_file, lock.as_deref()), user.as_deref())?;
            return Ok(Self { trust, ..Self::parse_with(&text, Some(found), lock.as_deref())? });
        }
        match user.filter(|file| file.is_file()) {
            Some(file) => Self::load(&file),
            None => Self::parse("", None),
        }
    }

    /// Reads this file.
    ///
    /// # Errors
    ///
    /// Names the file, the line, the key and what would be right.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        Self::read(file, "a TOML file that can be read")
    }

    fn read(file: &Path, help: &str) -> Result<Self, ConfigError> {
        Self::parse(&read_text(file, help)?, Some(file))
    }

    /// Reads this text, as if it stood in `file`, and the lock beside that.
    ///
    /// # Errors
    ///
    /// As [`Config::load`].
    pub fn parse(text: &str, file: Option<&Path>) -> Result<Self, ConfigError> {
        let lock = file.map(|file| lock::read_text(&Lock::file(file))).transpose()?.flatten();
        Self::parse_with(text, file, lock.as_deref())
    }

    /// Reads this text with the text of its lock.
    fn parse_with(text: &str, file: Option<&Path>, lock: Option<&str>) -> Result<Self, ConfigError> {
        let lock = match (lock, file) {
            (Some(lock), Some(file)) => Lock::parse(lock, &Lock::file(file))?,
            _ => Lock::default(),
        };
        let (document, values) = Document::parse(text, file)?;
        let mut root = Section::new(&document, "", values);
        let defaults = Defaults::read(root.section("defaults")?)?;
        let mut host = root.section("host")?;
        let modules_dir = host.text("modules_dir")?;
        let watch = host.flag("watch")?;
        let order = host.texts("order")?;
        let deadline = host.seconds("deadline_seconds")?.unwrap_or(Duration::from_secs(600));
        let modules_memory_mb = host.count("modules_memory_mb")?.unwrap_or(1024);
        let max_module_mb = host.megabytes("max_module_mb")?.unwrap_or(64);
        let max_attempts = host.count_u32("max_attempts")?.unwrap_or(MAX_ATTEMPTS);
        let repair_history = host.flag("repair_history")?.unwrap_or(false);
        let fetch_modules = host.flag("fetch_modules")?.unwrap_or(false);
        let trace_content = host.flag("trace_content")?.unwrap_or(false);
        let propagate_trace = host.flag("propagate_trace")?.unwrap_or(false);
        host.finish()?;
        let providers = read_providers(root.sections("providers")?, &document, &defaults)?;
        let modules = root.sections("modules")?.into_iter();
        let modules = modules.map(|(name, section)| Ok((name, ModuleConfig::read(section)?)));
        let modules = modules.collect::<Result<_, ConfigError>>()?;
        let models = root.sections("models")?.into_iter();
        let models = models.map(|(name, section)| Ok((name, ModelConfig::read(section)?)));
        let models = models.collect::<Result<_, ConfigError>>()?;
        let serve = ServeConfig::read(root.section("serve")?)?;
        let state = StateConfig::read(root.section("state")?)?;
        let journal = JournalConfig::read(root.section("journal")?, file)?;
        let signers = Signers::read(root.section("trust")?)?;
        root.finish()?;

        let modules_dir = file.map(|file| {
            let directory = file.parent().unwrap_or(Path::new(""));
            directory.join(modules_dir.as_deref().unwrap_or("modules"))
        });
        let order = order.unwrap_or_else(|| DEFAULT_ORDER.map(str::to_owned).to_vec());
        let config = Self {
            file: file.map(Path::to_owned),
            defaults,
            modules_dir,
            watch,
            order,
            deadline,
            modules_memory_mb,
            max_module_mb,
            max_attempts,
            repair_history,
            fetch_modules,
            trace_content,
            propagate_trace,
            providers,
            modules,
            models,
            serve,
            state,
            journal,
            signers,
            lock,
            document,
            trust: Trust::Own,
        };
        config.check_names()?;
        Ok(config)
    }

    /// Checks the names of providers, models and modules where they are used.
    fn check_names(&self) -> Result<(), ConfigError> {
        let providers: Vec<&str> = self.providers.keys().map(String::as_str).collect();
        for (name, model) in &self.models {
            self.check_model_name(name)?;
            if !self.providers.contains_key(&model.provider) {
                let key = format!("{}.provider", document::join("models", name));
                return Err(self.unknown_provider(&key, &model.provider, &providers));
            }
        }
        if let Some(name) = &self.defaults.provider
            && self.resolve(name, std::iter::empty(), &Overrides::new()).is_err()
        {
            let known: Vec<&str> = self.models.keys().map(String::as_str).chain(providers).collect();
            return Err(self.unknown_provider("defaults.provider", name, &known));
        }
        check_order(&self.document, &self.order)
    }

    /// Refuses a name of a model that could mean a provider.
    pub(crate) fn check_model_name(&self, name: &str) -> Result<(), ConfigError> {
        let key = document::join("models", name);
        if self.providers.contains_key(name) {
            return Err(self.both(&key, name));
        }
        match name.is_empty() || name.contains('/') {
            false => Ok(()),
            true => {
                let error = self.document.error(Some(&key), "is not a name that a model can have");
                Err(error.help("a name without `/`, which stands between a provider and its model"))
            }
        }
    }
}

impl Config {
    /// An error about this setting of a provider.
    pub(crate) fn provider_error(&self, provider: &ProviderConfig, key: &str, problem: String) -> ConfigError {
        self.document.error(Some(&format!("{}.{key}", document::join("providers", &provider.name))), problem)
    }
}

impl Config {
    /// What a registry may cost at most: a module is never larger than [`max_module_mb`](Config::max_module_mb).
    pub fn registry_limits(&self) -> Limits {
        let mut limits = Limits::default();
        limits.max_module_bytes = self.max_module_mb.saturating_mul(1 << 20);
        limits
    }
}

/// The largest file of a configuration, in bytes.
const LARGEST: u64 = 8 << 20;

fn read_text(file: &Path, help: &str) -> Result<String, ConfigError> {
    let mut text = String::new();
    let read = File::open(file).and_then(|file| file.take(LARGEST + 1).read_to_string(&mut text));
    match read {
        Ok(length) if u64::try_from(length).is_ok_and(|length| length <= LARGEST) => Ok(text),
        Ok(_) => Err(ConfigError::new(format!("is larger than {} MB", LARGEST >> 20)).file(file).help(help)),
        Err(error) => Err(ConfigError::new(format!("cannot be read: {error}")).file(file).help(help)),
    }
}

pub(crate) fn check_order(document: &Document, order: &[String]) -> Result<(), ConfigError> {
    for (at, name) in order.iter().enumerate() {
        if name.contains(char::is_control) {
            let error = document.error(Some("host.order"), format!("names the module {name:?}"));
            return Err(error.help("a name has letters, digits, `-` and `_`"));
        }
        if order.iter().take(at).any(|before| before == name) {
            let error = document.error(Some("host.order"), format!("names the module `{name}` twice"));
            return Err(error.help("each module once, outermost first"));
        }
    }
    Ok(())
}

/// The presets, each overridden by the file's table of the same name, and the file's own.
fn read_providers(
    sections: Vec<(String, Section<'_>)>,
    document: &Document,
    defaults: &Defaults,
) -> Result<BTreeMap<String, ProviderConfig>, ConfigError> {
    let (_, presets) = Document::parse(include_str!("presets.toml"), None)?;
    let mut tables: BTreeMap<String, Map<String, Value>> = presets
        .into_iter()
        .filter_map(|(name, preset)| match preset {
            Value::Object(table) => Some((name, table)),
            _ => None,
        })
        .collect();
    let servers = servers(&tables);
    let mut serves: BTreeMap<String, String> = tables.keys().map(|name| (name.clone(), name.clone())).collect();
    for (name, section) in sections {
        let own = section.rest();
        let mut preset = tables.remove(&name).unwrap_or_else(|| match preset_of_server(&own, &servers) {
            Some((preset, table)) => {
                serves.insert(name.clone(), preset.clone());
                quirks_of_server(&own, table)
            }
            None => Map::new(),
        });
        // Another source of the key takes the place of the preset's.
        if own.contains_key("api_key_file") || own.contains_key("api_key_command") {
            preset.remove("api_key_env");
        }
        tables.insert(name, overrides::merge(preset, own));
    }
    let tables = tables.into_iter().map(|(name, table)| {
        let section = Section::new(document, document::join("providers", &name), table);
        let serves = serves.get(&name).cloned();
        Ok((name.clone(), ProviderConfig { serves, ..ProviderConfig::read(name, section, defaults)? }))
    });
    tables.collect()
}

/// A preset by its name.
type Preset = (String, Map<String, Value>);

/// The presets by their servers. Those on this machine can be any server.
fn servers(presets: &BTreeMap<String, Map<String, Value>>) -> BTreeMap<String, Preset> {
    let of = |(name, preset): (&String, &Map<String, Value>)| {
        let url = provider::parse_url(preset.get("base_url")?.as_str()?).ok()?;
        let server = Some(provider::authority(&url)).filter(|_| !provider::is_loopback(&url))?;
        Some((server, (name.clone(), preset.clone())))
    };
    presets.iter().filter_map(of).collect()
}

/// The preset with the server of a provider that is no preset.
fn preset_of_server<'a>(own: &Map<String, Value>, servers: &'a BTreeMap<String, Preset>) -> Option<&'a Preset> {
    let url = own.get("base_url").and_then(Value::as_str).and_then(|url| provider::parse_url(url).ok())?;
    servers.get(&provider::authority(&url))
}

/// The quirks that a provider that is no preset has of the preset with its server. What a server refuses in one format it may
/// take in another.
fn quirks_of_server(own: &Map<String, Value>, preset: &Map<String, Value>) -> Map<String, Value> {
    let Some(Value::Object(mut quirks)) = preset.get("quirks").cloned() else { return Map::new() };
    if own.get("adapter") != preset.get("adapter") {
        quirks.remove("refuses");
    }
    Map::from_iter([("quirks".to_owned(), quirks.into())])
}

#[cfg(test)]
mod tests;
