//! Scenarios: how providers reply, and what a chain with the module under test must make of it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::inner::Reply;

/// A file of scenarios.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scenarios {
    /// Settings that the module always needs. A scenario's own are added to them.
    #[serde(default)]
    pub settings: Map<String, Value>,
    /// The scenarios, in order.
    #[serde(rename = "scenario", default)]
    pub scenarios: Vec<Scenario>,
}

/// One scenario: the chain, how its providers behave, and what must be observed.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it shows.
    pub name: String,
    /// The kind of module that it is for. Without it, it is for every module.
    #[serde(default)]
    pub kind: Option<String>,
    /// The chain, outermost first: `subject` is the module under test, any other name a built-in module.
    #[serde(default = "subject_alone")]
    pub chain: Vec<String>,
    /// What the caller says.
    #[serde(default = "hello")]
    pub say: String,
    /// The settings of the module under test.
    #[serde(default)]
    pub settings: Map<String, Value>,
    /// The settings of the built-in modules of the chain, by name.
    #[serde(default)]
    pub modules: BTreeMap<String, Map<String, Value>>,
    /// The deadline of the invoke.
    #[serde(default = "ten_minutes")]
    pub deadline_seconds: f64,
    /// Whether it is about streamed answers alone: then it is left out for modules that take whole answers. Other
    /// scenarios are played with and without streaming.
    #[serde(default)]
    pub stream: bool,
    /// How each provider replies, in order. After these it answers well. The caller asks `primary`. The replies of `any` are
    /// those of each provider that is not named.
    #[serde(default)]
    pub providers: BTreeMap<String, Vec<Reply>>,
    /// How long each reply of a provider takes, in seconds, by the names of providers. A reply may say otherwise.
    #[serde(default)]
    pub delay_seconds: BTreeMap<String, f64>,
    /// What must be observed.
    pub expect: Expect,
}

/// What must be observed.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Expect {
    /// The providers that are asked, in order. `any` is any provider.
    pub asked: Vec<String>,
    /// When each of them is asked, in seconds since the call began.
    pub asked_at: Option<Vec<Bounds>>,
    /// The requests that are cancelled before their answer has come, or while it comes: in the order in which they were sent.
    pub cancelled: Option<Vec<Cancelled>>,
    /// The wait before each of these requests, in seconds. Without it, any wait will do.
    pub waited: Option<Vec<Bounds>>,
    /// The provider whose answer the caller gets. `any` is any provider.
    pub answered_by: Option<String>,
    /// The kind of error that the caller gets.
    pub error: Option<String>,
    /// The status of that error.
    pub status: Option<u16>,
    /// A part of that error's message.
    pub message: Option<String>,
    /// The text of the last message of each request, in order.
    pub sent: Option<Vec<String>>,
    /// The text of the answer.
    pub text: Option<String>,
    /// The arguments of the first tool call of the answer.
    pub tool_arguments: Option<Value>,
    /// How many pieces of text the caller gets before the end of a streamed answer.
    pub pieces: Option<usize>,
    /// How long the whole call takes, in seconds.
    pub took: Option<Bounds>,
}

/// A request that is cancelled.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cancelled {
    /// The provider that was asked.
    pub provider: String,
    /// When, in seconds since the call began. Without it, any time will do.
    pub at: Option<Bounds>,
}

/// A number of seconds, or the least and the most.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Bounds {
    /// This much.
    Exactly(f64),
    /// From the first to the second, both included.
    Between(f64, f64),
}

impl Bounds {
    /// Whether so many seconds are within the bounds. Tokio's timers round up by a millisecond or two.
    pub fn hold(self, seconds: f64) -> bool {
        let (least, most) = match self {
            Bounds::Exactly(seconds) => (seconds, seconds),
            Bounds::Between(least, most) => (least, most),
        };
        seconds >= least && seconds <= most + 0.002
    }
}

fn subject_alone() -> Vec<String> {
    vec!["subject".to_owned()]
}

fn ten_minutes() -> f64 {
    600.0
}

fn hello() -> String {
    "Hello".to_owned()
}
