//! The command: its exit codes, its standard output and its standard error.

use std::process::Command;

use crate::support::{Chain, Folder, Output};
use arcllm_simulator::{Fault, Format, Reply, Simulator};
use serde_json::{Value, json};

use crate::scene::{FAST, around, around_both, count, dead, replies, soon};

async fn run(folder: &Folder, arguments: &[&str]) -> Output {
    soon(folder.arcllm(arguments).unwrap().run()).await.unwrap()
}

/// The exit code and the error of `invoke --json` with these arguments.
async fn error(folder: &Folder, arguments: &[&str]) -> (i32, Value) {
    let output = run(folder, &[&["invoke", "--json"], arguments].concat()).await;
    assert_eq!(output.stderr, "", "{}", output.stdout);
    let json = output.json().unwrap();
    assert_eq!(json.as_object().unwrap().len(), 1);
    (output.code, json["error"].clone())
}

/// Asserts that the error has all keys of an error, with the right types.
fn assert_is_an_error(error: &Value) {
    let is_one_of = |name: &str, kinds: &[fn(&Value) -> bool]| {
        let value = error.get(name).unwrap_or_else(|| panic!("no `{name}`: {error}"));
        assert!(kinds.iter().any(|kind| kind(value)), "`{name}` is {value}");
    };
    is_one_of("kind", &[Value::is_string]);
    is_one_of("message", &[Value::is_string]);
    is_one_of("status", &[Value::is_u64, Value::is_null]);
    is_one_of("provider", &[Value::is_string, Value::is_null]);
    is_one_of("retry_after_seconds", &[Value::is_f64, Value::is_u64, Value::is_null]);
    is_one_of("trail", &[Value::is_array]);
    for attempt in error["trail"].as_array().unwrap() {
        for name in ["provider", "model", "outcome", "status", "waited_seconds", "took_seconds"] {
            assert!(attempt.get(name).is_some(), "no `{name}`: {attempt}");
        }
    }
}

/// A provider with this one reply.
async fn gives(reply: Reply) -> (Simulator, Folder) {
    let provider = replies([reply]).await;
    let chain = Chain::new().provider_with("a", Format::OpenAi, &provider.url(), "timeout_seconds = 0.5");
    let folder = chain.folder().unwrap();
    (provider, folder)
}

// Exit codes and errors.

#[tokio::test]
async fn errors_of_the_provider() {
    let busy = Reply::error(429, "Slow down.").header("retry-after", "2.5").header("x-request-id", "req-7");
    let (_a, folder) = gives(busy).await;
    let (code, error) = error(&folder, &["Hi"]).await;
    assert_is_an_error(&error);
    assert_eq!((code, &error["kind"], &error["status"]), (1, &json!("api"), &json!(429)));
    assert_eq!((&error["message"], &error["provider"]), (&json!("Slow down."), &json!("a")));
    assert_eq!((&error["retry_after_seconds"], &error["request_id"]), (&json!(2.5), &json!("req-7")));
    assert_eq!((&error["trail"][0]["outcome"], &error["trail"][0]["status"]), (&json!("api"), &json!(429)));
}

#[tokio::test]
async fn errors_on_the_way() {
    let faults = [
        (Reply::fault(Fault::Reset), "connection"),
        (Reply::fault(Fault::Truncate), "connection"),
        (Reply::fault(Fault::Silence), "timeout"),
        (Reply::fault(Fault::SilenceInBody), "timeout"),
        (Reply::fault(Fault::Malformed), "parse"),
        (Reply::json(&json!({"choices": []})), "parse"),
    ];
    for (reply, kind) in faults {
        let (_a, folder) = gives(reply.clone()).await;
        let (code, error) = error(&folder, &["Hi"]).await;
        assert_is_an_error(&error);
        assert_eq!((code, &error["kind"], &error["status"]), (1, &json!(kind), &Value::Null), "{reply:?}");
        assert_eq!((&error["provider"], &error["trail"][0]["outcome"]), (&json!("a"), &json!(kind)));
    }
    let folder = around(&dead().await).folder().unwrap();
    let (code, error) = error(&folder, &["Hi"]).await;
    assert_is_an_error(&error);
    assert_eq!((code, &error["kind"]), (1, &json!("connection")));
}

