//! `[trust]`: whose signatures count, and which modules need one.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use arcllm_registry::Reference;

use crate::{
    chat::config_error::ConfigError,
    config::{document::join, section::Section},
};

/// The name of the source that stands for all modules from files.
const FILES: &str = "files";

/// `[trust]`: the keys whose signatures count, and whether modules need a signature.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Signers {
    /// What holds for sources without a rule of their own.
    pub default: SignerRule,
    /// What holds for modules from files, and for each beginning of a reference.
    pub sources: Vec<(ModuleSources, SignerRule)>,
}

/// What holds for a source of modules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SignerRule {
    /// The files of public keys, resolved against the configuration.
    pub keys: Vec<PathBuf>,
    /// Whether a module needs a signature of one of the keys.
    pub require_signature: bool,
    /// The table in the configuration, such as `trust`.
    pub(crate) place: String,
}

/// Modules that a rule is for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ModuleSources {
    /// All modules from files.
    Files,
    /// All modules of this registry, in this repository or below.
    Registry {
        /// The host, with its port if it has one.
        registry: String,
        /// The repository or the beginning of its path. Empty for the whole registry.
        path: String,
    },
}

impl Signers {
    /// The rule for a module from this place in a registry, or from a file.
    pub fn rule(&self, reference: Option<&Reference>) -> &SignerRule {
        let fitting = self.sources.iter().filter(|(sources, _)| sources.has(reference));
        let longest = fitting.max_by_key(|(sources, _)| sources.length());
        longest.map_or(&self.default, |(_, rule)| rule)
    }

    /// The files of all keys, each once.
    pub fn keys(&self) -> Vec<&Path> {
        let keys: BTreeSet<&Path> = self.rules().flat_map(|rule| &rule.keys).map(PathBuf::as_path).collect();
        keys.into_iter().collect()
    }

    /// All rules, the default first.
    pub(crate) fn rules(&self) -> impl Iterator<Item = &SignerRule> {
        std::iter::once(&self.default).chain(self.sources.iter().map(|(_, rule)| rule))
    }

    pub(crate) fn read(mut section: Section<'_>) -> Result<Self, ConfigError> {
        let default = SignerRule::read(&mut section, &SignerRule::default())?;
        let mut sources = Vec::new();
        for (name, mut own) in section.sections("sources")? {
            let source = ModuleSources::parse(&name).ok_or_else(|| {
                let error = section.error_at(own.path(), "is no source of modules");
                error.help("write \"files\", or the beginning of references such as \"oci://registry.example/me/\"")
            })?;
            let is_same = |(other, _): &&(ModuleSources, SignerRule)| source.is_same(other);
            if let Some((_, same)) = sources.iter().find(is_same) {
                let error = section.error_at(own.path(), format!("is the same source as `{}`", same.place));
                return Err(error.help("keep one of the two"));
            }
            let rule = SignerRule::read(&mut own, &default)?;
            own.finish()?;
            sources.push((source, rule));
        }
        section.finish()?;
        Ok(Self { default, sources })
    }
}

impl SignerRule {
    /// Reads a rule. What it leaves out is as in `default`.
    fn read(section: &mut Section<'_>, default: &Self) -> Result<Self, ConfigError> {
        let directory = section.directory().to_owned();
        let keys = section.texts("keys")?.map(|keys| keys.iter().map(|key| directory.join(key)).collect());
        let require_signature = section.flag("require_signature")?;
        let rule = Self {
            keys: keys.unwrap_or_else(|| default.keys.clone()),
            require_signature: require_signature.unwrap_or(default.require_signature),
            place: section.path().to_owned(),
        };
        if rule.require_signature && rule.keys.is_empty() {
            let error = section.error("require_signature", "is true, and no key is named that could have signed");
            return Err(error.help("keys = [\"cosign.pub\"]: the files of the public keys that you trust"));
        }
        Ok(rule)
    }

    /// The dotted path of one of its settings.
    pub(crate) fn setting(&self, key: &str) -> String {
        join(&self.place, key)
    }
}

impl ModuleSources {
    fn parse(text: &str) -> Option<Self> {
        if text == FILES {
            return Some(Self::Files);
        }
        let rest = text.strip_prefix("oci://")?;
        let (registry, path) = rest.split_once('/').unwrap_or((rest, ""));
        let path = path.trim_end_matches('/');
        // It is right if it becomes a reference once there is a repository.
        let reference = format!("oci://{registry}/{}", if path.is_empty() { "any" } else { path });
        let reference: Reference = reference.parse().ok()?;
        let is_without_version = reference.tag().is_none() && reference.digest().is_none();
        is_without_version.then(|| Self::Registry { registry: registry.to_owned(), path: path.to_owned() })
    }

