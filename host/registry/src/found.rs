//! What a registry says of a module, and what is said of one that is published.

use std::collections::BTreeMap;

use crate::{digest::Digest, reference::Reference};

/// A module in a registry, as its manifest says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Found {
    /// What was asked for, with the digest of the manifest that was found.
    pub reference: Reference,
    /// The digest of the manifest. It covers the annotations, and by its digest the module.
    pub manifest_digest: Digest,
    /// The manifest itself, which [`check_manifest`](crate::check_manifest) ties to the module without a network.
    pub manifest: String,
    /// The digest of the module's file.
    pub wasm_digest: Digest,
    /// The size of the module's file, in bytes.
    pub size: u64,
    /// What the publisher says of it. These are texts of a stranger: clean them before a terminal gets them.
    pub annotations: BTreeMap<String, String>,
}

impl Found {
    /// The annotation `org.opencontainers.image.NAME`, such as `version`. It is a stranger's text.
    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.annotations.get(&format!("{PREFIX}{name}")).map(String::as_str)
    }
}

/// How the names of the image specification's annotations begin.
const PREFIX: &str = "org.opencontainers.image.";

/// What the manifest says of a module that is published, in the names that the image specification predefines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Description {
    /// Its name.
    pub title: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// What it does, in a sentence.
    pub description: Option<String>,
    /// Who made it.
    pub authors: Option<String>,
    /// Its licences, as an SPDX expression.
    pub licenses: Option<String>,
    /// Where its sources are.
    pub source: Option<String>,
    /// Where more about it is.
    pub url: Option<String>,
    /// Which revision of the sources it was built from.
    pub revision: Option<String>,
}

impl Description {
    /// The annotations of a manifest.
    pub(crate) fn annotations(&self) -> BTreeMap<String, String> {
        let all = [
            ("title", &self.title),
            ("version", &self.version),
            ("description", &self.description),
            ("authors", &self.authors),
            ("licenses", &self.licenses),
            ("source", &self.source),
            ("url", &self.url),
            ("revision", &self.revision),
        ];
        let said = all.into_iter().filter_map(|(name, text)| Some((format!("{PREFIX}{name}"), text.clone()?)));
        said.collect()
    }
}
