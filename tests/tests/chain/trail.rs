//! The trail: the attempts of a call, in the library, in JSON and for a person.

use arcllm::{Message, Overrides};
use arcllm_simulator::{Fault, Reply, Simulator};
use serde_json::{Value, json};

use crate::{
    scene::{FAST, around_both, load, replies, soon},
    support::Folder,
};

/// Two providers and both modules; `a` fails in three ways, and `b` ends it.
async fn eventful(last: Reply) -> (Simulator, Simulator, Folder) {
    let first = [Reply::status(429).header("retry-after-ms", "20"), Reply::fault(Fault::Reset), Reply::status(503)];
    let (a, b) = (replies(first).await, replies([last]).await);
    let chain =
        around_both(&a, &b).host("order = [\"fallback\", \"retry\"]").module("fallback", "chain = [\"a\", \"b\"]");
    let folder = chain.module("retry", &format!("{FAST}\nmax_retries = 2")).folder().unwrap();
    (a, b, folder)
}

/// The parts of a trail that are the same in every run, as JSON.
fn shape(trail: &Value) -> Value {
    let mut trail = trail.clone();
    for attempt in trail.as_array_mut().unwrap() {
        for seconds in ["waited_seconds", "took_seconds", "started_after_seconds"] {
            let time = attempt[seconds].as_f64().unwrap();
            assert!(time >= 0.0 && time.is_finite(), "{attempt}");
            attempt[seconds] = (time > 0.0).into();
        }
        let (is_counted, has_id) = (attempt["usage"].is_object(), attempt["request_id"].is_string());
        assert_eq!((is_counted, has_id), (attempt["outcome"] == "ok", attempt["outcome"] != "connection"), "{attempt}");
        ["usage", "request_id"].iter().for_each(|name| drop(attempt.as_object_mut().unwrap().remove(*name)));
    }
    trail
}

/// The trail of [`eventful`], with how it ends.
fn expected_trail(outcome: &str, status: Value) -> Value {
    let attempt = |provider: &str, outcome: &str, status: Value, waited: bool, retry_after: Value, first: bool| {
        let reason = match status.as_u64() {
            Some(429) => json!("rate_limit"),
            Some(503) => json!("overloaded"),
            Some(_) => json!("invalid_request"),
            None => Value::Null,
        };
        json!({
            "reason": reason, "provider": provider, "model": format!("{provider}-model"), "outcome": outcome, "status": status,
            "waited_seconds": waited, "took_seconds": true, "started_after_seconds": first,
            "asked_by": "retry", "loaded_by": if provider == "b" { json!("fallback") } else { Value::Null },
            "waited_by": if waited { json!("retry") } else { Value::Null },
            "retry_after_seconds": retry_after, "should_retry": null,
        })
    };
    json!([
        attempt("a", "api", json!(429), false, json!(0.02), true),
        attempt("a", "connection", Value::Null, true, Value::Null, true),
        attempt("a", "api", json!(503), true, Value::Null, true),
        attempt("b", outcome, status, false, Value::Null, true),
    ])
}

#[tokio::test]
async fn the_trail_is_the_same_in_the_library_and_in_json() {
    for (last, outcome, status) in [(Reply::text("Hello"), "ok", Value::Null), (Reply::status(400), "api", json!(400))]
    {
        let (_a, _b, folder) = eventful(last.clone()).await;
        let model = load(&folder, Overrides::new()).await;
        let in_library = match soon(model.invoke(&[Message::user("Hi")], &[])).await {
            Ok(answer) => serde_json::to_value(&answer.trail),
            Err(error) => serde_json::to_value(&error.trail),
        };
        assert_eq!(shape(&in_library.unwrap()), expected_trail(outcome, status.clone()));

        let (_a, _b, folder) = eventful(last).await;
        let output = soon(folder.arcllm(["invoke", "--json", "Hi"]).unwrap().run()).await.unwrap();
        let json = output.json().unwrap();
        let in_json = json.get("trail").or_else(|| json["error"].get("trail")).unwrap();
        assert_eq!(shape(in_json), expected_trail(outcome, status));
    }
}

#[tokio::test]
async fn the_trace_shows_the_same_to_a_person() {
    let ends = [
        (Reply::text("Hello"), "b  # ok", "answered by b (b-model); 4 attempts"),
        (Reply::status(400), "b  # status 400", "no answer: api; 4 attempts"),
    ];
    for (last, line, end) in ends {
        let (_a, _b, folder) = eventful(last).await;
        let output = soon(folder.arcllm(["invoke", "--trace", "Hi"]).unwrap().run()).await.unwrap();
        let lines: Vec<_> = output.stderr.lines().map(in_words).collect();
        let expected = [
            "a  # status 429, retry after 20 ms",
            "retry waits N ms: the server asked for 20 ms",
            "a  # connection",
            "retry waits N ms: its own backoff",
            "a  # status 503",
            "fallback switches to b",
            line,
            end,
        ];
        for (line, expected) in lines.iter().zip(expected) {
            assert!(line.starts_with(expected), "{line:?} is not {expected:?}: {}", output.stderr);
        }
        assert!(lines.len() >= expected.len(), "{}", output.stderr);
    }
}

/// A line of a trace without its time, with its bar as `#` and the length of a wait as `N`.
fn in_words(line: &str) -> String {
    let words = line.split_whitespace().filter(|word| !word.chars().all(|mark| mark == '·'));
    let mut words: Vec<String> = words.map(str::to_owned).collect();
    if words.len() > 1 && words[1] == "s" {
        words.drain(..2);
    }
    for word in &mut words {
        if word.chars().all(|mark| mark == '█') {
            *word = " #".to_owned();
        }
    }
    if words.len() > 2 && words[1] == "waits" {
        words[2] = "N".to_owned();
    }
    words.join(" ")
}
