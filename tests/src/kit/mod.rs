//! The conformance kit: checks any component against the contract of a module and the scenarios of its kind.
//!
//! Each run has a host of its own, providers in this process, virtual time and a seed. So minutes of waiting take
//! milliseconds, and every run comes out the same.

mod contract;
mod differences;
mod file;
mod hostile;
mod inner;
mod may;
mod run;
mod scenario;
mod settings;
mod streams;
mod told;
mod words;

use std::path::Path;

use arcllm::Streams;
use serde::Serialize;
use serde_json::{Map, Value};

pub use file::{bundled, parse, read, schema};
pub use inner::Reply;
pub use scenario::{Bounds, Cancelled, Expect, Scenario, Scenarios};

use may::May;
use run::{Bench, absolute};

/// The seed of every run. Any number will do.
const SEED: u64 = 0x5eed;

/// The result of all checks of a module.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The component.
    pub wasm: String,
    /// The version that the module states.
    pub version: String,
    /// The kind that the module states.
    pub kind: String,
    /// What the module says that it may do.
    pub behavior: Vec<String>,
    /// What the module asked for. All of it was granted.
    pub granted: Vec<String>,
    /// Each clause and scenario, in order.
    pub checks: Vec<Check>,
}

/// One clause of the contract, one hostile input, or one scenario.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// `contract`, `hostile` or `scenario`.
    pub group: &'static str,
    /// What it checks.
    pub name: String,
    /// How the module differs from what was expected. Empty if it passed.
    pub differences: Vec<String>,
}

impl Report {
    /// How many checks passed, and how many did not.
    pub fn counts(&self) -> (usize, usize) {
        let failed = self.checks.iter().filter(|check| !check.differences.is_empty()).count();
        (self.checks.len() - failed, failed)
    }
}

/// Checks the component in this file against the contract, hostile input, and the scenarios of its kind.
///
/// `settings` are settings that the module needs besides those of each scenario. Scenarios with a `kind` are for modules of that
/// kind; what others leave open is judged by what the module says that it may do. This blocks: it runs an event loop of
/// its own, on virtual time.
///
/// # Errors
///
/// If the file is not a module that loads, or lacks a setting that it needs.
pub fn test(wasm: &Path, settings: &Map<String, Value>, scenarios: &[Scenario]) -> Result<Report, String> {
    let bench = Bench { wasm: absolute(wasm)?, settings: settings.clone(), seed: SEED };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.map_err(|error| error.to_string())?.block_on(async {
        let subject = bench.describe().await?;
        let kind = subject.kind.clone().unwrap_or_default();
        let schema = subject.config_schema.clone().unwrap_or_default();
        let settings = settings::usual(&schema);
        // Held to the end, so that its component is compiled once.
        let _compiled = settings::check(&bench, &settings, &schema).await?;
        let may = May::of(&subject.behavior);
        let mut clauses = contract::check(&bench, &subject, may, &settings).await;
        let takes_whole = subject.streams == Some(Streams::Whole);
        clauses.extend(streams::check(&bench, may, takes_whole, &settings).await);
        let of_group = |group: &'static str| {
            move |(name, differences): contract::Clause| Check { group, name: name.to_owned(), differences }
        };
        let mut checks: Vec<Check> = clauses.into_iter().map(of_group("contract")).collect();
        checks.extend(hostile::check(&bench, &settings).await.into_iter().map(of_group("hostile")));
        let fits = |scenario: &&Scenario| {
            scenario.kind.as_ref().is_none_or(|wanted| *wanted == kind) && !(scenario.stream && takes_whole)
        };
        for scenario in scenarios.iter().filter(fits) {
            let mut scenario = scenario.clone();
            if scenario.kind.is_none() {
                // A scenario for every module cannot know what each needs.
                let needed = settings.clone().into_iter();
                scenario.settings = needed.chain(scenario.settings).collect();
            }
            let differences = bench.play(&scenario, may).await;
            checks.push(Check { group: "scenario", name: scenario.name.clone(), differences });
        }
        let (wasm, version) = (bench.wasm.display().to_string(), subject.version.unwrap_or_default());
        Ok(Report { wasm, version, kind, behavior: subject.behavior, granted: subject.asks_for, checks })
    })
}
