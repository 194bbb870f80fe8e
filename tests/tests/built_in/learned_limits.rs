//! With `adaptive`, `rate-limit` keeps to what a provider says is left of its limits: in all programs that share a store.

use std::{sync::Arc, time::Duration};

use arcllm::{Config, Error, ErrorKind, Host, Limited, MemoryStore, Message, Model, Overrides};
use arcllm_simulator::{Format, Reply, Simulator};
use futures::StreamExt as _;

use crate::{
    scene::{count, replies, say_hi, soon},
    support::Chain,
};

/// The model of `a` in two programs that share a store.
async fn models(a: &Simulator, format: Format, settings: &str) -> [Model; 2] {
    let chain = Chain::new().provider("a", format, &a.url()).module("rate-limit", settings);
    let folder = chain.host("watch = false").folder().unwrap();
    let store = Arc::new(MemoryStore::default());
    let load = async || {
        let config = Config::load(&folder.path().join("config.toml")).unwrap();
        let host = Host::builder().config(config).state_store(store.clone()).build().unwrap();
        soon(host.load_model("a", Overrides::new())).await.unwrap()
    };
    [load().await, load().await]
}

fn with(reply: Reply, headers: &[(&str, &str)]) -> Reply {
    headers.iter().fold(reply, |reply, (name, value)| reply.header(*name, *value))
}

/// The seconds for which the module refuses a call, if it does.
fn refused(error: &Error) -> f64 {
    let ErrorKind::Api(api) = &error.kind else { panic!("{error}") };
    assert_eq!((api.status, api.extensions["arcllm.refused-by"].as_str()), (429, Some("rate-limit")), "{error}");
    assert!(api.message.contains("for a/a-model in the next") && api.message.contains("provider says"), "{error}");
    api.retry_after.unwrap().as_secs_f64()
}

const NO_WAIT: &str = "adaptive = true\nmax_wait_seconds = 0.0";

