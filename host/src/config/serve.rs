//! How `arcllm serve` serves: `[serve]`.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use crate::{chat::config_error::ConfigError, config::section::Section};

/// `[serve]`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ServeConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The certificate and its key. Without them it speaks plain HTTP.
    pub tls: Option<TlsFiles>,
    /// The keys of clients, by name. Without any, everybody who can connect may ask.
    pub keys: BTreeMap<String, ClientKey>,
    /// The largest body of a request, in binary megabytes.
    pub max_body_mb: u64,
    /// How much memory the bodies of running calls may take together, in binary megabytes.
    pub max_bodies_mb: u64,
    /// How many calls may run at once.
    pub max_in_flight: u64,
    /// How many connections may be open at once.
    pub max_connections: u64,
    /// How long running calls may take to finish after the signal to stop.
    pub shutdown: Duration,
    /// How long the head of a request may take.
    pub header_timeout: Duration,
    /// How long the body of a request may take.
    pub body_timeout: Duration,
    /// How long a connection may stay open between two requests.
    pub idle_timeout: Duration,
    /// How long a client may take no byte of its answer.
    pub write_timeout: Duration,
    /// How requests are logged.
    pub log: RequestLog,
}

/// `[serve.tls]`: files in PEM format.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsFiles {
    /// The certificate, followed by those that vouch for it.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// `[serve.keys.NAME]`: what the holder of a key may do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientKey {
    /// The SHA-256 of the key.
    pub sha256: [u8; 32],
    /// The models that it may use, where `*` stands for any text. Absent is all.
    pub models: Option<Vec<String>>,
    /// Labels of its requests, for modules.
    pub labels: BTreeMap<String, String>,
}

/// How requests are logged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestLog {
    /// A line for people.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
    /// Not at all.
    Off,
}

impl RequestLog {
    /// The log that this word of the configuration means.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "human" => Some(Self::Human),
            "json" => Some(Self::Json),
            "off" => Some(Self::Off),
            _ => None,
        }
    }
}

impl Default for ServeConfig {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 4000).into(),
            tls: None,
            keys: BTreeMap::new(),
            max_body_mb: 32,
            max_bodies_mb: 4096,
            max_in_flight: 10_000,
            max_connections: 20_000,
            shutdown: Duration::from_secs(30),
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(60),
            // Longer than the load balancers in front keep a connection, so that they close it and not this side.
            idle_timeout: Duration::from_secs(120),
            write_timeout: Duration::from_secs(60),
            log: RequestLog::Human,
        }
    }
}

impl ServeConfig {
    pub(crate) fn read(mut section: Section<'_>) -> Result<Self, ConfigError> {
        let default = Self::default();
        let config = Self {
            listen: listen(&mut section)?.unwrap_or(default.listen),
            tls: read_tls(&mut section)?,
            keys: read_keys(&mut section)?,
            max_body_mb: section.count_u32("max_body_mb")?.map_or(default.max_body_mb, u64::from),
            max_bodies_mb: section.count_u32("max_bodies_mb")?.map_or(default.max_bodies_mb, u64::from),
            max_in_flight: section.count_u32("max_in_flight")?.map_or(default.max_in_flight, u64::from),
            max_connections: section.count_u32("max_connections")?.map_or(default.max_connections, u64::from),
            shutdown: section.seconds("shutdown_seconds")?.unwrap_or(default.shutdown),
            header_timeout: section.seconds("header_timeout_seconds")?.unwrap_or(default.header_timeout),
            body_timeout: section.seconds("body_timeout_seconds")?.unwrap_or(default.body_timeout),
            idle_timeout: section.seconds("idle_timeout_seconds")?.unwrap_or(default.idle_timeout),
            write_timeout: section.seconds("write_timeout_seconds")?.unwrap_or(default.write_timeout),
            log: log(&mut section)?.unwrap_or_default(),
        };
        section.finish()?;
        Ok(config)
    }
}

