use super::*;
use crate::client::client::CallForms;
use http::StatusCode;
use serde_json::json;

fn types(out: &[u8]) -> Vec<&str> {
    let text = str::from_utf8(out).unwrap();
    text.lines().filter_map(|line| line.strip_prefix("event: response.")).collect()
}

fn heading() -> Heading {
    Heading {
        id: "a".to_owned(),
        model: "m".to_owned(),
        created: 1,
        wants_usage: true,
        call_forms: CallForms::default(),
        echo: Value::Null,
    }
}

/// The id of the response in each event that tells of it.
fn ids(out: &[u8]) -> Vec<String> {
    let events = str::from_utf8(out).unwrap().lines().filter_map(|line| line.strip_prefix("data: "));
    let events = events.map(|data| serde_json::from_str::<Value>(data).unwrap());
    events.filter_map(|data| data["response"]["id"].as_str().map(str::to_owned)).collect()
}

const CREATED: &[u8] =
    b"event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"resp_p\"}}\n\n";
const DELTA: &[u8] = b"event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\"}\n\n";
const COMPLETED: &[u8] =
    b"event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"id\":\"resp_p\"}}\n\n";

#[test]
fn what_the_gateway_adds_to_the_providers_events_is_about_the_same_response() {
    let (mut events, mut out) = (Events::new(&heading()), Vec::new());
    events.original(CREATED, &mut out);
    events.original(DELTA, &mut out);
    assert_eq!(out, [CREATED, DELTA].concat());
    events.keep_alive(&mut out);
    events.fail(&Problem::new(StatusCode::BAD_GATEWAY, "cut"), &mut out);
    assert_eq!(types(&out), ["created", "output_text.delta", "in_progress", "failed"]);
    assert_eq!(ids(&out), ["resp_p"; 3]);
    let numbers = ["2", "3", "4"].map(|number| format!("\"sequence_number\":{number},"));
    assert!(numbers.iter().all(|number| str::from_utf8(&out).unwrap().contains(number)));
}

#[test]
fn no_number_comes_twice_in_the_providers_events() {
    let numbered = |number: u64, kind: &str| {
        let response = json!({"type": kind, "sequence_number": number, "response": {"id": "resp_p"}});
        format!("event: {kind}\ndata: {response}\n\n").into_bytes()
    };
    for silences in [[false, true], [true, true], [true, false]] {
        let (mut events, mut out) = (Events::new(&heading()), Vec::new());
        if silences[0] {
            events.keep_alive(&mut out);
        }
        events.original(&numbered(0, "response.created"), &mut out);
        events.original(&numbered(1, "response.in_progress"), &mut out);
        if silences[1] {
            events.keep_alive(&mut out);
        }
        events.original(&numbered(2, "response.completed"), &mut out);
        let text = String::from_utf8(out).unwrap();
        let numbers: Vec<u64> = text
            .lines()
            .filter_map(|line| line.strip_prefix("data: "))
            .map(|data| serde_json::from_str::<Value>(data).unwrap()["sequence_number"].as_u64().unwrap())
            .collect();
        assert!(numbers.iter().zip(0..).all(|(number, place)| *number == place), "{text}");
    }
}

#[test]
fn the_providers_events_go_on_with_what_the_gateway_has_begun() {
    let (mut events, mut out) = (Events::new(&heading()), Vec::new());
    events.keep_alive(&mut out);
    events.original(CREATED, &mut out);
    events.original(DELTA, &mut out);
    events.original(COMPLETED, &mut out);
    assert_eq!(types(&out), ["created", "in_progress", "output_text.delta", "completed"]);
    assert_eq!(ids(&out), ["resp_a"; 3]);
}

#[test]
fn a_long_silence_is_told_behind_the_first_event() {
    let (mut events, mut out) = (Events::new(&heading()), Vec::new());
    events.keep_alive(&mut out);
    events.keep_alive(&mut out);
    events.begin(&mut out);
    assert_eq!(types(&out), ["created", "in_progress", "in_progress"]);
    events.event(&Event::Text("Hi".to_owned()), &mut out);
    events.keep_alive(&mut out);
    let expected = ["output_item.added", "content_part.added", "output_text.delta", "in_progress"];
    assert_eq!(types(&out)[3..], expected);
}