/// A format, the headers of its answers, and the seconds of the wait that they ask for.
type Row = (Format, &'static [(&'static str, &'static str)], f64);

const USED_UP: [Row; 9] = [
    (Format::OpenAi, &[("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "6m0s")], 360.0),
    (Format::OpenAi, &[("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "59.5s")], 59.5),
    (Format::OpenAi, &[("x-ratelimit-remaining-requests-day", "0"), ("x-ratelimit-reset-requests-day", "900")], 900.0),
    (Format::Responses, &[("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "1m0s")], 60.0),
    (Format::Anthropic, &[("anthropic-ratelimit-requests-remaining", "0"), RESET_OF_REQUESTS, DATE], 60.0),
    (Format::Anthropic, &[("anthropic-ratelimit-output-tokens-remaining", "0"), RESET_OF_OUTPUT, DATE], 90.0),
    // The last of those that are used up counts.
    (
        Format::Anthropic,
        &[
            ("anthropic-ratelimit-requests-remaining", "0"),
            RESET_OF_REQUESTS,
            ("anthropic-ratelimit-output-tokens-remaining", "0"),
            RESET_OF_OUTPUT,
            DATE,
        ],
        90.0,
    ),
    // Nobody is held back for longer than an hour.
    (Format::OpenAi, &[("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "99999999999999h")], 3600.0),
    (Format::OpenAi, &[("retry-after", "1e300"), ("x-ratelimit-remaining-tokens", "5")], 0.0),
];
const RESET_OF_REQUESTS: (&str, &str) = ("anthropic-ratelimit-requests-reset", "2026-01-27T10:01:00Z");
const RESET_OF_OUTPUT: (&str, &str) = ("anthropic-ratelimit-output-tokens-reset", "2026-01-27T11:01:30+01:00");
const DATE: (&str, &str) = ("date", "Tue, 27 Jan 2026 10:00:00 GMT");

/// Asks twice: the second program learns what the first one was told.
async fn second(format: Format, reply: Reply, streamed: bool) -> (Option<f64>, usize) {
    let a = replies([reply]).await;
    let [one, two] = models(&a, format, NO_WAIT).await;
    if streamed {
        // Its beginning is enough.
        let mut stream = one.stream(&[Message::user("Hi")], &[]);
        drop(soon(stream.next()).await);
        let outcome = soon(say_hi(&two)).await;
        return (outcome.err().as_ref().map(refused), count(&a));
    }
    drop(soon(say_hi(&one)).await);
    (soon(say_hi(&two)).await.err().as_ref().map(refused), count(&a))
}

#[tokio::test]
async fn what_a_good_answer_says_to_be_used_up_holds_back_the_calls_of_all_programs() {
    for (format, headers, seconds) in USED_UP {
        for streamed in [false, true] {
            let (refused, asked) = second(format, with(Reply::text("One two three"), headers), streamed).await;
            let refused = refused.unwrap_or_default();
            assert!(refused <= seconds + 0.1 && refused >= seconds - 30.0, "{headers:?}: {refused}");
            assert_eq!((asked, refused > 0.0), (if seconds > 0.0 { 1 } else { 2 }, seconds > 0.0), "{headers:?}");
        }
    }
}

#[tokio::test]
async fn an_error_that_says_so_holds_back_calls_too() {
    let (name, reset) = ("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens");
    for (status, headers, seconds) in [
        (429, &[(name, "0"), (reset, "60s")][..], 60.0),
        (503, &[(name, "0"), (reset, "60s")], 60.0),
        // The provider knows best when to come again.
        (429, &[(name, "0"), (reset, "60s"), ("retry-after", "300")], 300.0),
        (429, &[("retry-after", "99999999999")], 3600.0),
    ] {
        let (refused, asked) = second(Format::OpenAi, with(Reply::status(status), headers), false).await;
        let refused = refused.unwrap();
        assert!(refused <= seconds + 0.1 && refused >= seconds - 30.0, "{status} {headers:?}: {refused}");
        assert_eq!(asked, 1);
    }
}

/// Whatever a provider sends, calls go on unless a known limit is used up until a time to come.
#[tokio::test]
async fn headers_that_make_no_sense_hold_nobody_back() {
    let (requests, reset) = ("x-ratelimit-remaining-requests", "x-ratelimit-reset-requests");
    let long = "9".repeat(4000);
    let senseless = ["-1", "NaN", "inf", "-inf", "1e400", "", "zero", "0x0", "0,0", "[0]", "1e15", "0.5.1", &*long];
    let times = ["-60s", "NaN", "inf", "0", "0s", "soon", "1970-01-01T00:00:00Z", "60 s", "1h1x", ""];
    let mut cases: Vec<Vec<(String, String)>> = Vec::new();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    cases.extend(senseless.iter().map(|value| vec![pair(requests, value), pair(reset, "60s")]));
    cases.extend(times.iter().map(|value| vec![pair(requests, "0"), pair(reset, value)]));
    cases.push(vec![pair(requests, "0")]);
    cases.push(vec![pair(reset, "60s")]);
    cases.push(vec![pair("x-ratelimit-remaining-pixels", "0"), pair("x-ratelimit-reset-pixels", "60s")]);
    cases.push((0..60).map(|at| (format!("x-ratelimit-remaining-{at}"), "0".to_owned())).collect());
    cases.push(vec![pair("my-ratelimit-remaining-requests", "0"), pair("my-ratelimit-reset-requests", "60s")]);
    for headers in cases {
        let reply = headers.iter().fold(Reply::text("Hi"), |reply, (name, value)| reply.header(name, value));
        assert_eq!(second(Format::OpenAi, reply, false).await, (None, 2), "{headers:?}");
    }
}

#[tokio::test]
async fn the_next_call_waits_until_the_limit_starts_afresh() {
    let headers = [("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "1500ms")];
    for (settings, least) in [("adaptive = true", 1400), ("", 0)] {
        let a = replies([with(Reply::text("One"), &headers)]).await;
        let [one, two] = models(&a, Format::OpenAi, settings).await;
        soon(say_hi(&one)).await.unwrap();
        let answer = soon(say_hi(&two)).await.unwrap();
        assert!(answer.trail[0].waited >= Duration::from_millis(least), "{:?}", answer.trail);
        assert_eq!(answer.trail[0].waited_by.is_some(), least > 0);
    }
}

#[tokio::test]
async fn the_trail_shows_what_is_left() {
    let headers = [
        ("x-ratelimit-remaining-requests", "41"),
        ("x-ratelimit-reset-requests", "6m0s"),
        ("x-ratelimit-remaining-tokens", "1e300"),
        ("x-ratelimit-remaining-tokens", "7"),
    ];
    let a = replies([with(Reply::text("One"), &headers), with(Reply::status(400), &headers)]).await;
    let [model, _] = models(&a, Format::OpenAi, "").await;
    let answer = soon(say_hi(&model)).await.unwrap();
    let error = soon(say_hi(&model)).await.unwrap_err();
    for attempt in [&answer.trail[0], &error.trail[0]] {
        let requests = attempt.allowances[&Limited::Requests];
        assert_eq!((requests.remaining, requests.resets_in), (41, Some(Duration::from_secs(360))));
        assert_eq!((attempt.allowances[&Limited::Tokens].remaining, attempt.allowances.len()), (7, 2));
        let json = serde_json::to_value(attempt).unwrap();
        assert_eq!(json["allowances"]["requests"], serde_json::json!({"remaining": 41, "reset_seconds": 360.0}));
    }
}
