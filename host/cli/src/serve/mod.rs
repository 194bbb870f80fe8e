//! `arcllm serve`: serves the configured models over HTTP.

mod demo;
mod key;

use std::{io::stdout, net::SocketAddr, path::PathBuf, process::ExitCode, sync::Arc, thread::available_parallelism};

use arcllm::RequestLog;
use arcllm_server::{
    Output,
    otlp::Otlp,
    serve::{Ended, ReadHost, ServeError, Server, Setup},
};
use serde_json::json;

use crate::{
    config,
    failure::Failure,
    log::Log,
    output, progress,
    serve::{demo::Demo, key::Key},
};

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Serve {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where to listen, instead of what `[serve]` says [default: 127.0.0.1:4000].
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    pub(crate) listen: Option<SocketAddr>,
    /// Serve simulated providers that fail and recover, to watch failover with any client. Needs no key and no network.
    #[arg(long, conflicts_with = "config")]
    pub(crate) demo: bool,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Make a key for a client, and print its table for config.toml.
    Key(Key),
}

fn address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "an IP address and a port, such as 127.0.0.1:4000 or [::1]:4000")
}

pub(crate) async fn run(arguments: Serve, log: Log) -> Result<ExitCode, Failure> {
    if let Some(Command::Key(key)) = &arguments.command {
        return key::run(key);
    }
    output::serve();
    let Serve { config: file, listen, demo, command: _ } = arguments;
    let Log { filter, requests: log } = log;
    let otlp = Otlp::from_env().map_err(Failure::usage)?;
    progress::listen_with(otlp.as_ref().and_then(Otlp::layer), filter);
    let demo = if demo { Some(Demo::start().await?) } else { None };
    let host = match &demo {
        Some(demo) => demo.host()?,
        None => config::host(file.as_deref())?,
    };
    let is_json = log.unwrap_or(host.config().serve.log) == RequestLog::Json;
    let read: ReadHost = Arc::new(move || {
        let config = match &file {
            Some(file) => arcllm::Config::load(file)?,
            None => arcllm::Config::find()?,
        };
        config::watching(config)
    });
    let threads = available_parallelism().map_or(1, usize::from);
    let server = Server::listen(Setup { host, read: demo.is_none().then_some(read), listen, log, threads, otlp })?;
    introduce(&server.url(), demo.as_ref(), is_json);
    Output::Standard.drain().map_err(|error| Failure::usage(format!("cannot write to standard output: {error}")))?;
    let ended = server.run().await?;
    // Who does not read has lost the last lines.
    let _ = Output::Error.drain();
    match ended {
        Ended::Stopped => Ok(ExitCode::SUCCESS),
        Ended::AtOnce => Err(Failure::failed("stopped at once, by a second signal")),
    }
}

/// Says where it listens.
fn introduce(url: &str, demo: Option<&Demo>, is_json: bool) {
    if is_json {
        return Output::Standard.add(&json!({"event": "listening", "url": url}).to_string());
    }
    let demo = demo.map(|demo| demo.introduction(url)).unwrap_or_default();
    output::add(Output::Standard, &stdout(), &format!("{demo}listening on {url}; Ctrl-C stops it"));
}

impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Self {
        match error {
            ServeError::Config(error) => error.into(),
            ServeError::Refused(text) => Failure::usage(text),
        }
    }
}
