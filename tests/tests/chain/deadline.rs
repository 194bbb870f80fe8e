//! One deadline for the whole call, whatever its chain does.

use std::{sync::Arc, time::Duration};

use arcllm::{Error, ErrorKind, Message, Model, Options, Outcome, Overrides, Request, Response};
use arcllm_simulator::{Fault, Format, Reply, Script, Simulator, Then};
use futures::future::join_all;
use serde_json::json;

use crate::{
    scene::{FAST, LONG, around, around_both, ask, count, load, load_over, replies, say_hi, soon, steps},
    support::{Chain, Provider},
};

/// The chains, outermost module first.
const ORDERS: [&[&str]; 5] = [&[], &["retry"], &["fallback"], &["retry", "fallback"], &["fallback", "retry"]];

fn chain(order: &[&str], a: &Simulator, b: &Simulator, retry: &str) -> Chain {
    ordered(around_both(a, b), order, retry)
}

fn ordered(chain: Chain, order: &[&str], retry: &str) -> Chain {
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
    let cases = ORDERS.iter().flat_map(|order| [(*order, Fault::Silence), (*order, Fault::SilenceInBody)]);
    let cuts = cases.map(|(order, silence)| async move {
        let (a, b) = (always(Reply::fault(silence)).await, replies([]).await);
        let error = ask(&chain(order, &a, &b, FAST).host("deadline_seconds = 2")).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::DeadlineExceeded);
        let asked = order.last().unwrap_or(&"the caller");
        assert_eq!(steps(&error.trail), [format!("{asked} asks a: deadline_exceeded")], "{order:?}");
        // The error says which limit it was, and the connection is closed.
        assert!(error.to_string().contains("deadline"), "{error}");
        soon(a.wait_until(|requests| requests[0].dropped())).await;
        assert_eq!((count(&a), b.connections()), (1, 0), "{order:?}");
    });
    // At once, since each takes as long as the deadline.
    join_all(cuts).await;
}

#[tokio::test]
async fn other_errors_and_limits_stay_as_they_are() {
    for order in ORDERS {
        let (a, b) = (replies([]).await, replies([]).await);
        let answer = ask(&chain(order, &a, &b, FAST).host("deadline_seconds = 30")).await.unwrap();
        assert_eq!(answer.trail.len(), 1);
        // Errors and limits of attempts are the same as without a deadline.
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

/// The limit of an attempt is shorter than the deadline, and does not divide it: the last attempt is cut.
#[tokio::test]
async fn the_last_attempt_has_only_what_remains() {
    let a = always(Reply::fault(Fault::Silence)).await;
    let chain = Chain::new().provider_with("a", Format::Anthropic, &a.url(), "timeout_seconds = 0.7");
    let chain = chain.host("deadline_seconds = 2").module("retry", &format!("{FAST}\nmax_retries = 9"));
    let error = ask(&chain).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::DeadlineExceeded);
    let (last, before) = error.trail.split_last().unwrap();
    assert_eq!(last.outcome, Outcome::DeadlineExceeded);
    assert!(!before.is_empty() && before.iter().all(|attempt| attempt.outcome == Outcome::Timeout), "{error:?}");
    assert!(error.trail.iter().all(|attempt| attempt.started_after < Duration::from_secs(2)), "{error:?}");
    assert_eq!(count(&a), error.trail.len());
}

/// On virtual time.
#[tokio::test(start_paused = true)]
async fn no_request_is_sent_after_the_deadline() {
    for order in ORDERS {
        let slow = || Arc::new(Provider::open().failing(529).taking(Duration::from_millis(30)));
        let (a, b) = (slow(), slow());
        let retry =
            "max_retries = 1000\nbackoff_base_seconds = 0.001\nmax_wait_seconds = 0.002\nbudget_min_per_second = 1e6";
        let chain = ordered(Chain::new(), order, retry).host("deadline_seconds = 0.4");
        let error = say_hi(&load_over(&chain, &a, &b).await).await.unwrap_err();
        assert!(error.trail.iter().all(|attempt| attempt.started_after < Duration::from_millis(400)), "{error:?}");
        let expected = match *order {
            [] => 1..=1,
            ["fallback"] => 2..=2,
            // Each takes 30 to 32 ms.
            _ => 13..=14,
        };
        assert!(expected.contains(&error.trail.len()), "{order:?}: {error:?}");
        tokio::time::sleep(LONG).await;
        assert_eq!(a.asked() + b.asked(), error.trail.len(), "{order:?}");
    }
}

#[tokio::test]
async fn a_wait_that_would_pass_the_deadline_does_not_begin() {
    let patient = "backoff_base_seconds = 40\nmax_wait_seconds = 100";
    for headers in [&[][..], &[("retry-after", "40")], &[("retry-after-ms", "40000")]] {
        let busy = headers.iter().fold(Reply::error(529, "Busy."), |reply, (name, value)| reply.header(*name, *value));
        let (a, b) = (always(busy.clone()).await, always(busy).await);
        let hint = (!headers.is_empty()).then_some(Duration::from_secs(40));
        for (order, expected) in [
            (&["retry"][..], &["retry asks a: 529"][..]),
            (&["retry", "fallback"], &["fallback asks a: 529", "fallback asks b: 529"]),
            // A module outside can act.
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
async fn a_call_can_bring_its_own_deadline() {
    let a = always(Reply::fault(Fault::Silence)).await;
    let folder = around(&a).host("deadline_seconds = 600").module("retry", FAST).folder().unwrap();
    let model = load(&folder, Overrides::new()).await;
    let error = within(&model, Duration::from_millis(200)).await.unwrap_err();
    assert_eq!(steps(&error.trail), ["retry asks a: deadline_exceeded"]);

    // A longer deadline counts, too.
    let a = always(Reply::text("At last").delay(Duration::from_millis(400))).await;
    let folder = around(&a).host("deadline_seconds = 0.2").folder().unwrap();
    let model = load(&folder, Overrides::new()).await;
    assert_eq!(within(&model, Duration::from_secs(60)).await.unwrap().text().as_deref(), Some("At last"));
    let error = soon(model.invoke(&[Message::user("Hi")], &[])).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::DeadlineExceeded);

    // With no time left nothing is sent.
    let a = replies([]).await;
    let folder = around(&a).module("retry", FAST).folder().unwrap();
    let error = within(&load(&folder, Overrides::new()).await, Duration::ZERO).await.unwrap_err();
    assert_eq!((error.kind, error.trail, a.connections()), (ErrorKind::DeadlineExceeded, vec![], 0));
}

#[tokio::test]
async fn the_command_takes_a_deadline_as_argument_and_in_the_request() {
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
