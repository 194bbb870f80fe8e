//! One deadline for all of an invoke, and the trail of what was done until then.

use std::time::Duration;

use arcllm::{Error, ErrorKind, Message, Model, Options, Outcome, Overrides, Request, Response};
use arcllm_simulator::{Fault, Format, Reply, Script, Simulator, Then};
use serde_json::{Value, json};

use crate::{
    scene::{FAST, around, around_both, ask, count, load, replies, soon, steps},
    support::{Chain, Folder},
};

/// The chains that a deadline has to hold in, outermost module first.
const ORDERS: [&[&str]; 5] = [&[], &["retry"], &["fallback"], &["retry", "fallback"], &["fallback", "retry"]];

fn chain(order: &[&str], a: &Simulator, b: &Simulator, retry: &str) -> Chain {
    let chain = around_both(a, b);
    let chain = if order.is_empty() { chain } else { chain.host(&format!("order = {order:?}")) };
    order.iter().fold(chain, |chain, module| {
        chain.module(module, if *module == "retry" { retry } else { "chain = [\"a\", \"b\"]" })
    })
}

/// A provider that does this and nothing else.
async fn always(reply: Reply) -> Simulator {
    Simulator::start(Script::new([reply]).then(Then::Repeat)).await.unwrap()
}

async fn within(model: &Model, deadline: Duration) -> Result<Response, Error> {
    let options = Options::new().deadline(deadline);
    soon(model.invoke_with(Request::new([Message::user("Hi")]).with_options(options))).await
}

#[tokio::test]
async fn it_cuts_an_attempt_in_every_chain() {
    for order in ORDERS {
        for silence in [Fault::Silence, Fault::SilenceInBody] {
            let (a, b) = (always(Reply::fault(silence)).await, replies([]).await);
            let error = ask(&chain(order, &a, &b, FAST).host("deadline_seconds = 0.3")).await.unwrap_err();
            assert_eq!(error.kind, ErrorKind::DeadlineExceeded);
            let asked = order.last().unwrap_or(&"the caller");
            assert_eq!(steps(&error.trail), [format!("{asked} asks a: deadline_exceeded")], "{order:?}");
            // The error says which limit it was, and the provider is let go of.
            assert!(error.to_string().contains("deadline"), "{error}");
            soon(a.wait_until(|requests| requests[0].dropped())).await;
            assert_eq!((count(&a), b.connections()), (1, 0), "{order:?}");
        }
    }
}

#[tokio::test]
async fn it_cuts_nothing_else() {
    for order in ORDERS {
        let (a, b) = (replies([]).await, replies([]).await);
        let answer = ask(&chain(order, &a, &b, FAST).host("deadline_seconds = 30")).await.unwrap();
        assert_eq!(answer.trail.len(), 1);
        // Errors and limits of attempts are what they are without it.
        let cases = [
            (Reply::error(400, "No."), "a answered 400: No."),
            (Reply::fault(Fault::Silence), "providers.a.timeout_seconds"),
            (Reply::fault(Fault::SilenceInBody), "providers.a.timeout_seconds"),
            (Reply::fault(Fault::Malformed), "not JSON"),
        ];
        for (reply, message) in cases {
            let a = always(reply).await;
            let alone = Chain::new().provider_with("a", Format::OpenAi, &a.url(), "timeout_seconds = 0.3");
            let chain = if order.contains(&"retry") { alone.module("retry", "max_retries = 0") } else { alone };
            let error = ask(&chain.host("deadline_seconds = 30")).await.unwrap_err();
            assert!(error.to_string().contains(message), "{error}");
        }
    }
}

#[tokio::test]
async fn an_attempt_has_what_remains_and_none_starts_after_it() {
    // Two attempts time out, and a third is cut.
    let settings = "timeout_seconds = 0.3";
    let a = always(Reply::fault(Fault::Silence)).await;
    let chain = Chain::new().provider_with("a", Format::Anthropic, &a.url(), settings).host("deadline_seconds = 0.8");
    let error = ask(&chain.module("retry", &format!("{FAST}\nmax_retries = 9"))).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::DeadlineExceeded);
    let outcomes: Vec<_> = error.trail.iter().map(|attempt| attempt.outcome).collect();
    assert_eq!(outcomes, [Outcome::Timeout, Outcome::Timeout, Outcome::DeadlineExceeded]);
    assert!(error.trail.iter().all(|attempt| attempt.started_after < Duration::from_millis(800)), "{error:?}");
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(count(&a), 3);
}

