//! `arcllm invoke`: asks a model and prints its answer.

pub(crate) mod arguments;
pub(crate) mod request;
pub(crate) mod stream;

use std::{
    collections::BTreeMap,
    process::ExitCode,
    time::{Duration, Instant},
};

use arcllm::{Error, ErrorKind, Host, Overrides, Response};
use serde_json::Value;
use tokio::time::timeout;

use crate::{
    config::host,
    failure::Failure,
    invoke::{arguments::Invoke, request::request, stream::Streamed},
    output::{answer, json, tell},
    progress::Spinner,
    timeline::{Timeline, outcome_of},
    told,
};

/// How long writing may go on after Ctrl-C.
const GRACE: Duration = Duration::from_secs(1);

pub(crate) async fn run(arguments: Box<Invoke>) -> Result<ExitCode, Failure> {
    let request = request(&arguments)?;
    let host = host(arguments.config.as_deref())?;
    let provider = arguments.provider.as_deref().or(host.config().defaults.provider.as_deref());
    let provider = provider.ok_or_else(|| {
        let help = "give --provider NAME, or set `defaults.provider` in the configuration";
        Failure::usage(format!("there is no provider to ask\n  help: {help}"))
    })?;
    let mut overrides = Overrides::new();
    overrides.model = arguments.model;
    for (name, switch) in modules(arguments.modules)? {
        overrides = overrides.module(name, switch);
    }

    let mut spinner = Spinner::start(!arguments.json);
    let mut streamed = arguments.stream.then(|| Streamed::new(arguments.json));
    // Ctrl-C is listened for before anything is sent.
    let mut interrupt = std::pin::pin!(interrupt());
    tokio::spawn(give_up());
    let mut began = Instant::now();
    let result = async {
        spinner.say(format!("loading {provider}"));
        let model = tokio::select! {
            biased;
            () = &mut interrupt => return Err(Error::from(ErrorKind::Cancelled).into()),
            model = host.load_model(provider, overrides) => model?,
        };
        began = Instant::now();
        match &mut streamed {
            Some(streamed) => streamed.follow(model.stream_with(request), interrupt, &mut spinner).await,
            None => Ok(model.invoke_until(request, interrupt).await?),
        }
    }
    .await;
    spinner.stop();

    if arguments.trace {
        trace(&result, streamed.as_ref(), began);
    }
    let shown = result.and_then(|response| match arguments.json {
        true => json(&response),
        false => print(&response, streamed.is_some()),
    });
    settle(&host, &shown).await;
    shown.map(|()| ExitCode::SUCCESS)
}

/// Lets modules note what the call has used. After Ctrl-C there is less time for it.
async fn settle(host: &Host, outcome: &Result<(), Failure>) {
    match outcome {
        Err(Failure::Error(error)) if matches!(error.kind, ErrorKind::Cancelled) => {
            let _ = timeout(GRACE / 2, host.settled()).await;
        }
        _ => host.settled().await,
    }
}

/// Ready when Ctrl-C is pressed.
pub(crate) async fn interrupt() {
    // If Ctrl-C cannot be listened for, nothing interrupts.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Ends the command some time after Ctrl-C. By then it has ended by itself, unless it writes to a full pipe that nobody
/// reads.
async fn give_up() {
    interrupt().await;
    tokio::time::sleep(GRACE).await;
    std::process::exit(1);
}

/// Shows the attempts, what modules logged since the call began and, for a streamed answer, how fast its events came.
pub(crate) fn trace(result: &Result<Response, Failure>, streamed: Option<&Streamed>, began: Instant) {
    let log: Vec<_> = told::take().into_iter().map(|told| (told.at.saturating_duration_since(began), told)).collect();
    let (trail, notes, outcome) = match result {
        Ok(response) => {
            (&response.trail, &response.notes, format!("answered by {} ({})", response.provider, response.model))
        }
        Err(Failure::Error(error)) => (&error.trail, &error.notes, outcome_of(error)),
        // The answer cannot be written, and its trail is gone with it.
        Err(Failure::Usage(_) | Failure::Failed(_) | Failure::Output(_) | Failure::Told) => return,
    };
    tell(Timeline { trail, notes, outcome: &outcome, log: &log });
    if let Some(streamed) = streamed {
        tell(&streamed.rate);
    }
}

/// Takes each module once: of two settings for one, the first would be lost.
fn modules(given: Vec<(String, Value)>) -> Result<BTreeMap<String, Value>, Failure> {
    let mut modules = BTreeMap::new();
    for (name, switch) in given {
        if modules.insert(name.clone(), switch).is_some() {
            let help =
                format!("give all of its settings at once: --module {name}='{{\"key\": value, \"other\": value}}'");
            return Err(Failure::usage(format!("--module is given twice for `{name}`\n  help: {help}")));
        }
    }
    Ok(modules)
}

/// Prints the text, unless it was printed while it arrived, and the model's calls for tools.
pub(crate) fn print(response: &Response, streamed: bool) -> Result<(), Failure> {
    if let Some(text) = response.text().filter(|_| !streamed) {
        answer(&text)?;
    }
    for call in response.tool_calls() {
        answer(&format!("{} {}", call.name, Value::Object(call.arguments.clone())))?;
    }
    Ok(())
}
