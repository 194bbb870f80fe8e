//! Makes the request of `arcllm invoke` from its arguments.

use std::{io::IsTerminal as _, path::Path, time::Duration};

use arcllm::{Message, Options, Request};
use arcllm_wording::{Format, Mistake};
use serde_json::Value;

use crate::{bounded, failure::Failure, invoke::arguments::Invoke};

/// The largest request or prompt that is read, in bytes. Providers take less.
const LARGEST: u64 = 100 << 20;

/// What a request looks like.
const FORM: &str =
    "expected {\"messages\": [{\"role\": \"user\", \"content\": \"…\"}], \"tools\": […], \"options\": {…}}";

/// Makes the request: the instructions, the messages of the request file, the prompt.
pub(crate) fn request(arguments: &Invoke) -> Result<Request, Failure> {
    let both = arguments.prompt.as_deref() == Some("-") && arguments.request.as_deref() == Some(Path::new("-"));
    if both {
        let problem = "PROMPT and --request are both `-`, but only one can read standard input";
        return Err(Failure::usage(format!("{problem}\n  help: put the request into a file: --request FILE")));
    }
    let mut request = match &arguments.request {
        Some(file) => read_request(file)?,
        None => Request::default(),
    };
    if let Some(prompt) = prompt(arguments)? {
        request.messages.push(Message::user(prompt));
    }
    if request.messages.is_empty() {
        let problem = match &arguments.request {
            Some(file) => format!("{}: `messages` is empty, and there is no PROMPT", name_of(file)),
            None => "there is no question".to_owned(),
        };
        return Err(Failure::usage(format!("{problem}\n  help: give a PROMPT, or --request FILE")));
    }
    if let Some(system) = &arguments.system {
        request.messages.insert(0, Message::system(system));
    }
    let options = &mut request.options;
    options.max_tokens = arguments.max_tokens.or(options.max_tokens);
    options.temperature = arguments.temperature.or(options.temperature);
    options.deadline = arguments.deadline.or(options.deadline);
    Ok(request)
}

/// The prompt. It comes from standard input for `-`, or if something is piped in and no other question is given.
fn prompt(arguments: &Invoke) -> Result<Option<String>, Failure> {
    let text = match (&arguments.prompt, &arguments.request) {
        (Some(prompt), _) if prompt != "-" => prompt.clone(),
        (None, Some(_)) => return Ok(None),
        (None, None) if std::io::stdin().is_terminal() => return Ok(None),
        (Some(_), _) | (None, None) => {
            read_standard_input().map_err(|error| Failure::usage(format!("cannot read standard input: {error}")))?
        }
    };
    Ok(Some(text).filter(|text| !text.trim().is_empty()))
}

fn read_request(file: &Path) -> Result<Request, Failure> {
    let name = name_of(file);
    let text = if file == Path::new("-") { read_standard_input() } else { bounded::read_file(file, LARGEST) };
    let text = text.map_err(|error| {
        let help = "give a file with the JSON of a request; `arcllm invoke --help` shows one";
        Failure::usage(format!("{name}: cannot be read: {error}\n  help: {help}"))
    })?;
    let request = parse(&text).map_err(|mistake| Failure::usage(format!("{name}:{mistake}")))?;
    check_options(&request.options).map_err(|problem| Failure::usage(format!("{name}: {problem}")))?;
    Ok(request)
}

/// Reads the JSON of a request. An error begins with its line.
fn parse(text: &str) -> Result<Request, String> {
    let mistake = |error: &serde_json::Error, path: &str| {
        let mut mistake = Mistake::of(&error.to_string(), Format::Json).at(path);
        if mistake.help.is_none() || mistake.path.is_empty() {
            mistake.help = Some(FORM.to_owned());
        }
        format!("{}: {mistake}", error.line().max(1))
    };
    // As an object first: `serde` would take a list for a struct too.
    serde_json::from_str::<serde_json::Map<String, Value>>(text).map_err(|error| mistake(&error, ""))?;
    let mut json = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut json).map_err(|error| mistake(error.inner(), &error.path().to_string()))
}

fn name_of(file: &Path) -> String {
    if file == Path::new("-") { "standard input".to_owned() } else { file.display().to_string() }
}

/// Refuses what the arguments of the same names refuse.
fn check_options(options: &Options) -> Result<(), &'static str> {
    match options {
        Options { max_tokens: Some(0), .. } => Err("`options.max_tokens` must be a whole number above zero"),
        Options { temperature: Some(temperature), .. } if !Options::TEMPERATURES.contains(temperature) => {
            Err("`options.temperature` must be a number from 0 to 2")
        }
        Options { deadline: Some(Duration::ZERO), .. } => Err("`options.deadline_seconds` must be a number above zero"),
        _ => Ok(()),
    }
}

fn read_standard_input() -> std::io::Result<String> {
    bounded::read(std::io::stdin(), LARGEST)
}