#[tokio::test]
async fn the_deadline() {
    let (a, folder) = gives(Reply::fault(Fault::Silence)).await;
    let (code, error) = error(&folder, &["--deadline", "0.2", "Hi"]).await;
    assert_is_an_error(&error);
    assert_eq!((code, &error["kind"]), (1, &json!("deadline_exceeded")));
    assert_eq!(error["trail"][0]["outcome"], "deadline_exceeded");
    assert_eq!(count(&a), 1);
}

#[cfg(unix)]
#[tokio::test]
async fn an_interrupt() {
    let (a, folder) = gives(Reply::fault(Fault::Silence)).await;
    let running = folder.arcllm(["invoke", "--json", "--module", "retry=on", "Hi"]).unwrap().start().unwrap();
    soon(a.wait_for_requests(1)).await;
    assert!(Command::new("kill").args(["-INT", &running.id().to_string()]).status().unwrap().success());
    let output = soon(running.end()).await.unwrap();
    let error = &output.json().unwrap()["error"];
    assert_is_an_error(error);
    assert_eq!((output.code, &error["kind"]), (1, &json!("cancelled")), "{output:?}");
    assert_eq!(error["trail"][0]["outcome"], "cancelled", "the trail has what was tried");
    soon(a.wait_until(|requests| requests[0].dropped())).await;
    assert_eq!(count(&a), 1);
}

#[tokio::test]
async fn a_mistake_in_the_configuration() {
    let (a, folder) = gives(Reply::default()).await;
    let (code, error) = error(&folder, &["--provider", "b", "Hi"]).await;
    assert_is_an_error(&error);
    assert_eq!((code, &error["kind"], &error["trail"]), (2, &json!("config"), &json!([])));
    assert_eq!(a.connections(), 0);
}

#[tokio::test]
async fn mistakes_in_the_arguments() {
    let (a, folder) = gives(Reply::default()).await;
    for arguments in [
        &["--temperature", "hot", "Hi"][..],
        &["--temperature", "-1", "Hi"],
        &["--module", "retry=on", "--module", "retry={}", "Hi"],
        &["--system", "Be brief."],
        &["--temperature", "NaN", "Hi"],
        &["--max-tokens", "0", "Hi"],
        &["--max-tokens", "many", "Hi"],
        &["--deadline", "0", "Hi"],
        &["--deadline", "inf", "Hi"],
        &["--module", "retry=maybe", "Hi"],
        &["--no-such-thing", "Hi"],
        &["one", "two"],
        &["--request", "no-such-file.json"],
        &[],
    ] {
        let (code, error) = error(&folder, arguments).await;
        assert_is_an_error(&error);
        assert_eq!((code, &error["kind"]), (2, &json!("usage")), "{arguments:?}");
        let message = error["message"].as_str().unwrap();
        assert!(!message.starts_with("error") && !message.contains('\u{1b}'), "{message}");
    }
    assert_eq!(a.connections(), 0);
}

#[tokio::test]
async fn mistakes_without_json_are_told_on_standard_error() {
    let (_a, folder) = gives(Reply::error(400, "No.")).await;
    let output = run(&folder, &["invoke", "Hi"]).await;
    assert_eq!((output.code, output.stdout.as_str()), (1, ""));
    assert_eq!(output.stderr, "error: a answered 400: No. (request req_sim000001)\n");
    for arguments in [&["invoke", "--deadline", "soon", "Hi"][..], &["no-such-command"], &[]] {
        let output = run(&folder, arguments).await;
        assert_eq!((output.code, output.stdout.as_str()), (2, ""), "{arguments:?}");
        assert!(output.stderr.contains("--help"), "{output:?}");
    }
}

