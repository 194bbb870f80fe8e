//! A configuration, built by a chain of calls.

use std::{
    env,
    fmt::{self, Write as _},
    io,
    path::Path,
};

use arcllm_simulator::Format;
use toml::{Table, Value};

use super::Folder;

/// The variable with the folder of modules to test instead of the prebuilt ones.
pub(crate) const MODULES: &str = "ARCLLM_TEST_MODULES";

/// What a module in a file is granted.
const GRANTS: [&str; 3] = ["models", "state", "journal"];

/// A configuration of providers and modules. The first provider is the default one; modules stand in the default order,
/// retry outside of fallback.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chain {
    host: String,
    tables: String,
    default: Option<String>,
}

impl Chain {
    /// One without providers and with all modules off.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds a provider that needs no key, whose default model is `NAME-model`.
    #[must_use]
    pub(crate) fn provider(self, name: &str, format: Format, base_url: &str) -> Self {
        self.provider_with(name, format, base_url, "")
    }

    /// The same, with more settings: lines of TOML.
    #[must_use]
    pub(crate) fn provider_with(mut self, name: &str, format: Format, base_url: &str, settings: &str) -> Self {
        self.default.get_or_insert_with(|| name.to_owned());
        let model = format!("default_model = \"{name}-model\"\n");
        let model = if settings.contains("default_model") { String::new() } else { model };
        let url = Value::from(base_url);
        let settings = format!("adapter = \"{format}\"\nbase_url = {url}\n{model}{settings}");
        self = self.table(&format!("providers.{name}"), &settings);
        self
    }

    /// Makes the command ask this by default, instead of the first provider.
    #[must_use]
    pub(crate) fn by_default(mut self, name: &str) -> Self {
        self.default = Some(name.to_owned());
        self
    }

    /// Switches a module on, with these settings: lines of TOML.
    #[must_use]
    pub(crate) fn module(self, name: &str, settings: &str) -> Self {
        self.table(&format!("modules.{name}"), &format!("enabled = true\n{settings}"))
    }

    /// Adds settings of `[host]`: lines of TOML.
    #[must_use]
    pub(crate) fn host(mut self, settings: &str) -> Self {
        // Writing to a string cannot fail.
        let _ = writeln!(self.host, "{settings}");
        self
    }

    /// Adds a table: lines of TOML under this name.
    #[must_use]
    pub(crate) fn table(mut self, name: &str, settings: &str) -> Self {
        let _ = write!(self.tables, "\n[{name}]\n{settings}\n");
        self
    }

    /// Puts it into a folder of its own, as `config.toml`.
    ///
    /// # Errors
    ///
    /// Where no folder can be made.
    pub(crate) fn folder(&self) -> io::Result<Folder> {
        let modules = env::var_os(MODULES);
        let folder = Folder::new(&self.text(modules.as_deref().map(Path::new)))?;
        Ok(if modules.is_some() { folder.trusted() } else { folder })
    }

    /// The configuration as TOML, with the modules where `modules` says, or else the built-in ones.
    fn text(&self, modules: Option<&Path>) -> String {
        let default = self.default.as_ref().map(|name| format!("[defaults]\nprovider = {}\n\n", Value::from(&**name)));
        let text = format!("{}[host]\n{}{}", default.unwrap_or_default(), self.host, self.tables);
        // Some tests are about a text that is not TOML.
        match (modules, text.parse::<Table>()) {
            (Some(modules), Ok(mut table)) => {
                arcllm_builtin::MODULES.iter().for_each(|module| replace(&mut table, module.name, modules));
                table.to_string()
            }
            _ => text,
        }
    }
}

/// Replaces a built-in module by the file of this name, and grants it what it asks for. What a test has written stays.
fn replace(config: &mut Table, module: &str, modules: &Path) {
    let mut table = config;
    for name in ["modules", module, "sandbox"] {
        let inner = table.entry(name).or_insert_with(|| Value::Table(Table::new()));
        let Value::Table(inner) = inner else { return };
        table = inner;
    }
    let file = modules.join(format!("{module}.wasm"));
    table.entry("wasm").or_insert_with(|| Value::from(file.display().to_string()));
    table.entry("allow").or_insert_with(|| Value::from(GRANTS.to_vec()));
}

impl fmt::Display for Chain {
    /// The configuration as TOML, with the built-in modules.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text(None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_toml_that_a_user_would_write() {
        let chain = Chain::new()
            .host("order = [\"retry\"]")
            .provider("a", Format::Anthropic, "http://127.0.0.1:1")
            .module("retry", "max_retries = 2");
        let text = chain.text(Some(Path::new("/modules")));
        let table: Table = text.parse().unwrap();
        assert_eq!(table["host"]["order"][0].as_str(), Some("retry"));
        assert_eq!(table["defaults"]["provider"].as_str(), Some("a"));
        assert_eq!(table["providers"]["a"]["default_model"].as_str(), Some("a-model"));
        assert_eq!(table["modules"]["retry"]["max_retries"].as_integer(), Some(2));
        assert_eq!(table["modules"]["retry"]["sandbox"]["wasm"].as_str(), Some("/modules/retry.wasm"));
        assert_eq!(table["modules"]["fallback"]["sandbox"]["allow"][0].as_str(), Some("models"));
        let own = chain.clone().table("modules.fallback.sandbox", "allow = []\nwasm = \"mine.wasm\"\nhandles = 9");
        let own: Table = own.text(Some(Path::new("/modules"))).parse().unwrap();
        let sandbox = &own["modules"]["fallback"]["sandbox"];
        assert_eq!((sandbox["wasm"].as_str(), sandbox["handles"].as_integer()), (Some("mine.wasm"), Some(9)));
        assert!(chain.text(None).parse::<Table>().unwrap().get("modules").unwrap().get("fallback").is_none());
    }
}
