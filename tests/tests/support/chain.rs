//! A configuration, built by a chain of calls.

use std::{
    env,
    fmt::{self, Write as _},
    io,
    path::Path,
};

use arcllm_simulator::Format;
use toml::Value;

use super::Folder;

/// The folder of modules to test, where it is not the built-in ones that are tested.
const MODULES: &str = "ARCLLM_TEST_MODULES";

/// What built-in modules are granted, and the same ones in files are not unless config says so.
const GRANTS: [(&str, &str); 5] = [
    ("retry", "state"),
    ("fallback", "models"),
    ("telemetry", "state"),
    ("circuit-breaker", "state"),
    ("rate-limit", "state"),
];

/// A configuration of providers and modules. The first provider is the default one; modules stand in the default order,
/// retry outside of fallback.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chain {
    host: String,
    tables: String,
    default: Option<String>,
}

impl Chain {
    /// One with no provider of its own and no module on.
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
        Folder::new(&self.text(env::var_os(MODULES).as_deref().map(Path::new)))
    }

    /// The configuration as TOML, with the modules where `modules` says, or else where modules are by default.
    fn text(&self, modules: Option<&Path>) -> String {
        let default = self.default.as_ref().map(|name| format!("[defaults]\nprovider = {}\n\n", Value::from(&**name)));
        let default = default.unwrap_or_default();
        let directory =
            modules.map(|modules| format!("modules_dir = {}\n", Value::from(modules.display().to_string())));
        let directory = directory.unwrap_or_default();
        let grants: String = GRANTS.iter().filter_map(|grant| self.grant(grant, modules)).collect();
        format!("{default}[host]\n{directory}{}{}{grants}", self.host, self.tables)
    }

    /// What a module in a file is granted. A sandbox that a test has written says so itself.
    fn grant(&self, (module, grant): &(&str, &str), modules: Option<&Path>) -> Option<String> {
        let table = format!("[modules.{module}.sandbox]");
        (modules.is_some() && !self.tables.contains(&table)).then(|| format!("\n{table}\nallow = [\"{grant}\"]\n"))
    }
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
        let table: toml::Table = text.parse().unwrap();
        assert_eq!(table["host"]["modules_dir"].as_str(), Some("/modules"));
        assert_eq!(table["host"]["order"][0].as_str(), Some("retry"));
        assert_eq!(table["defaults"]["provider"].as_str(), Some("a"));
        assert_eq!(table["providers"]["a"]["default_model"].as_str(), Some("a-model"));
        assert_eq!(table["modules"]["retry"]["max_retries"].as_integer(), Some(2));
        assert_eq!(table["modules"]["fallback"]["sandbox"]["allow"][0].as_str(), Some("models"));
        let granted = chain.clone().table("modules.fallback.sandbox", "allow = [\"models\"]\nhandles = 9");
        assert!(granted.text(Some(Path::new("/modules"))).parse::<toml::Table>().is_ok());
        assert!(chain.text(None).parse::<toml::Table>().unwrap().get("modules").unwrap().get("fallback").is_none());
    }
}