fn listen(section: &mut Section<'_>) -> Result<Option<SocketAddr>, ConfigError> {
    let Some(text) = section.text("listen")? else { return Ok(None) };
    let wrong = |_| {
        let error = section.error("listen", format!("is {text:?}"));
        error.help("an address and a port, such as \"127.0.0.1:4000\" or \"[::]:4000\"")
    };
    text.parse().map(Some).map_err(wrong)
}

fn log(section: &mut Section<'_>) -> Result<Option<RequestLog>, ConfigError> {
    let Some(word) = section.text("log")? else { return Ok(None) };
    let wrong = || section.error("log", format!("is {word:?}")).help("\"human\", \"json\" or \"off\"");
    RequestLog::from_word(&word).map(Some).ok_or_else(wrong)
}

fn read_tls(section: &mut Section<'_>) -> Result<Option<TlsFiles>, ConfigError> {
    let mut tls = section.section("tls")?;
    let (certificate, key) = (tls.text("certificate")?, tls.text("key")?);
    let missing = |name: &str| tls.error(name, "is missing").help("a file in PEM format, relative to this file");
    let files = match (certificate, key) {
        (None, None) => None,
        (None, Some(_)) => return Err(missing("certificate")),
        (Some(_), None) => return Err(missing("key")),
        (Some(certificate), Some(key)) => {
            let at = tls.directory();
            Some(TlsFiles { certificate: at.join(certificate), key: at.join(key) })
        }
    };
    tls.finish()?;
    Ok(files)
}

fn read_keys(section: &mut Section<'_>) -> Result<BTreeMap<String, ClientKey>, ConfigError> {
    let mut keys: BTreeMap<String, ClientKey> = BTreeMap::new();
    for (name, table) in section.sections("keys")? {
        let place = format!("{}.sha256", table.path());
        let key = ClientKey::read(&name, table)?;
        if let Some((other, _)) = keys.iter().find(|(_, other)| other.sha256 == key.sha256) {
            let problem = format!("is also the key of `{other}`, so a log could not tell them apart");
            let help = format!("a key of its own: `arcllm serve key {name}`");
            return Err(section.error_at(&place, problem).help(help));
        }
        keys.insert(name, key);
    }
    Ok(keys)
}

impl ClientKey {
    fn read(name: &str, mut section: Section<'_>) -> Result<Self, ConfigError> {
        let help = format!("`arcllm serve key {name}` makes a key and prints this table");
        let sha256 = section.text("sha256")?;
        let sha256 = sha256.ok_or_else(|| section.error("sha256", "is missing").help(help.clone()))?;
        // The text is not repeated: it may be the key itself.
        let wrong = || section.error("sha256", "is no SHA-256, which has 64 hexadecimal digits").help(help);
        let sha256 = from_hex(&sha256).ok_or_else(wrong)?;
        let models = section.texts("models")?;
        if models.as_ref().is_some_and(Vec::is_empty) {
            let error = section.error("models", "is empty, so the key could use nothing");
            return Err(error.help("names such as [\"fast\", \"anthropic/*\"]; all models without this setting"));
        }
        let labels = section.section("labels")?.all_texts()?;
        section.finish()?;
        Ok(Self { sha256, models, labels })
    }
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != bytes.len() || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::config::Config;

    const SHA: &str = "0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789abcdef";

    fn read(text: &str) -> Result<ServeConfig, ConfigError> {
        Config::parse(text, Some(Path::new("/etc/arcllm/config.toml"))).map(|config| config.serve)
    }

    #[test]
    fn without_a_table_the_defaults_count() {
        assert_eq!(read("").unwrap(), ServeConfig::default());
        assert_eq!(read("[serve]").unwrap(), ServeConfig::default());
    }

