//! What an operator sees of a module before it runs, and what happens to one that is not what it claims.

use arcllm::{Host, Message, ModuleReport, Overrides};

use crate::{
    scene::{FAST, around, load, replies, soon},
    support::{Chain, Folder, Output, built_in_module},
};

const BLOCKING: &[u8] = include_bytes!("../../prebuilt/blocking.wasm");
const UPPER: &[u8] = include_bytes!("../../prebuilt/upper.wasm");
const WASI: &[u8] = include_bytes!("../../prebuilt/wasi.wasm");

async fn run(folder: &Folder, arguments: &[&str]) -> Output {
    soon(folder.arcllm(arguments).unwrap().trusted().run()).await.unwrap()
}

/// The same bytes, with each occurrence of this text replaced by another of the same length.
fn with(bytes: &[u8], text: &str, other: &str) -> Vec<u8> {
    assert_eq!(text.len(), other.len());
    let (mut bytes, mut found) = (bytes.to_vec(), 0);
    for at in 0..bytes.len() - text.len() {
        if bytes[at..].starts_with(text.as_bytes()) {
            bytes[at..at + text.len()].copy_from_slice(other.as_bytes());
            found += 1;
        }
    }
    assert!(found > 0, "{text} is not in it");
    bytes
}

/// The same component without its custom sections.
fn without_metadata(bytes: &[u8]) -> Vec<u8> {
    let (header, mut rest) = bytes.split_at(8);
    let mut stripped = header.to_vec();
    while let Some((&id, after)) = rest.split_first() {
        let (mut length, mut digits) = (0, 0);
        loop {
            let digit = after[digits];
            length |= usize::from(digit & 0x7f) << (7 * digits);
            digits += 1;
            if digit < 0x80 {
                break;
            }
        }
        let (section, next) = rest.split_at(1 + digits + length);
        if id != 0 {
            stripped.extend(section);
        }
        rest = next;
    }
    stripped
}

#[tokio::test]
async fn what_a_component_is_and_asks_for() {
    let report = Host::inspect(&built_in_module("fallback")).await.unwrap();
    assert_eq!(report.problem, None);
    assert_eq!((report.name.as_str(), report.kind.as_deref()), ("fallback", Some("fallback")));
    assert_eq!(report.size_bytes, Some(std::fs::read(built_in_module("fallback")).unwrap().len()));
    assert_eq!(report.metadata.licenses.as_deref(), Some("MIT OR Apache-2.0"));
    let may = [
        "ask the provider that it stands in front of",
        "read the options of what is asked",
        "change the options of what is asked",
        "use settings of a single provider (with the grant `extensions`)",
        "ask other models (with the grant `models`)",
        "know how answers end",
        "write to the log",
    ];
    assert_eq!(report.may, may);
    assert_eq!((report.asks_for, report.granted), (vec!["models".to_owned()], Vec::new()));
    assert!(report.config_schema.unwrap()["properties"]["chain"].is_object());
}

