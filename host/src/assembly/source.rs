//! Finds the bytes of modules: built-in modules and files, and whether a file is the one that was read.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap},
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
};

use arcllm_registry::{Reference, Registry};
use bytes::Bytes;

use crate::{
    assembly::module_file::{ModuleFile, Stamp},
    chat::config_error::ConfigError,
    config::{config::Config, digest::digest, document::join, module_store::ModuleStore, sandbox::Sandbox},
    runtime::guest::origin::Origin,
};

/// A module's bytes, and where they come from.
pub(crate) struct ModuleBytes {
    pub(crate) origin: Origin,
    pub(crate) digest: String,
    pub(crate) stamp: Option<Stamp>,
    pub(crate) bytes: Cow<'static, [u8]>,
    pub(crate) sandbox: Sandbox,
}

/// Finds the modules of a host.
pub(crate) struct ModuleSource {
    config: Arc<Config>,
    /// Where modules from registries lie. Absent if the user has no folder for data.
    store: Option<ModuleStore>,
    /// One load at a time fetches: several models may have the same module.
    fetching: tokio::sync::Mutex<()>,
}

impl ModuleSource {
    /// The modules of this configuration.
    pub(crate) fn new(config: Arc<Config>, store: Option<ModuleStore>) -> Self {
        Self { config, store, fetching: tokio::sync::Mutex::default() }
    }

    /// The configuration that names the modules.
    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// Reads the module's bytes.
    ///
    /// # Errors
    ///
    /// Where the module does not exist, cannot be read, or is a file of an untrusted configuration.
    pub(crate) async fn find(&self, name: &str) -> Result<ModuleBytes, ConfigError> {
        let sandbox = self.sandbox(name);
        if let Some(wasm) = self.wasm_of_code(name) {
            let (bytes, digest) = (wasm.to_vec().into(), digest(wasm));
            return Ok(ModuleBytes { origin: Origin::Code, digest, stamp: None, bytes, sandbox });
        }
        let Some(path) = self.file(name, &sandbox) else {
            let built_in = arcllm_builtin::find(name).ok_or_else(|| ConfigError::new(self.unknown(name)))?;
            let (bytes, digest) = (built_in.wasm.into(), built_in_digest(name));
            return Ok(ModuleBytes { origin: Origin::BuiltIn, digest, stamp: None, bytes, sandbox });
        };
        self.config.check_file_is_trusted(name, &path)?;
        let reference = sandbox.reference();
        if let Some(reference) = &reference {
            self.entry(name, reference)?;
            self.check_is_here(name, reference, &path)?;
        }
        let (reading, most) = (path.clone(), self.config.max_module_mb);
        let read = tokio::task::spawn_blocking(move || ModuleFile::read(&reading, most)).await;
        let read = read.map_err(|error| ConfigError::new(format!("reading `{name}` failed: {error}")))?;
        let ModuleFile { bytes, digest, stamp } = read.map_err(|unfit| match &sandbox.wasm {
            Some(_) if unfit.is_missing => {
                let key = format!("{}.sandbox.wasm", join("modules", name));
                let problem = format!("names {}, which does not exist", path.display());
                let error = self.config.document.error(Some(&key), problem);
                error.help("name the file of a component, relative to host.modules_dir")
            }
            _ => {
                let error = unfit.error(&path);
                ConfigError { problem: format!("{} (the module `{name}`)", error.problem), ..error }
            }
        })?;
        let origin = reference.map_or(Origin::File(path), |reference| Origin::Registry(reference.to_string()));
        Ok(ModuleBytes { origin, digest, stamp, bytes: bytes.into(), sandbox })
    }

    /// Fetches a module from its registry if it is not here and `host.fetch_modules` is true.
    ///
    /// # Errors
    ///
    /// Where it is not the module that was accepted, or the registry fails.
    pub(crate) async fn bring(&self, name: &str) -> Result<(), ConfigError> {
        let sandbox = self.sandbox(name);
        let (Some(reference), true) = (sandbox.reference(), self.config.fetch_modules) else { return Ok(()) };
        let Some((path, store)) = self.file(name, &sandbox).zip(self.store.as_ref()) else { return Ok(()) };
        let _one = self.fetching.lock().await;
        if path.is_file() {
            return Ok(());
        }
        self.config.check_file_is_trusted(name, &path)?;
        let locked = self.entry(name, &reference)?;
        tracing::info!(module = name, "fetching {reference}");
        let fetched = async {
            let registry = Registry::new(self.config.registry_limits())?;
            store.fetch(&registry, &reference, &locked.wasm, &mut |_, _| ()).await
        };
        fetched.await.map_err(|error| {
            let key = format!("modules.{name}.sandbox.wasm");
            self.config.document.error(Some(&key), format!("names a module that cannot be fetched: {error}"))
        })
    }

