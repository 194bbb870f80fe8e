//! `demo`, `simulate` and `completions`.

use arcllm_simulator::{Fault, Format};
use serde_json::json;

use crate::{
    command::run,
    scene::{FAST, soon},
    support::{Chain, Folder},
};

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
    for key in keys.split(' ').chain(Fault::ALL.iter().map(|fault| fault.name())) {
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