#[tokio::test]
async fn no_request_goes_out_after_it_however_many_may() {
    for order in ORDERS {
        let slow = Reply::status(529).delay(Duration::from_millis(30));
        let (a, b) = (always(slow.clone()).await, always(slow).await);
        let retry = "max_retries = 1000\nbackoff_base_seconds = 0.001\nmax_wait_seconds = 0.002";
        let error = ask(&chain(order, &a, &b, retry).host("deadline_seconds = 0.4")).await.unwrap_err();
        let deadline = Duration::from_millis(400);
        assert!(error.trail.iter().all(|attempt| attempt.started_after < deadline), "{order:?}: {error:?}");
        // It cut the last attempt; or a wait came too close to it, or would have passed it.
        match (&error.kind, error.trail.last().unwrap().outcome) {
            (ErrorKind::DeadlineExceeded, Outcome::DeadlineExceeded | Outcome::Api) => {}
            (ErrorKind::Api(api), Outcome::Api) => assert_eq!(api.status, 529),
            other => panic!("{order:?}: {other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(count(&a) + count(&b), error.trail.len(), "{order:?}");
    }
}

#[tokio::test]
async fn a_wait_that_would_pass_it_is_not_begun() {
    let patient = "backoff_base_seconds = 40\nmax_wait_seconds = 100";
    for headers in [&[][..], &[("retry-after", "40")], &[("retry-after-ms", "40000")]] {
        let busy = headers.iter().fold(Reply::error(529, "Busy."), |reply, (name, value)| reply.header(*name, *value));
        let (a, b) = (always(busy.clone()).await, always(busy).await);
        let hint = (!headers.is_empty()).then_some(Duration::from_secs(40));
        for (order, expected) in [
            (&["retry"][..], &["retry asks a: 529"][..]),
            (&["retry", "fallback"], &["fallback asks a: 529", "fallback asks b: 529"]),
            // Whoever stands outside can act.
            (&["fallback", "retry"], &["retry asks a: 529", "retry asks b: 529"]),
        ] {
            let folder = chain(order, &a, &b, patient).folder().unwrap();
            let model = load(&folder, Overrides::new()).await;
            let error = within(&model, Duration::from_secs(30)).await.unwrap_err();
            assert_eq!(steps(&error.trail), expected, "{headers:?}");
            let ErrorKind::Api(api) = &error.kind else { panic!("{error}") };
            assert_eq!((api.status, api.message.as_str(), api.retry_after), (529, "Busy.", hint));
        }
    }
}

#[tokio::test]
async fn each_call_may_have_its_own() {
    let a = always(Reply::fault(Fault::Silence)).await;
    let folder = around(&a).host("deadline_seconds = 600").module("retry", FAST).folder().unwrap();
    let model = load(&folder, Overrides::new()).await;
    let error = within(&model, Duration::from_millis(200)).await.unwrap_err();
    assert_eq!(steps(&error.trail), ["retry asks a: deadline_exceeded"]);

    // A longer one counts as well.
    let a = always(Reply::text("At last").delay(Duration::from_millis(400))).await;
    let folder = around(&a).host("deadline_seconds = 0.2").folder().unwrap();
    let model = load(&folder, Overrides::new()).await;
    assert_eq!(within(&model, Duration::from_secs(60)).await.unwrap().text().as_deref(), Some("At last"));
    let error = soon(model.invoke(&[Message::user("Hi")], &[])).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::DeadlineExceeded);

    // With no time at all nothing is sent.
    let a = replies([]).await;
    let folder = around(&a).module("retry", FAST).folder().unwrap();
    let error = within(&load(&folder, Overrides::new()).await, Duration::ZERO).await.unwrap_err();
    assert_eq!((error.kind, error.trail, a.connections()), (ErrorKind::DeadlineExceeded, vec![], 0));
}

#[tokio::test]
async fn the_command_takes_it_as_an_argument_and_in_the_request() {
    let request = json!({"messages": [{"role": "user", "content": "Hi"}], "options": {"deadline_seconds": 0.3}});
    for arguments in [&["--deadline", "0.3", "Hi"][..], &["--request", "-"]] {
        let a = always(Reply::fault(Fault::Silence)).await;
        let folder = around(&a).module("retry", FAST).folder().unwrap();
        let arguments = [&["invoke", "--json"], arguments].concat();
        let output = soon(folder.arcllm(arguments).unwrap().input(request.to_string()).run()).await.unwrap();
        let error = &output.json().unwrap()["error"];
        assert_eq!((output.code, &error["kind"]), (1, &json!("deadline_exceeded")), "{output:?}");
        let trail = [("provider", "a"), ("outcome", "deadline_exceeded"), ("asked_by", "retry")];
        assert!(trail.iter().all(|(key, value)| error["trail"][0][key] == *value), "{error}");
        assert_eq!((error["trail"].as_array().unwrap().len(), count(&a)), (1, 1));
    }
}

// The trail.

/// Two providers and both modules; `a` fails in three ways, and `b` ends it.
async fn eventful(last: Reply) -> (Simulator, Simulator, Folder) {
    let first = [Reply::status(429).header("retry-after-ms", "20"), Reply::fault(Fault::Reset), Reply::status(503)];
    let (a, b) = (replies(first).await, replies([last]).await);
    let folder = chain(&["fallback", "retry"], &a, &b, &format!("{FAST}\nmax_retries = 2")).folder().unwrap();
    (a, b, folder)
}

/// What of a trail is the same in every run, as its JSON has it.
fn shape(trail: &Value) -> Value {
    let mut trail = trail.clone();
    for attempt in trail.as_array_mut().unwrap() {
        for seconds in ["waited_seconds", "took_seconds", "started_after_seconds"] {
            let time = attempt[seconds].as_f64().unwrap();
            assert!(time >= 0.0 && time.is_finite(), "{attempt}");
            attempt[seconds] = (time > 0.0).into();
        }
    }
    trail
}

/// The trail of [`eventful`], with how it ends.
fn expected_trail(outcome: &str, status: Value) -> Value {
    let attempt = |provider: &str, outcome: &str, status: Value, waited: bool, retry_after: Value, first: bool| {
        json!({
            "provider": provider, "model": format!("{provider}-model"), "outcome": outcome, "status": status,
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
async fn the_trace_tells_a_person_the_same() {
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
            "fallback turns to b",
            line,
            end,
        ];
        for (line, expected) in lines.iter().zip(expected) {
            assert!(line.starts_with(expected), "{line:?} is not {expected:?}: {}", output.stderr);
        }
        assert!(lines.len() >= expected.len(), "{}", output.stderr);
    }
}

/// A line of a trace without its clock, with its bar as one `#` and the length of a wait as `N`.
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
