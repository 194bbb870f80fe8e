//! `arcllm modules`.

use std::process::ExitCode;

use anstream::println;
use anstyle::{AnsiColor, Style};
use arcllm::ModuleReport;

use crate::{args::Configured, failure::Failure, invoke::host};

const STRONG: Style = Style::new().bold();
const BAD: Style = AnsiColor::Red.on_default();

pub(crate) async fn run(arguments: Configured) -> Result<ExitCode, Failure> {
    let modules = host(arguments.config.as_deref())?.modules().await?;
    if arguments.json {
        println!("{}", serde_json::json!({ "modules": modules }));
    } else {
        modules.iter().for_each(print);
    }
    match modules.iter().any(|module| module.problem.is_some()) {
        true => Err(Failure::Told),
        false => Ok(ExitCode::SUCCESS),
    }
}

/// One module, for a person.
pub(crate) fn print(module: &ModuleReport) {
    let position = match module.position {
        Some(position) => format!("on, place {position} from the outside"),
        None => "off".to_owned(),
    };
    let version = module.version.as_deref().unwrap_or("?");
    println!("{STRONG}{}{STRONG:#} {version} ({}), {position}", module.name, module.kind.as_deref().unwrap_or("?"));
    println!("    origin   {}", module.origin.as_deref().unwrap_or("?"));
    println!("    sha256   {}", module.sha256.as_deref().unwrap_or("?"));
    println!("    imports  {}", list(&module.imports));
    println!("    asks for {}; granted: {}", list(&module.asks_for), list(&module.granted));
    if let Some(problem) = &module.problem {
        println!("    {BAD}problem{BAD:#}  {problem}");
    }
}

fn list(items: &[String]) -> String {
    if items.is_empty() { "nothing".to_owned() } else { items.join(", ") }
}
