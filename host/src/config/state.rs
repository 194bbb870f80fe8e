//! Where modules keep what outlives a call: `[state]`.

use std::{env, time::Duration};

use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use crate::{chat::config_error::ConfigError, config::section::Section};

/// How a store is named.
const STORES: &str =
    "\"memory\", or an address that begins with redis://, rediss://, redis+cluster:// or rediss+cluster://";

/// `[state]`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StateConfig {
    /// The store.
    pub store: StoreConfig,
    /// What all keys in a Redis begin with.
    pub prefix: String,
    /// How long an operation may take.
    pub timeout: Duration,
}

/// `state.store` or `state.url_env`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum StoreConfig {
    /// The memory of the process.
    Memory,
    /// A Redis.
    Redis(RedisConfig),
    /// The variable of `state.url_env` is not set, as this error says. It may be set where calls are made.
    Unset(ConfigError),
}

/// A Redis, or another server that speaks its protocol.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RedisConfig {
    /// The addresses of its servers, which can have passwords. A single one, unless it is a cluster.
    pub urls: Vec<SecretString>,
    /// Whether it is a cluster.
    pub is_cluster: bool,
    /// Its servers without passwords, for messages.
    pub servers: String,
    /// The setting that names it, such as `state.store`.
    pub(crate) key: &'static str,
    /// Whether all servers are on this machine.
    pub(crate) is_local: bool,
}

impl Default for StateConfig {
    fn default() -> Self {
        Self { store: StoreConfig::Memory, prefix: "arcllm".to_owned(), timeout: Duration::from_millis(250) }
    }
}

impl StateConfig {
    pub(crate) fn read(mut section: Section<'_>) -> Result<Self, ConfigError> {
        let default = Self::default();
        let (store, variable) = (section.text("store")?, section.text("url_env")?);
        let store = match (store, variable) {
            (Some(_), Some(_)) => {
                return Err(section.error("url_env", "stands beside `state.store`").help("keep one of them"));
            }
            (None, None) => StoreConfig::Memory,
            (Some(store), None) if store == "memory" => StoreConfig::Memory,
            (Some(store), None) => StoreConfig::Redis(RedisConfig::parse(&section, "store", &store)?),
            (None, Some(variable)) => match env::var(&variable).ok().filter(|value| !value.is_empty()) {
                Some(address) => StoreConfig::Redis(RedisConfig::parse(&section, "url_env", &address)?),
                None => {
                    let error = section.error("url_env", format!("names the variable {variable}, which is not set"));
                    let help = format!("set {variable} to the address of the store, or remove this line");
                    StoreConfig::Unset(error.help(help))
                }
            },
        };
        let prefix = section.text("prefix")?.unwrap_or(default.prefix);
        // Braces would change which part of a key a cluster looks at.
        if prefix.len() > 64 || prefix.contains(['{', '}']) || prefix.chars().any(|char| char.is_control()) {
            let error = section.error("prefix", "cannot begin a key");
            return Err(error.help("at most 64 characters, without `{` and `}`"));
        }
        let timeout = section.seconds("timeout_seconds")?.unwrap_or(default.timeout);
        section.finish()?;
        Ok(Self { store, prefix, timeout })
    }
}

