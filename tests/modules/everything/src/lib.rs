//! Calls every function of the interface. Settings say what it does with a call. A copy of this component is kept for good, to
//! hold later hosts to it: `tests/prebuilt/0.1`.

#![cfg(target_family = "wasm")]
#![allow(unsafe_code, missing_docs, unreachable_pub, clippy::all, reason = "most of it is generated")]

wit_bindgen::generate!({
    path: "../../../wit",
    world: "module-with-all",
    generate_all,
    additional_derives: [serde::Serialize],
});

mod change;
mod look;
mod pass;

use std::cell::RefCell;

use serde::Deserialize;

use arcllm::llm::{
    llm_provider as inner,
    types::{Error, Request, Response},
};
use exports::arcllm::llm::{
    llm_provider,
    module::{self, ConfigError, Cost, Description, Target},
};

/// The settings.
#[derive(Clone, Default, Deserialize)]
struct Settings {
    #[serde(default)]
    job: Job,
    /// The model that it asks besides its inner.
    #[serde(default)]
    other: String,
}

/// What it does with a call.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Job {
    /// Hands on the request and the answer.
    #[default]
    Pass,
    /// Answers with what every function says, as JSON.
    Look,
    /// Changes the request and the answer.
    Change,
    /// Hands on the answer, and keeps in its state how it ended.
    Watch,
    /// Asks the other model if the inner's answer breaks off before its first word.
    Begin,
    /// Writes the answer anew, in capitals, as it comes.
    Write,
    /// Refuses the call.
    Refuse,
}

const SCHEMA: &str = r#"{"type":"object","additionalProperties":false,"properties":{
    "job":{"enum":["pass","look","change","watch","begin","write","refuse"]},"other":{"type":"string"}}}"#;

thread_local! {
    static SETTINGS: RefCell<Settings> = RefCell::default();
}

struct Component;

impl module::Guest for Component {
    fn describe() -> Description {
        let behavior = [
            "asks-others",
            "answers-itself",
            "asks-again",
            "changes-requests",
            "changes-answers",
            "holds-answers-back",
        ];
        Description {
            name: "everything".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            kind: "everything".into(),
            behavior: behavior.map(str::to_owned).into(),
            config_schema: SCHEMA.into(),
            extensions: vec![("tests.everything".into(), "true".into())],
        }
    }

    fn configure(config: String) -> Result<(), Vec<ConfigError>> {
        let error = |error: serde_json::Error| ConfigError {
            key: "job".into(),
            message: error.to_string(),
            expected: "a job of the schema".into(),
        };
        SETTINGS.set(serde_json::from_str(&config).map_err(|why| vec![error(why)])?);
        Ok(())
    }

    /// The inner, once more, every other model, and a millisecond for each of them.
    fn worst_case(inner: Target, others: Vec<Target>) -> Cost {
        let attempts = others.iter().map(|other| other.most.attempts).fold(inner.most.attempts, u64::saturating_add);
        let waiting = others.iter().map(|other| other.most.waiting).fold(inner.most.waiting, u64::saturating_add);
        Cost { attempts, waiting: waiting.saturating_add(2_000_000) }
    }
}

impl llm_provider::Guest for Component {
    fn name() -> String {
        inner::name()
    }

    fn validate_config() -> Result<(), String> {
        inner::validate_config()
    }

    async fn invoke(request: Request) -> Result<Response, Error> {
        let Settings { job, other } = SETTINGS.with_borrow(Clone::clone);
        match job {
            Job::Pass => inner::invoke(request).await,
            Job::Look => look::look(request, &other).await,
            Job::Change => change::change(request).await,
            Job::Watch => pass::watch(request).await,
            Job::Begin => pass::begin(request, other).await,
            Job::Write => pass::write(request).await,
            Job::Refuse => Err(change::refusal(&request)),
        }
    }
}

export!(Component);
