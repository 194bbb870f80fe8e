//! Texts of modules and providers are harmless to a terminal.

use crate::strangers::stage::{HOSTILE, ask, hostile, is_harmless, prebuilt, run};
use crate::{
    scene::{around, replies, soon},
    support::Folder,
};
use arcllm::Host;
use arcllm_simulator::Reply;
use serde_json::{Value, json};

#[tokio::test]
async fn descriptions_of_components_are_harmless() {
    let folder = Folder::new("").unwrap();
    folder.write("stranger.wasm", prebuilt(HOSTILE)).unwrap();
    let report = Host::inspect(&folder.path().join("stranger.wasm")).await.unwrap();
    assert_eq!(report.version.as_deref(), Some(r"1.0\u{1b}[41mEVIL\u{7}"));
    assert_eq!(report.kind.as_deref(), Some(r"odd\u{9b}2J\n\u{202e}"));
    let schema = report.config_schema.unwrap();
    assert_eq!(schema["properties"]["text"]["description"], r"\u{1b}[2J\u{202e}evil");
    for arguments in [&["module", "inspect", "stranger.wasm"][..], &["module", "inspect", "stranger.wasm", "--json"]] {
        let output = soon(folder.arcllm(arguments).unwrap().run()).await.unwrap();
        assert_eq!(output.code, 0, "{output:?}");
        is_harmless(&output.stdout);
        assert!(output.stdout.contains("EVIL"), "{}", output.stdout);
    }
    let a = replies([]).await;
    let folder = hostile(around(&a), "", &[]);
    for arguments in [&["modules"][..], &["modules", "--json"], &["check"], &["check", "--json"]] {
        let output = run(&folder, arguments).await;
        assert_eq!(output.code, 0, "{output:?}");
        is_harmless(&output.stdout);
    }
}

/// A window title, a colour, control characters of the second set, and text from right to left.
const SEQUENCES: &str = r"\u001B]0;title\u0007\u001B[31m\u009B2J\u202Eevil";

#[tokio::test]
async fn errors_and_log_lines_of_modules_are_harmless() {
    let a = replies([]).await;
    for settings in ["fail", "log", "refuse"] {
        let folder = hostile(around(&a), &format!("{settings} = \"first\\n{SEQUENCES}\""), &[]);
        for arguments in [&["invoke", "Hi"][..], &["invoke", "--trace", "Hi"], &["check"]] {
            let output = run(&folder, arguments).await;
            is_harmless(&output.stdout);
            is_harmless(&output.stderr);
            let said = format!("{}{}", output.stdout, output.stderr);
            let is_said = settings == "refuse" || arguments[0] == "invoke";
            assert_eq!(said.contains("evil"), is_said, "{settings}: {said}");
            // It cannot begin a line.
            assert!(!said.lines().any(|line| line.starts_with("\\u{1b}")), "{said}");
        }
    }
    // Long messages are cut.
    let folder = hostile(around(&a), &format!("fail = \"{}\"", "x".repeat(100_000)), &[]);
    assert!(ask(&folder).await.unwrap_err().to_string().len() < 10_000);
}

#[tokio::test]
async fn texts_of_providers_are_harmless() {
    let evil = "evil\u{1b}]0;title\u{7}\u{9b}2J\u{202e}";
    let a = replies([Reply::error(400, evil), Reply::text("Hi").model(evil), Reply::text("Hi").model(evil)]).await;
    let folder = around(&a).folder().unwrap();
    let refused = run(&folder, &["invoke", "Hi"]).await;
    let whole = run(&folder, &["invoke", "--trace", "Hi"]).await;
    let streamed = run(&folder, &["invoke", "--trace", "--stream", "Hi"]).await;
    for output in [refused, whole, streamed] {
        is_harmless(&output.stderr);
        assert!(output.stderr.contains("evil"), "{output:?}");
    }
}

#[tokio::test]
async fn answers_are_exact_except_on_a_terminal() {
    let evil = "first\n\u{1b}]0;title\u{7}\u{1b}[31m\u{9b}2J\r\u{202e}\u{200d}last";
    let call = json!({"x": "\u{9b}2J\u{202e}"});
    let a = replies([Reply::text(evil).tool_call("t", "n\u{9b}", call.clone()).times(6)]).await;
    let folder = around(&a).folder().unwrap();
    for stream in [&[][..], &["--stream"]] {
        let output = run(&folder, &[&["invoke", "Hi"], stream].concat()).await;
        assert!(output.stdout.starts_with(&format!("{evil}\n")), "{output:?}");
        let output = run(&folder, &[&["invoke", "--json", "Hi"], stream].concat()).await;
        is_harmless(&output.stdout);
        let last: Value = serde_json::from_str(output.stdout.lines().last().unwrap()).unwrap();
        assert_eq!((&last["content"], &last["tool_calls"][0]["arguments"]), (&json!(evil), &call));
        #[cfg(target_os = "linux")]
        {
            let seen = on_a_terminal(&folder, &[&["invoke", "Hi"], stream].concat()).await;
            is_harmless(&seen.replace('\r', ""));
            for said in ["first\r\n", "\\u{1b}]0;title\\u{7}\\u{1b}[31m\\u{9b}2J\\u{202e}\u{200d}last"] {
                assert!(seen.contains(said), "{seen:?}");
            }
        }
    }
}

/// The output of the command on a terminal, which the program `script` provides.
#[cfg(target_os = "linux")]
async fn on_a_terminal(folder: &Folder, arguments: &[&str]) -> String {
    let config = folder.path().join("config.toml");
    let command = format!("'{}' {} --config '{}'", crate::support::ARCLLM, arguments.join(" "), config.display());
    let mut script = std::process::Command::new("script");
    // It stays open, or `script` ends early.
    let (stdin, _open) = std::io::pipe().unwrap();
    script.args(["-q", "-e", "-c", &format!("{command} 2>/dev/null"), "/dev/null"]).env("TERM", "xterm").stdin(stdin);
    let output = tokio::task::spawn_blocking(move || script.output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}
