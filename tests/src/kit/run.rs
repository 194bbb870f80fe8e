//! Plays a scenario with a host of its own, providers in this process, virtual time and a seed.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use arcllm::{Config, ConfigError, Host, MemoryJournal, MemoryStore, Message, Model, ModuleReport, Overrides, Request};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::{
    differences::{Outcome, differences},
    file::{ANY, PROVIDERS},
    inner::{Log, Reply, Scripted},
    may::May,
    scenario::{Expect, Scenario},
    told::Told,
};

/// What a module under test is granted: everything, since nothing leaves this process.
const GRANTS: [&str; 5] = ["models", "state", "journal", "urls", "extensions"];

/// How long the host may take to cancel what a module has left.
const TURN: Duration = Duration::from_millis(1);

/// A module under test, in a chain of its own.
pub(super) struct Bench {
    /// The component.
    pub(super) wasm: PathBuf,
    /// Settings that the module needs besides those of a scenario.
    pub(super) settings: Map<String, Value>,
    /// The seed of the module's random numbers.
    pub(super) seed: u64,
}

impl Bench {
    /// Loads a model whose chain has the module under test, and notes what its providers are asked.
    ///
    /// # Errors
    ///
    /// If the module does not load.
    pub(super) async fn load(&self, scenario: &Scenario, then: Reply) -> Result<(Host, Model, Log), String> {
        let log = Log::default();
        let mut builder = Host::builder().config(self.config(scenario)?).seed(self.seed).watch(false);
        // Virtual, as tokio's is.
        let (began, since) = (SystemTime::now(), Instant::now());
        builder = builder.clock(move || began + since.elapsed());
        // No run sees the state of another.
        builder = builder.state_store(Arc::new(MemoryStore::default())).journal(Arc::new(MemoryJournal::default()));
        for name in PROVIDERS {
            let replies = scenario.providers.get(name).or_else(|| scenario.providers.get(ANY));
            let replies = replies.map(Vec::as_slice).unwrap_or_default();
            let delay = scenario.delay_seconds.get(name).or_else(|| scenario.delay_seconds.get(ANY));
            let delay = delay.map_or(Duration::ZERO, |seconds| Duration::from_secs_f64(*seconds));
            builder = builder.adapter(name, "scripted", Scripted::new(name, replies, then.clone(), delay, &log));
        }
        let host = builder.build().map_err(|error| plainly(&error))?;
        let loaded = host.load_model("primary", Overrides::new()).await;
        let model = loaded.map_err(|error| plainly(&error))?;
        Ok((host, model, log))
    }

    /// Asks the module to describe itself.
    ///
    /// # Errors
    ///
    /// If the module does not load.
    pub(super) async fn describe(&self) -> Result<ModuleReport, String> {
        let subject = Host::inspect(&self.wasm).await.map_err(|error| error.to_string())?;
        match subject.problem {
            Some(problem) => Err(problem),
            None => Ok(subject),
        }
    }

    fn config(&self, scenario: &Scenario) -> Result<Config, String> {
        let mut modules = Map::new();
        for name in &scenario.chain {
            let mut table = match name.as_str() {
                "subject" => self.settings.clone().into_iter().chain(scenario.settings.clone()).collect(),
                other => scenario.modules.get(other).cloned().unwrap_or_default(),
            };
            table.insert("enabled".to_owned(), true.into());
            if name == "subject" {
                table.insert("sandbox".to_owned(), json!({ "wasm": self.wasm, "allow": GRANTS }));
            }
            modules.insert(name.clone(), table.into());
        }
        let config = json!({
            "host": { "order": scenario.chain, "deadline_seconds": scenario.deadline_seconds },
            "modules": modules,
        });
        self.parse(&config)
    }

    fn parse(&self, config: &Value) -> Result<Config, String> {
        let text = toml::to_string(config).map_err(|error| error.to_string())?;
        // A folder that does not exist, so that no file in it is taken for a module of the chain.
        let file = self.wasm.with_extension("conformance").join("config.toml");
        Config::parse(&text, Some(&file)).map_err(|error| error.to_string())
    }

    /// Plays a scenario with and without streaming, and returns how it differs from what it expects.
    pub(super) async fn play(&self, scenario: &Scenario, may: May) -> Vec<String> {
        let mut found = if scenario.stream { Vec::new() } else { self.play_once(scenario, may, false).await };
        let streamed = self.play_once(scenario, may, true).await;
        // What is wrong without streaming, too, is said once.
        let streamed: Vec<String> = streamed.into_iter().filter(|difference| !found.contains(difference)).collect();
        found.extend(streamed.into_iter().map(|difference| format!("When streamed: {difference}")));
        found
    }

    async fn play_once(&self, scenario: &Scenario, may: May, streamed: bool) -> Vec<String> {
        let (_host, model, log) = match self.load(scenario, Reply::default()).await {
            Ok(loaded) => loaded,
            Err(error) => return vec![format!("The chain does not load: {error}")],
        };
        let began = Instant::now();
        let said = [Message::user(scenario.say.as_str())];
        let (result, told) = match streamed {
            true => Told::by(model.stream(&said, &[])).await,
            false => (model.invoke(&said, &[]).await, Told::default()),
        };
        let took = began.elapsed();
        // What the module has left is cancelled when its call has ended, which takes a turn of the host.
        tokio::time::sleep(TURN).await;
        let outcome = Outcome { began, took, asked: log.asked(), result };
        let mut found = differences(&scenario.expect, &outcome, may);
        if streamed {
            let pieces = scenario.expect.pieces.filter(|_| !may.piece_anew() || !leaves_open(&scenario.expect));
            found.extend(told.differences(pieces, &outcome.result));
        }
        found
    }
}

/// Whether a scenario leaves open which provider is asked. Such scenarios are for any module.
fn leaves_open(expect: &Expect) -> bool {
    expect.asked.iter().any(|provider| provider == ANY)
}

/// Makes the path of a component absolute.
///
/// # Errors
///
/// If there is no such file, or its path is not Unicode.
pub(super) fn absolute(wasm: &Path) -> Result<PathBuf, String> {
    let path = wasm.canonicalize().map_err(|error| format!("{}: {error}", wasm.display()))?;
    match path.to_str() {
        Some(_) => Ok(path),
        None => Err(format!("{}: the path is not valid Unicode; move the file", path.display())),
    }
}

/// An error about the configuration that the kit makes, in the words of the file that the author has: settings by their keys.
fn plainly(error: &ConfigError) -> String {
    let key = error.key.as_deref().map(|key| key.strip_prefix("modules.subject.").unwrap_or(key));
    let key = key.filter(|key| *key != "modules.subject").map(|key| format!("`{key}` ")).unwrap_or_default();
    let help = error.help.as_deref().map(|help| format!(" ({help})")).unwrap_or_default();
    format!("{key}{}{help}", error.problem)
}

/// A request of one message.
pub(super) fn request(text: impl Into<String>) -> Request {
    Request::new([Message::user(text)])
}
