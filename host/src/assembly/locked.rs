//! Holds modules to `arcllm.lock` and to the signatures that `[trust]` asks for.

use std::path::Path;

use arcllm_registry::{Digest, PublicKey, Reference, verify_offline};
use serde::Serialize;

use crate::{
    assembly::source::{ModuleBytes, ModuleSource},
    chat::config_error::ConfigError,
    config::{
        config::Config,
        lock::{LockedModule, LockedSource},
        signers::{SignerRule, key_name},
    },
    runtime::guest::origin::Origin,
};

/// The largest file of a public key, in bytes.
const LARGEST_KEY: u64 = 64 << 10;

/// Whether somebody vouches for a module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
#[non_exhaustive]
pub enum SignatureState {
    /// A key of `[trust]` has signed it.
    Verified {
        /// The name of the key's file.
        key: String,
    },
    /// There is no signature of it.
    NotSigned,
    /// It has a signature, and none that a key of `[trust]` has made for it.
    DoesNotVerify {
        /// Why, in a sentence without a full stop.
        why: String,
    },
}

impl std::fmt::Display for SignatureState {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Verified { key } => write!(formatter, "verified by {key}"),
            Self::NotSigned => formatter.write_str("not signed"),
            Self::DoesNotVerify { why } => write!(formatter, "does not verify: {why}"),
        }
    }
}

impl SignerRule {
    /// The keys of this rule.
    ///
    /// # Errors
    ///
    /// Where a file cannot be read, or holds no key.
    pub fn read_keys(&self, config: &Config) -> Result<Vec<PublicKey>, ConfigError> {
        let wrong = |problem: String| config.document.error(Some(&self.setting("keys")), problem);
        let read = |file: &Path| {
            let text = read_key(file).map_err(|error| {
                let error = wrong(format!("names {}, which cannot be read: {error}", file.display()));
                error.help("name the file of a public key, relative to this file")
            })?;
            PublicKey::from_pem(key_name(file), &text).map_err(|error| wrong(format!("names no key: {error}")))
        };
        self.keys.iter().map(|file| read(file)).collect()
    }

    /// Refuses a module with a signature that does not verify, or without one where the rule asks for it.
    ///
    /// # Errors
    ///
    /// Says what is wrong, and what to do. `what` names the module.
    pub fn check(&self, config: &Config, what: &str, state: &SignatureState) -> Result<(), ConfigError> {
        let error = |key: &str, problem: String| config.document.error(Some(&self.setting(key)), problem);
        match state {
            SignatureState::DoesNotVerify { why } if !self.keys.is_empty() => {
                let error = error("keys", format!("has no key that signed {what}: {why}"));
                Err(error.help("do not use it, unless its author tells you of another key; name that key here then"))
            }
            SignatureState::NotSigned if self.require_signature => {
                let error = error("require_signature", format!("is true, and {what} is not signed"));
                Err(error.help(
                    "publish it with a signature (`arcllm module publish FILE oci://… --sign KEY`) and add that, or set \
                     require_signature = false for its source under [trust.sources]",
                ))
            }
            _ => Ok(()),
        }
    }
}

fn read_key(file: &Path) -> std::io::Result<String> {
    let metadata = file.metadata()?;
    match metadata.is_file() && metadata.len() <= LARGEST_KEY {
        true => std::fs::read_to_string(file),
        false => Err(std::io::Error::other("it is no file of a key")),
    }
}

impl ModuleSource {
    /// The entry of a module from a registry in the lock.
    ///
    /// # Errors
    ///
    /// Where there is none, or it is another module than the configuration names.
    pub(crate) fn entry(&self, name: &str, reference: &Reference) -> Result<&LockedModule, ConfigError> {
        let key = format!("modules.{name}.sandbox.wasm");
        let error = |problem: String| self.config().document.error(Some(&key), problem);
        let Some(locked) = self.config().lock.modules.get(name) else {
            let error = error(format!("names {reference}, and arcllm.lock has no entry for it"));
            return Err(
                error.help(format!("`arcllm module add {reference} --name {name}` looks at it and writes the entry"))
            );
        };
        let is_same = |other: &Reference| {
            other.without_version() == reference.without_version() && other.digest() == reference.digest()
        };
        match &locked.source {
            LockedSource::Registry(other) if is_same(other) => Ok(locked),
            other => {
                let error = error(format!("names {reference}, and arcllm.lock has {} for it", other.wasm()));
                Err(error.help(format!(
                    "`arcllm module update {name} --to {reference}` accepts it, or take this setting back to what the lock has"
                )))
            }
        }
    }

