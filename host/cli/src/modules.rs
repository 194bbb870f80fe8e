//! `arcllm modules`.

use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use arcllm::{ModuleReport, Streams};

use crate::{args::Configured, failure::Failure, invoke::host, output::line};

const STRONG: Style = Style::new().bold();
const BAD: Style = AnsiColor::Red.on_default();

pub(crate) async fn run(arguments: Configured) -> Result<ExitCode, Failure> {
    let modules = host(arguments.config.as_deref())?.modules().await?;
    if arguments.json {
        line!("{}", serde_json::json!({ "modules": modules }))?;
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
    line!("    origin   {}", module.origin.as_deref().unwrap_or("?"))?;
    line!("    sha256   {}", module.sha256.as_deref().unwrap_or("?"))?;
    line!("    imports  {}", list(&module.imports))?;
    line!("    asks for {}; granted: {}", list(&module.asks_for), list(&module.granted))?;
    line!("    streams  {}", module.streams.map_or("?", streams))?;
    if let Some(problem) = &module.problem {
        line!("    {BAD}problem{BAD:#}  {problem}")?;
    }
    Ok(())
}

/// What it does with answers that come in events.
fn streams(streams: Streams) -> &'static str {
    match streams {
        Streams::Forwards => "are passed on as they come",
        Streams::Reads => "are read as they come",
        Streams::Whole => "are waited for: it reads answers, and knows nothing of streams",
    }
}

fn list(items: &[String]) -> String {
    if items.is_empty() { "nothing".to_owned() } else { items.join(", ") }
}
