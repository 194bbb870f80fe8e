//! `arcllm invoke`.

use std::{
    collections::BTreeMap,
    io::{IsTerminal as _, Read as _},
    path::Path,
    process::ExitCode,
    time::Duration,
};

use arcllm::{Config, Error, ErrorKind, Host, Message, Options, Overrides, Request, Response};

use serde_json::Value;

use crate::{
    args::Invoke,
    failure::Failure,
    output::{answer, json, tell},
    progress::Spinner,
    streamed::Streamed,
    timeline::{Timeline, outcome_of},
};

/// How long what is left to write may take after Ctrl-C.
const GRACE: Duration = Duration::from_secs(1);

pub(crate) async fn run(arguments: Box<Invoke>) -> Result<ExitCode, Failure> {
    let request = request(&arguments)?;
    let host = host(arguments.config.as_deref())?;
    let provider = arguments.provider.as_deref().or(host.config().defaults.provider.as_deref());
    let provider = provider.ok_or_else(|| {
        Failure::usage(
            "no provider was named\n  help: name one with --provider, or set `defaults.provider` in the configuration",
        )
    })?;
    let mut overrides = Overrides::new();
    overrides.model = arguments.model;
    for (name, switch) in modules(arguments.modules)? {
        overrides = overrides.module(name, switch);
    }

    let mut spinner = Spinner::start(!arguments.json);
    let mut streamed = arguments.stream.then(|| Streamed::new(arguments.json));
    // Listened for before anything is sent.
    let mut interrupt = std::pin::pin!(interrupt());
    tokio::spawn(give_up());
    let result = async {
        spinner.say(format!("loading {provider}"));
        let model = tokio::select! {
            biased;
            () = &mut interrupt => return Err(Error::from(ErrorKind::Cancelled).into()),
            model = host.load_model(provider, overrides) => model?,
        };
        match &mut streamed {
            Some(streamed) => streamed.follow(model.stream_with(request), interrupt, &mut spinner).await,
            None => Ok(model.invoke_until(request, interrupt).await?),
        }
    }
    .await;
    spinner.stop();

    if arguments.trace {
        trace(&result, streamed.as_ref());
    }
    let response = result?;
    match arguments.json {
        true => json(&response)?,
        false => print(&response, streamed.is_some())?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Ready when Ctrl-C is pressed.
async fn interrupt() {
    // Where it cannot be listened for, nothing interrupts.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Ends the command some time after Ctrl-C. It has ended by then, unless it writes to a pipe that is full and that nobody
/// reads from: there it cannot look out for anything.
async fn give_up() {
    interrupt().await;
    tokio::time::sleep(GRACE).await;
    std::process::exit(1);
}

/// Tells what was tried and, of an answer that came in events, how fast they came.
fn trace(result: &Result<Response, Failure>, streamed: Option<&Streamed>) {
    let (trail, outcome) = match result {
        Ok(response) => (&response.trail, format!("answered by {} ({})", response.provider, response.model)),
        Err(Failure::Error(error)) => (&error.trail, outcome_of(error)),
        // Nobody reads the answer, and what was tried for it is not known.
        Err(Failure::Usage(_) | Failure::Failed(_) | Failure::Output(_) | Failure::Told) => return,
    };
    tell(Timeline { trail, outcome: &outcome });
    if let Some(streamed) = streamed {
        tell(&streamed.pace);
    }
}

/// A host of this file, or of the one that the environment points to. No run of the command lasts until a module changes.
pub(crate) fn host(config: Option<&Path>) -> Result<Host, Failure> {
    let config = match config {
        Some(file) => Config::load(file)?,
        None => Config::find()?,
    };
    Ok(Host::builder().config(config).watch(false).build()?)
}

/// Each module once: of two that differ, one would be lost.
fn modules(given: Vec<(String, Value)>) -> Result<BTreeMap<String, Value>, Failure> {
    let mut modules = BTreeMap::new();
    for (name, switch) in given {
        if modules.insert(name.clone(), switch).is_some() {
            let help = "give all of its settings in one: --module NAME='{\"key\": value, \"other\": value}'";
            return Err(Failure::usage(format!("--module names `{name}` twice\n  help: {help}")));
        }
    }
    Ok(modules)
}

/// The conversation: the request's, if there is one, with instructions before and the prompt after.
fn request(arguments: &Invoke) -> Result<Request, Failure> {
    let both = arguments.prompt.as_deref() == Some("-") && arguments.request.as_deref() == Some(Path::new("-"));
    if both {
        return Err(Failure::usage("the prompt and the request cannot both come from standard input"));
    }
    let mut request = match &arguments.request {
        Some(file) => read_request(file)?,
        None => Request::default(),
    };
    if let Some(prompt) = prompt(arguments)? {
        request.messages.push(Message::user(prompt));
    }
    if request.messages.is_empty() {
        return Err(Failure::usage("there is nothing to ask\n  help: give a PROMPT, or --request FILE"));
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

/// The prompt, which is also read from standard input where something is piped in and nothing else is asked.
fn prompt(arguments: &Invoke) -> Result<Option<String>, Failure> {
    match (&arguments.prompt, &arguments.request) {
        (Some(prompt), _) if prompt != "-" => Ok(Some(prompt.clone()).filter(|text| !text.trim().is_empty())),
        (None, Some(_)) => Ok(None),
        (None, None) if std::io::stdin().is_terminal() => Ok(None),
        (Some(_), _) | (None, None) => {
            let text = read_standard_input().map_err(|error| Failure::usage(format!("standard input: {error}")))?;
            Ok(Some(text).filter(|text| !text.trim().is_empty()))
        }
    }
}

fn read_request(file: &Path) -> Result<Request, Failure> {
    let (name, text) = match file == Path::new("-") {
        true => ("standard input".to_owned(), read_standard_input()),
        false => (file.display().to_string(), std::fs::read_to_string(file)),
    };
    let text = text.map_err(|error| Failure::usage(format!("{name}: cannot be read: {error}")))?;
    // Read as an object first: `serde` would take a list for a struct too.
    let object = serde_json::from_str::<serde_json::Map<String, Value>>(&text);
    let request = object.and_then(|_| serde_json::from_str::<Request>(&text)).map_err(|error| {
        let help = "{\"messages\": [{\"role\": \"user\", \"content\": \"…\"}], \"tools\": […], \"options\": {…}}";
        Failure::usage(format!("{name}: is no request: {error}\n  help: {help}"))
    });
    let request = request?;
    check_options(&request.options).map_err(|problem| Failure::usage(format!("{name}: {problem}")))?;
    Ok(request)
}

/// What the arguments of the same names are refused for.
fn check_options(options: &Options) -> Result<(), &'static str> {
    match options {
        Options { max_tokens: Some(0), .. } => Err("`options.max_tokens` is a whole number above zero"),
        Options { temperature: Some(temperature), .. } if *temperature < 0.0 => {
            Err("`options.temperature` is a number, zero or more")
        }
        Options { deadline: Some(Duration::ZERO), .. } => Err("`options.deadline_seconds` is a number above zero"),
        _ => Ok(()),
    }
}

fn read_standard_input() -> std::io::Result<String> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    Ok(text)
}

/// For a person: the text, unless it has been written as it came, then what the model asks for.
fn print(response: &Response, streamed: bool) -> Result<(), Failure> {
    if let Some(text) = response.text().filter(|_| !streamed) {
        answer(&text)?;
    }
    for call in response.tool_calls() {
        answer(&format!("{} {}", call.name, Value::Object(call.arguments.clone())))?;
    }
    Ok(())
}
