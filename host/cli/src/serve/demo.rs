//! `arcllm serve --demo`: simulated providers that fail and recover for ever, behind a chain that hides it.

use std::time::Duration;

use anstyle::Style;
use arcllm::{Config, Host};
use arcllm_simulator::{Fault, Place, Reply, Script, Simulator, Then, Usage};

use crate::failure::Failure;

const STRONG: Style = Style::new().bold();

/// The wait between two words of a streamed answer.
const PACE: Duration = Duration::from_millis(40);

/// The providers of the demo. They end when this is dropped.
pub(crate) struct Demo {
    busy: Simulator,
    dead: Simulator,
    spare: Simulator,
}

impl Demo {
    /// Starts the providers on free ports of this machine.
    pub(crate) async fn start() -> Result<Self, Failure> {
        let (busy, dead, spare) = tokio::try_join!(
            Simulator::start(busy()),
            Simulator::start(Script::refuse()),
            Simulator::start(Script::new([spare()]).then(Then::Again)),
        )
        .map_err(|error| Failure::usage(format!("cannot start the simulated providers on 127.0.0.1: {error}")))?;
        Ok(Self { busy, dead, spare })
    }

    /// A host with retry and fallback in front of the providers.
    pub(crate) fn host(&self) -> Result<Host, Failure> {
        let [busy, dead, spare] = [&self.busy, &self.dead, &self.spare].map(Simulator::url);
        let config = format!(
            r#"
            [defaults]
            provider = "demo"
            [host]
            order = ["fallback", "retry"]
            [providers.busy]
            adapter = "anthropic"
            base_url = "{busy}"
            default_model = "busy-large"
            models."busy-large" = {{ cost_input_per_1m = 3.0, cost_output_per_1m = 15.0 }}
            [providers.dead]
            adapter = "openai"
            base_url = "{dead}"
            default_model = "dead-medium"
            [providers.spare]
            adapter = "openai"
            base_url = "{spare}"
            default_model = "spare-small"
            models."spare-small" = {{ cost_input_per_1m = 0.4, cost_output_per_1m = 1.6 }}
            [models.demo]
            provider = "busy"
            [models.unprotected]
            provider = "busy"
            modules = {{ retry = false, fallback = false }}
            [modules.retry]
            enabled = true
            max_retries = 2
            backoff_base_seconds = 0.1
            [modules.fallback]
            enabled = true
            chain = ["busy", "dead", "spare"]
            "#
        );
        Ok(Host::builder().config(Config::parse(&config, None)?).build()?)
    }

    /// What the demo is, and what to paste where.
    pub(crate) fn introduction(&self, url: &str) -> String {
        let body = r#"{"model": "demo", "messages": [{"role": "user", "content": "Is anybody there?"}]}"#;
        format!(
            r#"{STRONG}Three simulated providers{STRONG:#}: `busy` fails in turns, `dead` refuses connections, `spare` works.
{STRONG}The chain{STRONG:#}: client -> fallback -> retry -> provider. The model `demo` is served through it, whole or streamed.
{STRONG}Watch it{STRONG:#}: {url}/

{STRONG}curl{STRONG:#}, twice or more, since each call takes another course:

    curl {url}/v1/chat/completions -H 'content-type: application/json' -d '{body}'

{STRONG}The SDKs of OpenAI and Anthropic{STRONG:#} (Python), with any key:

    OpenAI(base_url="{url}/v1", api_key="any").chat.completions.create(
        model="demo", messages=[{{"role": "user", "content": "Is anybody there?"}}])

    Anthropic(base_url="{url}", api_key="any").messages.create(
        model="demo", max_tokens=100, messages=[{{"role": "user", "content": "Is anybody there?"}}])

"#
        )
    }
}

/// Each round tells four stories: given up, asked to wait, answered at once, broken off before the first word.
fn busy() -> Script {
    let tokens = Usage { input_tokens: 24, output_tokens: 14, ..Usage::default() };
    let answer = || Reply::text("Busy, but here: the first provider has answered itself.").usage(tokens).pace(PACE);
    let cut = Reply::fault(Fault::Truncate).fault_at(Place::BeforeEvent(2));
    Script::new([
        Reply::status(529).delay(Duration::from_millis(60)).times(3),
        Reply::status(429).header("retry-after", "0.8").delay(Duration::from_millis(30)),
        answer().delay(Duration::from_millis(150)),
        answer().delay(Duration::from_millis(150)),
        cut.delay(Duration::from_millis(80)),
        Reply::status(503).delay(Duration::from_millis(40)),
        answer().delay(Duration::from_millis(200)),
    ])
    .then(Then::Again)
}

fn spare() -> Reply {
    let tokens = Usage { input_tokens: 22, output_tokens: 13, ..Usage::default() };
    let answer = Reply::text("Still here: the third provider has answered, and you saw none of the failures.");
    answer.usage(tokens).delay(Duration::from_millis(120)).pace(PACE)
}
