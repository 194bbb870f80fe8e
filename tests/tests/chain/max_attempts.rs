//! `host.max_attempts`: one call sends no more requests than this, whatever its modules do.

use std::{sync::Arc, time::Duration};

use arcllm::{Config, Error, Event, Host, MemoryStore, Message, Model, Overrides};
use arcllm_simulator::{Reply, Simulator};
use futures::StreamExt as _;
use insta::assert_snapshot;
use serde_json::json;

use crate::{
    scene::{FAST, around, around_both, ask, count, load, replies, soon, steps},
    support::{Chain, Folder, Provider},
};

/// A retry that can turn errors into answers.
const FAULTY: &[u8] = include_bytes!("../../prebuilt/faulty.wasm");

/// A module that writes its answers.
const STREAMED: &[u8] = include_bytes!("../../prebuilt/upper-streamed.wasm");

const REPEAT: &str = "fault = \"repeat\"";

/// A provider that is always overloaded.
async fn overloaded() -> Simulator {
    replies([Reply::status(529).times(u32::MAX)]).await
}

/// Checks that the call ended because this module asked for more than `most` requests, which are in the trail.
fn assert_exceeded(error: &Error, module: &str, most: usize) {
    let seen = serde_json::to_value(error).unwrap();
    let message = format!(
        "the module `{module}` asks for more than the {most} requests that one call may send (host.max_attempts)"
    );
    assert_eq!((&seen["kind"], &seen["message"]), (&json!("module"), &json!(message)));
    assert_eq!(seen["extensions"], json!({ "module": module, "limit": "max_attempts" }));
    assert_eq!(error.trail.len(), most);
}

async fn ended(model: &Model) -> Error {
    soon(model.invoke(&[Message::user("Hi")], &[])).await.unwrap_err()
}

#[tokio::test]
async fn a_module_that_asks_too_often_ends_its_call() {
    for (setting, most) in [("", 32), ("max_attempts = 1", 1), ("max_attempts = 7", 7)] {
        for good in [true, false] {
            let a = if good { replies([]).await } else { overloaded().await };
            let folder = around(&a).module("chaos", REPEAT).host(setting).folder().unwrap();
            let model = load(&folder, Overrides::new()).await;
            assert_exceeded(&ended(&model).await, "chaos", most);
            assert_exceeded(
                &soon(model.stream(&[Message::user("Hi")], &[]).collect()).await.unwrap_err(),
                "chaos",
                most,
            );
            assert_eq!(count(&a), 2 * most);
        }
    }
}

#[tokio::test]
async fn calls_within_the_limit_are_not_affected() {
    let a = overloaded().await;
    let chain = around(&a).module("retry", &format!("{FAST}\nmax_retries = 3")).host("max_attempts = 4");
    let error = ask(&chain).await.unwrap_err();
    assert_eq!((error.kind.as_str(), error.trail.len(), count(&a)), ("api", 4, 4));
    let a = replies([]).await;
    assert!(ask(&around(&a).host("max_attempts = 1")).await.is_ok());
}

/// The requests of all modules to all providers count.
#[tokio::test]
async fn retries_and_fallbacks_add_up() {
    let (a, b) = (overloaded().await, overloaded().await);
    let chain = around_both(&a, &b).module("retry", FAST).module("fallback", "chain = [\"a\", \"b\"]");
    let error = ask(&chain.host("max_attempts = 3")).await.unwrap_err();
    assert_exceeded(&error, "fallback", 3);
    let trail = ["fallback asks a: 529", "fallback asks b: 529", "retry waits, fallback asks a: 529"];
    assert_eq!((steps(&error.trail), count(&a), count(&b)), (trail.map(str::to_owned).to_vec(), 2, 1));
}

#[tokio::test]
async fn no_module_outside_continues_after_the_limit() {
    let (a, b) = (overloaded().await, replies([]).await);
    let chain = around_both(&a, &b).module("fallback", "chain = [\"a\", \"b\"]");
    let chain = chain.module("chaos", &format!("{REPEAT}\nprovider = \"a\"")).host("max_attempts = 5");
    assert_exceeded(&ask(&chain).await.unwrap_err(), "chaos", 5);
    assert_eq!((count(&a), count(&b)), (5, 0));

    // A module that answers instead.
    let chain = around(&a).host("order = [\"faulty\", \"chaos\"]\nmax_attempts = 5").module("chaos", REPEAT);
    let folder = Folder::new(&chain.module("faulty", "fault = \"swallows-errors\"").to_string()).unwrap();
    folder.write("modules/faulty.wasm", FAULTY).unwrap();
    let model = load(&folder, Overrides::new()).await;
    assert_exceeded(&ended(&model).await, "chaos", 5);
    assert_exceeded(&soon(model.stream(&[Message::user("Hi")], &[]).collect()).await.unwrap_err(), "chaos", 5);
}

