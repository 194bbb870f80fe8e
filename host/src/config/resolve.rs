//! What a name that a program loads stands for: a model of `[models]`, a provider, or a provider with a model.

use crate::{
    chat::{config_error::ConfigError, options::Options},
    config::{
        config::Config,
        document::join,
        model::ModelConfig,
        overrides::Overrides,
        provider::ProviderConfig,
        suggest::{nearest, suggest},
    },
};

/// What a name stands for.
#[derive(Debug, PartialEq)]
pub(crate) struct ResolvedModel {
    /// The provider at the end of the chain.
    pub(crate) provider: String,
    /// Options of requests that do not set them.
    pub(crate) options: Options,
    /// The model, and what modules do, those of `[models.NAME]` included.
    pub(crate) overrides: Overrides,
}

impl Config {
    /// What `name` stands for: the name of a `[models.NAME]`, of a provider, `PROVIDER/MODEL`, or a model that exactly one
    /// provider of the configuration names. A model may hold slashes itself. `added` are the names of providers that the
    /// program has added; `overrides` are those of this load.
    ///
    /// # Errors
    ///
    /// If there is no such model and no such provider, with the nearest name; if an untrusted file sets what only a
    /// trusted one may.
    pub(crate) fn resolve<'a>(
        &'a self,
        name: &str,
        added: impl Iterator<Item = &'a str>,
        overrides: &Overrides,
    ) -> Result<ResolvedModel, ConfigError> {
        let providers: Vec<&str> = self.providers.keys().map(String::as_str).chain(added).collect();
        if let Some(model) = self.models.get(name) {
            self.check_model_is_trusted(name, model)?;
            let key = join("models", name);
            if providers.contains(&name) {
                return Err(self.both(&key, name));
            }
            if !providers.contains(&model.provider.as_str()) {
                return Err(self.unknown_provider(&format!("{key}.provider"), &model.provider, &providers));
            }
            let under = Overrides { model: model.model.clone(), modules: model.modules.clone() };
            let (provider, options) = (model.provider.clone(), model.options.clone());
            return Ok(ResolvedModel { provider, options, overrides: overrides.over(under) });
        }
        let split = |provider: &&str| name.strip_prefix(*provider)?.strip_prefix('/').map(str::to_owned);
        let longest = providers.iter().filter(|provider| split(provider).is_some()).max_by_key(|name| name.len());
        let (provider, model) = match longest {
            _ if providers.contains(&name) => (name, None),
            Some(provider) => (*provider, Some(split(provider).unwrap_or_default())),
            None => (self.only_provider_of(name, &providers)?, Some(name.to_owned())),
        };
        if model.as_ref().is_some_and(String::is_empty) {
            let error = ConfigError::unknown_model(format!("`{name}` names no model"));
            return Err(error.help(format!("`{provider}`, or `{provider}/MODEL`")));
        }
        let under = Overrides { model, ..Overrides::new() };
        let (provider, overrides) = (provider.to_owned(), overrides.over(under));
        Ok(ResolvedModel { provider, options: Options::new(), overrides })
    }

    /// The names of the `[models.NAME]` that say something of this module.
    pub fn models_with_module(&self, module: &str) -> Vec<&str> {
        let names = self.models.iter().filter(|(_, model)| model.modules.contains_key(module));
        names.map(|(name, _)| name.as_str()).collect()
    }

    /// The provider whose table names this model, as its default or with facts, or that a table of `[models]` asks for it. A
    /// preset counts only if no configured provider names the model.
    ///
    /// # Errors
    ///
    /// If no provider names it, or several do.
    fn only_provider_of(&self, model: &str, providers: &[&str]) -> Result<&str, ConfigError> {
        let names_it = |provider: &&ProviderConfig| {
            let asks = |named: &ModelConfig| named.provider == provider.name && named.model.as_deref() == Some(model);
            provider.default_model.as_deref() == Some(model)
                || provider.models.contains_key(model)
                || self.models.values().any(asks)
        };
        let found = self.providers.values().filter(names_it);
        let (own, presets): (Vec<_>, Vec<_>) = found.partition(|provider| self.is_configured(provider));
        let found = if own.is_empty() { presets } else { own };
        let found: Vec<&str> = found.iter().map(|provider| &*provider.name).collect();
        match *found {
            [] => Err(self.unknown(model, providers)),
            [provider] => Ok(provider),
            [..] => {
                let names: Vec<String> = found.iter().map(|provider| format!("`{provider}/{model}`")).collect();
                let mut error = ConfigError::unknown_model(format!("several providers have the model `{model}`"));
                error.file.clone_from(&self.file);
                Err(error.help(names.join(" or ")))
            }
        }
    }

    /// Whether the file or the program has said something of this provider.
    pub(crate) fn is_configured(&self, provider: &ProviderConfig) -> bool {
        let is_named = |model: &ModelConfig| model.provider == provider.name;
        provider.is_programs
            || self.document.has(&join("providers", &provider.name))
            || self.models.values().any(is_named)
    }

    fn unknown<'a>(&'a self, name: &str, providers: &[&'a str]) -> ConfigError {
        // Of `PROVIDER/MODEL` it is the provider that is unknown.
        let meant = name.split_once('/').map_or(name, |(provider, _)| provider);
        let mut error = ConfigError::unknown_model(format!("unknown model or provider `{name}`"));
        error.file.clone_from(&self.file);
        let names = || self.models.keys().map(String::as_str).chain(providers.iter().copied());
        let of_provider = |provider: &'a ProviderConfig| provider.models.keys().chain(&provider.default_model);
        let models = || self.providers.values().flat_map(of_provider).map(String::as_str);
        match nearest(meant, names()).is_none().then(|| nearest(name, models())).flatten() {
            Some(model) => error.help(format!("did you mean `{model}`?")),
            None => error.help(suggest(meant, names())),
        }
    }

    /// An error about a setting that names an unknown provider.
    pub(crate) fn unknown_provider(&self, key: &str, name: &str, providers: &[&str]) -> ConfigError {
        let error = self.document.error(Some(key), format!("names the unknown provider `{name}`"));
        error.help(suggest(name, providers.iter().copied()))
    }

    /// An error about a model and a provider of the same name.
    pub(crate) fn both(&self, key: &str, name: &str) -> ConfigError {
        let problem = format!("has the name of a provider: `{name}` could mean either");
        self.document.error(Some(key), problem).help("another name for the model")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const CONFIG: &str = r#"
        [providers."groq/eu"]
        adapter = "openai"
        base_url = "https://eu.example"

        [models.fast]
        provider = "groq"
        model = "llama"
        options = { max_tokens = 5 }
        modules.retry = { max_retries = 1 }
    "#;

    fn resolve(name: &str, overrides: Overrides) -> Result<ResolvedModel, ConfigError> {
        Config::parse(CONFIG, None).unwrap().resolve(name, ["own"].into_iter(), &overrides)
    }

    fn is(name: &str, provider: &str, model: Option<&str>) {
        let resolved = resolve(name, Overrides::new()).unwrap();
        assert_eq!((resolved.provider.as_str(), resolved.overrides.model.as_deref()), (provider, model), "{name}");
        assert_eq!(resolved.options, Options::new());
    }

    #[test]
    fn a_model_that_one_provider_names_needs_no_provider() {
        is("claude-sonnet-4-5", "anthropic", Some("claude-sonnet-4-5"));
        is("llama", "groq", Some("llama"));
        // `together` has it as its default model, and no provider has the name before the slash.
        is("meta-llama/Llama-3.3-70B-Instruct-Turbo", "together", Some("meta-llama/Llama-3.3-70B-Instruct-Turbo"));
        let resolve = |table: &str, name: &str| {
            let config = Config::parse(&format!("{CONFIG}\n{table}"), None).unwrap();
            config.resolve(name, std::iter::empty(), &Overrides::new())
        };
        let own =
            "[providers.own]\nadapter = \"openai\"\nbase_url = \"https://own.example\"\ndefault_model = \"gpt-4.1\"";
        assert_eq!(resolve(own, "gpt-4.1").unwrap().provider, "own", "the preset `openai` is not configured");
        let error = resolve("[providers.openai.models.llama]", "llama").unwrap_err();
        assert!(error.is_unknown_model());
        assert_eq!(error.problem, "several providers have the model `llama`");
        assert_eq!(error.help.as_deref(), Some("`groq/llama` or `openai/llama`"));
    }

    #[test]
    fn unknown_names_are_told_apart_from_other_errors() {
        for name in ["fats", "lama", "groqq/x", "own/", ""] {
            assert!(resolve(name, Overrides::new()).unwrap_err().is_unknown_model(), "{name}");
        }
        assert!(!Config::parse("[models.x]", None).unwrap_err().is_unknown_model());
    }

    #[test]
    fn a_provider_with_or_without_a_model() {
        is("anthropic", "anthropic", None);
        is("anthropic/claude-haiku-4-5", "anthropic", Some("claude-haiku-4-5"));
        is("together/meta-llama/Llama-3", "together", Some("meta-llama/Llama-3"));
        is("own", "own", None);
        is("own/x", "own", Some("x"));
        is("groq/eu", "groq/eu", None);
        is("groq/eu/x", "groq/eu", Some("x"));
        is("groq/europe", "groq", Some("europe"));
        assert_eq!(resolve("own/", Overrides::new()).unwrap_err().problem, "`own/` names no model");
        let overrides = Overrides::new().model("b");
        assert_eq!(resolve("own/a", overrides.clone()).unwrap().overrides, overrides, "the load has the last word");
    }

    #[test]
    fn a_model_of_the_table() {
        let resolved = resolve("fast", Overrides::new().module("retry", json!({"max_wait_seconds": 1}))).unwrap();
        let expected = ResolvedModel {
            provider: "groq".to_owned(),
            options: Options::new().max_tokens(5),
            overrides: Overrides::new()
                .model("llama")
                .module("retry", json!({"max_retries": 1, "max_wait_seconds": 1})),
        };
        assert_eq!(resolved, expected);
    }

    #[test]
    fn an_unknown_name_is_an_error_with_the_nearest() {
        for (name, help) in [
            ("fsat", "did you mean `fast`?"),
            ("antropic", "did you mean `anthropic`?"),
            ("antropic/claude", "did you mean `anthropic`?"),
            ("owm", "did you mean `own`?"),
            ("claude-sonet-4-5", "did you mean `claude-sonnet-4-5`?"),
        ] {
            let error = resolve(name, Overrides::new()).unwrap_err();
            assert_eq!(error.problem, format!("unknown model or provider `{name}`"));
            assert_eq!(error.help.as_deref(), Some(help));
        }
        let all = resolve("something-else", Overrides::new()).unwrap_err().help.unwrap();
        assert!(all.starts_with("known are fast, anthropic,") && all.ends_with("own"), "{all}");
    }

    #[test]
    fn a_provider_of_the_program_takes_no_name_of_a_model() {
        let config = Config::parse(CONFIG, None).unwrap();
        let error = config.resolve("fast", ["fast"].into_iter(), &Overrides::new()).unwrap_err();
        assert_eq!(error.key.as_deref(), Some("models.fast"));
    }
}
