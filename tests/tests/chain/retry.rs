//! Retry around one provider.

use std::{sync::Arc, time::Duration};

use arcllm::{Error, ErrorKind, Message, Options, Overrides, Request};
use arcllm_simulator::{Fault, Format, Reply};
use serde_json::json;

use crate::{
    scene::{FAST, LONG, around, ask, ask_with, count, dead, load, load_over, replies, say_hi, soon, steps},
    support::{Chain, Provider},
};

fn kind(error: &Error) -> &'static str {
    error.kind.as_str()
}

#[tokio::test]
async fn an_overloaded_provider_is_asked_again() {
    let a = replies([Reply::status(529), Reply::text("Here I am.")]).await;
    let answer = ask(&around(&a).module("retry", FAST)).await.unwrap();
    assert_eq!(answer.text().as_deref(), Some("Here I am."));
    assert_eq!((answer.provider.as_str(), answer.model.as_str()), ("a", "a-model"));
    assert_eq!(steps(&answer.trail), ["retry asks a: 529", "retry waits, retry asks a: ok"]);
    assert_eq!(count(&a), 2);
}

#[tokio::test]
async fn each_attempt_sends_the_same() {
    let a = replies([Reply::status(500), Reply::fault(Fault::Reset), Reply::text("Third time lucky")]).await;
    ask(&around(&a).module("retry", FAST)).await.unwrap();
    let requests = a.requests();
    assert_eq!(requests.len(), 3);
    assert!(requests.windows(2).all(|pair| pair[0].body == pair[1].body && pair[0].path == pair[1].path));
}

#[tokio::test]
async fn each_status_that_is_retryable_and_none_other() {
    for status in [408, 409, 425, 429, 500, 502, 503, 504, 529] {
        let a = replies([Reply::status(status)]).await;
        let answer = ask(&around(&a).module("retry", FAST)).await.unwrap();
        assert_eq!(steps(&answer.trail), [&*format!("retry asks a: {status}"), "retry waits, retry asks a: ok"]);
    }
    for status in [400, 401, 403, 404, 413, 422, 501, 505] {
        let a = replies([Reply::status(status)]).await;
        let error = ask(&around(&a).module("retry", FAST)).await.unwrap_err();
        assert_eq!(steps(&error.trail), [format!("retry asks a: {status}")]);
        assert!(matches!(&error.kind, ErrorKind::Api(api) if api.status == status), "{error:?}");
        assert_eq!(count(&a), 1);
    }
}

#[tokio::test]
async fn the_config_says_which_statuses_are_retryable() {
    let a = replies([Reply::status(418), Reply::status(529)]).await;
    let settings = format!("{FAST}\nretryable_status_codes = [418]");
    let error = ask(&around(&a).module("retry", &settings)).await.unwrap_err();
    assert_eq!(steps(&error.trail), ["retry asks a: 418", "retry waits, retry asks a: 529"]);
}

#[tokio::test]
async fn should_retry_of_the_provider_overrides_the_status() {
    let a = replies([Reply::status(400).header("x-should-retry", "true"), Reply::text("Second thoughts")]).await;
    let answer = ask(&around(&a).module("retry", FAST)).await.unwrap();
    assert_eq!(steps(&answer.trail), ["retry asks a: 400", "retry waits, retry asks a: ok"]);

    let a = replies([Reply::status(529).header("x-should-retry", "false")]).await;
    let error = ask(&around(&a).module("retry", FAST)).await.unwrap_err();
    assert_eq!(steps(&error.trail), ["retry asks a: 529"]);
    assert_eq!(count(&a), 1);
}

#[tokio::test]
async fn a_hint_in_milliseconds_counts_more_than_one_in_seconds() {
    let busy = Reply::status(429).header("retry-after-ms", "80").header("retry-after", "3600");
    let a = replies([busy]).await;
    let answer = ask(&around(&a).module("retry", FAST)).await.unwrap();
    assert_eq!(steps(&answer.trail), ["retry asks a: 429", "retry waits, retry asks a: ok"]);
    assert_eq!(answer.trail[0].retry_after, Some(Duration::from_millis(80)));
    assert!(answer.trail[1].waited >= Duration::from_millis(80), "{answer:?}");
    let requests = a.requests();
    assert!(requests[1].at - requests[0].at >= Duration::from_millis(80));
}

#[tokio::test]
async fn a_hint_in_seconds() {
    let a = replies([Reply::status(429).header("retry-after", "0.08")]).await;
    let answer = ask(&around(&a).module("retry", FAST)).await.unwrap();
    assert!(answer.trail[1].waited >= Duration::from_millis(80), "{answer:?}");
}

