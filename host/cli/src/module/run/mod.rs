//! `arcllm module run`: one call through a module alone, in front of simulated providers.

mod stage;
mod watch;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use arcllm::{ConfigError, ErrorKind, Message, Overrides, Request, Response};
use serde_json::{Map, Value, json};

use crate::{
    failure::Failure,
    invoke::{interrupt, print, stream::Streamed, trace},
    module::{
        build::{build_project, component_of},
        run::{
            stage::{ForProvider, Stage, fault, for_provider},
            watch::Watched,
        },
        test::settings,
    },
    output::{self, tell},
    progress::Spinner,
    report, told,
};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  arcllm module run mine.wasm 'What is a monad?'
  arcllm module run mine.wasm --fault 529 --fault reset --settings '{\"max_retries\": 3}'
  arcllm module run impatient.wasm --delay primary=5 --settings '{\"second\": \"second\"}'
  arcllm module run . --watch                # builds the project in this folder, after each save

The module stands alone in front of four simulated providers on this machine: primary, which the
caller asks, second, third and fourth. They answer well unless --fault, --delay or --script says
otherwise. The module is granted what it asks for, and each run begins with an empty state.

The answer is written to standard output. What the module logs, at all levels, stands with its
attempts and waits in a timeline on standard error.

Exit codes: 0 the call was answered; 1 it was not; 2 the module does not load, or an argument is
wrong. With --watch, Ctrl-C ends with 0.")]
pub(crate) struct ModuleRun {
    /// The component, or the folder of a project, which is built first.
    #[arg(value_name = "FILE|DIR")]
    pub(crate) module: PathBuf,
    /// What the caller says.
    #[arg(default_value = "Hello")]
    pub(crate) prompt: String,
    /// The module's settings, as a JSON object.
    #[arg(long, value_name = "JSON", value_parser = settings)]
    pub(crate) settings: Option<Map<String, Value>>,
    /// The next reply of a provider is this HTTP status, or this fault; `arcllm simulate --help` lists them. Without a
    /// PROVIDER, of primary. Can be repeated; after the last one come good answers.
    #[arg(long = "fault", value_name = "[PROVIDER=]STATUS|FAULT", value_parser = fault)]
    pub(crate) faults: Vec<ForProvider<arcllm_simulator::Reply>>,
    /// How long each reply of a provider takes. Without a PROVIDER, of primary. Can be repeated.
    #[arg(long = "delay", value_name = "[PROVIDER=]SECONDS", value_parser = stage::delay)]
    pub(crate) delays: Vec<ForProvider<std::time::Duration>>,
    /// The replies of a provider, as `arcllm simulate --script` reads them. Without a PROVIDER, of primary. Can be repeated.
    #[arg(long = "script", value_name = "[PROVIDER=]FILE", value_parser = for_provider::<PathBuf>)]
    pub(crate) scripts: Vec<ForProvider<PathBuf>>,
    /// Read the answer while it arrives.
    #[arg(long)]
    pub(crate) stream: bool,
    /// Build the project of the module and run it again after each save. Without a project, run the file again when it
    /// changes.
    #[arg(long, conflicts_with = "json")]
    pub(crate) watch: bool,
    /// Print one JSON object: that of `arcllm invoke --json`, with the module's `log`.
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) async fn run(arguments: ModuleRun) -> Result<ExitCode, Failure> {
    let mut interrupt = std::pin::pin!(interrupt());
    if arguments.watch {
        return tokio::select! {
            () = &mut interrupt => Ok(ExitCode::SUCCESS),
            ended = watch(&arguments) => ended,
        };
    }
    let component = match arguments.module.is_dir() {
        true => build(arguments.module.clone()).await?,
        false => arguments.module.clone(),
    };
    tokio::select! {
        () = &mut interrupt => Err(arcllm::Error::from(ErrorKind::Cancelled).into()),
        ended = once(&arguments, &component) => ended,
    }
}

