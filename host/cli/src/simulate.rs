//! `arcllm simulate`.

use std::{net::Ipv4Addr, process::ExitCode};

use arcllm_simulator::{Script, Simulator};

use crate::{
    args::Simulate,
    failure::Failure,
    output::{line, word},
};

pub(crate) async fn run(arguments: Simulate) -> Result<ExitCode, Failure> {
    let script = match &arguments.script {
        Some(file) => Script::from_file(file).map_err(|error| Failure::usage(error.to_string()))?,
        None => Script::default(),
    };
    let simulator = Simulator::start_on((Ipv4Addr::LOCALHOST, arguments.port), script).await;
    let simulator = simulator.map_err(|error| Failure::usage(error.to_string()))?;
    let url = simulator.url();
    line!("listening on {url}: set base_url = {url:?}; Ctrl-C ends it")?;
    let mut log = simulator.log();
    loop {
        tokio::select! {
            request = log.next() => match request {
                Some(request) => line!(
                    "{:>8.3} s  {} {} -> {}",
                    request.since_start.as_secs_f64(), request.method, word(&request.path), request.reply,
                )?,
                None => break,
            },
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    simulator.stop().await;
    Ok(ExitCode::SUCCESS)
}
