//! Plays a scenario with a host of its own, providers in this process, virtual time and a seed.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use arcllm::{Config, Error, Host, MemoryStore, Message, Model, ModuleReport, Overrides, Request, Response};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::{
    inner::{Log, Reply, Scripted, last_text},
    scenario::{Expect, Scenario},
    told::Told,
};

/// The providers of every scenario.
const PROVIDERS: [&str; 4] = ["primary", "second", "third", "fourth"];

/// What a module under test is granted: everything, since nothing leaves this process.
const GRANTS: [&str; 4] = ["models", "state", "urls", "extensions"];

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
        builder = builder.state_store(Arc::new(MemoryStore::default()));
        for name in PROVIDERS {
            let replies = scenario.providers.get(name).map(Vec::as_slice).unwrap_or_default();
            builder = builder.adapter(name, "scripted", Scripted::new(name, replies, then.clone(), &log));
        }
        let host = builder.build().map_err(|error| error.to_string())?;
        let model = host.load_model("primary", Overrides::new()).await.map_err(|error| error.to_string())?;
        Ok((host, model, log))
    }

    /// Asks the module to describe itself.
    ///
    /// # Errors
    ///
    /// If the module does not load.
    pub(super) async fn describe(&self) -> Result<ModuleReport, String> {
        let wasm = json!({ "modules": { "subject": { "sandbox": { "wasm": self.wasm, "allow": GRANTS } } } });
        let host = Host::builder().config(self.parse(&wasm)?).build().map_err(|error| error.to_string())?;
        let modules = host.modules().await.map_err(|error| error.to_string())?;
        let subject = modules.into_iter().find(|module| module.name == "subject");
        let subject = subject.ok_or("the host does not list the module")?;
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
    pub(super) async fn play(&self, scenario: &Scenario) -> Vec<String> {
        let mut found = if scenario.stream { Vec::new() } else { self.play_once(scenario, false).await };
        let streamed = self.play_once(scenario, true).await;
        found.extend(streamed.into_iter().map(|difference| format!("streamed: {difference}")));
        found
    }

    async fn play_once(&self, scenario: &Scenario, streamed: bool) -> Vec<String> {
        let (_host, model, log) = match self.load(scenario, Reply::default()).await {
            Ok(loaded) => loaded,
            Err(error) => return vec![format!("the chain does not load: {error}")],
        };
        let started = Instant::now();
        let said = [Message::user(scenario.say.as_str())];
        let (result, told) = match streamed {
            true => Told::by(model.stream(&said, &[])).await,
            false => (model.invoke(&said, &[]).await, Told::default()),
        };
        let took = started.elapsed();
        let asked = log.asked();
        let sent: Vec<String> = asked.iter().map(|asked| last_text(&asked.request)).collect();
        let asked: Vec<String> = asked.into_iter().map(|asked| asked.provider).collect();
        let mut found = differences(&scenario.expect, &asked, &result, took);
        found.extend(contents(&scenario.expect, &sent, &result));
        if streamed {
            found.extend(told.differences(&scenario.expect, &result));
        }
        found
    }
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

/// A request of one message.
pub(super) fn request(text: impl Into<String>) -> Request {
    Request::new([Message::user(text)])
}

fn differences(expect: &Expect, asked: &[String], result: &Result<Response, Error>, took: Duration) -> Vec<String> {
    let mut found = Vec::new();
    if asked != expect.asked {
        found.push(format!("asked {asked:?}, expected {:?}", expect.asked));
    }
    let trail = match result {
        Ok(response) => &response.trail,
        Err(error) => &error.trail,
    };
    let tried: Vec<&str> = trail.iter().map(|attempt| attempt.provider.as_str()).collect();
    if tried != asked {
        found.push(format!("the trail has {tried:?}, but {asked:?} were asked"));
    }
    if let Some(bounds) = &expect.waited {
        let waited: Vec<f64> = trail.iter().map(|attempt| attempt.waited.as_secs_f64()).collect();
        let held =
            bounds.len() == waited.len() && bounds.iter().zip(&waited).all(|(bounds, waited)| bounds.hold(*waited));
        if !held {
            found.push(format!("waited {waited:?}, expected {bounds:?}"));
        }
    }
    if let Some(bounds) = expect.took
        && !bounds.hold(took.as_secs_f64())
    {
        found.push(format!("took {} s, expected {bounds:?}", took.as_secs_f64()));
    }
    let (answered_by, error, status) = match result {
        Ok(response) => (Some(response.provider.clone()), None, None),
        Err(error) => (None, Some(error.kind.as_str().to_owned()), status(error)),
    };
    if (&answered_by, &error, status) != (&expect.answered_by, &expect.error, expect.status) {
        found.push(format!("ended with {}, expected {}", ending(result), expected(expect)));
    }
    found
}

/// How the texts to providers and to the caller differ from what is expected.
fn contents(expect: &Expect, sent: &[String], result: &Result<Response, Error>) -> Vec<String> {
    let mut found = Vec::new();
    if expect.sent.as_ref().is_some_and(|expected| expected != sent) {
        found.push(format!("providers were sent {sent:?}, expected {:?}", expect.sent.as_deref().unwrap_or_default()));
    }
    let (text, arguments, message) = match result {
        Ok(response) => {
            let arguments = response.tool_calls().next().map(|call| Value::Object(call.arguments.clone()));
            (response.text(), arguments, None)
        }
        Err(error) => (None, None, Some(error.to_string())),
    };
    if expect.text.is_some() && expect.text != text {
        found.push(format!("the answer is {text:?}, expected {:?}", expect.text.as_deref().unwrap_or_default()));
    }
    if let Some(expected) = &expect.tool_arguments
        && arguments.as_ref() != Some(expected)
    {
        found.push(format!("the tool is called with {}, expected {expected}", arguments.unwrap_or_default()));
    }
    if let Some(expected) = &expect.message
        && !message.as_ref().is_some_and(|message| message.contains(expected.as_str()))
    {
        let said =
            message.map_or_else(|| "there is no error".to_owned(), |message| format!("the error says {message:?}"));
        found.push(format!("{said}, expected {expected:?} in it"));
    }
    found
}

fn status(error: &Error) -> Option<u16> {
    match &error.kind {
        arcllm::ErrorKind::Api(api) => Some(api.status),
        _ => None,
    }
}

fn ending(result: &Result<Response, Error>) -> String {
    match result {
        Ok(response) => format!("an answer of {}", response.provider),
        Err(error) => Value::String(error.to_string()).to_string(),
    }
}

fn expected(expect: &Expect) -> String {
    match (&expect.answered_by, &expect.error, expect.status) {
        (Some(provider), ..) => format!("an answer of {provider}"),
        (None, Some(kind), Some(status)) => format!("the error `{kind}` with status {status}"),
        (None, Some(kind), None) => format!("the error `{kind}`"),
        (None, None, _) => "nothing: the scenario names neither `answered_by` nor `error`".to_owned(),
    }
}
