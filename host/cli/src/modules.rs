//! `arcllm modules`.

use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use arcllm::{ModuleReport, Streams};

use crate::{
    args::Configured,
    failure::Failure,
    invoke::host,
    output::{json, line},
};

const STRONG: Style = Style::new().bold();
const BAD: Style = AnsiColor::Red.on_default();
const ODD: Style = AnsiColor::Yellow.on_default();

pub(crate) async fn run(arguments: Configured) -> Result<ExitCode, Failure> {
    let modules = host(arguments.config.as_deref())?.modules().await?;
    if arguments.json {
        json(&serde_json::json!({ "modules": modules }))?;
    } else {
        modules.iter().try_for_each(print)?;
    }
    match modules.iter().any(|module| module.position.is_some() && module.problem.is_some()) {
        true => Err(Failure::Told),
        false => Ok(ExitCode::SUCCESS),
    }
}

/// One module, for a person.
fn print(module: &ModuleReport) -> Result<(), Failure> {
    let position = match module.position {
        Some(position) => format!("on, place {position} from the outside"),
        None => "off".to_owned(),
    };
    let version = module.version.as_deref().unwrap_or("?");
    line!("{STRONG}{}{STRONG:#} {version} ({}), {position}", module.name, module.kind.as_deref().unwrap_or("?"))?;
    describe(module)?;
    line!("    granted  {}", list(&module.granted))?;
    problems(module)
}

/// What there is to say of a component, wherever it stands.
pub(crate) fn describe(module: &ModuleReport) -> Result<(), Failure> {
    let size = module.size_bytes.map_or_else(String::new, |size| format!(", {}", human(size)));
    line!("    origin   {}{size}", module.origin.as_deref().unwrap_or("?"))?;
    line!("    sha256   {}", module.sha256.as_deref().unwrap_or("?"))?;
    let metadata = &module.metadata;
    let about = [
        ("says     ", &metadata.description),
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
        [] => line!("    may      do nothing but answer")?,
        may => line!("    may      {}; nothing else", may.join(", "))?,
    }
    if !module.asks_in_vain.is_empty() {
        line!("    in vain  it asks for {}, and gets none", list(&module.asks_in_vain))?;
    }
    line!("    streams  {}", module.streams.map_or("?", streams))
}

/// What is wrong with it, and what is odd.
pub(crate) fn problems(module: &ModuleReport) -> Result<(), Failure> {
    module.warnings.iter().try_for_each(|warning| line!("    {ODD}warning{ODD:#}  {warning}"))?;
    match &module.problem {
        Some(problem) => line!("    {BAD}problem{BAD:#}  {problem}"),
        None => Ok(()),
    }
}

fn human(bytes: usize) -> String {
    match bytes as f64 {
        bytes if bytes < 1e6 => format!("{:.0} KB", bytes / 1e3),
        bytes => format!("{:.1} MB", bytes / 1e6),
    }
}

/// What it does with answers that come in events.
fn streams(streams: Streams) -> &'static str {
    match streams {
        Streams::Forwards => "are passed on as they come",
        Streams::Reads => "are read as they come",
        _ => "are waited for: it reads answers, and knows nothing of streams",
    }
}

pub(crate) fn list(items: &[String]) -> String {
    if items.is_empty() { "nothing".to_owned() } else { items.join(", ") }
}