    #[test]
    fn every_setting_is_read() {
        let config = read(&format!(
            "[serve]\nlisten = \"[::1]:80\"\nmax_body_mb = 1\nmax_bodies_mb = 9\nmax_in_flight = 2\nmax_connections = 3\nshutdown_seconds = 0.5
            header_timeout_seconds = 1\nbody_timeout_seconds = 2\nidle_timeout_seconds = 3\nwrite_timeout_seconds = 4\nlog = \"json\"
            tls = {{ certificate = \"c.pem\", key = \"/k.pem\" }}
            [serve.keys.a]\nsha256 = \"{SHA}\"\nmodels = [\"fast\", \"anthropic/*\"]\nlabels = {{ team = \"search\" }}"
        ));
        let config = config.unwrap();
        assert_eq!(config.listen, "[::1]:80".parse().unwrap());
        assert_eq!(config.max_bodies_mb, 9);
        assert_eq!((config.max_body_mb, config.max_in_flight, config.max_connections), (1, 2, 3));
        let seconds = [config.shutdown, config.header_timeout, config.body_timeout, config.idle_timeout];
        assert_eq!(seconds, [0.5, 1.0, 2.0, 3.0].map(Duration::from_secs_f64));
        assert_eq!((config.write_timeout, config.log), (Duration::from_secs(4), RequestLog::Json));
        let (certificate, key) = (PathBuf::from("/etc/arcllm/c.pem"), PathBuf::from("/k.pem"));
        assert_eq!(config.tls, Some(TlsFiles { certificate, key }));
        let key = &config.keys["a"];
        assert_eq!((key.sha256[0], key.sha256[15], key.labels["team"].as_str()), (0x01, 0xef, "search"));
        assert_eq!(key.models, Some(vec!["fast".to_owned(), "anthropic/*".to_owned()]));
    }

    #[test]
    fn a_wrong_setting_is_named_with_what_would_be_right() {
        let same = format!("[serve.keys.a]\nsha256 = \"{SHA}\"\n[serve.keys.b]\nsha256 = \"{SHA}\"");
        for (text, key, help) in [
            ("[serve]\nlisten = \"4000\"", "serve.listen", "an address and a port"),
            ("[serve]\nlisten = \"localhost:4000\"", "serve.listen", "127.0.0.1:4000"),
            ("[serve]\nlisten = 4000", "serve.listen", "a text in quotes"),
            ("[serve]\nmax_bodymb = 1", "serve.max_bodymb", "did you mean `max_body_mb`?"),
            ("[serve]\nmax_in_flight = 0", "serve.max_in_flight", "a whole number"),
            ("[serve]\nshutdown_seconds = -1", "serve.shutdown_seconds", "seconds above zero"),
            ("[serve]\nlog = \"xml\"", "serve.log", "\"json\""),
            ("[serve]\ntls = { certificate = \"c\" }", "serve.tls.key", "PEM"),
            ("[serve]\ntls = { key = \"c\" }", "serve.tls.certificate", "PEM"),
            ("[serve]\nkeys = 1", "serve.keys", "a table"),
            ("[serve.keys.a]", "serve.keys.a.sha256", "`arcllm serve key a`"),
            ("[serve.keys.a]\nsha256 = \"arcllm-12\"", "serve.keys.a.sha256", "`arcllm serve key a`"),
            ("[serve.keys.a]\nkey = \"x\"\nsha256 = \"00\"", "serve.keys.a.sha256", "makes a key"),
            (&same, "serve.keys.b.sha256", "`arcllm serve key b`"),
        ] {
            let error = read(text).unwrap_err();
            assert_eq!(error.key.as_deref(), Some(key), "{text}");
            assert!(error.help.as_deref().unwrap_or_default().contains(help), "{text}: {error}");
            assert!(error.file.is_some() && error.line.is_some(), "{text}: {error}");
            assert!(!error.to_string().contains("arcllm-12"), "a key is not repeated: {error}");
        }
        let empty = format!("[serve.keys.a]\nsha256 = \"{SHA}\"\nmodels = []");
        assert_eq!(read(&empty).unwrap_err().line, Some(3));
    }
}