#[tokio::test]
async fn a_hint_as_a_date_counts_by_the_servers_clock() {
    let sent = "Tue, 15 Nov 1994 08:12:31 GMT";
    // Past by this machine's clock, and above the longest wait by the server's.
    let late = Reply::status(429).header("date", sent).header("retry-after", "Tue, 15 Nov 1994 08:12:41 GMT");
    let a = replies([late]).await;
    let error = ask(&around(&a).module("retry", FAST)).await.unwrap_err();
    assert_eq!(error.trail[0].retry_after, Some(Duration::from_secs(10)));
    assert_eq!(steps(&error.trail), ["retry asks a: 429"]);

    let past = Reply::status(429).header("date", sent).header("retry-after", "Tue, 15 Nov 1994 08:12:30 GMT");
    let a = replies([past]).await;
    let answer = ask(&around(&a).module("retry", FAST)).await.unwrap();
    assert_eq!(answer.trail[0].retry_after, None);
    assert_eq!(count(&a), 2);
}

#[tokio::test]
async fn a_malformed_hint_means_backoff() {
    for value in ["0", "-5", "NaN", "inf", "soon", ""] {
        let a = replies([Reply::status(429).header("retry-after", value)]).await;
        let answer = ask(&around(&a).module("retry", FAST)).await.unwrap();
        assert_eq!(answer.trail[0].retry_after, None, "{value:?}");
        assert_eq!(count(&a), 2, "{value:?}");
    }
}

#[tokio::test]
async fn a_hint_above_the_longest_wait_ends_with_the_original_error() {
    let a = replies([Reply::error(429, "Come back in an hour.").header("retry-after", "3600")]).await;
    let error = ask(&around(&a).module("retry", FAST)).await.unwrap_err();
    assert_eq!(steps(&error.trail), ["retry asks a: 429"]);
    let ErrorKind::Api(api) = error.kind else { panic!("{error:?}") };
    assert_eq!((api.status, api.message.as_str()), (429, "Come back in an hour."));
    assert_eq!(api.retry_after, Some(Duration::from_secs(3600)));
    assert_eq!(count(&a), 1);
}

#[tokio::test]
async fn after_the_last_retry_the_last_error_comes_back_unchanged_with_all_attempts() {
    let last = Reply::error(503, "and still down").header("request-id", "req-last").header("x-should-retry", "true");
    let a = replies([Reply::status(529), Reply::fault(Fault::Reset), last]).await;
    let error = ask(&around(&a).module("retry", &format!("{FAST}\nmax_retries = 2"))).await.unwrap_err();
    assert_eq!(
        steps(&error.trail),
        ["retry asks a: 529", "retry waits, retry asks a: connection", "retry waits, retry asks a: 503"]
    );
    let ErrorKind::Api(api) = error.kind else { panic!("{error:?}") };
    assert_eq!((api.status, api.message.as_str()), (503, "and still down"));
    assert_eq!((api.provider.as_str(), api.model.as_str()), ("a", "a-model"));
    assert_eq!((api.request_id.as_deref(), api.should_retry), (Some("req-last"), Some(true)));
    assert_eq!(api.extensions["anthropic.error-type"], "api_error");
    assert_eq!(count(&a), 3);
}

#[tokio::test]
async fn with_no_retries_there_is_one_attempt() {
    let a = replies([Reply::status(529)]).await;
    let error = ask(&around(&a).module("retry", "max_retries = 0")).await.unwrap_err();
    assert_eq!(steps(&error.trail), ["retry asks a: 529"]);
}

#[tokio::test]
async fn connections_refused_are_tried_again() {
    let a = dead().await;
    let error = ask(&around(&a).module("retry", &format!("{FAST}\nmax_retries = 1"))).await.unwrap_err();
    assert_eq!(kind(&error), "connection");
    assert_eq!(steps(&error.trail), ["retry asks a: connection", "retry waits, retry asks a: connection"]);
}

#[tokio::test]
async fn connections_that_break_are_tried_again() {
    for fault in [Fault::Reset, Fault::ResetInHead, Fault::ResetInBody, Fault::Truncate, Fault::Close] {
        let a = replies([Reply::fault(fault)]).await;
        let answer = ask(&around(&a).module("retry", FAST)).await.unwrap();
        let expected = ["retry asks a: connection", "retry waits, retry asks a: ok"];
        assert_eq!(steps(&answer.trail), expected, "{fault:?}");
        assert_eq!(count(&a), 2, "{fault:?}");
    }
}

#[tokio::test]
async fn silence_is_a_timeout_and_is_tried_again() {
    for fault in [Fault::Silence, Fault::SilenceInBody] {
        let a = replies([Reply::fault(fault)]).await;
        let chain = Chain::new().provider_with("a", Format::Anthropic, &a.url(), "timeout_seconds = 1.0");
        let answer = ask(&chain.module("retry", FAST)).await.unwrap();
        let expected = ["retry asks a: timeout", "retry waits, retry asks a: ok"];
        assert_eq!(steps(&answer.trail), expected, "{fault:?}");
    }
}