#[tokio::test]
async fn help_is_not_an_error() {
    let (_a, folder) = gives(Reply::default()).await;
    for command in ["invoke", "check", "modules", "demo", "simulate", "completions"] {
        let output = run(&folder, &[command, "--help"]).await;
        assert_eq!((output.code, output.stderr.as_str()), (0, ""));
        assert!(output.stdout.contains("Usage: arcllm"), "{output:?}");
    }
    let output = run(&folder, &["--version"]).await;
    assert_eq!((output.code, output.stdout.trim()), (0, concat!("arcllm ", env!("CARGO_PKG_VERSION"))));
}

// Invoke.

#[tokio::test]
async fn the_answer_and_nothing_else_is_on_standard_output() {
    let (_a, folder) = gives(Reply::text("Hello").tool_call("call_1", "now", json!({"zone": "CET"}))).await;
    let output = run(&folder, &["invoke", "Hi"]).await;
    assert_eq!(output, Output { code: 0, stdout: "Hello\nnow {\"zone\":\"CET\"}\n".into(), stderr: String::new() });
}

#[tokio::test]
async fn the_prompt_can_come_from_standard_input() {
    let asked = async |arguments: &[&str], input: &str| {
        let (a, folder) = gives(Reply::default()).await;
        let output = soon(folder.arcllm(arguments).unwrap().input(input).run()).await.unwrap();
        assert_eq!(output.code, 0, "{output:?}");
        a.requests()[0].body["messages"].clone()
    };
    let expected = json!([{"role": "user", "content": "What is\nthis?\n"}]);
    assert_eq!(asked(&["invoke", "-"], "What is\nthis?\n").await, expected);
    assert_eq!(asked(&["invoke"], "What is\nthis?\n").await, expected);
    assert_eq!(asked(&["invoke", "Hi"], "not this").await, json!([{"role": "user", "content": "Hi"}]));
    let request = "{\"messages\": [{\"role\": \"user\", \"content\": \"from JSON\"}]}";
    assert_eq!(asked(&["invoke", "--request", "-"], request).await, json!([{"role": "user", "content": "from JSON"}]));
}

#[tokio::test]
async fn input_that_is_not_text() {
    let (a, folder) = gives(Reply::default()).await;
    let output = soon(folder.arcllm(["invoke", "--json", "-"]).unwrap().input(b"\xff\xfe").run()).await.unwrap();
    assert_eq!((output.code, &output.json().unwrap()["error"]["kind"]), (2, &json!("usage")));
    assert_eq!(a.connections(), 0);
}

#[tokio::test]
async fn modules_are_switched_by_arguments() {
    let cases = [
        (vec![], 2),
        (vec!["--module", "retry=off"], 1),
        (vec!["--module", "retry=on"], 2),
        (vec!["--module", "retry={\"max_retries\": 2}"], 3),
        (vec!["--module", "retry={\"enabled\": false}"], 1),
        (vec!["--module", "retry=off", "--module", "fallback={\"chain\": [\"b\"]}"], 2),
    ];
    for (arguments, requests) in cases {
        let (a, b) = (replies([Reply::status(500).times(9)]).await, replies([Reply::status(500).times(9)]).await);
        let folder = around_both(&a, &b).module("retry", &format!("{FAST}\nmax_retries = 1")).folder().unwrap();
        let (code, error) = error(&folder, &[&arguments[..], &["Hi"]].concat()).await;
        assert_eq!((code, count(&a) + count(&b)), (1, requests), "{arguments:?}");
        assert_eq!(error["trail"].as_array().unwrap().len(), requests);
    }
}

#[tokio::test]
async fn the_trace_shows_every_attempt_and_wait() {
    let a = replies([Reply::status(429).header("retry-after-ms", "20"), Reply::fault(Fault::Reset)]).await;
    let folder = around(&a).module("retry", FAST).folder().unwrap();
    let output = run(&folder, &["invoke", "--trace", "Hi"]).await;
    assert_eq!((output.code, output.stdout.as_str()), (0, "Hello from the simulator.\n"));
    for part in
        ["status 429", "the server asked for 20 ms", "connection", "its own backoff", "retry waits", "3 attempts"]
    {
        assert!(output.stderr.contains(part), "no {part:?}: {}", output.stderr);
    }
    let output = run(&folder, &["invoke", "--trace", "--json", "Hi"]).await;
    assert_eq!(output.json().unwrap()["content"], "Hello from the simulator.");
    assert!(output.stderr.contains("1 attempt"), "{output:?}");
}