#[tokio::test]
async fn the_command_shows_it_and_what_config_needs() {
    let folder = Folder::new("").unwrap();
    folder.write("stranger.wasm", BLOCKING).unwrap();
    let output = run(&folder, &["module", "inspect", "stranger.wasm"]).await;
    assert_eq!((output.code, output.stderr.as_str()), (0, ""));
    let sha = output.stdout.split("sha256   ").nth(1).unwrap().lines().next().unwrap().to_owned();
    let size = format!("{:.0} KB", BLOCKING.len() as f64 / 1e3);
    let place = folder.path().join("stranger.wasm").display().to_string();
    let said = output.stdout.replace(&sha, "[sha256]").replace(&size, "[size]").replace(&place, "[file]");
    insta::assert_snapshot!(said, @r#"
    stranger 0.1.0 (observer)
        origin   [file], [size]
        signed   no, not signed
        sha256   [sha256]
        about    ArcLLM module in the blocking world, without the SDK: asks again, asks another provider, and counts calls
        licence  MIT OR Apache-2.0
        imports  arcllm:llm/types@0.1.0, arcllm:llm/state-blocking@0.1.0, arcllm:llm/models-blocking@0.1.0, arcllm:llm/llm-provider-blocking@0.1.0
        may      ask the provider that it stands in front of, read what is asked, read the options of what is asked, read the caller's labels, rewrite what is asked, change the options of what is asked, name addresses for the provider to fetch (with the grant `urls`), use settings of a single provider (with the grant `extensions`), write remarks into the trail, answer itself, ask other models (with the grant `models`), keep values between calls (with the grant `state`); nothing else
        does     it may ask more than once, it may ask other models, it may answer or refuse without asking, it may change requests
        streams  events pass while they arrive, unread
        name     it calls itself blocking

    Settings, in [modules.stranger]:
        again  integer
        other  string
        look   boolean
        count  boolean
        tell   boolean
        paid   object
        order  

    To run it, copy stranger.wasm into the modules directory and add this to config.toml:

        [host]
        order = ["audit", "telemetry", "stranger", "budget", "cache", "redact", "validate", "resume", "route", "retry", "fallback", "hedge", "circuit-breaker", "rate-limit", "chaos"]     # outermost first

        [modules.stranger]
        enabled = true

        [modules.stranger.sandbox]
        wasm = "stranger.wasm"
        sha256 = "[sha256]"
        allow = ["models", "state"]     # only if you trust it with this
    "#);
    // The configuration that it suggests works.
    let config = said.split("config.toml:\n").nth(1).unwrap().replace("[sha256]", &sha).replace(", \"fallback\"", "");
    let config = format!("[defaults]\nprovider = \"ollama\"\n[providers.ollama]\ndefault_model = \"any\"\n{config}");
    folder.write("config.toml", config).unwrap();
    folder.write("modules/stranger.wasm", BLOCKING).unwrap();
    let output = run(&folder, &["modules", "--json"]).await;
    let modules = output.json().unwrap();
    assert_eq!((&modules["modules"][0]["name"], &modules["modules"][0]["problem"]), (&"stranger".into(), &().into()));
    assert_eq!(modules["modules"][0]["granted"], serde_json::json!(["models", "state"]));
}

#[tokio::test]
async fn a_component_that_does_not_load_is_still_described() {
    let folder = Folder::new("").unwrap();
    folder.write("later.wasm", with(UPPER, "@0.1.0", "@0.2.0")).unwrap();
    let output = run(&folder, &["module", "inspect", "later.wasm"]).await;
    assert_eq!(output.code, 2);
    for said in ["sha256", "licence  MIT", "later.wasm: ", "arcllm:llm/module@0.2.0", "help: build it for"] {
        assert!(output.stdout.contains(said), "{said}: {}", output.stdout);
    }
    let output = run(&folder, &["module", "inspect", "none.wasm", "--json"]).await;
    assert_eq!(output.code, 2);
    let problem = output.json().unwrap()["module"]["problem"].as_str().unwrap().to_owned();
    assert_eq!(problem, "none.wasm: does not exist");
}

/// `wasi` imports random numbers. Here its bytes ask for what no module gets.
#[tokio::test]
async fn a_refused_import_is_told_in_plain_words() {
    let folder = Folder::new("").unwrap();
    let import = "wasi:random/insecure@";
    for other in ["wasi:http/connecting@", "acme:bank/my-records@"] {
        folder.write("asks.wasm", with(WASI, import, other)).unwrap();
        let output = run(&folder, &["module", "inspect", "asks.wasm"]).await;
        assert_eq!(output.code, 2, "{output:?}");
        assert!(output.stdout.contains("imports  ") && output.stdout.contains(other), "{}", output.stdout);
        let problem: Vec<_> = output.stdout.lines().skip_while(|line| !line.contains("problem")).collect();
        let problem = problem.join("\n");
        assert!(
            problem.contains(&format!("asks.wasm: imports `{other}0.2.6`, which this host does not have")),
            "{problem}"
        );
        assert_eq!(problem.contains("modules have no network"), other.starts_with("wasi:http"), "{problem}");
    }
}

#[tokio::test]
async fn a_component_without_metadata_works() {
    let folder = Folder::new("").unwrap();
    let file = folder.write("bare.wasm", without_metadata(UPPER)).unwrap();
    let report = Host::inspect(&file).await.unwrap();
    assert_eq!((report.problem, report.metadata), (None, Default::default()));
    assert_eq!(report.kind.as_deref(), Some("transformer"));
}

/// A folder with this component in its modules directory. Its chain is a retry alone.
async fn beside_a_retry(files: &[(&str, &[u8])], settings: &str) -> (Folder, Vec<ModuleReport>) {
    let a = replies([arcllm_simulator::Reply::status(503)]).await;
    let chain: Chain = around(&a).host("order = [\"retry\"]\nwatch = false").module("retry", FAST);
    let folder = Folder::new(&format!("{chain}\n{settings}")).unwrap();
    for (name, bytes) in files {
        folder.write(format!("modules/{name}"), bytes).unwrap();
    }
    // Retry works beside it.
    let model = load(&folder, Overrides::new()).await;
    let answer = soon(model.invoke(&[Message::user("Hi")], &[])).await.unwrap();
    assert_eq!(answer.trail.len(), 2);
    let modules = soon(folder.host().unwrap().modules()).await.unwrap();
    (folder, modules)
}

fn of<'a>(modules: &'a [ModuleReport], name: &str) -> &'a ModuleReport {
    modules.iter().find(|module| module.name == name).unwrap()
}

#[tokio::test]
async fn an_unused_component_of_another_version_disturbs_nothing() {
    let later = with(UPPER, "@0.1.0", "@0.2.0");
    let (_folder, modules) = beside_a_retry(&[("other.wasm", &later)], "").await;
    let problem = of(&modules, "other").problem.as_deref().unwrap();
    assert!(problem.contains("other.wasm") && problem.contains("@0.2.0") && problem.contains("@0.1.0"), "{problem}");
    assert_eq!(of(&modules, "retry").problem, None);
}

#[tokio::test]
async fn check_warns_of_a_component_with_a_wrong_schema() {
    let lies = with(BLOCKING, r#"{"type":"object""#, r#"{"type";"object""#);
    let (folder, modules) =
        beside_a_retry(&[("other.wasm", &lies)], "[modules.other.sandbox]\nallow = [\"models\", \"state\"]").await;
    let other = of(&modules, "other");
    assert_eq!((&other.problem, other.warnings.len()), (&None, 1));
    assert!(
        other.warnings[0].contains("other.wasm") && other.warnings[0].contains("JSON Schema"),
        "{:?}",
        other.warnings
    );
    let output = run(&folder, &["check"]).await;
    assert!(output.stdout.contains("JSON Schema"), "{}", output.stdout);
}

#[tokio::test]
async fn check_names_the_file_that_is_not_used() {
    let settings = "[modules.other.sandbox]\nwasm = \"mine.wasm\"";
    let (_folder, modules) = beside_a_retry(&[("other.wasm", UPPER), ("mine.wasm", UPPER)], settings).await;
    let warnings = &of(&modules, "other").warnings;
    assert!(warnings[0].contains("other.wasm: is not used") && warnings[0].contains("mine.wasm"), "{warnings:?}");
}
