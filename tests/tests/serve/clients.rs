//! The SDKs of OpenAI and Anthropic against `arcllm serve`, in front of providers of each format.
//! `cargo test --workspace --test all -- --ignored clients` runs them; `tests/clients/README.md` says what to install first.
//!
//! A model has the name of its scenario, of its provider's format and of the client's way to ask: `tools-openai-whole`.
//! The scripts check what the client gets, and this file checks what the providers got.

use std::{
    collections::BTreeMap,
    env,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use arcllm_simulator::{Fault, Format, Place, Recorded, Reply, Script, Simulator, Then, Usage};
use serde_json::{Value, json};

use crate::{
    serve::gateway::Gateway,
    support::{Chain, root},
};

const UPSTREAMS: [Format; 3] = [Format::Anthropic, Format::OpenAi, Format::Responses];
const WAYS: [&str; 3] = ["whole", "streamed", "helper"];
const SCENARIOS: [&str; 10] =
    ["text", "tools", "failover", "images", "structured", "refused", "limited", "down", "broken", "early"];
const SIGNATURE: &str = "c2lnbmVkIGJ5IHRoZSBzaW11bGF0b3I=";

/// A format of another API.
fn other(format: Format) -> Format {
    if format == Format::Anthropic { Format::OpenAi } else { Format::Anthropic }
}

/// Calls two tools at once.
fn calls(format: Format) -> Reply {
    let [paris, rome] = call_ids(format);
    Reply::text("I look up both.")
        .thinking("Two cities.", SIGNATURE)
        .tool_call(paris, "get_weather", json!({"city": "Paris"}))
        .tool_call(rome, "get_weather", json!({"city": "Rome"}))
}

fn call_ids(format: Format) -> [&'static str; 2] {
    if format == Format::Anthropic { ["toolu_01Paris", "toolu_01Rome"] } else { ["call_Paris", "call_Rome"] }
}

/// How the providers of a scenario answer: the first one, and the one that a fallback asks.
fn scripts(scenario: &str, format: Format, way: &str) -> [Script; 2] {
    let done = || Reply::text("25 and 20 degrees.");
    let first = match scenario {
        "text" => {
            let usage = Usage { input_tokens: 12, output_tokens: 7, ..Usage::default() };
            Script::new([Reply::text("Hello, wörld 🌍\nand all.").usage(usage)])
        }
        "tools" => Script::new([calls(format), done()]),
        "failover" => Script::new([calls(format), Reply::status(529)]).then(Then::Repeat),
        "images" => Script::new([Reply::text("A dot.")]),
        "structured" => Script::new([Reply::text(r#"{"city": "Paris", "degrees": 25}"#)]),
        "refused" => Script::new([Reply::error(400, "the simulator refuses this")]).then(Then::Repeat),
        "limited" => Script::new([Reply::status(429).header("retry-after", "1"), Reply::text("Here again.")]),
        "down" => Script::new([Reply::status(503)]).then(Then::Repeat),
        "broken" => {
            let fault = if way == "helper" { Fault::ResetInBody } else { Fault::ErrorEvent };
            // Once the answer has begun, no client sends its request again.
            let broken = Reply::text("Hello, world, and goodbye.").with_fault(fault).fault_at(Place::BeforeEvent(7));
            Script::new([broken]).then(Then::Repeat)
        }
        "early" => {
            let early = Reply::text("Hello, world, and goodbye.").with_fault(Fault::EndEarly);
            Script::new([early.fault_at(Place::BeforeEvent(6))]).then(Then::Repeat)
        }
        _ => panic!("no such scenario: {scenario}"),
    };
    [first, Script::new([done()]).then(Then::RefuseRequest)]
}

/// What a model of a scenario has besides its provider.
fn modules(scenario: &str, name: &str) -> String {
    match scenario {
        "down" => "modules.retry = { max_retries = 2, backoff_base_seconds = 0.001, max_wait_seconds = 0.01, budget_min_per_second = 1000 }".to_owned(),
        "failover" => format!("modules.fallback = {{ chain = [\"{name}-second\"] }}"),
        _ => String::new(),
    }
}

/// A gateway, and the providers behind it by their names: `tools-openai-whole-first`.
struct Stage {
    gateway: Gateway,
    providers: BTreeMap<String, Simulator>,
}

impl Stage {
    async fn start() -> Self {
        let mut chain = Chain::new();
        let mut providers = BTreeMap::new();
        for (scenario, format, way) in scenes() {
            let name = format!("{scenario}-{format}-{way}");
            let formats = [("first", format), ("second", other(format))];
            for ((place, format), script) in formats.into_iter().zip(scripts(scenario, format, way)) {
                let simulator = Simulator::start(script).await.unwrap();
                let provider = format!("{name}-{place}");
                chain = chain.provider(&provider, format, &simulator.url());
                providers.insert(provider, simulator);
            }
            let settings = format!("provider = \"{name}-first\"\n{}", modules(scenario, &name));
            chain = chain.table(&format!("models.{name}"), &settings);
        }
        Self { gateway: Gateway::start(&chain).await, providers }
    }

    /// What a provider of this scenario was asked to answer.
    fn requests(&self, scenario: &str, format: Format, way: &str, place: &str) -> Vec<Recorded> {
        let requests = self.providers[&format!("{scenario}-{format}-{way}-{place}")].requests();
        requests.into_iter().filter(|request| !request.path.ends_with("/count_tokens")).collect()
    }
}

fn scenes() -> impl Iterator<Item = (&'static str, Format, &'static str)> {
    SCENARIOS.into_iter().flat_map(|scenario| {
        UPSTREAMS.into_iter().flat_map(move |format| WAYS.into_iter().map(move |way| (scenario, format, way)))
    })
}

/// Runs a script of `tests/clients` against this gateway.
async fn run(gateway: &Gateway, program: PathBuf, script: &str) {
    let folder = root().join("tests/clients");
    let mut command = Command::new(program);
    command.arg(folder.join(script)).env_clear().env("GATEWAY", &gateway.url).stdin(Stdio::null());
    command.env("UPSTREAMS", UPSTREAMS.map(|format| format.to_string()).join(","));
    command.env("HOME", gateway.folder.path()).env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONUTF8", "1");
    command.env("PATH", env::var_os("PATH").unwrap_or_default());
    let output: Output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{script}: {}\n{stdout}\n{stderr}", output.status);
}

/// In which ways to ask a script hands the thinking of a model back to it.
type Thinking = &'static [&'static str];

/// Chat Completions has no field for it. It comes back where the script sends the message back as the SDK gave it.
const OF_CHAT: Thinking = &["whole"];

async fn python(script: &str, thinking: Thinking) {
    let stage = Stage::start().await;
    let program = root().join("tests/clients/python/.venv/bin/python");
    installed(&program);
    run(&stage.gateway, program, &format!("python/{script}.py")).await;
    check(&stage, thinking);
}

async fn javascript(script: &str, thinking: Thinking) {
    let stage = Stage::start().await;
    installed(&root().join("tests/clients/javascript/node_modules"));
    run(&stage.gateway, "node".into(), &format!("javascript/{script}.mjs")).await;
    check(&stage, thinking);
}

fn installed(path: &Path) {
    assert!(path.exists(), "{} is missing: install the clients as tests/clients/README.md says", path.display());
}

/// Checks what the providers got.
fn check(stage: &Stage, thinking: Thinking) {
    for (scenario, format, way) in scenes() {
        let first = stage.requests(scenario, format, way, "first");
        let second = stage.requests(scenario, format, way, "second");
        let counts = match scenario {
            "tools" | "limited" => (2, 0),
            "failover" => (2, 1),
            "down" => (3, 0),
            // A client cannot ask for this one as a whole.
            "broken" | "early" if way == "whole" => (0, 0),
            _ => (1, 0),
        };
        assert_eq!((first.len(), second.len()), counts, "{scenario}, {format}, {way}");
        let place = format!("{scenario}, {format}, {way}: {:#?}", first.iter().map(|r| &r.body).collect::<Vec<_>>());
        match scenario {
            "tools" => {
                has_results(format, &first[1].body, format, &place);
                let is_expected = format == Format::Anthropic && thinking.contains(&way);
                assert!(!is_expected || first[1].body.to_string().contains(SIGNATURE), "{place}");
            }
            "failover" => {
                has_results(format, &first[1].body, format, &place);
                has_results(other(format), &second[0].body, format, &place);
            }
            "images" => assert!(first[0].body.to_string().contains("iVBORw0KGgoAAAANSUhEUgAAAAEAAAAB"), "{place}"),
            "structured" => assert!(first[0].body.to_string().contains("\"degrees\""), "{place}"),
            _ => {}
        }
    }
}

/// Checks that both calls of a provider of `origin`, and the result of each, are in this body.
fn has_results(format: Format, body: &Value, origin: Format, place: &str) {
    let ids = call_ids(origin).map(str::to_owned);
    let expected: Vec<_> = ids.into_iter().zip(["Paris: 25 degrees", "Rome: 20 degrees"].map(str::to_owned)).collect();
    let (calls, results) = match format {
        Format::Anthropic => anthropic(body),
        Format::OpenAi => openai(body),
        Format::Responses => responses(body),
        _ => panic!("no provider speaks {format}"),
    };
    assert_eq!(calls, expected.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>(), "{place}");
    assert_eq!(results, expected, "{place}");
}

/// The ids of the calls in a body, and the results with the ids of their calls.
type CallsAndResults = (Vec<String>, Vec<(String, String)>);

fn anthropic(body: &Value) -> CallsAndResults {
    let blocks = || body["messages"].as_array().unwrap().iter().filter_map(|m| m["content"].as_array()).flatten();
    let of_type = |name: &'static str| blocks().filter(move |block| block["type"] == name);
    let calls = of_type("tool_use").map(|call| word(&call["id"])).collect();
    (calls, of_type("tool_result").map(|result| (word(&result["tool_use_id"]), word(&result["content"]))).collect())
}

fn openai(body: &Value) -> CallsAndResults {
    let messages = body["messages"].as_array().unwrap();
    let calls = messages.iter().filter_map(|m| m["tool_calls"].as_array()).flatten().map(|call| word(&call["id"]));
    let results = messages.iter().filter(|message| message["role"] == "tool");
    (calls.collect(), results.map(|result| (word(&result["tool_call_id"]), word(&result["content"]))).collect())
}

fn responses(body: &Value) -> CallsAndResults {
    let items = || body["input"].as_array().unwrap().iter();
    let of_type = |name: &'static str| items().filter(move |item| item["type"] == name);
    let calls = of_type("function_call").map(|call| word(&call["call_id"])).collect();
    (calls, of_type("function_call_output").map(|item| (word(&item["call_id"]), word(&item["output"]))).collect())
}

/// A text, or the text of a list with one block.
fn word(value: &Value) -> String {
    value.as_str().or_else(|| value[0]["text"].as_str()).unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

#[tokio::test]
#[ignore = "needs `openai` from PyPI"]
async fn python_openai_chat() {
    python("chat", OF_CHAT).await;
}

#[tokio::test]
#[ignore = "needs `openai` from PyPI"]
async fn python_openai_responses() {
    python("responses", &WAYS).await;
}

#[tokio::test]
#[ignore = "needs `anthropic` from PyPI"]
async fn python_anthropic() {
    python("messages", &WAYS).await;
}

#[tokio::test]
#[ignore = "needs `openai` from npm"]
async fn javascript_openai_chat() {
    javascript("chat", OF_CHAT).await;
}

#[tokio::test]
#[ignore = "needs `openai` from npm"]
async fn javascript_openai_responses() {
    javascript("responses", &WAYS).await;
}

#[tokio::test]
#[ignore = "needs `@anthropic-ai/sdk` from npm"]
async fn javascript_anthropic() {
    javascript("messages", &WAYS).await;
}