    /// Checks that a module is the one that was accepted: its source, its bytes, its grants, its signature. A module that is a
    /// file and was never added has no entry, and passes if it needs no signature.
    ///
    /// # Errors
    ///
    /// What differs, and the command that mends it.
    pub(crate) fn check_lock(&self, name: &str, found: &ModuleBytes) -> Result<(), ConfigError> {
        let config = self.config();
        if let (Some(locked), true) = (config.lock.modules.get(name), found.origin != Origin::Code) {
            self.check_source(name, found, locked)?;
            self.check_bytes(name, found, locked)?;
            self.check_accepted(name, found, locked)?;
        }
        match self.signature(name, found)? {
            None => Ok(()),
            Some(state) => self.rule(found).check(config, &found.origin.to_string(), &state),
        }
    }

    /// Whether a module is signed. `None` for one that is built in or given by the program.
    ///
    /// # Errors
    ///
    /// Where a key cannot be read.
    pub(crate) fn signature(&self, name: &str, found: &ModuleBytes) -> Result<Option<SignatureState>, ConfigError> {
        let config = self.config();
        if matches!(found.origin, Origin::BuiltIn | Origin::Code) {
            return Ok(None);
        }
        let manifest = found.sandbox.reference().and_then(|reference| reference.digest());
        let signed = config.lock.modules.get(name).and_then(|locked| Some((locked, locked.signature.as_ref()?)));
        let (Some(manifest), Some((locked, signed))) = (manifest, signed) else {
            return Ok(Some(SignatureState::NotSigned));
        };
        let keys = self.rule(found).read_keys(config)?;
        let key = verify_offline(signed, &manifest, &keys).and_then(|key| locked.check_manifest().map(|()| key));
        Ok(Some(match key {
            Ok(key) => SignatureState::Verified { key: key.name().to_owned() },
            Err(why) => SignatureState::DoesNotVerify { why },
        }))
    }

    fn rule(&self, found: &ModuleBytes) -> &SignerRule {
        self.config().signers.rule(found.sandbox.reference().as_ref())
    }

    fn check_source(&self, name: &str, found: &ModuleBytes, locked: &LockedModule) -> Result<(), ConfigError> {
        if let Some(reference) = found.sandbox.reference() {
            return self.entry(name, &reference).map(drop);
        }
        let file = found.sandbox.wasm.clone().unwrap_or_else(|| format!("{name}.wasm"));
        if found.origin != Origin::BuiltIn && locked.source == LockedSource::File(file) {
            return Ok(());
        }
        let key = format!("modules.{name}.sandbox.wasm");
        let (origin, accepted) = (&found.origin, locked.source.wasm());
        let error =
            self.config().document.error(Some(&key), format!("is {origin}, and arcllm.lock has {accepted} for it"));
        Err(error
            .help(format!("write wasm = {accepted:?}, or run `arcllm module remove {name}` and add what you want")))
    }

    fn check_bytes(&self, name: &str, found: &ModuleBytes, locked: &LockedModule) -> Result<(), ConfigError> {
        if let Err(why) = locked.check_manifest() {
            let problem = format!("is not the module of {} in arcllm.lock: {why}", locked.source.wasm());
            let error = self.config().document.error(Some(&format!("modules.{name}")), problem);
            let help =
                format!("take arcllm.lock back to how `arcllm module` wrote it, or remove {name} and add it again");
            return Err(error.help(help));
        }
        if locked.wasm.hex() == found.digest {
            return Ok(());
        }
        let (origin, digest, accepted) = (&found.origin, &found.digest, locked.wasm.hex());
        let problem =
            format!("is not the module that was accepted: {origin} has {digest}, and arcllm.lock has {accepted}");
        let error = self.config().document.error(Some(&format!("modules.{name}")), problem);
        Err(error.help(match found.origin {
            Origin::Registry(_) => {
                "the file in the store was changed; `arcllm module fetch` brings it again".to_owned()
            }
            _ => format!("`arcllm module update {name}` shows what has changed and accepts it"),
        }))
    }

    fn check_accepted(&self, name: &str, found: &ModuleBytes, locked: &LockedModule) -> Result<(), ConfigError> {
        let Some(grant) = locked.beyond(&found.sandbox.allow) else { return Ok(()) };
        let key = format!("modules.{name}.sandbox.allow");
        let error =
            self.config().document.error(Some(&key), format!("grants {grant}, which was not accepted in arcllm.lock"));
        // An update follows the tag, and here the version is right.
        let to = locked.source.reference().map(|reference| format!(" --to {reference}")).unwrap_or_default();
        let command = format!("arcllm module update {name}{to} --allow {}", grant.typed());
        Err(error.help(format!("take it out, or accept it with `{command}`")))
    }
}

impl ModuleSource {
    /// The digest of the bytes that a module from a registry must have.
    pub(crate) fn locked_digest(&self, name: &str) -> Option<Digest> {
        Some(self.config().lock.modules.get(name)?.wasm)
    }
}
