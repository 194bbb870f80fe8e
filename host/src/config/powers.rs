//! What a configuration from the working directory may do.
//!
//! A stranger may have put it there. Until the user trusts it, such a file sends a key only to the server of the key's preset,
//! sends conversations only to servers of presets and to this machine, and loads no module from a file.

use std::{
    fs, io,
    path::{Component, Path, PathBuf},
};

use url::{Origin, Url};

use crate::{
    chat::config_error::ConfigError,
    config::{
        additions::Addition,
        config::{Config, MAX_ATTEMPTS},
        document::join,
        key::KeySource,
        model::ModelConfig,
        presets::PRESETS,
        provider::{ProviderConfig, authority, is_loopback},
        serve::ServeConfig,
        state::{StateConfig, StoreConfig},
        trust::Trust,
    },
};

/// Something that needs a trusted configuration.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Power {
    /// The setting that does it.
    pub(crate) key: String,
    /// What would happen: the end of a sentence that begins with the setting.
    pub(crate) would: String,
}

impl Config {
    /// Whether this configuration may do everything that it says. False if it was found in the working directory and the user
    /// has not trusted it.
    pub fn is_trusted(&self) -> bool {
        self.trust == Trust::Own
    }

    /// Everything in this configuration that needs trust, other than files of modules.
    pub(crate) fn powers(&self) -> Vec<Power> {
        let providers = self.providers.values().flat_map(powers_of_provider);
        let models = self.models.iter().flat_map(|(name, model)| powers_of_model(name, model));
        let attempts = self.power_of_attempts().into_iter();
        attempts
            .chain(providers)
            .chain(models)
            .chain(powers_of_serve(&self.serve))
            .chain(power_of_state(&self.state))
            .chain(self.power_of_journal())
            .collect()
    }

    /// Refuses a provider of an untrusted configuration that could harm the user.
    pub(crate) fn check_provider_is_trusted(&self, provider: &ProviderConfig) -> Result<(), ConfigError> {
        self.check_is_trusted(|| powers_of_provider(provider))
    }

    /// Refuses a module from a file in an untrusted configuration.
    pub(crate) fn check_file_is_trusted(&self, module: &str, file: &Path) -> Result<(), ConfigError> {
        self.check_is_trusted(|| [self.power_of_file(module, file)])
    }

    /// Refuses extensions that an untrusted configuration would have sent: they can name servers that a provider tells of
    /// the conversation.
    pub(crate) fn check_model_is_trusted(&self, name: &str, model: &ModelConfig) -> Result<(), ConfigError> {
        self.check_is_trusted(|| powers_of_model(name, model))
    }

    /// Refuses a `host.max_attempts` above the default in an untrusted configuration.
    pub(crate) fn check_attempts_are_trusted(&self) -> Result<(), ConfigError> {
        self.check_is_trusted(|| self.power_of_attempts())
    }

    /// Refuses a store of an untrusted configuration that is on another machine.
    pub(crate) fn check_state_is_trusted(&self) -> Result<(), ConfigError> {
        self.check_is_trusted(|| power_of_state(&self.state))
    }

    /// Refuses a journal outside of the folder of an untrusted configuration. Looks at the folder, which may be a link.
    pub(crate) fn check_journal_is_trusted(&self) -> Result<(), ConfigError> {
        self.check_is_trusted(|| self.power_of_journal())
    }

    /// Refuses a `[serve]` in an untrusted configuration that lets other people in.
    ///
    /// # Errors
    ///
    /// Names the setting, what it would do, and how to trust the file.
    pub fn check_serve_is_trusted(&self) -> Result<(), ConfigError> {
        self.check_is_trusted(|| powers_of_serve(&self.serve))
    }

    /// Refuses the first of these powers in an untrusted configuration.
    fn check_is_trusted<P: IntoIterator<Item = Power>>(&self, powers: impl FnOnce() -> P) -> Result<(), ConfigError> {
        if self.is_trusted() {
            return Ok(());
        }
        powers().into_iter().next().map_or(Ok(()), |power| Err(self.distrust(&power)))
    }

