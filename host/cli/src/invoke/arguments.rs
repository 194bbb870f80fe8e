//! The arguments of `arcllm invoke`.

use std::{path::PathBuf, time::Duration};

use arcllm::Options;
use serde_json::Value;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  arcllm invoke 'What is a monad?'
  git diff | arcllm invoke --system 'Review this change.' -
  arcllm invoke --provider anthropic/claude-haiku-4-5 --trace 'Hello'
  arcllm invoke --module retry='{\"max_retries\": 5}' --module fallback=off 'Hello'
  arcllm invoke --json --request conversation.json
  arcllm invoke --stream 'Tell me a story.'

A request file has this form:
  {\"messages\": [{\"role\": \"user\", \"content\": \"Hello\"}], \"tools\": [], \"options\": {}}
To continue a conversation, append the `message` that --json prints to the `messages` of the
request.

With --stream --json, each line is an event such as {\"type\": \"text\", \"text\": \"Once\"}.
The last line has no `type`: it is the object that --json prints without --stream.
If the call fails after the answer has begun, it is not tried again, and `received` in the error
holds the part that arrived.

Exit codes: 0 the model answered; 1 it did not; 2 the configuration or an argument is wrong.")]
pub(crate) struct Invoke {
    /// The question; `-` reads it from standard input.
    pub(crate) prompt: Option<String>,
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// What to ask: a provider, PROVIDER/MODEL, or the NAME of a `[models.NAME]`. Without it, `defaults.provider`.
    #[arg(long, value_name = "NAME")]
    pub(crate) provider: Option<String>,
    /// The model to ask, instead of the provider's `default_model`.
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
    /// Instructions for the model.
    #[arg(long, value_name = "TEXT")]
    pub(crate) system: Option<String>,
    /// A JSON file with messages, tools and options; `-` reads it from standard input.
    #[arg(long, value_name = "FILE|-")]
    pub(crate) request: Option<PathBuf>,
    /// Switch a module on or off for this call. JSON switches it on and changes these settings. Can be repeated.
    #[arg(long = "module", value_name = "NAME=on|off|{json}", value_parser = module)]
    pub(crate) modules: Vec<(String, Value)>,
    /// The most tokens that the answer may have.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_tokens: Option<u32>,
    /// How random the answer is, from 0 to 2; models of Anthropic take at most 1.
    #[arg(long, value_name = "T", value_parser = temperature)]
    pub(crate) temperature: Option<f64>,
    /// The most seconds that the call may take, with all retries and fallbacks.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) deadline: Option<Duration>,
    /// Print the answer while it arrives.
    #[arg(long)]
    pub(crate) stream: bool,
    /// Print one JSON object; with --stream, print a line of JSON for each event before it.
    #[arg(long)]
    pub(crate) json: bool,
    /// Show every attempt and every wait on standard error, with the module that caused it. With --stream, also show
    /// when the first event came and how fast the others followed.
    #[arg(long)]
    pub(crate) trace: bool,
}

fn module(text: &str) -> Result<(String, Value), String> {
    let expected = "expected NAME=on, NAME=off or NAME={\"key\": value}";
    let (name, switch) = text.split_once('=').ok_or(expected)?;
    let value = match switch {
        "on" | "true" => Value::Bool(true),
        "off" | "false" => Value::Bool(false),
        json => match serde_json::from_str(json) {
            Ok(value @ Value::Object(_)) => value,
            Ok(_) => return Err(expected.to_owned()),
            Err(error) => return Err(format!("{expected}; the JSON is wrong: {error}")),
        },
    };
    Ok((name.to_owned(), value))
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.filter(|duration| !duration.is_zero()).ok_or_else(|| "expected a number of seconds above zero".to_owned())
}

fn temperature(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number| Options::TEMPERATURES.contains(number));
    number.ok_or_else(|| "expected a number from 0 to 2".to_owned())
}
