//! `arcllm demo`: asks three simulated providers. One is overloaded and one is dead. The chain finds the third, for an
//! answer in one piece and for a streamed one.

use std::{process::ExitCode, time::Duration};

use anstyle::Style;
use arcllm::{Config, Event, Host, Message, Overrides};
use arcllm_simulator::{Fault, Place, Reply, Script, Simulator};
use futures::StreamExt as _;

use crate::{
    event_rate::EventRate,
    failure::Failure,
    output::{Text, line},
    timeline::Timeline,
};

const STRONG: Style = Style::new().bold();

pub(crate) async fn run() -> Result<ExitCode, Failure> {
    let (busy, spare) = scripts();
    let (busy, dead, spare) =
        tokio::try_join!(Simulator::start(busy), Simulator::start(Script::refuse()), Simulator::start(spare))
            .map_err(|error| Failure::usage(format!("cannot start the simulated providers on 127.0.0.1: {error}")))?;
    let text = config(&busy.url(), &dead.url(), &spare.url());
    let host = Host::builder().config(Config::parse(&text, None)?).build()?;

    line!(
        "{STRONG}Three simulated providers{STRONG:#}: `busy` is overloaded, `dead` refuses connections, `spare` works."
    )?;
    line!("{STRONG}The chain{STRONG:#}: agent -> fallback -> retry -> adapter. The config.toml for it:\n")?;
    line!("    [host]\n    order = [\"fallback\", \"retry\"]\n")?;
    line!("    [modules.retry]\n    enabled = true\n    max_retries = 2\n    backoff_base_seconds = 0.1\n")?;
    line!("    [modules.fallback]\n    enabled = true\n    chain = [\"busy\", \"dead\", \"spare\"]\n")?;
    line!(
        "{STRONG}The agent's code{STRONG:#}: host.load_model(\"busy\", Overrides::new()).await?.invoke(&messages, &[]).await?\n"
    )?;
    let model = host.load_model("busy", Overrides::new()).await?;
    let answer = model.invoke(&[Message::user("Is anybody there?")], &[]).await?;
    let outcome = format!("answered by {}", answer.provider);
    line!("{}", Timeline { trail: &answer.trail, notes: &answer.notes, outcome: &outcome, log: &[] })?;
    let mut text = Text::new();
    text.write(&format!("{STRONG}The answer{STRONG:#}: "))?;
    text.say(&answer.text().unwrap_or_default())?;
    text.write("\n\n")?;
    streamed(&host).await?;
    Ok(ExitCode::SUCCESS)
}

/// The replies of `busy` and `spare`: to the first question, then to the one with a streamed answer.
fn scripts() -> (Script, Script) {
    let overloaded = || Reply::status(529);
    let hinted = Reply::status(429).header("retry-after", "0.8");
    // The stream has begun, but no text has come.
    let cut = Reply::fault(Fault::Truncate).fault_at(Place::BeforeEvent(2));
    let words = Reply::text("These words come one by one, and you see nothing of the two failures.");
    (
        Script::new([overloaded(), hinted, overloaded(), cut]),
        Script::new([
            Reply::text("Still here: the third provider has answered."),
            words.pace(Duration::from_millis(50)),
        ]),
    )
}

/// The same chain without retry, to keep it short.
async fn streamed(host: &Host) -> Result<(), Failure> {
    line!(
        "{STRONG}Streamed{STRONG:#}, with retry off: the connection to `busy` breaks before the first word, so fallback still helps."
    )?;
    line!("{STRONG}The agent's code{STRONG:#}: model.stream(&messages, &[]), and `Event::Text(piece)` from it\n")?;
    let model = host.load_model("busy", Overrides::new().module("retry", false)).await?;
    let mut text = Text::new();
    let mut rate = EventRate::begin();
    let mut answer = model.stream(&[Message::user("Is anybody there?")], &[]);
    text.write(&format!("{STRONG}The answer{STRONG:#}: "))?;
    while let Some(event) = answer.next().await {
        match event? {
            Event::End(response) => {
                text.write("\n\n")?;
                let outcome = format!("answered by {}", response.provider);
                text.write(&format!(
                    "{}{rate}",
                    Timeline { trail: &response.trail, notes: &response.notes, outcome: &outcome, log: &[] }
                ))?;
            }
            event => {
                rate.event();
                if let Event::Text(piece) = &event {
                    text.say(piece)?;
                }
            }
        }
    }
    Ok(())
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
