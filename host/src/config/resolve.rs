//! What a name that a program loads stands for: a model of `[models]`, a provider, or a provider with a model.

use crate::{
    chat::{config_error::ConfigError, options::Options},
    config::{config::Config, document::join, overrides::Overrides, suggest::suggest},
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
    /// What `name` stands for: the name of a `[models.NAME]`, of a provider, or `PROVIDER/MODEL`. A model may hold slashes
    /// itself. `added` are the names of providers that the program has added; `overrides` are those of this load.
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
            None => return Err(self.unknown(name, &providers)),
        };
        if model.as_ref().is_some_and(String::is_empty) {
            let error = ConfigError::new(format!("`{name}` names no model"));
            return Err(error.help(format!("`{provider}`, or `{provider}/MODEL`")));
        }
        let under = Overrides { model, ..Overrides::new() };
        let (provider, overrides) = (provider.to_owned(), overrides.over(under));
        Ok(ResolvedModel { provider, options: Options::new(), overrides })
    }

    fn unknown(&self, name: &str, providers: &[&str]) -> ConfigError {
        // Of `PROVIDER/MODEL` it is the provider that is unknown.
        let meant = name.split_once('/').map_or(name, |(provider, _)| provider);
        let mut error = ConfigError::new(format!("unknown model or provider `{name}`"));
        error.file.clone_from(&self.file);
        error.help(suggest(meant, self.models.keys().map(String::as_str).chain(providers.iter().copied())))
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
        ] {
            let error = resolve(name, Overrides::new()).unwrap_err();
            assert_eq!(error.problem, format!("unknown model or provider `{name}`"));
            assert_eq!(error.help.as_deref(), Some(help));
        }
        let all = resolve("gpt-4.1", Overrides::new()).unwrap_err().help.unwrap();
        assert!(all.starts_with("known are fast, anthropic,") && all.ends_with("own"), "{all}");
    }

    #[test]
    fn a_provider_of_the_program_takes_no_name_of_a_model() {
        let config = Config::parse(CONFIG, None).unwrap();
        let error = config.resolve("fast", ["fast"].into_iter(), &Overrides::new()).unwrap_err();
        assert_eq!(error.key.as_deref(), Some("models.fast"));
    }
}
