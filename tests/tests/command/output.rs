//! What goes in and comes out: standard input, standard output, colours, the trace.

use arcllm_simulator::{Fault, Reply};
use serde_json::json;

use crate::{
    command::{error, gives, run},
    scene::{FAST, around, around_both, count, replies, soon},
    support::{Folder, Output},
};

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

/// The allocator looks for its settings by a name, and does without where a linker has dropped it.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[tokio::test]
async fn memory_that_nobody_uses_goes_back_soon() {
    let (_a, folder) = gives(Reply::default()).await;
    let command = folder.arcllm(["--version"]).unwrap().env("_RJEM_MALLOC_CONF", "stats_print:true");
    let told = soon(command.run()).await.unwrap().stderr;
    for setting in ["opt.background_thread: true ", "opt.dirty_decay_ms: 1000 "] {
        assert!(told.contains(setting), "{setting}: {told}");
    }
}
