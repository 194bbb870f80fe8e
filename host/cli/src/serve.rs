//! `arcllm serve`: serves the configured models over HTTP.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode, thread::available_parallelism};

use arcllm_server::serve::Server;

use crate::{config, failure::Failure, output::line, serve_demo::Demo};

#[derive(Debug, clap::Args)]
pub(crate) struct Serve {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where to listen.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4000")]
    pub(crate) listen: SocketAddr,
    /// Serve simulated providers that fail and recover, to watch failover with any client. Needs no key and no network.
    #[arg(long, conflicts_with = "config")]
    pub(crate) demo: bool,
}

pub(crate) async fn run(arguments: Serve) -> Result<ExitCode, Failure> {
    let demo = if arguments.demo { Some(Demo::start().await?) } else { None };
    let host = match &demo {
        Some(demo) => demo.host()?,
        None => config::host(arguments.config.as_deref())?,
    };
    let threads = available_parallelism().map_or(1, usize::from);
    let server = Server::listen(arguments.listen, threads);
    let server = server.map_err(|error| Failure::usage(format!("cannot listen on {}: {error}", arguments.listen)))?;
    if let Some(demo) = &demo {
        demo.introduce(server.address())?;
    }
    line!("listening on http://{}; Ctrl-C stops it", server.address())?;
    let served = tokio::task::spawn_blocking(move || server.run(&host)).await;
    match served {
        Ok(Ok(())) => Ok(ExitCode::SUCCESS),
        Ok(Err(error)) => Err(Failure::failed(format!("the server has ended: {error}"))),
        Err(error) => Err(Failure::failed(format!("the server has ended: {error}"))),
    }
}