    fn power_of_attempts(&self) -> Option<Power> {
        let would = format!("would send up to {} requests for one call", self.max_attempts);
        (self.max_attempts > MAX_ATTEMPTS).then(|| Power { key: "host.max_attempts".to_owned(), would })
    }

    /// The power to write outside of the folder of the configuration.
    fn power_of_journal(&self) -> Option<Power> {
        let folder = self.journal.folder.as_deref()?;
        let would = || format!("would write what modules record into {folder:?}, outside of the folder of this file");
        (!is_inside(folder, self.document.directory()))
            .then(|| Power { key: "journal.folder".to_owned(), would: would() })
    }

    /// The power to run this module from this file.
    pub(crate) fn power_of_file(&self, module: &str, file: &Path) -> Power {
        let is_named = self.modules.get(module).is_some_and(|module| module.sandbox.wasm.is_some());
        let key = if is_named { format!("modules.{module}.sandbox.wasm") } else { format!("modules.{module}") };
        let reference = self.modules.get(module).and_then(|module| module.sandbox.reference());
        let would = match reference {
            Some(reference) => format!("would run the module {reference}"),
            None => format!("would run the module in {file:?}"),
        };
        Power { key, would }
    }

    /// Whether the keys of the program may be sent to this provider. False if an untrusted configuration gives the provider
    /// another address than its preset has.
    pub(crate) fn may_be_given_keys(&self, provider: &ProviderConfig) -> bool {
        let is_presets = |preset: &ProviderConfig| preset.base_url.origin() == provider.base_url.origin();
        self.is_trusted() || provider.is_programs || PRESETS.get(&provider.name).is_some_and(is_presets)
    }

    fn distrust(&self, power: &Power) -> ConfigError {
        let why = match self.trust {
            Trust::Changed => "it has changed since it was trusted",
            Trust::LockChanged => "the arcllm.lock beside it has changed since it was trusted",
            Trust::KeyChanged => "a key file of its [trust] has changed since it was trusted",
            Trust::Own | Trust::Found => "it was found in the working directory",
        };
        let file = self.file.as_deref().unwrap_or(Path::new("config.toml")).display();
        let problem = format!("{}, and this file is not trusted: {why}", power.would);
        let help =
            format!("if you trust it, run `arcllm trust {file}`, or name it with --config {file} or ARCLLM_CONFIG");
        self.document.error(Some(&power.key), problem).help(help)
    }
}

/// The powers that this provider needs.
fn powers_of_provider(provider: &ProviderConfig) -> Vec<Power> {
    if provider.is_programs {
        return Vec::new();
    }
    let to = authority(&provider.base_url);
    let table = join("providers", &provider.name);
    let power = |key: &str, would: String| Power { key: format!("{table}.{key}"), would };
    let goes_to_a_preset = PRESETS.values().any(|preset| is_same(&preset.base_url, &provider.base_url));
    let key = match &provider.key {
        Some(KeySource::File(file)) => {
            Some(power("api_key_file", format!("would send what stands in {file:?} to {to}")))
        }
        Some(KeySource::Command { program, arguments }) => {
            let arguments: String = arguments.iter().map(|argument| format!(" {argument:?}")).collect();
            let would = format!("would run {program:?}{arguments} and send what it prints to {to}");
            Some(power("api_key_command", would))
        }
        Some(KeySource::Env(variable)) if is_the_key_of_a_preset(variable, &provider.base_url) => None,
        Some(KeySource::Env(variable)) => {
            let key = if goes_to_a_preset { "api_key_env" } else { "base_url" };
            Some(power(key, format!("would send the environment variable {variable} to {to}")))
        }
        // The program's own.
        Some(KeySource::Secret(_)) | None => None,
    };
    let additions = [("headers", &provider.headers), ("query", &provider.query)];
    let added = additions.into_iter().flat_map(|(table, additions)| additions.iter().map(move |one| (table, one)));
    let variables = added.filter_map(|(table, (name, addition))| match addition {
        Addition::Env(variable) => {
            Some(power(&join(table, name), format!("would send the environment variable {variable} to {to}")))
        }
        _ => None,
    });
    let mut powers: Vec<Power> = key.into_iter().chain(variables).collect();
    if powers.is_empty() && !goes_to_a_preset && !is_loopback(&provider.base_url) {
        powers.push(power("base_url", format!("would send conversations to {to}")));
    }
    powers
}

