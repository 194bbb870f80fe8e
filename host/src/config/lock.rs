//! `arcllm.lock`: which modules were accepted, with their bytes, their grants and their signatures.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use arcllm_registry::{Digest, DigestError, Reference, Signed, check_manifest};
use arcllm_wording::{Format, Mistake};
use serde::Deserialize;

use crate::{
    chat::{
        config_error::ConfigError,
        plain::{self, WORD},
    },
    config::{
        document::{self, CONFLICT, line_of},
        grant::Grant,
    },
};

/// The name of the file. It lies beside the configuration.
const NAME: &str = "arcllm.lock";

/// The version of the format.
const VERSION: i64 = 1;

/// The largest file that is read, in bytes.
const LARGEST: u64 = 8 << 20;

const HEAD: &str = "# The modules that were accepted, written by `arcllm module`. Keep this file in version control.\n";

/// The modules that were accepted for a configuration: the content of `arcllm.lock`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lock {
    /// The modules, by their names in the configuration.
    pub modules: BTreeMap<String, LockedModule>,
}

/// A module as it was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LockedModule {
    /// Where it comes from.
    pub source: LockedSource,
    /// The SHA-256 of its bytes.
    pub wasm: Digest,
    /// Its own version, if it says one.
    pub version: Option<String>,
    /// The grants that were accepted, each with its scope.
    pub allow: Vec<Grant>,
    /// The interfaces that it imports.
    pub imports: Vec<String>,
    /// The manifest of a module from a registry. It ties the bytes to the source, and by that to the signature.
    pub manifest: Option<String>,
    /// A signature of its manifest, which a start verifies without a network.
    pub signature: Option<Signed>,
}

/// Where a locked module comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LockedSource {
    /// A registry, by the digest of the manifest.
    Registry(Reference),
    /// A file, as `sandbox.wasm` has it: relative to `host.modules_dir`.
    File(String),
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    /// It is checked before.
    #[serde(rename = "version")]
    _version: u64,
    #[serde(default)]
    modules: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    source: String,
    wasm: String,
    version: Option<String>,
    #[serde(default)]
    allow: Vec<Grant>,
    #[serde(default)]
    imports: Vec<String>,
    manifest: Option<String>,
    signature: Option<Signed>,
}

impl LockedModule {
    /// A module with these bytes from this source, without grants and signature.
    pub fn new(source: LockedSource, wasm: Digest) -> Self {
        let (version, allow, imports, manifest, signature) = Default::default();
        Self { source, wasm, version, allow, imports, manifest, signature }
    }

    /// Checks that the source is that of the bytes: its manifest names them.
    ///
    /// # Errors
    ///
    /// What differs, in a sentence without a full stop.
    pub(crate) fn check_manifest(&self) -> Result<(), String> {
        let Some(digest) = self.source.reference().and_then(Reference::digest) else { return Ok(()) };
        let manifest = self.manifest.as_deref().ok_or("there is no manifest that ties its bytes to its source")?;
        check_manifest(manifest, &digest, &self.wasm)
    }

    /// The first of these grants that reaches further than what was accepted.
    pub fn beyond<'a>(&self, grants: impl IntoIterator<Item = &'a Grant>) -> Option<&'a Grant> {
        grants.into_iter().find(|grant| !self.allow.iter().any(|accepted| accepted.covers(grant)))
    }
}

impl LockedSource {
    /// What `sandbox.wasm` says for it.
    pub fn wasm(&self) -> String {
        match self {
            Self::Registry(reference) => reference.to_string(),
            Self::File(file) => file.clone(),
        }
    }

    /// The place in a registry.
    pub fn reference(&self) -> Option<&Reference> {
        match self {
            Self::Registry(reference) => Some(reference),
            Self::File(_) => None,
        }
    }
}

impl Lock {
    /// The lock of this configuration: the file `arcllm.lock` beside it.
    pub fn file(config: &Path) -> PathBuf {
        config.parent().unwrap_or(Path::new("")).join(NAME)
    }

