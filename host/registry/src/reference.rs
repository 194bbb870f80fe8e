//! Names a module in a registry.

use std::{fmt, net::IpAddr, str::FromStr};

use crate::{digest::Digest, error::RegistryError};

/// How each reference begins.
const SCHEME: &str = "oci://";

/// What the distribution specification allows for registry and repository together.
const LONGEST_NAME: usize = 255;

/// The longest tag that the distribution specification allows.
const LONGEST_TAG: usize = 128;

/// The name of a module in a registry: `oci://HOST[:PORT]/REPOSITORY[:TAG][@sha256:HEX]`.
///
/// A tag can be moved to other content at any time. A digest names one content for ever. With neither, the tag is `latest`.
///
/// ```
/// use arcllm_registry::Reference;
///
/// let reference: Reference = "oci://registry.example/me/mine:1.2.0".parse()?;
/// assert_eq!(reference.registry(), "registry.example");
/// assert_eq!(reference.repository(), "me/mine");
/// assert_eq!(reference.tag(), Some("1.2.0"));
/// # Ok::<_, arcllm_registry::RegistryError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Reference {
    /// Tells whether a text begins as a reference does, and so is no path of a file.
    pub fn is_reference(text: &str) -> bool {
        text.starts_with(SCHEME)
    }

    /// The host, with its port if it has one.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The repository inside of the registry.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag that it names.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest of the manifest that it names.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// The same name with this digest. The tag stays, for people to read.
    #[must_use]
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self { digest: Some(digest), ..self.clone() }
    }

    /// The same repository at this tag, whatever it points to.
    ///
    /// # Errors
    ///
    /// Where the text is no tag.
    pub fn with_tag(&self, tag: &str) -> Result<Self, RegistryError> {
        let reference = Self { tag: Some(tag.to_owned()), digest: None, ..self.clone() };
        match is_tag(tag) {
            true => Ok(reference),
            false => Err(wrong(&reference.to_string(), TAG)),
        }
    }

    /// Without a tag and without a digest, for what holds for all versions.
    #[must_use]
    pub fn without_version(&self) -> Self {
        Self { tag: None, digest: None, ..self.clone() }
    }

    /// What the registry is asked for: the digest, or else the tag.
    pub(crate) fn version(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(tag)) => tag.clone(),
            (None, None) => "latest".to_owned(),
        }
    }

    /// Whether both name the same registry, though they may write it otherwise: with the port that is asked anyway, or another
    /// form of the same IP address.
    pub fn is_at_registry_of(&self, other: &Self) -> bool {
        self.origin().is_some_and(|origin| other.origin() == Some(origin))
    }

    /// Who is asked for it.
    pub(crate) fn origin(&self) -> Option<url::Origin> {
        let scheme = if self.is_loopback() { "http" } else { "https" };
        // The names of docker's registry are not the name of the machine that serves it.
        let (host, port) = split_port(&self.registry);
        let host = if matches!(host, "docker.io" | "index.docker.io") { "registry-1.docker.io" } else { host };
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        url::Url::parse(&format!("{scheme}://{host}{port}/")).ok().map(|url| url.origin())
    }

    /// The host without its port.
    pub(crate) fn host(&self) -> &str {
        split_port(&self.registry).0
    }

    /// Whether the registry is on this machine, going by its name.
    pub(crate) fn is_loopback(&self) -> bool {
        let host = self.host();
        let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        host == "localhost" || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

const FORM: &str = "a reference is oci://HOST/REPOSITORY:TAG or oci://HOST/REPOSITORY@sha256:HEX";
const TAG: &str = "a tag is at most 128 letters, digits, `_`, `.` and `-`, and begins with none of the last two";
const REPOSITORY: &str =
    "a repository is written in lower-case letters and digits, with `/`, `.`, `_` and `-` between them";

impl FromStr for Reference {
    type Err = RegistryError;

    fn from_str(text: &str) -> Result<Self, RegistryError> {
        let wrong = |why: &str| wrong(text, why);
        let rest = text.strip_prefix(SCHEME).ok_or_else(|| wrong(FORM))?;
        let (registry, rest) = rest.split_once('/').ok_or_else(|| wrong(FORM))?;
        if registry.contains('@') {
            return Err(wrong("a login never stands in a reference; log in as for docker, with `docker login`"));
        }
        if !is_registry(registry) {
            return Err(wrong(
                "it begins with no registry, such as `registry.example`, `localhost` or `127.0.0.1:5000`",
            ));
        }
        let (name, digest) = match rest.split_once('@') {
            Some((name, digest)) => {
                (name, Some(digest.parse().map_err(|error: crate::DigestError| wrong(&error.to_string()))?))
            }
            None => (rest, None),
        };
        let (repository, tag) = match name.split_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (name, None),
        };
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(wrong(TAG));
        }
        if !is_repository(repository) || registry.len() + 1 + repository.len() > LONGEST_NAME {
            return Err(wrong(REPOSITORY));
        }
        let (registry, repository) = (registry.to_owned(), repository.to_owned());
        Ok(Self { registry, repository, tag: tag.map(str::to_owned), digest })
    }
}

fn wrong(text: &str, why: &str) -> RegistryError {
    RegistryError::Reference { text: crate::error::excerpt(text), why: why.to_owned() }
}

