//! Describes a component to a person, for `arcllm modules` and `arcllm module inspect`.

use anstyle::{AnsiColor, Style};
use arcllm::{ModuleReport, SignatureState, Streams};

use crate::{
    failure::Failure,
    output::{line, word},
};

const BAD: Style = AnsiColor::Red.on_default();
const ODD: Style = AnsiColor::Yellow.on_default();

/// Its version and kind, to follow its name.
pub(crate) fn title(module: &ModuleReport) -> String {
    let version = module.version.as_ref().map(|version| format!(" {version}"));
    let kind = module.kind.as_ref().map(|kind| format!(" ({kind})"));
    [version, kind].into_iter().flatten().collect()
}

/// Prints what it is, what it asks for and what it may do.
pub(crate) fn describe(module: &ModuleReport) -> Result<(), Failure> {
    if let Some(origin) = &module.origin {
        let size = module
            .size_bytes
            .map_or_else(String::new, |size| format!(", {}", human(u64::try_from(size).unwrap_or(u64::MAX))));
        line!("    origin   {origin}{size}")?;
    }
    if let Some(signature) = &module.signature {
        line!("    signed   {}", word(&signed(signature)))?;
    }
    let metadata = &module.metadata;
    let about = [
        ("sha256   ", &module.sha256),
        ("about    ", &metadata.description),
        ("authors  ", &metadata.authors),
        ("licence  ", &metadata.licenses),
        ("source   ", &metadata.source),
        ("homepage ", &metadata.homepage),
        ("revision ", &metadata.revision),
    ];
    for (label, text) in about {
        if let Some(text) = text {
            line!("    {label}{text}")?;
        }
    }
    if module.imports.is_empty() {
        return Ok(());
    }
    line!("    imports  {}", list(&module.imports))?;
    match module.may.as_slice() {
        [] => line!("    may      only answer calls")?,
        may => line!("    may      {}; nothing else", may.join(", "))?,
    }
    if !module.asks_in_vain.is_empty() {
        line!("    denied   {}; no setting grants this", list(&module.asks_in_vain))?;
    }
    line!("    does     {}", does(&module.behavior))?;
    match module.streams {
        Some(streams) => line!("    streams  {}", self::streams(streams)),
        None => Ok(()),
    }
}

/// Whether it is signed, and by whom.
pub(crate) fn signed(signature: &SignatureState) -> String {
    match signature {
        SignatureState::NotSigned => format!("no, {signature}"),
        _ => format!("yes, {signature}"),
    }
}

/// Prints what is wrong with it, and what is unusual.
pub(crate) fn problems(module: &ModuleReport) -> Result<(), Failure> {
    module.warnings.iter().try_for_each(|warning| line!("    {ODD}warning{ODD:#}  {}", indent(warning)))?;
    match &module.problem {
        Some(problem) => line!("    {BAD}problem{BAD:#}  {}", indent(problem)),
        None => Ok(()),
    }
}

pub(crate) fn list(items: &[String]) -> String {
    if items.is_empty() { "nothing".to_owned() } else { items.join(", ") }
}

/// A size for people.
pub(crate) fn human(bytes: u64) -> String {
    match bytes as f64 {
        bytes if bytes < 1e3 => format!("{bytes} bytes"),
        bytes if bytes < 1e6 => format!("{:.0} KB", bytes / 1e3),
        bytes => format!("{:.1} MB", bytes / 1e6),
    }
}

/// What it says that it may do.
fn does(behavior: &[String]) -> String {
    let words = |behavior: &String| match behavior.as_str() {
        "asks-others" => "it may ask other models".to_owned(),
        "answers-itself" => "it may answer or refuse without asking".to_owned(),
        "asks-again" => "it may ask more than once".to_owned(),
        "changes-requests" => "it may change requests".to_owned(),
        "changes-answers" => "it may change answers".to_owned(),
        "holds-answers-back" => "streamed answers wait in it".to_owned(),
        other => other.to_owned(),
    };
    match behavior {
        [] => "it asks once and changes nothing".to_owned(),
        behavior => behavior.iter().map(words).collect::<Vec<_>>().join(", "),
    }
}

/// What it does with answers that arrive in events.
fn streams(streams: Streams) -> &'static str {
    match streams {
        Streams::Forwards => "events pass while they arrive, unread",
        Streams::Reads => "it reads the events while they arrive",
        _ => "it waits for the whole answer",
    }
}

/// Puts later lines under the first.
fn indent(message: &str) -> String {
    message.replace('\n', "\n           ")
}
