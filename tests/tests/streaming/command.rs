//! `arcllm invoke --stream`: what it writes while the answer arrives, and how it ends.

use arcllm_simulator::{Fault, Format, Place, Reply, Simulator};
use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::{
    scene::{FAST, around_both, count, dead, replies, soon},
    support::{Chain, Folder, Output, Running},
};

/// A provider with this one reply.
async fn gives(format: Format, reply: Reply) -> (Simulator, Folder) {
    let provider = replies([reply]).await;
    let folder = Chain::new().provider("a", format, &provider.url()).folder().unwrap();
    (provider, folder)
}

async fn run(folder: &Folder, arguments: &[&str]) -> Output {
    soon(folder.arcllm([&["invoke"], arguments].concat()).unwrap().run()).await.unwrap()
}

/// The lines of standard output, each of them JSON.
fn lines(output: &Output) -> Vec<Value> {
    assert!(output.stdout.ends_with('\n'), "{output:?}");
    output.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The same without times, which differ from run to run.
fn without_times(mut json: Value) -> Value {
    let holder = if json.get("error").is_some() { &mut json["error"] } else { &mut json };
    for attempt in holder["trail"].as_array_mut().unwrap() {
        // Only a streamed answer has a first event.
        attempt.as_object_mut().unwrap().remove("first_event_seconds");
        for (name, value) in attempt.as_object_mut().unwrap() {
            if name.ends_with("_seconds") && value.is_number() {
                *value = json!("some");
            }
        }
    }
    json
}

/// An answer that goes wrong after two words.
fn broken(fault: Fault) -> Reply {
    // Three events come before the text in Anthropic's format.
    Reply::text("One two three four").with_fault(fault).fault_at(Place::BeforeEvent(6))
}

#[cfg(unix)]
fn interrupt(running: &Running) {
    let kill = std::process::Command::new("kill").args(["-INT", &running.id().to_string()]).status();
    assert!(kill.unwrap().success());
}

/// Answers that are whole.
fn whole() -> Vec<Reply> {
    vec![
        Reply::text("Hello there"),
        Reply::text("It ends its lines\nitself.\n"),
        Reply::text("👀 Zürich \u{1b}[31mred\u{1b}[0m").piece_bytes(2),
        Reply::text("Yes").thinking("Let me think about it.", "sig"),
        Reply::text("Let me look.").tool_call("call_1", "now", json!({"zone": "CET"})).tool_call("c2", "x", json!({})),
        Reply::default().tool_call("call_1", "now", json!({"zone": "CET"})),
    ]
}

// What is written.

#[tokio::test]
async fn it_writes_what_is_written_without_it() {
    for format in [Format::Anthropic, Format::OpenAi] {
        for reply in whole() {
            let (_a, folder) = gives(format, reply.clone().times(2)).await;
            let streamed = run(&folder, &["--stream", "Hi"]).await;
            assert_eq!(streamed, run(&folder, &["Hi"]).await, "{reply:?}");
            assert_eq!((streamed.code, streamed.stderr.as_str()), (0, ""));
        }
    }
}

#[tokio::test]
async fn as_json_its_last_line_is_what_is_printed_without_it() {
    for format in [Format::Anthropic, Format::OpenAi] {
        for reply in whole() {
            let ((_a, streamed), (_b, plain)) = (gives(format, reply.clone()).await, gives(format, reply).await);
            let mut lines = lines(&run(&streamed, &["--stream", "--json", "Hi"]).await);
            let last = lines.pop().unwrap();
            let plain = run(&plain, &["--json", "Hi"]).await.json().unwrap();
            assert_eq!(without_times(last.clone()), without_times(plain));
            assert!(lines.iter().all(|line| line["type"].is_string() && line["type"] != "end"), "{lines:?}");
            let text = lines.iter().filter(|line| line["type"] == "text").map(|line| line["text"].as_str().unwrap());
            assert_eq!(text.collect::<String>(), last["content"].as_str().unwrap_or_default());
        }
    }
}

#[tokio::test]
async fn as_json_it_is_an_event_a_line() {
    let reply = Reply::text("Let me").tool_call("call_1", "now", json!({"zone": "CET"}));
    let (_a, folder) = gives(Format::Anthropic, reply).await;
    let output = run(&folder, &["--stream", "--json", "Hi"]).await;
    let events: Vec<_> = output.stdout.lines().filter(|line| line.starts_with("{\"type\"")).collect();
    assert_eq!(events.len() + 1, output.stdout.lines().count());
    assert_snapshot!(events.join("\n"), @r#"
    {"type":"usage","usage":{"input_tokens":10,"output_tokens":1,"total_tokens":11,"cache_read_tokens":0,"cache_write_tokens":0,"reasoning_tokens":null}}
    {"type":"text","text":"Let"}
    {"type":"text","text":" me"}
    {"type":"block","block":{"type":"text","text":"Let me"}}
    {"type":"tool_use_start","index":0,"id":"call_1","name":"now"}
    {"type":"tool_arguments","index":0,"json":"{\"zone\":"}
    {"type":"tool_arguments","index":0,"json":"\"CET\"}"}
    {"type":"tool_use_end","index":0,"call":{"id":"call_1","name":"now","arguments":{"zone":"CET"}}}
    {"type":"usage","usage":{"input_tokens":10,"output_tokens":5,"total_tokens":15,"cache_read_tokens":0,"cache_write_tokens":0,"reasoning_tokens":null}}
    "#);
}

// How it ends.

#[tokio::test]
async fn what_fails_before_the_first_event_is_told_as_without_it() {
    let cases = [
        (Reply::error(429, "Slow down."), vec![], 1),
        (Reply::default().with_fault(Fault::Malformed).fault_at(Place::BeforeEvent(1)), vec![], 1),
        (Reply::default(), vec!["--provider", "nobody"], 2),
        (Reply::default(), vec!["--temperature", "hot"], 2),
    ];
    for (reply, arguments, code) in cases {
        for json in [&["--json"][..], &[]] {
            let ((_a, streamed), (_b, plain)) =
                (gives(Format::OpenAi, reply.clone()).await, gives(Format::OpenAi, reply.clone()).await);
            let arguments = [json, &arguments, &["Hi"]].concat();
            let streamed = run(&streamed, &[&["--stream"], &arguments[..]].concat()).await;
            let plain = run(&plain, &arguments).await;
            assert_eq!((streamed.code, plain.code), (code, code), "{streamed:?}");
            if json.is_empty() {
                assert_eq!((streamed.stdout.as_str(), plain.stdout.as_str()), ("", ""));
                assert!(streamed.stderr.starts_with("error: "), "{streamed:?}");
            } else {
                let (streamed, plain) = (streamed.json().unwrap(), plain.json().unwrap());
                assert_eq!(streamed["error"]["kind"], plain["error"]["kind"]);
            }
        }
    }
}

#[tokio::test]
async fn an_error_after_text_comes_on_a_line_of_its_own() {
    for fault in [Fault::ResetInBody, Fault::Truncate, Fault::EndEarly, Fault::ErrorEvent] {
        let (a, folder) = gives(Format::Anthropic, broken(fault)).await;
        let output = run(&folder, &["--stream", "--module", "retry=on", "Hi"]).await;
        assert_eq!((output.code, output.stdout.as_str()), (1, "One two\n"), "{fault:?}");
        assert!(output.stderr.starts_with("error: a") && output.stderr.ends_with('\n'), "{output:?}");
        assert_eq!((output.stderr.lines().count(), count(&a)), (1, 1), "{output:?}");
    }
}

#[tokio::test]
async fn as_json_an_error_has_what_had_arrived() {
    let (_a, folder) = gives(Format::Anthropic, broken(Fault::Truncate)).await;
    let output = run(&folder, &["--stream", "--json", "Hi"]).await;
    assert_eq!((output.code, output.stderr.as_str()), (1, ""));
    let lines = lines(&output);
    let (last, events) = lines.split_last().unwrap();
    let texts: Vec<_> = events.iter().filter(|event| event["type"] == "text").map(|event| &event["text"]).collect();
    assert_eq!(texts, ["One", " two"]);
    assert_eq!(last.as_object().unwrap().len(), 1);
    let error = &last["error"];
    assert_eq!((&error["kind"], &error["trail"][0]["outcome"]), (&json!("connection"), &json!("connection")));
    assert_eq!(error["received"], json!([{"type": "text", "text": "One two"}]));
}

/// It is interrupted after two words. So they were written before the rest came.
#[cfg(unix)]
#[tokio::test]
async fn an_interrupt_ends_it_with_what_had_arrived() {
    for json in [true, false] {
        let (a, folder) = gives(Format::Anthropic, broken(Fault::SilenceInBody)).await;
        let arguments = [&["invoke", "--stream", "Hi"][..], if json { &["--json"] } else { &[] }].concat();
        let running = folder.arcllm(&arguments).unwrap().start().unwrap();
        let written = async {
            while !running.stdout().unwrap().contains(" two") {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        soon(written).await;
        interrupt(&running);
        let output = soon(running.end()).await.unwrap();
        assert_eq!(output.code, 1, "{output:?}");
        if json {
            let error = &lines(&output).pop().unwrap()["error"];
            assert_eq!((&error["kind"], &error["trail"][0]["outcome"]), (&json!("cancelled"), &json!("cancelled")));
            assert_eq!(error["received"], json!([{"type": "text", "text": "One two"}]));
            assert_eq!(output.stderr, "");
        } else {
            assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("One two\n", "error: cancelled\n"));
        }
        soon(a.wait_until(|requests| requests[0].dropped())).await;
        assert_eq!(count(&a), 1);
    }
}

/// The answer never ends, but the reader has closed the pipe.
#[tokio::test]
async fn a_closed_pipe_ends_it_quietly() {
    for arguments in [&["invoke", "--stream", "Hi"][..], &["invoke", "--stream", "--json", "Hi"]] {
        let (a, folder) = gives(Format::Anthropic, broken(Fault::SilenceInBody)).await;
        let output = soon(folder.arcllm(arguments).unwrap().with_closed_pipe().run()).await.unwrap();
        assert_eq!((output.code, output.stderr.as_str()), (1, ""));
        soon(a.wait_until(|requests| requests[0].dropped())).await;
    }
}

/// While it writes to the full pipe, it cannot see Ctrl-C.
#[cfg(unix)]
#[tokio::test]
async fn an_interrupt_ends_it_where_nobody_reads() {
    // More than a pipe holds.
    let much = Reply::text("word ".repeat(100_000)).pieces(1);
    for arguments in [&["invoke", "Hi"][..], &["invoke", "--stream", "Hi"], &["invoke", "--stream", "--json", "Hi"]] {
        let (_a, folder) = gives(Format::OpenAi, much.clone()).await;
        let running = folder.arcllm(arguments).unwrap().with_stalled_pipe().start().unwrap();
        soon(running.has_written()).await.unwrap();
        interrupt(&running);
        assert_eq!(soon(running.end()).await.unwrap().code, 1, "{arguments:?}");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_is_told() {
    for arguments in [&["invoke", "--stream", "Hi"][..], &["invoke", "--stream", "--json", "Hi"]] {
        let (_a, folder) = gives(Format::OpenAi, Reply::default()).await;
        let output = soon(folder.arcllm(arguments).unwrap().with_full_disk().run()).await.unwrap();
        assert_eq!(output.code, 1);
        assert!(output.stderr.starts_with("error: cannot write to standard output: "), "{output:?}");
    }
}

// The trace.

#[tokio::test]
async fn the_trace_says_how_fast_it_came() {
    let pace = std::time::Duration::from_millis(10);
    let early = Reply::default().with_fault(Fault::Truncate).fault_at(Place::BeforeEvent(1));
    let (a, b) = (replies([early]).await, replies([Reply::text("One two three").pace(pace)]).await);
    let folder = around_both(&a, &b).module("fallback", "chain = [\"a\", \"b\"]").folder().unwrap();
    let output = run(&folder, &["--stream", "--trace", "Hi"]).await;
    assert_eq!((output.code, output.stdout.as_str()), (0, "One two three\n"));
    for part in
        ["fallback switches to b", "answered by b", "2 attempts", " s  to the first event; ", " events per second\n"]
    {
        assert!(output.stderr.contains(part), "no {part:?}: {}", output.stderr);
    }
}

#[tokio::test]
async fn the_trace_of_what_ends_early() {
    let (_a, folder) = gives(Format::Anthropic, broken(Fault::Truncate)).await;
    let output = run(&folder, &["--stream", "--trace", "Hi"]).await;
    assert!(output.stderr.contains("no whole answer: connection; 1 attempt\n"), "{output:?}");
    assert!(output.stderr.contains("to the first event"), "{output:?}");
    assert_eq!((output.code, output.stdout.as_str()), (1, "One two\n"));

    let dead = dead().await;
    let folder = Chain::new().provider("a", Format::OpenAi, &dead.url()).module("retry", FAST).folder().unwrap();
    let output = run(&folder, &["--stream", "--trace", "Hi"]).await;
    assert!(output.stderr.contains("no answer: connection; ") && !output.stderr.contains("first event"), "{output:?}");
}
