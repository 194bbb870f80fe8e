//! `arcllm serve`: serves the configured models over HTTP.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode, thread::available_parallelism};

use arcllm_server::serve::Server;

use crate::{config, failure::Failure, output::line};

#[derive(Debug, clap::Args)]
pub(crate) struct Serve {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where to listen.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4000")]
    pub(crate) listen: SocketAddr,
}

pub(crate) async fn run(arguments: Serve) -> Result<ExitCode, Failure> {
    let host = config::host(arguments.config.as_deref())?;
    let threads = available_parallelism().map_or(1, usize::from);
    let server = Server::listen(arguments.listen, threads);
    let server = server.map_err(|error| Failure::usage(format!("cannot listen on {}: {error}", arguments.listen)))?;
    line!("listening on http://{}; Ctrl-C stops it", server.address())?;
    let served = tokio::task::spawn_blocking(move || server.run(&host)).await;
    match served {
        Ok(Ok(())) => Ok(ExitCode::SUCCESS),
        Ok(Err(error)) => Err(Failure::failed(format!("the server has ended: {error}"))),
        Err(error) => Err(Failure::failed(format!("the server has ended: {error}"))),
    }
}
