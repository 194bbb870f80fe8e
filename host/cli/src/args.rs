//! What the command takes.

mod module;

use std::{path::PathBuf, time::Duration};

use clap::{Parser, Subcommand, builder::styling};
use serde_json::{Map, Value};

pub(crate) use module::{Language, ModuleBuild, ModuleNew, name};

const STYLES: styling::Styles = styling::Styles::styled()
    .header(styling::AnsiColor::Green.on_default().bold())
    .usage(styling::AnsiColor::Green.on_default().bold())
    .literal(styling::AnsiColor::Cyan.on_default().bold())
    .placeholder(styling::AnsiColor::Cyan.on_default());

/// Ask a language model by name, through a chain of sandboxed modules that survives rate limits and outages.
#[derive(Debug, Parser)]
#[command(name = "arcllm", version, styles = STYLES, arg_required_else_help = true, after_help = "\
Examples:
  arcllm demo                                        see retry and fallback at work, without a key
  arcllm invoke 'What is a monad?'                   ask the default provider
  arcllm invoke --provider openai --module retry=on 'Hello'
  arcllm check                                       what config.toml comes to

The configuration is --config FILE, else the one that ARCLLM_CONFIG names, else ./config.toml, else
arcllm/config.toml in your configuration directory, else built-in defaults. A ./config.toml is not
trusted with keys and with modules from files until `arcllm trust` has remembered it.")]
pub(crate) struct Args {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Ask a model, and print its answer.
    Invoke(Box<Invoke>),
    /// Check the configuration and every module, and say what one call can cost at most.
    Check(Check),
    /// List the modules: where they come from, what they ask for, what they are granted.
    Modules(Configured),
    /// Trust a configuration that lies in the working directory, for as long as it stays as it is.
    Trust(Trust),
    /// Make, build and test a module of your own.
    #[command(subcommand)]
    Module(Module),
    /// Show retry and fallback at work against simulated providers. Needs no key and no network.
    Demo,
    /// Run a simulated provider that answers, and fails, as a script says.
    Simulate(Simulate),
    /// Print a completion script for a shell.
    #[command(after_help = "Example:\n  arcllm completions bash > ~/.local/share/bash-completion/completions/arcllm")]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

impl Command {
    /// Whether the answer, or the error, is to be JSON.
    pub(crate) fn json(&self) -> bool {
        match self {
            Command::Invoke(arguments) => arguments.json,
            Command::Check(arguments) => arguments.configured.json,
            Command::Modules(arguments) => arguments.json,
            Command::Module(Module::Test(arguments)) => arguments.json,
            Command::Module(Module::Inspect(arguments)) => arguments.json,
            Command::Module(Module::New(_) | Module::Build(_)) => false,
            Command::Trust(_) | Command::Demo | Command::Simulate(_) | Command::Completions { .. } => false,
        }
    }
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  arcllm invoke 'What is a monad?'
  git diff | arcllm invoke --system 'Review this change.' -
  arcllm invoke --provider anthropic --module retry='{\"max_retries\": 5}' --module fallback=off --trace 'Hello'
  arcllm invoke --json --request conversation.json
  arcllm invoke --stream 'Tell me a story.'

A request is JSON: {\"messages\": [{\"role\": \"user\", \"content\": \"Hello\"}], \"tools\": [], \"options\": {}}.
The `message` of an answer printed with --json can be appended to its `messages` as it is.

With --stream --json every line but the last is an event, such as {\"type\": \"text\", \"text\": \"Once\"}.
The last has no `type`: it is what --json prints without --stream. An error has in `received` what
had arrived. Nothing is asked again once an answer has begun.

Exit codes: 0 an answer; 1 no answer; 2 a mistake in the configuration or the arguments.")]
pub(crate) struct Invoke {
    /// What to say to the model; `-` reads it from standard input.
    pub(crate) prompt: Option<String>,
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The provider to ask, instead of the configuration's `defaults.provider`.
    #[arg(long, value_name = "NAME")]
    pub(crate) provider: Option<String>,
    /// The model to ask for, instead of the provider's `default_model`.
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
    /// Instructions for the model.
    #[arg(long, value_name = "TEXT")]
    pub(crate) system: Option<String>,
    /// A conversation with tools and options, as JSON; `-` reads it from standard input.
    #[arg(long, value_name = "FILE|-")]
    pub(crate) request: Option<PathBuf>,
    /// A module for this call: on, off, or on with settings over those of the configuration. Can be repeated.
    #[arg(long = "module", value_name = "NAME=on|off|{json}", value_parser = module)]
    pub(crate) modules: Vec<(String, Value)>,
    /// The most tokens of the answer.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_tokens: Option<u32>,
    /// Randomness of the answer.
    #[arg(long, value_name = "T", value_parser = temperature)]
    pub(crate) temperature: Option<f64>,
    /// The most time that the whole call may take, retries and fallbacks included.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) deadline: Option<Duration>,
    /// Write the answer as it comes.
    #[arg(long)]
    pub(crate) stream: bool,
    /// Print one JSON object; with --stream, before it one for each event, a line each.
    #[arg(long)]
    pub(crate) json: bool,
    /// Show on standard error every attempt, every wait and who decided it; with --stream, also when the first event came
    /// and how fast the others followed.
    #[arg(long)]
    pub(crate) trace: bool,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
A ./config.toml that nobody has named may be anybody's: it came with the folder. Until it is trusted, a key is sent only
to the host that its preset names, conversations only there or to this machine, and no module is loaded from a file.
Trusted is the file in this place with this content; a change of it ends that. Not so a change of what it names, such as
a module's file: `sha256` in the module's sandbox pins that.")]
pub(crate) struct Trust {
    /// The configuration.
    #[arg(default_value = "config.toml")]
    pub(crate) file: PathBuf,
    /// Trust it no more.
    #[arg(long)]
    pub(crate) forget: bool,
    /// Show what is trusted, and change nothing.
    #[arg(long, conflicts_with_all = ["forget", "file"])]
    pub(crate) list: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Module {
    /// Write a project: a small module in the language of your choice, ready to be built.
    New(ModuleNew),
    /// Make a component of a project, with the tools of its language.
    Build(ModuleBuild),
    /// Say what a component is, what it asks for, and what config must say to let it run.
    Inspect(ModuleInspect),
    /// Hold a component to the contract of a module, and to the scenarios of its kind.
    Test(ModuleTest),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  arcllm module inspect stranger.wasm

The component is started and asked to describe itself: with no settings, no grants and nothing kept of what it does, for
ten seconds at most. It is not configured, and no call goes through it.
Exit codes: 0 it can be loaded; 2 it cannot, and what can be known of it is shown.")]
pub(crate) struct ModuleInspect {
    /// The component.
    pub(crate) file: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  arcllm module test mine.wasm
  arcllm module test mine.wasm --scenarios scenarios.toml
  arcllm module test --schema > scenarios.schema.json

The contract is what every module must do; hostile input is what none may be brought down by; scenarios are those of the
module's kind, and its own. The module is granted what it asks for. Every check runs on virtual time against providers in this process: nothing is sent, and minutes of waiting pass at once.
Exit codes: 0 all passed; 1 some did not; 2 the file is no module.")]
pub(crate) struct ModuleTest {
    /// The component.
    #[arg(required_unless_present = "schema")]
    pub(crate) file: Option<PathBuf>,
    /// Scenarios of the module's own, besides those of its kind; docs/scenarios.md has the format. Can be repeated.
    #[arg(long, value_name = "FILE")]
    pub(crate) scenarios: Vec<PathBuf>,
    /// Print the JSON Schema of a file of scenarios, and test nothing.
    #[arg(long)]
    pub(crate) schema: bool,
    /// Settings that the module needs besides those that a scenario gives, as a JSON object.
    #[arg(long, value_name = "JSON", value_parser = settings)]
    pub(crate) settings: Option<Map<String, Value>>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Configured {
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) configured: Configured,
    /// The provider whose calls to work out, instead of the configuration's `defaults.provider`.
    #[arg(long, value_name = "NAME")]
    pub(crate) provider: Option<String>,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  cat > outage.toml <<'END'
  [[reply]]
  status = 429
  headers = { \"retry-after\" = \"1\" }

  [[reply]]
  fault = \"reset\"

  [[reply]]
  text = \"Back again, but not for long.\"
  pace_seconds = 0.2
  fault = \"truncate\"
  fault_at = { before_event = 7 }
  END
  arcllm simulate --script outage.toml --port 8088

A request that asks for a stream gets its answer as one. Keys of a [[reply]] for streams:
  stream              true or false: stream it, or not, whatever the request asks for
  pace_seconds        the wait between two events
  body_delay_seconds  the wait before the first event
  pieces              how many pieces each text comes in; by default it comes word by word
  piece_bytes         or how long the pieces are
  fault_at            where a fault happens: { byte = N }, { before_event = N }, { in_event = N },
                      { in_character = N } or \"before-end\"; events count from 1
  events              a list of texts that are sent as they are
  line_end            \"lf\", \"crlf\" or \"cr\"
  comments, split_data, pings, unknown_events, coalesced, gzip
                      true: streams of a shape that is unusual but allowed

It speaks both wire formats: set base_url = \"http://127.0.0.1:8088\" for a provider of either adapter.")]
pub(crate) struct Simulate {
    /// The replies, in order. Without a script every request has a plain answer.
    #[arg(long, value_name = "FILE")]
    pub(crate) script: Option<PathBuf>,
    /// The port on 127.0.0.1; 0 takes a free one.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) port: u16,
}

fn module(text: &str) -> Result<(String, Value), String> {
    let expected = "NAME=on, NAME=off or NAME={\"key\": value}";
    let (name, switch) = text.split_once('=').ok_or_else(|| format!("expected {expected}"))?;
    let value = match switch {
        "on" | "true" => Value::Bool(true),
        "off" | "false" => Value::Bool(false),
        json => match serde_json::from_str(json) {
            Ok(value @ Value::Object(_)) => value,
            Ok(_) => return Err(format!("expected {expected}")),
            Err(error) => return Err(format!("expected {expected}; as JSON: {error}")),
        },
    };
    Ok((name.to_owned(), value))
}

fn settings(text: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text).map_err(|error| format!("expected {{\"key\": value}}: {error}"))
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.filter(|duration| !duration.is_zero()).ok_or_else(|| "expected a number of seconds above zero".to_owned())
}

fn temperature(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0);
    number.ok_or_else(|| "expected a number, zero or more".to_owned())
}