#[tokio::test]
async fn an_answer_of_the_wrong_shape_is_not_tried_again() {
    let unreadable = [json!({"type": "message"}), json!({"content": 7}), json!([])].map(|json| Reply::json(&json));
    for reply in unreadable {
        let a = replies([reply.clone()]).await;
        let error = ask(&around(&a).module("retry", FAST)).await.unwrap_err();
        assert_eq!(kind(&error), "parse", "{reply:?}");
        assert_eq!(steps(&error.trail), ["retry asks a: parse"]);
        assert_eq!(count(&a), 1);
    }
}

#[tokio::test]
async fn an_attempt_cut_by_the_deadline_is_no_timeout() {
    let a = replies([Reply::fault(Fault::Silence).times(3)]).await;
    let error = ask(&around(&a).host("deadline_seconds = 1").module("retry", FAST)).await.unwrap_err();
    assert_eq!(kind(&error), "deadline_exceeded");
    assert_eq!(steps(&error.trail), ["retry asks a: deadline_exceeded"]);
    soon(a.wait_until(|requests| requests[0].dropped())).await;
    assert_eq!(count(&a), 1);
}

#[tokio::test]
async fn a_wait_that_would_pass_the_deadline_does_not_begin() {
    let a = replies([Reply::error(529, "busy").times(2)]).await;
    let folder = around(&a).module("retry", "backoff_base_seconds = 3600\nmax_wait_seconds = 7200").folder().unwrap();
    let model = load(&folder, Overrides::new()).await;
    let options = Options::new().deadline(Duration::from_secs(600));
    let request = Request::new([Message::user("Hi")]).with_options(options);
    let error = soon(model.invoke_with(request)).await.unwrap_err();
    assert_eq!(steps(&error.trail), ["retry asks a: 529"]);
    assert!(matches!(&error.kind, ErrorKind::Api(api) if api.message == "busy"), "{error:?}");
}

#[tokio::test]
async fn dropping_the_call_during_an_attempt_closes_its_connection() {
    let a = replies([Reply::fault(Fault::Silence).times(2)]).await;
    let folder = around(&a).module("retry", FAST).folder().unwrap();
    let model = load(&folder, Overrides::new()).await;
    let call = tokio::spawn(async move { model.invoke(&[Message::user("Hi")], &[]).await });
    soon(a.wait_for_requests(1)).await;
    assert!(!a.requests()[0].dropped());
    call.abort();
    soon(a.wait_until(|requests| requests[0].dropped())).await;
    assert_eq!(count(&a), 1);
}

/// On virtual time.
#[tokio::test(start_paused = true)]
async fn dropping_the_call_during_a_wait_ends_the_wait() {
    let a = Arc::new(Provider::open().failing(529));
    let chain = Chain::new().module("retry", "backoff_base_seconds = 50\nmax_wait_seconds = 60");
    let model = load_over(&chain, &a, &a).await;
    assert!(
        tokio::time::timeout(Duration::from_secs(20), say_hi(&model)).await.is_err(),
        "it waits for 30 s or longer"
    );
    tokio::time::sleep(LONG).await;
    assert_eq!(a.asked(), 1);
}

#[tokio::test]
async fn a_call_can_switch_it_on_and_off() {
    // The switch in the file, the switch of the call, and the requests to a provider that is always busy.
    let cases = [
        (true, None, 2),
        (false, None, 1),
        (true, Some(json!(false)), 1),
        (false, Some(json!(true)), 2),
        (true, Some(json!({"max_retries": 3})), 4),
        (false, Some(json!({"max_retries": 3})), 4),
        (false, Some(json!({})), 2),
        (true, Some(json!({"enabled": false, "max_retries": 3})), 1),
        (false, Some(json!({"enabled": true})), 2),
    ];
    for (file, call, requests) in cases {
        let a = replies([Reply::status(529).times(9)]).await;
        let chain = around(&a).table("modules.retry", &format!("enabled = {file}\n{FAST}\nmax_retries = 1"));
        let overrides = call.iter().fold(Overrides::new(), |all, switch| all.module("retry", switch.clone()));
        let error = ask_with(&chain, overrides).await.unwrap_err();
        assert_eq!(count(&a), requests, "{file}, {call:?}");
        assert_eq!(error.trail.len(), requests, "{file}, {call:?}");
    }
}

#[tokio::test]
async fn with_no_module_on_the_caller_asks_the_adapter() {
    let a = replies([]).await;
    let folder = around(&a).folder().unwrap();
    let model = load(&folder, Overrides::new()).await;
    assert_eq!(model.modules().count(), 0);
    let answer = soon(model.invoke(&[Message::user("Hi")], &[])).await.unwrap();
    assert_eq!(steps(&answer.trail), ["the caller asks a: ok"]);
}