    /// Reads this text, as if it stood in `file`.
    ///
    /// # Errors
    ///
    /// What is wrong, with its line, and what to do.
    pub fn parse(text: &str, file: &Path) -> Result<Self, ConfigError> {
        let wrong = |problem: String| {
            let help = "take the file back to how `arcllm module` wrote it, from version control for example";
            ConfigError::new(problem).file(file).help(help)
        };
        let unreadable = |error: toml::de::Error, path: &str| match document::conflict(text) {
            Some(line) => {
                let help = "resolve the conflict; `arcllm module verify` then says whether all is right";
                ConfigError { line: Some(line), ..wrong(CONFLICT.to_owned()).help(help) }
            }
            None => {
                let line = error.span().map(|span| line_of(text, span.start));
                let key = error.span().and_then(|span| text.get(span)).unwrap_or("a key").trim_matches(['[', ']']);
                let problem = match error.message() {
                    "duplicate key" => format!("`{}` is there twice", plain::line(key, WORD)),
                    message => mistake(message, path),
                };
                ConfigError { line, ..wrong(format!("is not what `arcllm module` writes: {problem}")) }
            }
        };
        let table: toml::Table = toml::from_str(text).map_err(|error| unreadable(error, ""))?;
        // First, since another format has other keys.
        match table.get("version").and_then(toml::Value::as_integer) {
            Some(version) if version != VERSION => {
                let problem = format!("has the format {version}, and this arcllm knows format {VERSION}");
                return Err(wrong(problem).help("use the arcllm that wrote it, or a newer one"));
            }
            _ => {}
        }
        let content: Content = toml::from_str(text).map_err(|error| {
            // The text tells the line, and its values tell the key.
            let read: Result<Content, _> = serde_path_to_error::deserialize(toml::Value::Table(table));
            unreadable(error, &read.err().map(|error| error.path().to_string()).unwrap_or_default())
        })?;
        let locked = content.modules.into_iter().map(|(name, entry)| {
            let key = document::join("modules", &name);
            if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') {
                return Err(wrong("is no name that a module can have".to_owned()).key(key));
            }
            let locked = entry.locked().map_err(|(field, problem)| wrong(problem).key(document::join(&key, field)))?;
            Ok((name, locked))
        });
        Ok(Self { modules: locked.collect::<Result<_, ConfigError>>()? })
    }

    /// The text of the file. The same modules give the same text.
    pub fn to_toml(&self) -> String {
        let mut text = format!("{HEAD}version = {VERSION}\n");
        for (name, module) in &self.modules {
            module.write(&document::join("modules", name), &mut text);
        }
        text
    }
}

/// Says in plain words what `serde` says of the value at this path of a lock.
fn mistake(message: &str, path: &str) -> String {
    let mistake = Mistake::of(message, Format::Toml).at(path);
    let what = if mistake.path.is_empty() { "a value".to_owned() } else { format!("`{}`", mistake.path) };
    let help = mistake.help.map(|help| format!(" ({help})")).unwrap_or_default();
    format!("{what} {}{help}", mistake.problem)
}

/// Reads the text of a lock. `None` if there is no such file.
///
/// # Errors
///
/// Where it cannot be read, is no file, or is larger than any lock.
pub(crate) fn read_text(file: &Path) -> Result<Option<String>, ConfigError> {
    let wrong = |problem: String| {
        ConfigError::new(problem)
            .file(file)
            .help("take the file back from version control, or remove it and add the modules again")
    };
    // A pipe would keep the reader waiting.
    match file.metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(wrong(format!("cannot be read: {error}"))),
        Ok(metadata) if !metadata.is_file() => return Err(wrong("is not a file".to_owned())),
        Ok(_) => {}
    }
    let mut text = String::new();
    let read = File::open(file).and_then(|file| file.take(LARGEST + 1).read_to_string(&mut text));
    match read {
        Err(error) => Err(wrong(format!("cannot be read: {error}"))),
        Ok(length) if u64::try_from(length).is_ok_and(|length| length > LARGEST) => {
            Err(wrong(format!("is larger than {} MB", LARGEST >> 20)))
        }
        Ok(_) => Ok(Some(text)),
    }
}

impl Entry {
    /// The module, or else the field that is wrong and why.
    fn locked(self) -> Result<LockedModule, (&'static str, String)> {
        let wasm = self.wasm.parse().map_err(|error: DigestError| ("wasm", format!("is no digest: {error}")))?;
        let source = match Reference::is_reference(&self.source) {
            false => LockedSource::File(self.source),
            true => match self.source.parse::<Reference>() {
                Ok(reference) if reference.digest().is_some() => LockedSource::Registry(reference),
                Ok(_) => return Err(("source", "names no digest".to_owned())),
                Err(error) => return Err(("source", format!("is wrong: {error}"))),
            },
        };
        let Self { version, allow, imports, manifest, signature, .. } = self;
        Ok(LockedModule { source, wasm, version, allow, imports, manifest, signature })
    }
}