fn split_port(registry: &str) -> (&str, Option<&str>) {
    match registry.rsplit_once(':') {
        // The colons of an IPv6 address are inside of its brackets.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (registry, None),
    }
}

/// Whether it is a host with or without a port. As for docker, a single word other than `localhost` is none without a port.
fn is_registry(text: &str) -> bool {
    let (host, port) = split_port(text);
    let port_is_right =
        port.is_none_or(|port| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok());
    let is_name = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => host.split('.').all(is_label) && (host.contains('.') || port.is_some() || host == "localhost"),
    };
    port_is_right && is_name
}

fn is_label(text: &str) -> bool {
    let is_right = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.bytes().all(is_right) && !text.starts_with('-') && !text.ends_with('-')
}

/// Whether it is a repository's name by the distribution specification:
/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*`.
fn is_repository(text: &str) -> bool {
    text.split('/').all(|part| {
        let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let ends = part.bytes().next().is_some_and(is_word) && part.bytes().last().is_some_and(is_word);
        let mut between = part.split(|each: char| each.is_ascii_lowercase() || each.is_ascii_digit());
        ends && between.all(|text| matches!(text, "" | "." | "_" | "__") || text.bytes().all(|byte| byte == b'-'))
    })
}

/// Whether it is a tag by the distribution specification: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
fn is_tag(text: &str) -> bool {
    let is_right = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=LONGEST_TAG).contains(&text.len()) && text.bytes().all(is_right) && !text.starts_with(['.', '-'])
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn what_is_right_is_read_and_written_the_same() {
        let digest = format!("@sha256:{HEX}");
        for registry in ["registry.example", "localhost", "localhost:5000", "127.0.0.1:5000", "[::1]:5000", "host:1"] {
            for repository in ["mine", "me/mine", "a.b/c_d/e__f/g---h/0"] {
                for version in ["", ":1.2.0", ":_x", &digest, &format!(":1{digest}")] {
                    let text = format!("oci://{registry}/{repository}{version}");
                    assert_eq!(text.parse::<Reference>().unwrap().to_string(), text);
                }
            }
        }
    }

    #[test]
    fn what_is_wrong_says_what_would_be_right() {
        let long = "a".repeat(300);
        let cases = [
            ("registry.example/me/mine", "oci://HOST"),
            ("oci://registry.example", "oci://HOST"),
            ("oci://me/mine", "no registry"),
            ("oci:///mine", "no registry"),
            ("oci://registry.example:99999/mine", "no registry"),
            ("oci://registry.example:/mine", "no registry"),
            ("oci://Registry.example/mine", "no registry"),
            ("oci://-x.example/mine", "no registry"),
            ("oci://[::1/mine", "no registry"),
            ("oci://user:secret@registry.example/mine", "login"),
            ("oci://registry.example/", "repository"),
            ("oci://registry.example/Mine", "lower-case"),
            ("oci://registry.example/a//b", "repository"),
            ("oci://registry.example/../b", "repository"),
            ("oci://registry.example/a..b", "repository"),
            ("oci://registry.example/a___b", "repository"),
            ("oci://registry.example/a?b", "repository"),
            ("oci://registry.example/mine:", "tag"),
            ("oci://registry.example/mine:.x", "tag"),
            ("oci://registry.example/mine:a/b", "tag"),
            ("oci://registry.example/mine@sha256:12", "64 digits"),
            ("oci://registry.example/mine@", "64 digits"),
            (&format!("oci://registry.example/{long}"), "repository"),
            (&format!("oci://registry.example/mine:{long}"), "tag"),
        ];
        for (text, expected) in cases {
            let error = text.parse::<Reference>().unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
            assert!(error.len() < 500, "{error}");
        }
    }

    #[test]
    fn a_registry_is_the_same_however_it_is_written() {
        for (one, other, expected) in [
            ("registry.example", "registry.example:443", true),
            ("registry.example", "registry.example:5000", false),
            ("registry.example", "registry.example.evil.com", false),
            ("registry.example", "evil-registry.example", false),
            ("registry.example", "registry-example.com", false),
            ("localhost", "localhost:80", true),
            ("localhost", "localhost:443", false),
            ("[::1]:5000", "[0:0:0:0:0:0:0:1]:5000", true),
            ("10.0.0.1", "10.0.1", true),
            ("10.0.0.1", "10.0.0.11", false),
            ("docker.io", "registry-1.docker.io", true),
            ("docker.io", "index.docker.io:443", true),
        ] {
            let reference = |registry: &str| format!("oci://{registry}/mine").parse::<Reference>().unwrap();
            assert_eq!(reference(one).is_at_registry_of(&reference(other)), expected, "{one} {other}");
        }
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for (registry, expected) in [
            ("localhost", true),
            ("localhost:5000", true),
            ("127.0.0.1:5000", true),
            ("127.9.9.9", true),
            ("[::1]:5000", true),
            ("registry.example", false),
            ("localhost.example", false),
            ("127.0.0.1.example:5000", false),
            ("10.0.0.1:5000", false),
            ("[2001:db8::1]", false),
        ] {
            let reference: Reference = format!("oci://{registry}/mine").parse().unwrap();
            assert_eq!(reference.is_loopback(), expected, "{registry}");
        }
    }
}
