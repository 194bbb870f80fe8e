//! What authors see when a module goes wrong: its log, its last words, a timeline, and runs after each save.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    scene::{around, replies, soon},
    support::{Folder, Output, built_in_module, test_module},
};

async fn run(folder: &Folder, arguments: &[&str]) -> Output {
    soon(folder.arcllm(arguments).unwrap().run()).await.unwrap()
}

/// Runs a module of the tests with these arguments.
async fn run_module(module: &str, arguments: &[&str]) -> Output {
    let file = test_module(module).display().to_string();
    run(&Folder::new("").unwrap(), &[&["module", "run", &file], arguments].concat()).await
}

fn log(output: &Output) -> Vec<(String, String)> {
    let text = |line: &Value, key: &str| line[key].as_str().unwrap().to_owned();
    output.json().unwrap()["log"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| (text(line, "level"), text(line, "message")))
        .collect()
}

#[tokio::test]
async fn what_a_guest_writes_before_a_trap_is_in_the_error_and_in_the_log() {
    let said = "out started\nerr Traceback (most recent call last):\nerr   File \"app.py\", line 3\nerr ValueError: \u{1b}[31mno\ntrap ";
    let output = run_module("outcry", &[said, "--json"]).await;
    assert_eq!(output.code, 1);
    let error = output.json().unwrap()["error"].clone();
    assert_eq!(error["kind"], "module");
    let expected = "wasm `unreachable` instruction executed; it wrote last:\nTraceback (most recent call last):\n  File \"app.py\", line 3\nValueError: \\u{1b}[31mno";
    assert!(error["message"].as_str().unwrap().ends_with(expected), "{error}");
    let lines = [
        ("info", "started"),
        ("warn", "Traceback (most recent call last):"),
        ("warn", "  File \"app.py\", line 3"),
        ("warn", "ValueError: \\u{1b}[31mno"),
    ];
    assert_eq!(log(&output), lines.map(|(level, message)| (level.to_owned(), message.to_owned())));
    // For people, in the timeline and in the error.
    let output = run_module("outcry", &[said]).await;
    assert_eq!((output.code, output.stdout.as_str()), (1, ""));
    for expected in ["outcry says (info): started", "no answer: module; 0 attempts", "\n  ValueError: \\u{1b}[31mno\n"]
    {
        assert!(output.stderr.contains(expected), "{expected}: {}", output.stderr);
    }
}

#[tokio::test]
async fn a_guest_that_floods_its_output_is_answered_and_its_log_is_bounded() {
    let output = run_module("outcry", &["flood all", "--json"]).await;
    assert_eq!(output.code, 0, "{}", output.stdout);
    let lines = log(&output);
    assert!(!lines.is_empty() && lines.len() <= 1000, "{} lines", lines.len());
}

#[tokio::test]
async fn an_earlier_call_is_not_blamed_for_a_trap() {
    let a = replies([]).await;
    let folder = Folder::new(&around(&a).host("order = [\"outcry\"]").module("outcry", "").to_string()).unwrap();
    folder.write("modules/outcry.wasm", std::fs::read(test_module("outcry")).unwrap()).unwrap();
    let model = crate::scene::load(&folder, arcllm::Overrides::new()).await;
    let ask = async |said: &str| soon(model.invoke(&[arcllm::Message::user(said)], &[])).await;
    ask("err all is well").await.unwrap();
    let error = ask("trap ").await.unwrap_err().to_string();
    assert!(error.contains("wasm trap") && !error.contains("all is well"), "{error}");
}

#[tokio::test]
async fn a_panic_has_its_message_and_its_place() {
    let output = run_module("upper-streamed", &["--stream", "--settings", "{\"fault\": \"traps\"}"]).await;
    assert_eq!(output.code, 1);
    let place = "lost my voice at tests/modules/upper-streamed/src/lib.rs:";
    assert!(output.stderr.contains(&format!("upper-streamed says (error): {place}")), "{}", output.stderr);
    assert!(output.stderr.contains(&format!("the module `upper-streamed` failed: {place}")), "{}", output.stderr);
    let output = run_module("faulty", &["--json", "--settings", "{\"fault\": \"none-of-these\"}"]).await;
    assert_eq!((output.code, &output.json().unwrap()["error"]["kind"]), (2, &json!("config")));
}