impl RedisConfig {
    fn parse(section: &Section<'_>, key: &'static str, address: &str) -> Result<Self, ConfigError> {
        // The address may hold a password, so no error shows it.
        let wrong = |problem: &str| section.error(key, problem.to_owned()).help(STORES);
        let (scheme, rest) = address.split_once("://").ok_or_else(|| wrong("is no store"))?;
        let (scheme, is_cluster) = match scheme {
            "redis" | "rediss" => (scheme, false),
            "redis+cluster" => ("redis", true),
            "rediss+cluster" => ("rediss", true),
            _ => return Err(wrong("is no store")),
        };
        let (hosts, path) =
            rest.split_once('/').map_or((rest, String::new()), |(hosts, path)| (hosts, format!("/{path}")));
        let (login, hosts) = hosts.rsplit_once('@').map_or(("", hosts), |(login, hosts)| (login, hosts));
        let hosts: Vec<&str> = if is_cluster { hosts.split(',').collect() } else { vec![hosts] };
        let (mut urls, mut servers, mut is_local) = (Vec::new(), Vec::new(), true);
        for host in hosts {
            let at = if login.is_empty() { "" } else { "@" };
            let text = format!("{scheme}://{login}{at}{host}{path}");
            let url = Url::parse(&text).ok().filter(|url| url.host_str().is_some_and(|host| !host.is_empty()));
            let url = url.ok_or_else(|| wrong("is an address without a server that it could name"))?;
            let database = url.path().trim_matches('/');
            if !database.is_empty() && (is_cluster || database.parse::<u32>().is_err()) {
                let help = if is_cluster {
                    "a cluster has one database: leave the number out"
                } else {
                    "end it in the number of a database, such as /0"
                };
                return Err(section.error(key, "ends in no database").help(help));
            }
            let name = url.host_str().unwrap_or_default();
            is_local &= matches!(name, "localhost" | "127.0.0.1" | "[::1]" | "::1");
            servers.push(format!("{name}:{}", url.port().unwrap_or(6379)));
            urls.push(SecretString::from(text));
        }
        let key = if key == "store" { "state.store" } else { "state.url_env" };
        Ok(Self { urls, is_cluster, servers: servers.join(", "), key, is_local })
    }

    /// The addresses as text.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = &str> {
        self.urls.iter().map(|url| url.expose_secret())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::{config::Config, state::StoreConfig};

    fn read(state: &str) -> Result<Config, String> {
        let text = format!("[state]\n{state}\n");
        Config::parse(&text, Some(Path::new("config.toml"))).map_err(|error| error.to_string())
    }

    #[test]
    fn a_store_is_memory_or_a_redis() {
        let servers = |state: &str| match read(state).unwrap().state.store {
            StoreConfig::Memory => "memory".to_owned(),
            StoreConfig::Redis(redis) => format!("{} {}", redis.servers, redis.is_cluster),
            StoreConfig::Unset(error) => error.to_string(),
        };
        for (state, expected) in [
            ("", "memory"),
            ("store = \"memory\"", "memory"),
            ("store = \"redis://127.0.0.1:6380/2\"", "127.0.0.1:6380 false"),
            ("store = \"rediss://user:p%40ss@cache.example\"", "cache.example:6379 false"),
            ("store = \"redis+cluster://:secret@a:7000,b:7001\"", "a:7000, b:7001 true"),
        ] {
            assert_eq!(servers(state), expected, "{state}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_and_no_password_is_shown() {
        for (state, problem) in [
            ("store = \"memroy\"", "is no store"),
            ("store = \"http://:secret@a\"", "is no store"),
            ("store = \"redis://\"", "without a server"),
            ("store = \"redis://:secret@:6379\"", "without a server"),
            ("store = \"redis://:secret@a:99999\"", "without a server"),
            ("store = \"redis://:secret@a/first\"", "ends in no database"),
            ("store = \"redis+cluster://:secret@a,b/1\"", "a cluster has one database"),
            ("store = \"redis://a\"\nurl_env = \"A\"", "keep one of them"),
            ("store = \"redis://a\"\nprefix = \"{a}\"", "`{`"),
            ("timeout_seconds = 0", "timeout_seconds"),
            ("stores = \"memory\"", "store"),
        ] {
            let error = read(state).unwrap_err();
            assert!(
                error.contains(problem) && error.contains("config.toml:2") || error.contains("config.toml:3"),
                "{state}: {error}"
            );
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_variable_that_is_not_set_keeps_nobody_from_reading_the_file() {
        let StoreConfig::Unset(error) = read("url_env = \"ARCLLM_TEST_NEVER_SET\"").unwrap().state.store else {
            panic!("a store")
        };
        let error = error.to_string();
        assert!(error.contains("config.toml:2") && error.contains("which is not set"), "{error}");
        assert!(error.contains("`state.url_env`") && error.contains("set ARCLLM_TEST_NEVER_SET to"), "{error}");
    }

    #[test]
    fn a_password_is_never_shown() {
        let config = read("store = \"redis://:secret@cache.example/1\"").unwrap();
        assert!(!format!("{:?}", config.state).contains("secret"));
    }
}