impl LockedModule {
    /// Writes its table. Writing to a text does not fail.
    fn write(&self, table: &str, text: &mut String) {
        let quoted = |value: &str| toml::Value::String(value.to_owned()).to_string();
        let _ = write!(text, "\n[{table}]\n");
        let mut field = |name: &str, value: String| {
            let _ = writeln!(text, "{name} = {value}");
        };
        field("source", quoted(&self.source.wasm()));
        field("wasm", quoted(&self.wasm.to_string()));
        if let Some(version) = &self.version {
            field("version", quoted(version));
        }
        let grants: Vec<String> = self.allow.iter().map(Grant::to_toml).collect();
        field("allow", format!("[{}]", grants.join(", ")));
        let imports: String = self.imports.iter().map(|import| format!("    {},\n", quoted(import))).collect();
        field("imports", if imports.is_empty() { "[]".to_owned() } else { format!("[\n{imports}]") });
        if let Some(manifest) = &self.manifest {
            field("manifest", quoted(manifest));
        }
        if let Some(Signed { payload, signature }) = &self.signature {
            let _ = write!(text, "\n[{table}.signature]\n");
            let _ = writeln!(text, "payload = {}\nsignature = {}", quoted(payload), quoted(signature));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock() -> Lock {
        let reference: Reference = "oci://registry.example/me/mine:1.2.0".parse().unwrap();
        let reference = reference.with_digest(Digest::of(b"manifest"));
        let mut mine = LockedModule::new(LockedSource::Registry(reference), Digest::of(b"wasm"));
        mine.version = Some("1.2.0".to_owned());
        mine.allow = vec![Grant::models(["openai", "a \"b\""]), Grant::state_mb(10), Grant::from("urls")];
        mine.imports = vec!["arcllm:llm/models@0.1.0".to_owned()];
        mine.manifest = Some("{\"schemaVersion\":2,\"annotations\":{\"it's\":\"\\n\"}}".to_owned());
        mine.signature = Some(Signed { payload: "e30=".to_owned(), signature: "MEQ=".to_owned() });
        let file = LockedModule::new(LockedSource::File("own.wasm".to_owned()), Digest::of(b"own"));
        Lock { modules: [("mine".to_owned(), mine), ("own".to_owned(), file)].into() }
    }

    #[test]
    fn what_is_written_is_read_and_written_alike() {
        let text = lock().to_toml();
        let read = Lock::parse(&text, Path::new("arcllm.lock")).unwrap();
        assert_eq!(read, lock());
        assert_eq!(read.to_toml(), text);
        assert_eq!(Lock::parse(&Lock::default().to_toml(), Path::new("arcllm.lock")).unwrap(), Lock::default());
    }

    #[test]
    fn a_lock_that_is_none_says_what_is_wrong_and_where() {
        let good = lock().to_toml();
        for (text, expected) in [
            (String::new(), "`version` is missing"),
            ("version = 2".to_owned(), "has the format 2"),
            ("version = 2\nkeys = []\n[modules.mine]\nsha512 = 1".to_owned(), "has the format 2"),
            ("version = -1".to_owned(), "has the format -1"),
            (
                "version = \"1\"".to_owned(),
                "arcllm.lock:1: is not what `arcllm module` writes: `version` is the text \"1\"",
            ),
            (
                good.replace("version = \"1.2.0\"", "version = 1.2"),
                "`modules.mine.version` is the number 1.2 (a text in quotes)",
            ),
            (good.replace("source = ", "sources = "), "`modules.mine.sources` is not a key (did you mean `source`?)"),
            (good.replace("source = ", "# "), "`modules.mine.source` is missing"),
            (good.replace("imports = [", "imports = [5, "), "`modules.mine.imports[0]` is the number 5"),
            (
                good.replace("signature = \"", "extra = 1\nsignature = \""),
                "`modules.mine.signature.extra` is not a key",
            ),
            (
                good.replace("[modules.own]", "<<<<<<< HEAD\n[modules.own]\n=======\n[modules.other]\n>>>>>>> theirs"),
                "has the marks of a merge conflict",
            ),
            ("version = 1\nmodule = 1".to_owned(), "arcllm.lock:2: is not what"),
            (good.replace("imports = ", "exports = "), "exports` is not a key"),
            (good.replace("wasm = \"sha256:", "wasm = \"sha1:"), "`modules.mine.wasm` is no digest"),
            (good.replace("oci://registry.example/me/mine:1.2.0", "oci://x"), "`modules.mine.source` is wrong"),
            (good.replace("@sha256:", ":"), "`modules.mine.source` is wrong"),
            (
                good.replace("\"urls\"", "\"everything\""),
                "`modules.mine.allow[2]` has the unknown grant \"everything\"",
            ),
            (good.replace("payload", "pay"), "`modules.mine.signature.pay` is not a key"),
            (format!("{good}\n[modules.mine]\n"), "` is there twice"),
        ] {
            let error = Lock::parse(&text, Path::new("arcllm.lock")).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("help: "), "{error}");
        }
    }
}
