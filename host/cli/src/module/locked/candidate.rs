//! A module that is about to be accepted: its bytes are here, and it was looked at.

use std::path::{Path, PathBuf};

use arcllm::{Config, Grant, Host, LockedModule, LockedSource, ModuleReport, ModuleStore, SignatureState};
use arcllm_registry::{Digest, PublicKey, Reference, Registry, Signature, Signed, verify_offline};

use crate::{
    failure::Failure,
    module::{describe, transfer::Transfer},
    output::line,
};

/// A module that is about to be accepted.
pub(crate) struct Candidate {
    pub(crate) source: LockedSource,
    /// Its bytes.
    pub(crate) file: PathBuf,
    pub(crate) wasm: Digest,
    pub(crate) report: ModuleReport,
    /// The key that has signed it, if one of `[trust]` has.
    key: Option<PublicKey>,
    manifest: Option<String>,
    signed: Option<Signed>,
}

impl Candidate {
    /// Looks at a module in a registry, verifies it and pulls it into the store.
    ///
    /// # Errors
    ///
    /// Where the registry fails, its signature does not verify or is missing, or the module cannot be loaded.
    pub(crate) async fn from_registry(
        config: &Config,
        registry: &Registry,
        reference: &Reference,
        name: &str,
    ) -> Result<Self, Failure> {
        let found = registry.look(reference).await?;
        let reference = reference.with_digest(found.manifest_digest);
        let rule = config.signers.rule(Some(&reference));
        let signature = registry.signature(&reference, &found.manifest_digest, &rule.read_keys(config)?).await?;
        let (state, key, signed) = match signature {
            Signature::Verified { key, signed } => {
                (SignatureState::Verified { key: key.name().to_owned() }, Some(key), Some(signed))
            }
            Signature::NotSigned => (SignatureState::NotSigned, None, None),
            // A later start may have the key for it.
            Signature::DoesNotVerify { why } => {
                let signed = registry.signed(&reference, &found.manifest_digest).await?;
                (SignatureState::DoesNotVerify { why }, None, signed)
            }
        };
        // Before anything of it is pulled.
        rule.check(config, &reference.to_string(), &state)?;
        let store = store()?;
        let mut transfer = Transfer::start("pulling");
        let pulled = store.pull(registry, &found, &mut |done, total| transfer.show(done, total)).await;
        transfer.stop();
        pulled?;
        let file = store.file(&found.wasm_digest);
        let mut report = looked_at(config, &file, name).await?;
        report.origin = Some(reference.to_string());
        report.signature = Some(state);
        let (source, wasm, manifest) = (LockedSource::Registry(reference), found.wasm_digest, Some(found.manifest));
        Ok(Self { source, file, wasm, report, key, manifest, signed })
    }

    /// Looks at a file, which the modules directory will have as `stored_as`.
    ///
    /// # Errors
    ///
    /// Where a signature is required, or the module cannot be loaded.
    pub(crate) async fn from_file(config: &Config, file: &Path, stored_as: &str, name: &str) -> Result<Self, Failure> {
        config.signers.rule(None).check(config, &file.display().to_string(), &SignatureState::NotSigned)?;
        let report = looked_at(config, file, name).await?;
        let digest = format!("sha256:{}", report.sha256.as_deref().unwrap_or_default());
        let wasm = digest.parse().map_err(|_| Failure::usage(format!("{}: cannot be read", file.display())))?;
        let source = LockedSource::File(stored_as.to_owned());
        Ok(Self { source, file: file.to_owned(), wasm, report, key: None, manifest: None, signed: None })
    }

    /// The entry of the lock with these grants.
    pub(crate) fn locked(&self, allow: Vec<Grant>) -> LockedModule {
        let mut locked = LockedModule::new(self.source.clone(), self.wasm);
        locked.version.clone_from(&self.report.version);
        locked.allow = allow;
        locked.imports.clone_from(&self.report.imports);
        locked.manifest.clone_from(&self.manifest);
        locked.signature.clone_from(&self.signed);
        locked
    }

    /// What its signature lacks beside that of the version before, in a sentence without a full stop. `None` where that had none,
    /// or no key is trusted that could tell who signed.
    pub(crate) fn lost_signer(&self, before: &LockedModule) -> Option<&'static str> {
        let signed = before.signature.as_ref()?;
        match (&self.key, &self.signed) {
            (_, None) => Some("the version before was signed, and this one is not"),
            (Some(key), _) => {
                let manifest = before.source.reference()?.digest()?;
                let is_same = verify_offline(signed, &manifest, std::slice::from_ref(key)).is_ok();
                (!is_same).then_some("another key has signed it than the version before")
            }
            (None, Some(_)) => None,
        }
    }

    /// Prints what it is and what it may do.
    pub(crate) fn print(&self) -> Result<(), Failure> {
        line!("{}{}", self.report.name, describe::title(&self.report))?;
        describe::describe(&self.report)?;
        line!("    grants   {}", describe::list(&self.report.asks_for))?;
        describe::problems(&self.report)
    }
}

/// The store of the user.
pub(crate) fn store() -> Result<ModuleStore, Failure> {
    ModuleStore::of_user().ok_or_else(|| {
        let help = "set XDG_DATA_HOME or HOME to an absolute path";
        Failure::usage(format!("there is no folder to keep modules in\n  help: {help}"))
    })
}

/// Looks at a component, and refuses one that cannot be loaded.
async fn looked_at(config: &Config, file: &Path, name: &str) -> Result<ModuleReport, Failure> {
    let mut report = Host::inspect_within(file, config.max_module_mb).await?;
    if let Some(problem) = &report.problem {
        return Err(Failure::usage(format!("{name} is not taken, since it cannot be loaded: {problem}")));
    }
    name.clone_into(&mut report.name);
    Ok(report)
}
