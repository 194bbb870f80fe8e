//! The arguments of the command. Those of a subcommand are beside it.

use clap::{Parser, Subcommand, builder::styling};

use crate::{
    audit::Audit, check::Check, completions::Completions, config::Configured, invoke::arguments::Invoke,
    models::Models, module::Module, serve::Serve, simulate::Simulate, trust::Trust,
};

const STYLES: styling::Styles = styling::Styles::styled()
    .header(styling::AnsiColor::Green.on_default().bold())
    .usage(styling::AnsiColor::Green.on_default().bold())
    .literal(styling::AnsiColor::Cyan.on_default().bold())
    .placeholder(styling::AnsiColor::Cyan.on_default());

/// Ask a language model by name, through a chain of sandboxed modules that survives rate limits and outages.
#[derive(Debug, Parser)]
#[command(name = "arcllm", version, styles = STYLES, arg_required_else_help = true, after_help = "\
Examples:
  arcllm demo                                        watch retry and fallback at work, without a key
  arcllm invoke 'What is a monad?'                   ask the default provider
  arcllm invoke --provider openai --module retry=on 'Hello'
  arcllm check                                       check config.toml, and see what it does

arcllm uses the first configuration that it finds:
  1. --config FILE
  2. the file that ARCLLM_CONFIG names
  3. ./config.toml, with limits until you run `arcllm trust` (see `arcllm trust --help`)
  4. arcllm/config.toml in your configuration directory
  5. built-in defaults")]
pub(crate) struct Args {
    /// What to log on standard error: error, warn, info, debug, trace or off, or a filter for parts, such as
    /// `arcllm::module=debug` for what modules log. Without it, ARCLLM_LOG says so. For `arcllm serve`, human, json or off
    /// say how to log requests, on standard output. Can be repeated.
    #[arg(long, global = true, value_name = "LEVEL", value_parser = crate::log::word, help_heading = "Log")]
    pub(crate) log: Vec<String>,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Ask a model and print its answer.
    Invoke(Box<Invoke>),
    /// Serve the models over HTTP, in the formats of OpenAI and Anthropic, to agents in any language.
    Serve(Serve),
    /// Check the configuration and every module, and show what one call can cost at most.
    Check(Check),
    /// List the modules: where they come from, what they ask for, what they are granted.
    Modules(Configured),
    /// List the models that are known: what they cost and can do.
    Models(Models),
    /// Trust a configuration in the working directory until its content changes.
    Trust(Trust),
    /// Create, build, test and publish your own module.
    #[command(subcommand)]
    Module(Module),
    /// Check the journal that the module audit writes.
    #[command(subcommand)]
    Audit(Audit),
    /// Watch retry and fallback at work on simulated providers. Needs no key and no network.
    Demo,
    /// Run a simulated provider that answers and fails as a script says.
    Simulate(Simulate),
    /// Print a completion script for a shell.
    Completions(Completions),
}

impl Command {
    /// Tells whether what modules log is kept for a timeline, and not written at once.
    pub(crate) fn keeps_log(&self) -> bool {
        match self {
            Command::Invoke(arguments) => arguments.trace,
            Command::Module(command) => matches!(command, Module::Run(_)),
            _ => false,
        }
    }

    /// Tells whether the answer, or the error, is printed as JSON.
    pub(crate) fn json(&self) -> bool {
        match self {
            Command::Invoke(arguments) => arguments.json,
            Command::Check(arguments) => arguments.configured.json,
            Command::Modules(arguments) => arguments.json,
            Command::Audit(Audit::Verify(arguments)) => arguments.json,
            Command::Models(arguments) => arguments.configured.json,
            Command::Module(Module::Run(arguments)) => arguments.json,
            Command::Module(Module::Test(arguments)) => arguments.json,
            Command::Module(Module::Inspect(arguments)) => arguments.json,
            Command::Module(Module::Publish(arguments)) => arguments.json,
            Command::Module(Module::Install(arguments)) => arguments.json,
            Command::Module(Module::Add(arguments)) => arguments.json,
            Command::Module(Module::Update(arguments)) => arguments.json,
            Command::Module(Module::Remove(arguments)) => arguments.json,
            Command::Module(Module::List(arguments)) => arguments.json,
            Command::Module(Module::Verify(arguments)) => arguments.json,
            Command::Module(Module::Fetch(arguments)) => arguments.json,
            Command::Module(Module::New(_) | Module::Build(_) | Module::Key(_)) => false,
            Command::Trust(_) | Command::Serve(_) | Command::Demo | Command::Simulate(_) | Command::Completions(_) => {
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory as _};

    use super::Args;

    /// How wide clap prints help at most.
    const WIDTH: usize = 100;

    #[test]
    fn lines_of_help_fit_the_width_of_help() {
        let mut commands: Vec<Command> = vec![Args::command()];
        while let Some(command) = commands.pop() {
            for text in command.get_after_help().map(ToString::to_string).iter().flat_map(|text| text.lines()) {
                assert!(text.chars().count() <= WIDTH, "{}: {text}", command.get_name());
            }
            commands.extend(command.get_subcommands().cloned());
        }
    }
}
