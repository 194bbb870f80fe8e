//! Hosts, configured as users configure them.

use std::{fmt::Write as _, sync::Arc};

use arcllm::{Adapter, Config, Host, Overrides};
use serde_json::json;
use tempfile::TempDir;

/// Copies of built-in modules under other names, in a folder.
pub(crate) struct Modules {
    folder: TempDir,
    order: Vec<String>,
    tables: String,
}

impl Modules {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), order: Vec::new(), tables: String::new() }
    }

    /// Adds one inside those before it; `sandbox` is its sandbox table.
    #[must_use]
    pub(crate) fn with(mut self, name: &str, wasm: &[u8], settings: &str, sandbox: &str) -> Self {
        std::fs::write(self.folder.path().join(format!("{name}.wasm")), wasm).unwrap();
        self.order.push(name.to_owned());
        let (settings, sandbox) = (settings.trim(), sandbox.trim());
        writeln!(
            self.tables,
            "[modules.{name}]\n{settings}\n[modules.{name}.sandbox]\nwasm = \"{name}.wasm\"\n{sandbox}"
        )
        .unwrap();
        self
    }

    /// Adds a copy of retry, with its grant.
    #[must_use]
    pub(crate) fn retry(self, name: &str, sandbox: &str) -> Self {
        let sandbox = format!("allow = [\"state\"]\n{sandbox}");
        self.with(name, arcllm_builtin::find("retry").unwrap().wasm, "", &sandbox)
    }

    /// The configuration. It is valid as long as this value.
    pub(crate) fn config(&self) -> Config {
        let memory = "modules_memory_mb = 16384";
        let text = format!("[host]\nmodules_dir = \".\"\n{memory}\norder = {:?}\n{}", self.order, self.tables);
        Config::parse(&text, Some(&self.folder.path().join("config.toml"))).unwrap()
    }
}

/// A host of this configuration whose providers `a` and `b` are this adapter.
pub(crate) fn host(config: Config, adapter: Arc<impl Adapter>) -> Host {
    Host::builder().config(config).adapter("a", "m", adapter.clone()).adapter("b", "m", adapter).build().unwrap()
}

/// A configuration with the providers `a` and `b` at these addresses.
pub(crate) fn loopback(a: &str, b: &str) -> Config {
    let provider = |name: &str, url: &str| {
        format!("[providers.{name}]\nadapter = \"openai\"\nbase_url = \"{url}\"\ndefault_model = \"m\"\n")
    };
    Config::parse(&(provider("a", a) + &provider("b", b)), None).unwrap()
}

/// The first so many of the built-in modules retry and fallback.
pub(crate) fn retry_and_fallback(modules: usize) -> Overrides {
    let both = [("retry", json!(true)), ("fallback", json!({ "chain": ["a", "b"] }))];
    both.into_iter().take(modules).fold(Overrides::new(), |overrides, (name, switch)| overrides.module(name, switch))
}
