//! `arcllm demo`: three simulated providers, one of them failing, one dead, and the chain that finds the third.

use std::process::ExitCode;

use anstyle::Style;
use arcllm::{Config, Host, Message, Overrides};
use arcllm_simulator::{Reply, Script, Simulator};

use crate::{failure::Failure, output::line, timeline::Timeline};

const STRONG: Style = Style::new().bold();

pub(crate) async fn run() -> Result<ExitCode, Failure> {
    let busy = Script::new([Reply::status(529), Reply::status(429).header("retry-after", "0.8"), Reply::status(529)]);
    let (busy, dead, spare) = tokio::try_join!(
        Simulator::start(busy),
        Simulator::start(Script::refuse()),
        Simulator::start(Script::new([Reply::text("Still here: the third provider has answered.")])),
    )
    .map_err(|error| Failure::usage(format!("the simulated providers do not start: {error}")))?;
    let text = config(&busy.url(), &dead.url(), &spare.url());
    let host = Host::builder().config(Config::parse(&text, None)?).build()?;

    line!(
        "{STRONG}Three simulated providers{STRONG:#}: `busy` is overloaded, `dead` refuses connections, `spare` works."
    )?;
    line!("{STRONG}The chain{STRONG:#}: agent -> fallback -> retry -> adapter, as config.toml has it:\n")?;
    line!("    [host]\n    order = [\"fallback\", \"retry\"]\n")?;
    line!("    [modules.retry]\n    enabled = true\n    max_retries = 2\n    backoff_base_seconds = 0.1\n")?;
    line!("    [modules.fallback]\n    enabled = true\n    chain = [\"busy\", \"dead\", \"spare\"]\n")?;
    line!(
        "{STRONG}The agent's code{STRONG:#}: host.load_model(\"busy\", Overrides::new()).await?.invoke(&messages, &[]).await?\n"
    )?;
    let model = host.load_model("busy", Overrides::new()).await?;
    let answer = model.invoke(&[Message::user("Is anybody there?")], &[]).await?;
    let outcome = format!("answered by {}", answer.provider);
    line!("{}", Timeline { trail: &answer.trail, outcome: &outcome })?;
    line!("{STRONG}The answer{STRONG:#}: {}", answer.text().unwrap_or_default())?;
    Ok(ExitCode::SUCCESS)
}

fn config(busy: &str, dead: &str, spare: &str) -> String {
    let provider = |name, adapter, url| {
        format!("[providers.{name}]\nadapter = \"{adapter}\"\nbase_url = \"{url}\"\ndefault_model = \"{name}-model\"\n")
    };
    let providers =
        [provider("busy", "anthropic", busy), provider("dead", "openai", dead), provider("spare", "openai", spare)];
    let modules = "
        [host]
        order = [\"fallback\", \"retry\"]
        [modules.retry]
        enabled = true
        max_retries = 2
        backoff_base_seconds = 0.1
        [modules.fallback]
        enabled = true
        chain = [\"busy\", \"dead\", \"spare\"]
    ";
    format!("{}{modules}", providers.concat())
}