#[tokio::test]
async fn a_module_runs_alone_in_front_of_providers_that_fail_as_told() {
    let retry = built_in_module("retry").display().to_string();
    let folder = Folder::new("").unwrap();
    let settings = "{\"max_retries\": 2, \"backoff_base_seconds\": 0.01}";
    let arguments = ["module", "run", &retry, "Hi", "--fault", "529", "--fault", "reset", "--settings", settings];
    let output = run(&folder, &arguments).await;
    assert_eq!((output.code, output.stdout.as_str()), (0, "Hello from the simulator.\n"), "{}", output.stderr);
    for expected in ["status 529", "retry waits", "connection", "answered by primary (simulated); 3 attempts"] {
        assert!(output.stderr.contains(expected), "{expected}: {}", output.stderr);
    }
    let streamed = run(&folder, &[&arguments[..], &["--stream"]].concat()).await;
    assert!(streamed.code == 0 && streamed.stderr.contains("to the first event"), "{}", streamed.stderr);
    folder.write("down.toml", "refuse = true").unwrap();
    let output = run(&folder, &["module", "run", &retry, "--script", "down.toml", "--settings", settings]).await;
    assert!(output.code == 1 && output.stderr.contains("no answer: connection; 3 attempts"), "{}", output.stderr);
    let both = run(&folder, &["module", "run", &retry, "--script", "down.toml", "--fault", "503"]).await;
    assert!(both.code == 2 && both.stderr.contains("primary has a --script, and also --fault"), "{}", both.stderr);
    let router = test_module("small-first").display().to_string();
    let missing = run(&folder, &["module", "run", &router]).await;
    assert_eq!(missing.code, 2);
    insta::assert_snapshot!(missing.stderr, @r#"
    error: this module needs the setting `small`
      help: give --settings '{"key": value}'
              `small`: The model for short requests, as `load_model` takes it: a text.
    "#);
    let gone = run(&folder, &["module", "run", "gone.wasm"]).await;
    assert!(gone.code == 2 && gone.stderr.contains("gone.wasm: No such file"), "{}", gone.stderr);
}

#[tokio::test]
async fn a_hedge_is_seen_to_wait_beside_a_slow_provider() {
    let settings = "{\"second\": \"second\", \"after_seconds\": 0.05}";
    let output = run_module("impatient", &["--delay", "primary=30", "--settings", settings]).await;
    assert_eq!(output.code, 0, "{}", output.stderr);
    for expected in ["impatient waits", "primary has not answered", "answered by second", "cancelled"] {
        assert!(output.stderr.contains(expected), "{expected}: {}", output.stderr);
    }
}

#[tokio::test]
async fn the_log_has_what_was_asked_for() {
    let a = replies([]).await;
    let folder = Folder::new(&around(&a).host("order = [\"telemetry\"]").to_string()).unwrap();
    let invoke = ["invoke", "--module", "telemetry=on", "Hi"];
    let line = "\"outcome\":\"ok\"";
    let usual = run(&folder, &invoke).await;
    assert!(usual.stderr.contains("INFO arcllm::module") && usual.stderr.contains(line), "{}", usual.stderr);
    for quiet in ["off", "error", "arcllm::module=warn"] {
        let output = run(&folder, &[&invoke[..], &["--log", quiet]].concat()).await;
        assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{quiet}");
    }
    let debug = run(&folder, &[&["--log", "debug"], &invoke[..]].concat()).await;
    assert!(debug.stderr.contains("DEBUG arcllm::attempt") && !debug.stderr.contains("wasmtime"), "{}", debug.stderr);
    // In the timeline, and there alone.
    let traced = run(&folder, &[&invoke[..], &["--trace"]].concat()).await;
    assert!(traced.stderr.contains("telemetry says (info): {"), "{}", traced.stderr);
    assert_eq!(traced.stderr.matches(line).count(), 1, "{}", traced.stderr);
    let wrong = run(&folder, &[&invoke[..], &["--log", "verbose"]].concat()).await;
    assert_eq!(wrong.code, 2);
    insta::assert_snapshot!(wrong.stderr, @r"
    error: invalid value 'verbose' for '--log <LEVEL>': `verbose` is no level; expected error, warn, info, debug, trace or off, or a filter such as warn,arcllm::module=debug; `arcllm serve` also takes human or json

    For more information, try '--help'.
    ");
    let wrong = soon(folder.arcllm(invoke).unwrap().env("ARCLLM_LOG", "loud").run()).await.unwrap();
    assert!(wrong.code == 2 && wrong.stderr.contains("ARCLLM_LOG is wrong: `loud` is no level"), "{}", wrong.stderr);
}

/// A project whose build copies a component, or fails, as a file of the project says.
#[cfg(unix)]
#[tokio::test]
async fn watching_builds_and_runs_again_after_each_save() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new("").unwrap();
    folder.write("mine/package.json", r#"{"name": "mine"}"#).unwrap();
    folder.write("mine/source.txt", "patient").unwrap();
    let prebuilt = test_module("patient").canonicalize().unwrap();
    let prebuilt = prebuilt.parent().unwrap().display().to_string();
    let script = format!(
        "#!/bin/sh\ncase $1 in run) cp \"{prebuilt}/$(cat source.txt).wasm\" mine.wasm;; *) mkdir -p node_modules;; esac\n"
    );
    let npm = folder.write("tools/npm", script).unwrap();
    std::fs::set_permissions(npm, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", folder.path().join("tools").display());
    let watching = folder.arcllm(["module", "run", "mine/mine.wasm", "Hi", "--watch"]).unwrap().env("PATH", &path);
    let watching = watching.start().unwrap();
    let told = async |text: &str, times: usize| {
        for _ in 0..1200 {
            if watching.stderr().unwrap().matches(text).count() >= times {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{text} {times} times: {}", watching.stderr().unwrap());
    };
    told("watching mine; Ctrl-C ends it", 1).await;
    assert_eq!(watching.stdout().unwrap(), "Hello from the simulator.\n");
    // An error of the build is shown, and ends nothing.
    folder.write("mine/source.txt", "none-such").unwrap();
    told("watching mine; Ctrl-C ends it", 2).await;
    assert!(watching.stderr().unwrap().contains("error: `npm run build` failed"), "{}", watching.stderr().unwrap());
    folder.write("mine/source.txt", "twice").unwrap();
    told("watching mine; Ctrl-C ends it", 3).await;
    let answers = watching.stdout().unwrap();
    assert!(answers.starts_with("Hello from the simulator.\nHello from the simulator. and "), "{answers}");
    let status = std::process::Command::new("kill").args(["-INT", &watching.id().to_string()]).status().unwrap();
    assert!(status.success());
    assert_eq!(soon(watching.end()).await.unwrap().code, 0);
}

#[tokio::test]
async fn a_missing_setting_is_named_in_the_users_words_by_each_command() {
    let provider = replies([]).await;
    let chain = around(&provider).host("order = [\"small-first\"]").module("small-first", "");
    let chain = chain.table("modules.small-first.sandbox", "allow = [\"models\"]");
    let folder = chain.folder().unwrap().trusted();
    folder.write("modules/small-first.wasm", std::fs::read(test_module("small-first")).unwrap()).unwrap();
    for command in [&["check"][..], &["invoke", "Hi"], &["modules"]] {
        let output = run(&folder, command).await;
        let said = format!("{}{}", output.stdout, output.stderr);
        assert!(said.contains("`modules.small-first` needs the setting `small`\n"), "{said}");
        assert!(said.contains("help: `small`: The model for short requests"), "{said}");
    }
}
