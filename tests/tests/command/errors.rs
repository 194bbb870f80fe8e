//! What fails: exit codes, and errors as JSON and as text.

use std::process::Command;

use arcllm_simulator::{Fault, Reply};
use serde_json::{Value, json};

use crate::{
    command::{assert_is_an_error, error, gives, run},
    scene::{around, count, dead, soon},
};

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
