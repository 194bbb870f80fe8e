//! The conformance kit: holds any component to the contract of a module, and to the scenarios of its kind.
//!
//! Every run has its own host, providers in this process, virtual time and a seeded random source, so that minutes of
//! waiting take milliseconds and come out the same each time.

mod contract;
mod hostile;
mod inner;
mod run;
mod scenario;
mod streams;
mod told;

use std::path::Path;

use arcllm::Streams;
use serde::Serialize;
use serde_json::{Map, Value};

pub use inner::Reply;
pub use scenario::{Bounds, Expect, Scenario, Scenarios, bundled, read, schema};

use run::{Bench, absolute};

/// What the random numbers of every run hang on. Any number will do; the suite must pass with each.
const SEED: u64 = 0x5eed;

/// What came out of holding a module to its contract and scenarios.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The component.
    pub wasm: String,
    /// The version that it says it has.
    pub version: String,
    /// The kind that it says it is.
    pub kind: String,
    /// What it asked for and was granted for the test.
    pub granted: Vec<String>,
    /// Every clause and scenario, in order.
    pub checks: Vec<Check>,
}

/// One clause of the contract, or one scenario.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// `contract`, `hostile` or `scenario`.
    pub group: &'static str,
    /// What it shows.
    pub name: String,
    /// What differs from what was expected; nothing, if it passed.
    pub differences: Vec<String>,
}

impl Report {
    /// How many checks passed, and how many did not.
    pub fn counts(&self) -> (usize, usize) {
        let failed = self.checks.iter().filter(|check| !check.differences.is_empty()).count();
        (self.checks.len() - failed, failed)
    }
}

/// Holds the component in this file to the contract and to those of these scenarios that fit its kind. `settings` are
/// those that the module needs besides the ones that a scenario gives. Blocks: it runs an event loop of its own, on
/// virtual time.
///
/// # Errors
///
/// Where the file is no module that loads.
pub fn test(wasm: &Path, settings: &Map<String, Value>, scenarios: &[Scenario]) -> Result<Report, String> {
    let bench = Bench { wasm: absolute(wasm)?, settings: settings.clone(), seed: SEED };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.map_err(|error| error.to_string())?.block_on(async {
        let subject = bench.describe().await?;
        let kind = subject.kind.unwrap_or_default();
        let settings = contract::settings(&subject.config_schema.unwrap_or_default());
        let mut clauses = contract::check(&bench, &kind, &settings).await;
        clauses.extend(streams::check(&bench, &settings).await);
        let of_group = |group: &'static str| {
            move |(name, differences): contract::Clause| Check { group, name: name.to_owned(), differences }
        };
        let mut checks: Vec<Check> = clauses.into_iter().map(of_group("contract")).collect();
        checks.extend(hostile::check(&bench, &settings).await.into_iter().map(of_group("hostile")));
        let takes_whole = subject.streams == Some(Streams::Whole);
        let fits = |scenario: &&Scenario| {
            scenario.kind.as_ref().is_none_or(|wanted| *wanted == kind) && !(scenario.stream && takes_whole)
        };
        for scenario in scenarios.iter().filter(fits) {
            let mut scenario = scenario.clone();
            if scenario.kind.is_none() {
                // One for every module cannot know what each needs.
                let needed = settings.clone().into_iter();
                scenario.settings = needed.chain(scenario.settings).collect();
            }
            let differences = bench.play(&scenario).await;
            checks.push(Check { group: "scenario", name: scenario.name.clone(), differences });
        }
        let (wasm, version) = (bench.wasm.display().to_string(), subject.version.unwrap_or_default());
        Ok(Report { wasm, version, kind, granted: subject.asks_for, checks })
    })
}