    /// Refuses a module from a registry that is not in the store.
    fn check_is_here(&self, name: &str, reference: &Reference, path: &Path) -> Result<(), ConfigError> {
        let key = format!("modules.{name}.sandbox.wasm");
        let error = |problem: String| self.config.document.error(Some(&key), problem);
        if self.store.is_none() {
            let error = error("names a module in a registry, and there is no folder for such modules".to_owned());
            return Err(error.help("set XDG_DATA_HOME or HOME to an absolute path"));
        }
        match path.is_file() {
            true => Ok(()),
            false => Err(error(format!("names {reference}, which is not on this machine"))
                .help("`arcllm module fetch` brings it; host.fetch_modules = true lets a start do that")),
        }
    }

    /// Whether the module still has the bytes that came from this origin with this stamp.
    pub(crate) fn is_unchanged(&self, name: &str, origin: &Origin, stamp: Option<Stamp>) -> bool {
        match (self.file(name, &self.sandbox(name)), origin) {
            (None, Origin::BuiltIn | Origin::Code) => true,
            // Its name is the digest of its bytes.
            (Some(_), Origin::Registry(_)) => stamp.is_some(),
            (Some(path), Origin::File(known)) if path == *known => {
                let now = path.metadata().ok().and_then(|metadata| Stamp::of(&metadata));
                now.is_some() && now == stamp
            }
            _ => false,
        }
    }

    /// Whether the module is gone: it has no file and is not built in.
    pub(crate) fn is_gone(&self, name: &str) -> bool {
        match self.file(name, &self.sandbox(name)) {
            _ if self.wasm_of_code(name).is_some() || self.sandbox(name).reference().is_some() => false,
            // A file that cannot be checked counts as present.
            Some(path) => path.try_exists().is_ok_and(|exists| !exists),
            None => arcllm_builtin::find(name).is_none(),
        }
    }

    /// The module's sandbox in the configuration.
    pub(crate) fn sandbox(&self, name: &str) -> Sandbox {
        self.config.modules.get(name).map(|module| module.sandbox.clone()).unwrap_or_default()
    }

    /// The file that the configuration names, or else `NAME.wasm` in the modules directory if there is something of that name,
    /// be it a folder. A file replaces a built-in module only if the configuration names it.
    pub(crate) fn file(&self, name: &str, sandbox: &Sandbox) -> Option<PathBuf> {
        if self.wasm_of_code(name).is_some() {
            return None;
        }
        if let Some(digest) = sandbox.reference().and_then(|reference| self.locked_digest(name).or(reference.digest()))
        {
            return Some(self.store.as_ref().map_or_else(PathBuf::new, |store| store.file(&digest)));
        }
        let directory = self.config.modules_dir.as_ref()?;
        match &sandbox.wasm {
            Some(wasm) => Some(directory.join(wasm)),
            None if arcllm_builtin::find(name).is_some() => None,
            None => Some(directory.join(format!("{name}.wasm"))).filter(|path| path.symlink_metadata().is_ok()),
        }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        let is_there = || self.file(name, &self.sandbox(name)).is_some() || self.wasm_of_code(name).is_some();
        is_name(name) && (arcllm_builtin::find(name).is_some() || is_there())
    }

    /// The component that the program gave for this module.
    fn wasm_of_code(&self, name: &str) -> Option<&Bytes> {
        self.config.modules.get(name)?.wasm.as_ref()
    }

    /// Says that a module is unknown, and where it was looked for.
    pub(crate) fn unknown(&self, name: &str) -> String {
        let why = match &self.config.modules_dir {
            _ if !is_name(name) => "a name has letters, digits, `-` and `_`".to_owned(),
            Some(directory) => {
                format!("none is built in, and {} does not exist", directory.join(format!("{name}.wasm")).display())
            }
            None => "none is built in".to_owned(),
        };
        format!("unknown module `{name}`: {why}")
    }

    /// The names of all modules: built in, in the modules directory, or in the configuration.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        let built_in = arcllm_builtin::MODULES.iter().map(|module| module.name.to_owned());
        let files = self.config.modules_dir.iter().filter_map(|directory| std::fs::read_dir(directory).ok()).flatten();
        let files = files.filter_map(|entry| {
            let name = entry.ok()?.file_name().into_string().ok()?;
            name.strip_suffix(".wasm").map(str::to_owned)
        });
        let configured = self.config.modules.keys().filter(|name| self.has(name)).cloned();
        built_in.chain(files).chain(configured).filter(|name| is_name(name)).collect()
    }
}

/// The digest of a built-in module. Computed once a process.
fn built_in_digest(name: &str) -> String {
    static DIGESTS: LazyLock<HashMap<&str, String>> =
        LazyLock::new(|| arcllm_builtin::MODULES.iter().map(|module| (module.name, digest(module.wasm))).collect());
    DIGESTS.get(name).cloned().unwrap_or_default()
}

/// Whether this can be a module's name. It becomes the name of a file.
pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}