/// Runs again and again, until it is dropped.
async fn watch(arguments: &ModuleRun) -> Result<ExitCode, Failure> {
    let project = project(&arguments.module);
    let scripts = arguments.scripts.iter().map(|script| script.value.clone()).collect();
    let mut watched = match &project {
        Some(folder) => Watched::folder(folder.clone(), scripts),
        None => Watched::file(arguments.module.clone(), scripts),
    };
    loop {
        watched.begin();
        let component = match &project {
            Some(folder) => build(folder.clone()).await,
            None => Ok(arguments.module.clone()),
        };
        let ended = match component {
            Ok(component) => once(arguments, &component).await,
            Err(failure) => Err(failure),
        };
        if let Err(failure) = ended {
            report::failure(failure, false);
        }
        tell(format_args!("watching {}; Ctrl-C ends it\n", watched.place().display()));
        watched.changed().await;
        tell("\n");
    }
}

/// The folder whose project makes this component, or that is a project itself.
fn project(module: &Path) -> Option<PathBuf> {
    if module.is_dir() {
        return Some(module.to_owned());
    }
    let folder = module.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let made = component_of(folder)?;
    (made.file_name() == module.file_name()).then(|| folder.to_owned())
}

async fn build(folder: PathBuf) -> Result<PathBuf, Failure> {
    // It waits for other processes.
    let building = tokio::task::spawn_blocking(move || build_project(&folder, false)).await;
    let project = building.map_err(|error| Failure::usage(error.to_string()))??;
    Ok(project.component)
}

/// One call, and what came of it.
async fn once(arguments: &ModuleRun, component: &Path) -> Result<ExitCode, Failure> {
    let stage = Stage::start(arguments).await?;
    let host = stage.host(component, arguments.settings.clone().unwrap_or_default())?;
    let mut spinner = Spinner::start(!arguments.json);
    spinner.say(format!("loading {}", component.display()));
    let loaded = host.load_model("primary", Overrides::new()).await;
    // What it logged while it was loaded belongs to no call.
    spinner.stop();
    tell_log();
    let model = loaded.map_err(|error| plainly(error, component))?;
    let mut spinner = Spinner::start(!arguments.json);
    spinner.say("asking primary".to_owned());
    let request = Request::new([Message::user(&arguments.prompt)]);
    let mut streamed = (arguments.stream && !arguments.json).then(|| Streamed::new(false));
    let began = Instant::now();
    let never = std::pin::pin!(std::future::pending());
    let result = match &mut streamed {
        Some(streamed) => streamed.follow(model.stream_with(request), never, &mut spinner).await,
        None if arguments.stream => model.stream_with(request).collect().await.map_err(Failure::from),
        None => model.invoke_with(request).await.map_err(Failure::from),
    };
    spinner.stop();
    if arguments.json {
        return print_json(result, began);
    }
    trace(&result, streamed.as_ref(), began);
    print(&result?, streamed.is_some())?;
    Ok(ExitCode::SUCCESS)
}

/// An error about the configuration that this command makes, without its places: the user has written only the settings.
fn plainly(mut error: ConfigError, component: &Path) -> ConfigError {
    // One without a key is about the component.
    let is_of_file = error.key.is_none();
    (error.file, error.line) = (is_of_file.then(|| component.to_owned()), None);
    if error.problem.starts_with("needs the setting") {
        let place = error.key.iter().flat_map(|key| key.splitn(3, '.').nth(2)).next().map(|key| format!(" in `{key}`"));
        let told = error.help.map(|help| format!("\n        {help}")).unwrap_or_default();
        error = ConfigError::new(format!("this module {}{}", error.problem, place.unwrap_or_default()));
        error = error.help(format!("give --settings '{{\"key\": value}}'{told}"));
    }
    error
}

/// Writes what was logged outside of a call.
fn tell_log() {
    for told in told::take() {
        tell(format_args!("{told}\n"));
    }
}

fn print_json(result: Result<Response, Failure>, began: Instant) -> Result<ExitCode, Failure> {
    let log = told::take().into_iter().map(|told| {
        json!({
            "after_seconds": told.at.saturating_duration_since(began).as_secs_f64(),
            "level": told.level.as_str().to_lowercase(),
            "message": told.message,
        })
    });
    let log: Vec<Value> = log.collect();
    match result {
        Ok(response) => {
            let mut object = serde_json::to_value(&response).map_err(|error| Failure::failed(error.to_string()))?;
            if let Some(object) = object.as_object_mut() {
                object.insert("log".to_owned(), log.into());
            }
            output::json(&object)?;
            Ok(ExitCode::SUCCESS)
        }
        Err(Failure::Error(error)) => {
            output::json(&json!({ "error": &*error, "log": log }))?;
            Ok(report::code(&error))
        }
        Err(failure) => Err(failure),
    }
}