/// The powers that this table of `[models]` needs.
fn powers_of_model(name: &str, model: &ModelConfig) -> Vec<Power> {
    let place = format!("{}.options.extensions", join("models", name));
    let power = |key: &String| Power { key: join(&place, key), would: "would add this to requests".to_owned() };
    model.options.extensions.keys().map(power).collect()
}

/// The powers that `[serve]` needs.
fn powers_of_serve(serve: &ServeConfig) -> Vec<Power> {
    let power = |key: &str, would: String| Power { key: format!("serve.{key}"), would };
    let keys = serve.keys.keys().map(|name| {
        let would = "would let in clients that hold this key, who ask providers with your keys".to_owned();
        power(&join("keys", name), would)
    });
    let is_open = !serve.listen.ip().is_loopback();
    let listen = is_open.then(|| power("listen", format!("would let in other machines at {}", serve.listen)));
    let tls = serve.tls.as_ref().map(|tls| power("tls", format!("would serve with the key in {:?}", tls.key)));
    listen.into_iter().chain(keys).chain(tls).collect()
}

/// The power that `[state]` needs. An address of the environment can hold a password.
fn power_of_state(state: &StateConfig) -> Option<Power> {
    let StoreConfig::Redis(redis) = &state.store else { return None };
    let would = format!("would send what modules keep, such as answers, to {}", redis.servers);
    let is_harmless = redis.is_local && redis.key == "state.store";
    (!is_harmless).then(|| Power { key: redis.key.to_owned(), would })
}

/// Whether this folder lies inside of that one, wherever links lead.
fn is_inside(folder: &Path, outside: &Path) -> bool {
    // The folder of a file without one is the working directory.
    let absolute = |path: &Path| std::path::absolute(Path::new(".").join(path)).and_then(|path| there(&path));
    let (Ok(folder), Ok(outside)) = (absolute(folder), absolute(outside)) else { return false };
    !folder.components().any(|part| part == Component::ParentDir) && folder.starts_with(outside)
}