#[tokio::test]
async fn the_configuration_can_be_anywhere() {
    let (a, folder) = gives(Reply::default()).await;
    let elsewhere = Folder::new("").unwrap();
    let file = folder.path().join("config.toml").display().to_string();
    let output = run(&elsewhere, &["invoke", "--config", &file, "--json", "Hi"]).await;
    assert_eq!(output.json().unwrap()["provider"], "a");
    let command = elsewhere.arcllm(["invoke", "--json", "Hi"]).unwrap().env("ARCLLM_CONFIG", &file);
    assert_eq!(soon(command.run()).await.unwrap().json().unwrap()["provider"], "a");
    let user = Folder::new("").unwrap();
    std::fs::remove_file(user.path().join("config.toml")).unwrap();
    user.write("settings/arcllm/config.toml", std::fs::read(&file).unwrap()).unwrap();
    let settings = user.path().join("settings").display().to_string();
    let command = user.arcllm(["invoke", "--json", "Hi"]).unwrap().env("XDG_CONFIG_HOME", &settings);
    assert_eq!(soon(command.run()).await.unwrap().json().unwrap()["provider"], "a");
    assert_eq!(count(&a), 3);
}

// Check and modules.

/// Retry, three times, around a fallback to two providers.
async fn both() -> Folder {
    let (a, b) = (dead().await, dead().await);
    let chain = around_both(&a, &b).module("retry", "max_retries = 3").module("fallback", "chain = [\"a\", \"b\"]");
    chain.folder().unwrap()
}

#[tokio::test]
async fn check_says_what_one_call_can_cost() {
    let folder = both().await;
    let output = run(&folder, &["check"]).await;
    assert_eq!((output.code, output.stderr.as_str()), (0, ""));
    for part in
        ["config.toml", "a (a-model)", "agent -> retry -> fallback -> adapter", "8 attempts", "180 s of waiting"]
    {
        assert!(output.stdout.contains(part), "no {part:?}: {}", output.stdout);
    }
    let report = run(&folder, &["check", "--json"]).await.json().unwrap();
    assert_eq!((&report["chain"], &report["problems"]), (&json!(["retry", "fallback"]), &json!([])));
    assert_eq!(report["worst_case_attempts"], 8);
    assert_eq!((&report["worst_case_waiting_seconds"], &report["deadline_seconds"]), (&json!(180.0), &json!(600.0)));
}

#[tokio::test]
async fn check_warns_of_keys_that_are_missing() {
    let (a, b) = (dead().await, dead().await);
    let chain = around(&a).provider_with("b", Format::OpenAi, &b.url(), "api_key_env = \"ARCLLM_TEST_NO_SUCH_KEY\"");
    let folder = chain.folder().unwrap();
    let output = run(&folder, &["check", "--config", "config.toml", "--provider", "b"]).await;
    assert!(output.code == 0 && output.stdout.contains("ARCLLM_TEST_NO_SUCH_KEY"), "{output:?}");
    for (provider, warned) in [("b", true), ("a", false)] {
        let arguments = ["check", "--config", "config.toml", "--provider", provider, "--json"];
        let report = run(&folder, &arguments).await.json().unwrap();
        assert_eq!(report["problems"], json!([]));
        assert_eq!(report["warnings"].to_string().contains("providers.b.api_key_env"), warned, "{report}");
    }
}

#[tokio::test]
async fn check_finds_what_invoke_would_refuse() {
    let folder = around(&dead().await).module("fallback", "chain = [\"a\", \"c\"]").folder().unwrap();
    let output = run(&folder, &["check"]).await;
    assert!(output.code == 2 && output.stdout.contains("modules.fallback.chain[1]"), "{output:?}");
    let output = run(&folder, &["check", "--json"]).await;
    let report = output.json().unwrap();
    assert_eq!((output.code, report["problems"].as_array().unwrap().len()), (2, 1), "{report}");
}