    fn has(&self, reference: Option<&Reference>) -> bool {
        match (self, reference) {
            (Self::Files, None) => true,
            (Self::Registry { registry, path }, Some(reference)) => {
                let is_below = |rest: &str| rest.is_empty() || path.is_empty() || rest.starts_with('/');
                at(registry).is_some_and(|at| at.is_at_registry_of(reference))
                    && reference.repository().strip_prefix(path.as_str()).is_some_and(is_below)
            }
            _ => false,
        }
    }

    /// Whether both are the same modules, however they are written.
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Files, Self::Files) => true,
            (Self::Registry { registry, path }, Self::Registry { registry: other, path: of_other }) => {
                let (one, other) = (at(registry), at(other));
                path == of_other && one.zip(other).is_some_and(|(one, other)| one.is_at_registry_of(&other))
            }
            _ => false,
        }
    }

    fn length(&self) -> usize {
        match self {
            Self::Files => 0,
            Self::Registry { path, .. } => path.len(),
        }
    }
}

/// A place in this registry.
fn at(registry: &str) -> Option<Reference> {
    format!("oci://{registry}/any").parse().ok()
}

/// The name of a key in reports: that of its file.
pub(crate) fn key_name(file: &Path) -> String {
    file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::config::Config;

    fn required(config: &Config, reference: &str) -> bool {
        config.signers.rule(reference.parse().ok().as_ref()).require_signature
    }

    #[test]
    fn the_longest_source_that_fits_decides() {
        let text = r#"
            [trust]
            keys = ["a.pub"]
            require_signature = true
            [trust.sources.files]
            require_signature = false
            [trust.sources."oci://registry.example/me/"]
            require_signature = false
            [trust.sources."oci://registry.example/me/strict"]
            require_signature = true
            keys = ["b.pub"]
        "#;
        let config = Config::parse(text, Some(Path::new("/etc/arcllm/config.toml"))).unwrap();
        for (reference, expected) in [
            ("file", false),
            ("oci://registry.example/me/mine:1", false),
            ("oci://registry.example/me", false),
            ("oci://registry.example/me/strict:1", true),
            ("oci://registry.example/me/strict/er:1", true),
            ("oci://registry.example/me-too/mine", true),
            ("oci://registry.example/you/mine", true),
            ("oci://registry.example:5000/me/mine", true),
            ("oci://registry.example.evil/me/mine", true),
            ("oci://registry.example.evil.com/me/mine", true),
            ("oci://evil-registry.example/me/mine", true),
            // The same registry, written otherwise.
            ("oci://registry.example:443/me/mine", false),
            ("oci://registry.example:443/me/strict/er", true),
        ] {
            assert_eq!(required(&config, reference), expected, "{reference}");
        }
        let strict = "oci://registry.example/me/strict:1".parse().unwrap();
        assert_eq!(config.signers.rule(Some(&strict)).keys, [PathBuf::from("/etc/arcllm/b.pub")]);
        assert_eq!(config.signers.rule(None).keys, [PathBuf::from("/etc/arcllm/a.pub")]);
    }

    #[test]
    fn what_is_wrong_names_its_place() {
        for (text, expected) in [
            ("[trust]\nrequire_signature = true", "line:2 `trust.require_signature` is true, and no key is named"),
            ("[trust]\nkey = []", "line:2 `trust.key` is not a setting"),
            ("[trust.sources.x]", "line:1 `trust.sources.x` is no source of modules"),
            ("[trust.sources.\"oci://me\"]", "line:1 `trust.sources.\"oci://me\"` is no source of modules"),
            (
                "[trust.sources.\"oci://a.example/b\"]\n[trust.sources.\"oci://a.example:443/b/\"]",
                "`trust.sources.\"oci://a.example:443/b/\"` is the same source as `trust.sources.\"oci://a.example/b\"`",
            ),
            ("[trust.sources.\"oci://a.example/b:1\"]", "is no source of modules"),
            ("[trust.sources.\"oci://u:p@a.example/b\"]", "is no source of modules"),
        ] {
            let error = Config::parse(text, Some(Path::new("line"))).unwrap_err().to_string();
            assert!(error.replace(": `", " `").contains(expected), "{error}");
        }
    }
}
