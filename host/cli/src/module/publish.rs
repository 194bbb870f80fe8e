//! `arcllm module publish`: puts a component into a registry.

use std::{fs::File, io::Read as _, path::PathBuf, process::ExitCode};

use anstyle::{AnsiColor, Style};
use arcllm::{Host, ModuleReport};
use arcllm_registry::{Description, Digest, Limits, PublicKey, Reference, Registry, RegistryError, SigningKey};

use crate::{
    failure::Failure,
    module::{describe::title, transfer::Transfer},
    output::{json, line, tell, word},
    progress::Spinner,
};

/// The longest file of a key that is read, in bytes. A longer one is no key.
const LARGEST_KEY: u64 = 64 << 10;

const STRONG: Style = Style::new().bold();
const ODD: Style = AnsiColor::Yellow.on_default();

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  arcllm module publish mine.wasm oci://registry.example/me/mine:1.2.0
  arcllm module publish mine.wasm oci://registry.example/me/mine:1.2.0 --sign key.pem

The file is published as it is, in the layout that `wkg` and other tools read. It must be a module
that can be loaded, as `arcllm module inspect` shows. Its name, version and description become
annotations of the manifest. The same file gives the same digest each time.

The login is the one that docker keeps; log in with `docker login HOST`. A registry on this machine
(localhost, 127.0.0.1) is asked over plain http, any other one over https.

Exit codes: 0 it is published; 1 the registry failed; 2 the file, the reference or the key is wrong.")]
pub(crate) struct ModulePublish {
    /// The component.
    pub(crate) file: PathBuf,
    /// Where to publish it: oci://HOST/REPOSITORY:TAG.
    pub(crate) reference: Reference,
    /// Sign it with this private key (ECDSA P-256 in PEM form; `arcllm module key` makes one).
    #[arg(long, value_name = "KEY")]
    pub(crate) sign: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) async fn run(arguments: ModulePublish) -> Result<ExitCode, Failure> {
    let key = arguments.sign.as_ref().map(signing_key).transpose()?;
    let report = inspect(&arguments).await?;
    let registry = Registry::new(Limits::default())?;
    let before = before(&registry, &arguments.reference).await?;
    let mut transfer = Transfer::start("publishing");
    let pushed = registry
        .push(&arguments.reference, &arguments.file, &description(&report), &mut |done, total| {
            transfer.show(done, total)
        })
        .await;
    transfer.stop();
    let digest = pushed?;
    let reference = arguments.reference.with_digest(digest);
    if let Some(key) = &key {
        registry.sign(&reference, &digest, key).await?;
    }
    let published = Published { reference, digest, before, report, key: key.as_ref().map(SigningKey::public) };
    if arguments.json { published.json() } else { published.print() }?;
    Ok(ExitCode::SUCCESS)
}

/// Reads a private key.
pub(crate) fn signing_key(file: &PathBuf) -> Result<SigningKey, Failure> {
    let name = file.display().to_string();
    let mut pem = String::new();
    let read = File::open(file).and_then(|file| file.take(LARGEST_KEY).read_to_string(&mut pem));
    read.map_err(|error| Failure::usage(format!("{name}: {error}")))?;
    Ok(SigningKey::from_pem(&name, &pem)?)
}

/// Refuses a file that nobody could load.
async fn inspect(arguments: &ModulePublish) -> Result<ModuleReport, Failure> {
    let file = &arguments.file;
    // Compiling a large one takes seconds.
    let mut spinner = Spinner::start(true);
    spinner.say(format!("looking at {}", file.display()));
    let report = Host::inspect(file).await;
    spinner.stop();
    let report = report?;
    match &report.problem {
        Some(problem) => {
            let help = format!("`arcllm module inspect {}` shows more", file.display());
            Err(Failure::usage(format!(
                "{}: this is not published, because it cannot be loaded: {problem}\n  help: {help}",
                file.display()
            )))
        }
        None => Ok(report),
    }
}

/// The digest that the tag points to so far.
async fn before(registry: &Registry, reference: &Reference) -> Result<Option<Digest>, Failure> {
    match registry.look(reference).await {
        Ok(found) => Ok(Some(found.manifest_digest)),
        // What else is there is replaced. Some registries do not say that a new repository is not there yet, but refuse it.
        Err(
            RegistryError::NotFound { .. }
            | RegistryError::NotAModule { .. }
            | RegistryError::TooLarge { .. }
            | RegistryError::Refused { .. },
        ) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What the module says of itself, as annotations.
fn description(report: &ModuleReport) -> Description {
    let metadata = &report.metadata;
    Description {
        title: Some(metadata.name.clone().unwrap_or_else(|| report.name.clone())),
        version: report.version.clone(),
        description: metadata.description.clone(),
        authors: metadata.authors.clone(),
        licenses: metadata.licenses.clone(),
        source: metadata.source.clone(),
        url: metadata.homepage.clone(),
        revision: metadata.revision.clone(),
    }
}

struct Published<'a> {
    reference: Reference,
    digest: Digest,
    before: Option<Digest>,
    report: ModuleReport,
    key: Option<&'a PublicKey>,
}

impl Published<'_> {
    fn json(&self) -> Result<(), Failure> {
        let moved = self.before.filter(|before| *before != self.digest);
        json(&serde_json::json!({ "published": {
            "reference": self.reference.to_string(),
            "manifest_digest": self.digest.to_string(),
            "sha256": self.report.sha256,
            "size_bytes": self.report.size_bytes,
            "version": self.report.version,
            "signed_by": self.key.map(|key| key.fingerprint().to_string()),
            "replaced": moved.map(|digest| digest.to_string()),
        }}))
    }

    fn print(&self) -> Result<(), Failure> {
        match self.before {
            Some(before) if before == self.digest => tell("It was there already, with the same content.\n"),
            Some(before) => tell(format_args!(
                "{ODD}warning:{ODD:#} the tag pointed to {before} before. Those who use that digest keep it.\n"
            )),
            None => {}
        }
        line!("published {STRONG}{}{STRONG:#}{}", word(&self.report.name), title(&self.report))?;
        line!("    reference  {}", self.reference)?;
        match self.key {
            Some(key) => line!("    signed     by {}, whose public key is {}", word(key.name()), key.fingerprint())?,
            None => line!("    signed     no; --sign KEY does")?,
        }
        line!("\nOthers add it with:\n  arcllm module add {}", self.reference)
    }
}