/// The caller is already reading its answer.
#[tokio::test]
async fn a_module_that_asks_too_often_while_it_writes_ends_its_answer() {
    let a = replies([]).await;
    let chain = around(&a).host("order = [\"upper-streamed\"]\nmax_attempts = 6");
    let folder = Folder::new(&chain.module("upper-streamed", "fault = \"asks-on\"").to_string()).unwrap();
    folder.write("modules/upper-streamed.wasm", STREAMED).unwrap();
    let model = load(&folder, Overrides::new()).await;
    let mut stream = model.stream(&[Message::user("Hi")], &[]);
    let mut text = String::new();
    let error = loop {
        match soon(stream.next()).await.unwrap() {
            Ok(Event::Text(piece)) => text.push_str(&piece),
            Ok(event) => assert!(!matches!(event, Event::End(_)), "it has no end"),
            Err(error) => break error,
        }
    };
    assert_exceeded(&error, "upper-streamed", 6);
    assert!(!text.is_empty() && !error.received.is_empty(), "what had come is there: {text}");
    assert!(soon(stream.next()).await.is_none());
    assert_exceeded(&ended(&model).await, "upper-streamed", 6);
    assert_eq!(count(&a), 12);
}

/// The module goes on asking. If it got answers, it would use up its CPU time and trap.
#[tokio::test]
async fn other_calls_of_the_instance_are_not_affected() {
    let config = format!(
        "[host]\nmax_attempts = 3\n[modules.chaos]\nenabled = true\nprovider = \"bad\"\n{REPEAT}\n\
         [modules.chaos.sandbox]\ncpu_seconds = 0.3\nmax_instances = 1"
    );
    let (gate, open) = (Arc::new(Provider::closed()), Arc::new(Provider::open()));
    let host =
        Host::builder().config(Config::parse(&config, None).unwrap()).state_store(Arc::new(MemoryStore::default()));
    let host = host.adapter("good", "m", gate.clone()).adapter("bad", "m", open.clone()).build().unwrap();
    let good = soon(host.load_model("good", Overrides::new())).await.unwrap();
    let bad = soon(host.load_model("bad", Overrides::new())).await.unwrap();
    let waiting = tokio::spawn(async move { good.invoke(&[Message::user("Hi")], &[]).await });
    gate.wait_until_asked(1).await;
    assert_exceeded(&ended(&bad).await, "chaos", 3);
    tokio::time::sleep(Duration::from_secs(1)).await;
    gate.let_answer(1);
    soon(waiting).await.unwrap().unwrap();
    assert_eq!(open.asked(), 3);
}

#[tokio::test]
async fn check_shows_the_limit_and_warns() {
    let a = replies([]).await;
    let check = async |chain: Chain| {
        let folder = chain.folder().unwrap();
        let json = soon(folder.arcllm(["check", "--json"]).unwrap().run()).await.unwrap().json().unwrap();
        let text = soon(folder.arcllm(["check"]).unwrap().run()).await.unwrap().stdout;
        let lines: Vec<_> = text.lines().skip_while(|line| !line.contains("host.max_attempts")).take(2).collect();
        assert!(text.contains(&format!("attempts    {} at most\n", json["max_attempts"])), "{text}");
        (json["max_attempts"].clone(), json["worst_case_attempts"].clone(), lines.join("\n"))
    };
    let retry = |settings: &str| around(&a).module("retry", &format!("max_wait_seconds = 1\n{settings}"));
    assert_eq!(check(retry("max_retries = 31")).await, (json!(32), json!(32), String::new()));
    let (most, worst, warning) = check(retry("max_retries = 32")).await;
    assert_eq!((most, worst), (json!(32), json!(33)));
    assert_snapshot!(warning, @"
    warning     config.toml:4: `host.max_attempts` is 32, and one call can ask for more requests than that: up to 33
                help: raise it, or make the modules ask less often; it ends the call that asks for one more
    ");
    let (most, _, warning) = check(around(&a).module("chaos", REPEAT).host("max_attempts = 5")).await;
    assert_eq!(most, json!(5));
    assert!(warning.contains("`host.max_attempts` is 5") && warning.contains("than that: any number"), "{warning}");
}

#[test]
fn wrong_limits_are_named() {
    for wrong in ["0", "-1", "2.5", "nan", "inf", "\"many\"", "true", "4294967296"] {
        let error = Config::parse(&format!("[host]\nmax_attempts = {wrong}"), None).unwrap_err().to_string();
        assert!(error.starts_with("`host.max_attempts` is ") && error.contains("help: "), "{wrong}: {error}");
    }
}
