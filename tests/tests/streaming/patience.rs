//! Answers that are slow but within their limits, and hints of providers.

use std::time::Duration;

use arcllm::{Error, ErrorKind, Outcome};
use arcllm_simulator::{Fault, Place, Reply};
use futures::future::join_all;

use super::stage::{FORMATS, ORDERS, Stage, hi, read, text_of};
use crate::scene::{soon, steps};

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Longer than the limit of an attempt without streaming.
#[tokio::test]
async fn a_slow_first_event_within_its_limit() {
    let settings = "first_event_timeout_seconds = 30\ntimeout_seconds = 0.1";
    let slow = [Reply::text("At last").delay(millis(300)), Reply::text("At last").body_delay(millis(300))];
    for formats in FORMATS {
        for reply in &slow {
            let stage = Stage::new(reply.clone(), formats, ORDERS[3], settings).await;
            let (events, end) = read(&mut stage.stream()).await;
            assert_eq!((text_of(&events).as_str(), end.unwrap().trail.len()), ("At last", 1));
        }
    }
}

/// Silence and pings are no first event, so the limit of pauses does not count yet.
#[tokio::test]
async fn pings_and_silence_before_the_first_event() {
    let chunk = |delta: &str, reason: &str| {
        format!("data: {{\"id\": \"1\", \"choices\": [{{\"delta\": {delta}, \"finish_reason\": {reason}}}]}}\n\n")
    };
    let ping = |pause| (millis(pause), ": keep-alive\n\ndata: {\"id\": \"1\", \"choices\": []}\n\n".to_owned());
    let mut pieces = vec![ping(0), ping(100), ping(2500), ping(10)];
    pieces.push((millis(10), chunk("{\"content\": \"At last\"}", "null")));
    // From here on it counts, and pings show that the server works.
    pieces.extend((0..6).map(|_| ping(500)));
    pieces.push((millis(10), chunk("{}", "\"stop\"") + "data: [DONE]\n\n"));
    let settings = "idle_timeout_seconds = 2\ntimeout_seconds = 30";
    let stage = Stage::new(Reply::event_stream(pieces), FORMATS[1], ORDERS[3], settings).await;
    let (events, end) = read(&mut stage.stream()).await;
    assert_eq!((text_of(&events).as_str(), end.unwrap().trail.len()), ("At last", 1));
}

async fn error_after(stage: &Stage, deadline: Duration) -> Error {
    let mut request = hi();
    request.options.deadline = Some(deadline);
    soon(stage.model.stream_with(request).collect()).await.unwrap_err()
}

#[tokio::test]
async fn the_deadline_before_the_first_event() {
    let silent = |place| Reply::fault(Fault::SilenceInBody).fault_at(place);
    let replies = [Reply::fault(Fault::Silence), silent(Place::BeforeEvent(1)), silent(Place::BeforeEvent(2))];
    let each = FORMATS.into_iter().flat_map(|formats| ORDERS.map(|order| (formats, order)));
    let each = each.flat_map(|each| replies.clone().map(|reply| (each, reply)));
    // At once, since each takes as long as the deadline.
    join_all(each.map(async |((formats, order), reply)| {
        let stage = Stage::new(reply, formats, order, "").await;
        let error = error_after(&stage, millis(2000)).await;
        assert_eq!(error.kind, ErrorKind::DeadlineExceeded, "{order:?}");
        assert_eq!((error.trail.len(), error.trail[0].outcome), (1, Outcome::DeadlineExceeded), "{order:?}");
        assert!(error.received.is_empty());
        assert_eq!(stage.counts(), (1, 0), "{order:?}");
        soon(stage.a.wait_until(|requests| requests[0].dropped())).await;
    }))
    .await;
}

/// After a failed attempt less of the deadline remains.
#[tokio::test]
async fn the_deadline_spans_attempts_and_the_answer() {
    for formats in FORMATS {
        let failed = Reply::status(529).delay(millis(50));
        let stage = Stage::new(failed, formats, ORDERS[1], "").await;
        stage.a.push(Reply::text("One two").with_fault(Fault::SilenceInBody).fault_at(Place::BeforeEnd)).unwrap();
        let error = error_after(&stage, millis(2000)).await;
        assert_eq!(error.kind, ErrorKind::DeadlineExceeded);
        assert_eq!(steps(&error.trail), ["retry asks a: 529", "retry waits, retry asks a: deadline_exceeded"]);
        assert!(!error.received.is_empty());
    }
}

#[tokio::test]
async fn the_deadline_of_the_host() {
    let (a, b) = (Reply::text("One two").with_fault(Fault::SilenceInBody).fault_at(Place::BeforeEnd), Reply::default());
    let (a, b) = (crate::scene::replies([a]).await, crate::scene::replies([b]).await);
    let chain = crate::scene::around_both(&a, &b).host("deadline_seconds = 2");
    let model =
        crate::scene::load(&super::stage::ordered(chain, ORDERS[3]).folder().unwrap(), Default::default()).await;
    let (events, end) = read(&mut model.stream_with(hi())).await;
    assert_eq!((text_of(&events).as_str(), end.unwrap_err().kind), ("One two", ErrorKind::DeadlineExceeded));
    assert_eq!((a.requests().len(), b.requests().len()), (1, 0));
}

#[tokio::test]
async fn an_error_status_to_a_request_for_events() {
    for formats in FORMATS {
        let busy = || Reply::status(529).header("retry-after-ms", "40");
        let stage = Stage::new(busy(), formats, ORDERS[3], "").await;
        let response = soon(stage.stream().collect()).await.unwrap();
        assert_eq!(steps(&response.trail), ["fallback asks a: 529", "fallback asks b: ok"]);
        assert_eq!(response.trail[0].retry_after, Some(millis(40)));

        let stage = Stage::new(busy(), formats, ORDERS[1], "").await;
        let response = soon(stage.stream().collect()).await.unwrap();
        assert_eq!(steps(&response.trail), ["retry asks a: 529", "retry waits, retry asks a: ok"]);
        assert!(response.trail[1].waited >= millis(40), "{:?}", response.trail);

        let stage = Stage::new(Reply::error(401, "Who are you?"), formats, ORDERS[1], "").await;
        let error = soon(stage.stream().collect()).await.unwrap_err();
        assert_eq!(steps(&error.trail), ["retry asks a: 401"]);
        assert!(error.to_string().contains("Who are you?"), "{error}");
    }
}
