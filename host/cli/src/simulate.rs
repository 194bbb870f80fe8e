//! `arcllm simulate`: runs a simulated provider.

use std::{net::Ipv4Addr, path::PathBuf, process::ExitCode};

use arcllm_simulator::{Fault, Script, Simulator};

use crate::{
    failure::Failure,
    output::{line, word},
};

const EXAMPLE: &str = "\
Example:
  cat > outage.toml <<'END'
  [[reply]]
  status = 429
  headers = { \"retry-after\" = \"1\" }

  [[reply]]
  fault = \"reset\"

  [[reply]]
  text = \"Back again, but not for long.\"
  pace_seconds = 0.2
  fault = \"truncate\"
  fault_at = { before_event = 7 }
  END
  arcllm simulate --script outage.toml --port 8088

Keys of a [[reply]], which docs/simulate.md explains one by one:
  status, headers, message (of an error)
                      the head, and an error
  text, thinking, signature, tool_calls, stop_reason, usage, model
                      the answer
  body and content_type, body_json
                      the body as it is
  delay_seconds       the wait before the reply
  times               how many requests get it
  fault               what goes wrong; --help lists the faults
A request that asks for a stream gets its answer as a stream. Keys for streams:
  stream              true or false: answer with a stream or not, whatever the request asks for
  pace_seconds        the wait between two events
  body_delay_seconds  the wait before the first event
  pieces              how many pieces each text has; without it, each word is a piece
  piece_bytes         how many bytes each piece has
  fault_at            where a fault happens: { byte = N }, { before_event = N }, { in_event = N },
                      { in_character = N } or \"before-end\"; the first event is 1
  events              a list of texts to send as they are
  line_end            \"lf\", \"crlf\" or \"cr\"
  comments, split_data, pings, unknown_events, coalesced, gzip
                      true: shape the stream in a way that is unusual but allowed

It speaks all wire formats: a provider of any adapter can have
  base_url = \"http://127.0.0.1:8088\"
A POST to a path of no format is answered with 404.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE, after_long_help = format!("{EXAMPLE}\n\n{}", faults()))]
pub(crate) struct Simulate {
    /// A TOML file with the replies, in order. Without it, every request gets a plain answer.
    #[arg(long, value_name = "FILE")]
    pub(crate) script: Option<PathBuf>,
    /// The port on 127.0.0.1; 0 takes a free one.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) port: u16,
}

/// The names of the faults, each with what happens on a line below it.
fn faults() -> String {
    let lines = Fault::ALL.iter().map(|fault| format!("\n  {}\n      {}", fault.name(), fault.description()));
    format!("Faults, each the `fault` of a [[reply]]:{}", lines.collect::<String>())
}

pub(crate) async fn run(arguments: Simulate) -> Result<ExitCode, Failure> {
    let script = match &arguments.script {
        Some(file) => Script::from_file(file).map_err(|error| Failure::usage(error.to_string()))?,
        None => Script::default(),
    };
    let simulator = Simulator::start_on((Ipv4Addr::LOCALHOST, arguments.port), script).await;
    let simulator = simulator.map_err(|error| {
        let help = "choose another port with --port N, or a free one with --port 0";
        Failure::usage(format!("cannot listen on 127.0.0.1:{}: {error}\n  help: {help}", arguments.port))
    })?;
    let url = simulator.url();
    line!("listening on {url}: set base_url = {url:?}; Ctrl-C stops it")?;
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