/// This path without links: as far as it exists, and the rest as it is.
fn there(path: &Path) -> io::Result<PathBuf> {
    for beginning in path.ancestors() {
        match fs::symlink_metadata(beginning) {
            Ok(_) => {
                let rest = path.strip_prefix(beginning).map_err(io::Error::other)?;
                return Ok(beginning.canonicalize()?.join(rest));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(path.to_owned())
}

fn is_the_key_of_a_preset(variable: &str, base_url: &Url) -> bool {
    PRESETS.values().any(|preset| {
        matches!(&preset.key, Some(KeySource::Env(preset)) if preset == variable) && is_same(&preset.base_url, base_url)
    })
}

/// Whether both have the same scheme, host and port.
fn is_same(one: &Url, other: &Url) -> bool {
    matches!(one.origin(), Origin::Tuple(..)) && one.origin() == other.origin()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::overrides::Overrides;

    fn found(text: &str) -> Config {
        Config { trust: Trust::Found, ..Config::parse(text, Some(Path::new("config.toml"))).unwrap() }
    }

    /// The error for the one provider in this text that is refused.
    fn refused(text: &str) -> Option<String> {
        let config = found(text);
        let mut refused =
            config.providers.values().filter_map(|provider| config.check_provider_is_trusted(provider).err());
        let first = refused.next().map(|error| error.to_string());
        assert_eq!(refused.next(), None);
        first
    }

    #[test]
    fn nothing_is_refused_of_a_file_that_uses_the_presets() {
        for text in [
            "",
            "[providers.anthropic]\nbase_url = \"https://api.anthropic.com/v1/messages\"\ntimeout_seconds = 5",
            "[providers.anthropic]\nbase_url = \"HTTPS://API.anthropic.COM:443\"",
            "[providers.anthropic]\nheaders.anthropic-beta = \"x\"",
            "[providers.anthropic]\napi_key_env = \"\"",
            "[providers.other]\nadapter = \"openai\"\nbase_url = \"https://api.openai.com/v1\"\napi_key_env = \"OPENAI_API_KEY\"",
            "[providers.other]\nadapter = \"openai\"\nbase_url = \"http://127.0.0.1:9\"\nquery.a = \"b\"",
            "[providers.openai]\nbase_url = \"http://[::1]:9/v1\"\napi_key_env = \"\"",
        ] {
            assert_eq!(refused(text), None, "{text}");
        }
    }

    #[test]
    fn all_else_is_refused_and_says_what_it_would_do() {
        let provider = |settings: &str| format!("[providers.p]\nadapter = \"openai\"\n{settings}");
        for (text, would) in [
            ("[providers.anthropic]\nbase_url = \"https://evil.example\"", "ANTHROPIC_API_KEY to evil.example:443"),
            ("[providers.anthropic]\nbase_url = \"http://127.0.0.1:9\"", "ANTHROPIC_API_KEY to 127.0.0.1:9"),
            ("[providers.anthropic]\nbase_url = \"http://localhost\"", "ANTHROPIC_API_KEY to localhost:80"),
            ("[providers.anthropic]\nbase_url = \"https://api.anthropic.com:8443\"", "to api.anthropic.com:8443"),
            ("[providers.anthropic]\nbase_url = \"https://api.anthropic.com.\"", "to api.anthropic.com.:443"),
            ("[providers.anthropic]\nbase_url = \"https://api.anthropic.com.evil.example\"", "evil.example:443"),
            ("[providers.anthropic]\nbase_url = \"https://api.openai.com\"", "ANTHROPIC_API_KEY to api.openai.com"),
            (
                "[providers.anthropic]\nbase_url = \"http://api.anthropic.com\"\nallow_insecure_http = true",
                "ANTHROPIC_API_KEY to api.anthropic.com:80",
            ),
            ("[providers.openai]\napi_key_env = \"AWS_SECRET_ACCESS_KEY\"", "AWS_SECRET_ACCESS_KEY to api.openai.com"),
            ("[providers.openai]\nheaders.x-a = { env = \"AWS_SECRET_ACCESS_KEY\" }", "AWS_SECRET_ACCESS_KEY"),
            ("[providers.openai]\nquery.a = { env = \"OPENAI_API_KEY\" }", "OPENAI_API_KEY to api.openai.com"),
            ("[providers.openai]\napi_key_file = \"/etc/passwd\"", "\"/etc/passwd\" to api.openai.com"),
            ("[providers.openai]\napi_key_command = [\"rm\", \"-r\"]", "would run \"rm\""),
            ("[providers.ollama]\napi_key_env = \"HOME\"", "HOME to localhost:11434"),
        ] {
            let error = refused(text).unwrap_or_else(|| panic!("{text}"));
            assert!(error.contains(would), "{text}: {error}");
            for way_out in ["not trusted", "`arcllm trust config.toml`", "--config config.toml", "ARCLLM_CONFIG"] {
                assert!(error.contains(way_out), "{error}");
            }
        }
        let keyless = provider("base_url = \"https://evil.example\"");
        assert!(refused(&keyless).unwrap().contains("`providers.p.base_url` would send conversations to evil.example"));
        let any = provider("base_url = \"https://evil.example\"\napi_key_env = \"PATH\"");
        assert!(refused(&any).unwrap().contains("PATH to evil.example:443"));
        assert!(refused(&provider("base_url = \"http://127.0.0.1:9\"\napi_key_env = \"PATH\"")).is_some());
    }

    #[test]
    fn every_power_is_listed() {
        let text = r#"
            [host]
            max_attempts = 1000

            [providers.p]
            adapter = "openai"
            base_url = "https://evil.example"
            api_key_file = "/etc/passwd"
            headers = { a = { env = "A" }, b = "b" }
            query = { c = { env = "C" } }

            [models.m]
            provider = "p"
            options.extensions = { "openai.x" = 1, "openai.y" = 2 }

            [serve]
            listen = "0.0.0.0:4000"
            tls = { certificate = "c.pem", key = "k.pem" }
            [state]
            store = "redis://evil.example"
            [serve.keys.k]
            sha256 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

            [journal]
            folder = "/var/log/arcllm"
        "#;
        let keys: Vec<_> = found(text).powers().into_iter().map(|power| power.key).collect();
        let expected = [
            "host.max_attempts",
            "providers.p.api_key_file",
            "providers.p.headers.a",
            "providers.p.query.c",
            "models.m.options.extensions.\"openai.x\"",
            "models.m.options.extensions.\"openai.y\"",
            "serve.listen",
            "serve.keys.k",
            "serve.tls",
            "state.store",
            "journal.folder",
        ];
        assert_eq!(keys, expected);
        assert_eq!(found("[state]\nstore = \"redis://127.0.0.1:6379\"").powers(), []);
        assert_eq!(found("[serve]\nlisten = \"[::1]:4000\"\nlog = \"json\"").powers(), []);
    }

    #[test]
    fn a_journal_outside_of_the_folder_takes_trust_also_behind_a_link() {
        let outside = tempfile::tempdir().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let refused = |journal: &str| {
            let file = folder.path().join("config.toml");
            let text = format!("[journal]\nfolder = {journal:?}");
            let config = Config { trust: Trust::Found, ..Config::parse(&text, Some(&file)).unwrap() };
            config.check_journal_is_trusted().err()
        };
        for inside in ["journal", "a/b/c", "./journal"] {
            assert_eq!(refused(inside), None, "{inside}");
        }
        let link = folder.path().join("link");
        #[cfg(unix)]
        std::os::unix::fs::symlink(outside.path(), &link).unwrap();
        for away in ["../journal", "a/../../journal", "/tmp/journal", "link", "link/deeper"] {
            if away.starts_with("link") && !link.exists() {
                continue;
            }
            let error = refused(away).unwrap();
            assert_eq!((error.key.as_deref(), error.line), (Some("journal.folder"), Some(2)), "{away}");
            assert!(error.to_string().contains("not trusted"), "{error}");
        }
    }

    #[test]
    fn a_provider_of_the_program_takes_no_trust() {
        let text = "[providers.p]\nadapter = \"openai\"\nbase_url = \"https://evil.example\"";
        let own = ProviderConfig::openai("https://own.example").unwrap().key("sk-1".into());
        let config = found(text).with_provider("own", own).unwrap();
        assert!(config.check_provider_is_trusted(&config.providers["p"]).is_err());
        assert_eq!(config.check_provider_is_trusted(&config.providers["own"]), Ok(()));
        assert!(config.may_be_given_keys(&config.providers["own"]));
    }

    #[test]
    fn extensions_of_a_model_take_trust() {
        let text = "[models.m]\nprovider = \"anthropic\"\noptions.extensions = { \"anthropic.mcp_servers\" = [] }
            [models.plain]\nprovider = \"anthropic\"\noptions.max_tokens = 5\nmodules.retry = true";
        let resolve = |config: &Config, name| config.resolve(name, std::iter::empty(), &Overrides::new()).map(drop);
        let error = resolve(&found(text), "m").unwrap_err();
        assert_eq!(error.key.as_deref(), Some("models.m.options.extensions.\"anthropic.mcp_servers\""));
        assert!(error.to_string().contains("not trusted"), "{error}");
        assert_eq!(resolve(&found(text), "plain"), Ok(()));
        assert_eq!(resolve(&Config::parse(text, None).unwrap(), "m"), Ok(()));
    }

    #[test]
    fn a_program_gives_keys_only_where_its_names_mean_what_they_say() {
        let text = "[providers.openai]\nbase_url = \"http://127.0.0.1:9\"\napi_key_env = \"\"
            [providers.mine]\nadapter = \"openai\"\nbase_url = \"http://127.0.0.1:9\"";
        let config = found(text);
        let may = |config: &Config, name: &str| config.may_be_given_keys(&config.providers[name]);
        assert!(!may(&config, "openai") && !may(&config, "mine") && may(&config, "groq"));
        let own = Config::parse(text, None).unwrap();
        assert!(may(&own, "openai") && may(&own, "mine"));
    }
}