#[tokio::test]
async fn modules_are_listed_in_their_order() {
    let folder = both().await;
    let output = run(&folder, &["modules"]).await;
    assert_eq!((output.code, output.stderr.as_str()), (0, ""));
    let (retry, fallback) = (output.stdout.find("retry ").unwrap(), output.stdout.find("fallback ").unwrap());
    assert!(retry < fallback && output.stdout.contains("sha256"), "{}", output.stdout);

    let listed = run(&folder, &["modules", "--json"]).await.json().unwrap();
    let modules = listed["modules"].as_array().unwrap();
    let names: Vec<_> = modules.iter().map(|module| module["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["retry", "fallback", "chaos", "circuit-breaker", "rate-limit", "redact", "telemetry"]);
    for (module, position) in
        modules.iter().zip([json!(1), json!(2)].into_iter().chain(std::iter::repeat_n(Value::Null, 5)))
    {
        assert_eq!((&module["position"], &module["problem"]), (&position, &Value::Null));
        assert_eq!(module["sha256"].as_str().unwrap().len(), 64);
        assert!(module["version"].is_string() && module["origin"].is_string());
        let imports = module["imports"].as_array().unwrap();
        assert!(imports.contains(&json!("arcllm:llm/types@0.1.0")), "{imports:?}");
    }
    assert_eq!((&modules[0]["asks_for"], &modules[0]["granted"]), (&json!(["state"]), &json!(["state"])));
    assert_eq!((&modules[1]["asks_for"], &modules[1]["granted"]), (&json!(["models"]), &json!(["models"])));
}

// Trust and inspection.

#[tokio::test]
async fn trusted_files_that_changed_or_are_gone_are_marked() {
    let folder = Folder::new("").unwrap();
    for name in ["same.toml", "changed.toml", "gone.toml"] {
        folder.write(name, "").unwrap();
        assert_eq!(run(&folder, &["trust", name]).await.code, 0);
    }
    folder.write("changed.toml", "# a comment").unwrap();
    std::fs::remove_file(folder.path().join("gone.toml")).unwrap();
    let output = run(&folder, &["trust", "--list"]).await;
    let ends: Vec<_> = output.stdout.lines().map(|line| line.rsplit('/').next().unwrap()).collect();
    assert_eq!(ends, ["same.toml", "changed.toml  changed: trust it again", "gone.toml  gone: forget it"]);
    assert_eq!(run(&folder, &["trust", "--forget", "gone.toml"]).await.code, 0);
    assert_eq!(run(&folder, &["trust", "--list"]).await.stdout.lines().count(), 2);
}

#[tokio::test]
async fn a_file_that_is_too_large_is_not_inspected() {
    let folder = Folder::new("").unwrap();
    let file = std::fs::File::create(folder.path().join("large.wasm")).unwrap();
    let inspect = ["module", "inspect", "large.wasm"];
    file.set_len(64 << 20).unwrap();
    let output = run(&folder, &inspect).await;
    assert!(output.code == 2 && output.stdout.contains("is not WebAssembly"), "{output:?}");
    file.set_len((64 << 20) + 1).unwrap();
    let output = run(&folder, &inspect).await;
    assert_eq!((output.code, output.stdout.as_str()), (2, ""));
    let expected = "error: large.wasm: this file is larger than 64 MiB\n  help: ";
    assert!(output.stderr.starts_with(expected), "{output:?}");
}

// The rest.

#[tokio::test]
async fn the_demo_needs_nothing_and_shows_everything() {
    let nothing = Folder::new("this is not even TOML").unwrap();
    let output = run(&nothing, &["demo"]).await;
    assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{output:?}");
    for part in [
        "status 529",
        "status 429, retry after 800 ms",
        "connection",
        "retry waits",
        "the server asked for 800 ms",
        "its own backoff",
        "fallback",
        "answered by spare",
        "Still here: the third provider has answered.",
        "The answer: These words come one by one, and you see nothing of the two failures.\n",
        "3 attempts",
        "to the first event",
    ] {
        assert!(output.stdout.contains(part), "no {part:?}: {}", output.stdout);
    }
}

#[tokio::test]
async fn the_help_says_what_a_script_can_say_of_streams() {
    let output = run(&Folder::new("").unwrap(), &["simulate", "--help"]).await;
    let keys = "stream pace_seconds body_delay_seconds pieces piece_bytes fault_at events line_end comments split_data \
                pings unknown_events coalesced gzip byte before_event in_event in_character \"before-end\"";
    for key in keys.split(' ') {
        assert!(output.stdout.contains(key), "no {key}: {}", output.stdout);
    }
}

#[tokio::test]
async fn a_simulated_provider_in_a_process_of_its_own() {
    let folder = Folder::new("").unwrap();
    let script = "[[reply]]\nstatus = 529\n\n[[reply]]\ntext = \"Back again.\"\n";
    folder.write("outage.toml", script).unwrap();
    let simulator = folder.arcllm(["simulate", "--script", "outage.toml", "--port", "0"]).unwrap().start().unwrap();
    let said = async |part: &str| {
        while !simulator.stdout().unwrap().contains(part) {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        simulator.stdout().unwrap()
    };
    let told = soon(said("Ctrl-C stops it\n")).await;
    let url =
        told.split_whitespace().find_map(|word| word.strip_suffix(':').filter(|w| w.starts_with("http"))).unwrap();

    let chain = Chain::new().provider("a", Format::Anthropic, url).module("retry", FAST).folder().unwrap();
    let output = run(&chain, &["invoke", "--json", "Hi"]).await;
    let answer = output.json().unwrap();
    assert_eq!((&answer["content"], answer["trail"].as_array().unwrap().len()), (&json!("Back again."), 2));
    soon(said("POST /v1/messages -> 529\n")).await;
    soon(said("POST /v1/messages -> 200\n")).await;
}

#[tokio::test]
async fn a_script_with_a_mistake() {
    let folder = Folder::new("").unwrap();
    folder.write("outage.toml", "[[reply]]\nstatsu = 529").unwrap();
    let output = run(&folder, &["simulate", "--script", "outage.toml"]).await;
    assert_eq!((output.code, output.stdout.as_str()), (2, ""));
    assert!(output.stderr.contains("outage.toml") && output.stderr.contains("statsu"), "{output:?}");
}

#[tokio::test]
async fn completions() {
    let folder = Folder::new("").unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = run(&folder, &["completions", shell]).await;
        assert_eq!((output.code, output.stderr.as_str()), (0, ""));
        assert!(output.stdout.contains("arcllm") && output.stdout.contains("max-tokens"), "{shell}");
    }
}

#[tokio::test]
async fn colours_only_on_a_terminal() {
    let a = replies([Reply::status(529), Reply::text("Hello")]).await;
    let folder = around(&a).module("retry", FAST).folder().unwrap();
    for arguments in [
        &["invoke", "--trace", "Hi"][..],
        &["invoke", "--provider", "nobody", "Hi"],
        &["invoke", "--max-tokens", "x", "Hi"],
        &["check"],
        &["check", "--provider", "anthropic"],
        &["modules"],
        &["demo"],
        &["--help"],
        &["invoke", "--help"],
        &[],
    ] {
        let output = soon(folder.arcllm(arguments).unwrap().env("ARCLLM_LOG", "trace").run()).await.unwrap();
        assert!(!output.stdout.contains('\u{1b}') && !output.stderr.contains('\u{1b}'), "{arguments:?}: {output:?}");
    }
}

/// `arcllm … | head` closes the pipe too.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn output_that_cannot_be_written_is_an_error() {
    let (_a, folder) = gives(Reply::default()).await;
    for arguments in [
        &["invoke", "Hi"][..],
        &["invoke", "--json", "Hi"],
        &["invoke", "--json", "--provider", "nobody", "Hi"],
        &["check"],
        &["modules", "--json"],
        &["demo"],
        &["completions", "bash"],
    ] {
        let output = soon(folder.arcllm(arguments).unwrap().with_full_disk().run()).await.unwrap();
        assert!([1, 2].contains(&output.code), "{arguments:?}: {output:?}");
        assert!(!output.stderr.contains("panicked"), "{arguments:?}: {output:?}");
    }
}
