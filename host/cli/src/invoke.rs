//! `arcllm invoke`.

use std::{
    io::{IsTerminal as _, Read as _},
    path::Path,
    process::ExitCode,
};

use arcllm::{Config, Error, ErrorKind, Host, Message, Overrides, Request, Response};

use crate::{
    args::Invoke,
    failure::Failure,
    output::{line, tell},
    progress::Spinner,
    timeline::{Timeline, outcome_of},
};

pub(crate) async fn run(arguments: Box<Invoke>) -> Result<ExitCode, Failure> {
    let request = request(&arguments)?;
    let host = host(arguments.config.as_deref())?;
    let provider = arguments.provider.as_deref().or(host.config().defaults.provider.as_deref());
    let provider = provider.ok_or_else(|| {
        Failure::usage(
            "no provider was named\n  help: name one with --provider, or set `defaults.provider` in the configuration",
        )
    })?;
    let overrides = Overrides { model: arguments.model, modules: arguments.modules.into_iter().collect() };

    let spinner = Spinner::start(!arguments.json);
    let result = interruptible(async {
        spinner.say(format!("loading {provider}"));
        let model = host.load_model(provider, overrides).await?;
        model.invoke_with(request).await
    })
    .await;
    spinner.stop();

    if arguments.trace {
        let (trail, outcome) = match &result {
            Ok(response) => (&response.trail, format!("answered by {} ({})", response.provider, response.model)),
            Err(error) => (&error.trail, outcome_of(error)),
        };
        tell(Timeline { trail, outcome: &outcome });
    }
    let response = result?;
    match arguments.json {
        true => line!("{}", serde_json::to_string(&response).map_err(|error| Failure::usage(error.to_string()))?)?,
        false => print(&response)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// A host of this file, or of the one that the environment points to.
pub(crate) fn host(config: Option<&Path>) -> Result<Host, Failure> {
    let config = match config {
        Some(file) => Config::load(file)?,
        None => Config::find()?,
    };
    Ok(Host::builder().config(config).build()?)
}

/// Ctrl-C drops the call, which ends it: nothing further is sent.
async fn interruptible(call: impl Future<Output = Result<Response, Error>>) -> Result<Response, Error> {
    tokio::select! {
        // First, so that it is listened for before anything is sent.
        biased;
        Ok(()) = tokio::signal::ctrl_c() => Err(ErrorKind::Cancelled.into()),
        result = call => result,
    }
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
    if let Some(system) = &arguments.system {
        request.messages.insert(0, Message::system(system));
    }
    if let Some(prompt) = prompt(arguments)? {
        request.messages.push(Message::user(prompt));
    }
    if request.messages.is_empty() {
        return Err(Failure::usage("there is nothing to ask\n  help: give a PROMPT, or --request FILE"));
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
    let object = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&text);
    object.and_then(|_| serde_json::from_str(&text)).map_err(|error| {
        let help = "{\"messages\": [{\"role\": \"user\", \"content\": \"…\"}], \"tools\": […], \"options\": {…}}";
        Failure::usage(format!("{name}: is no request: {error}\n  help: {help}"))
    })
}

fn read_standard_input() -> std::io::Result<String> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    Ok(text)
}

/// For a person: the text, then what the model asks for.
fn print(response: &Response) -> Result<(), Failure> {
    if let Some(text) = response.text() {
        line!("{text}")?;
    }
    for call in response.tool_calls() {
        line!("{} {}", call.name, serde_json::Value::Object(call.arguments.clone()))?;
    }
    Ok(())
}
