//! Leaving an answer before its end closes its connection, frees the modules, and sends nothing more.

use std::time::Duration;

use arcllm::{ErrorKind, Event, Outcome, Overrides};
use arcllm_simulator::{Fault, Format, Place, Reply};
use futures::StreamExt as _;

use super::stage::{FORMATS, ORDERS, Stage, first_text, hi, read, text_in, text_of};
use crate::{
    scene::{load, replies, soon},
    support::Chain,
};

/// A stage whose modules have one instance each, for one call at a time: an instance that is not free again shows at
/// once.
async fn narrow(reply: Reply, formats: (Format, Format), order: &[&str]) -> Stage {
    let (a, b) = (replies([reply]).await, replies([]).await);
    let chain = Chain::new().provider("a", formats.0, &a.url()).provider("b", formats.1, &b.url());
    let chain = if order.is_empty() { chain } else { chain.host(&format!("order = {order:?}")) };
    let chain = order.iter().fold(chain, |chain, module| {
        let settings = if *module == "retry" { "max_wait_seconds = 50" } else { "chain = [\"a\", \"b\"]" };
        let sandbox = "max_concurrent = 1\nmax_instances = 1\nmax_queued = 1\nallow = [\"models\", \"state\"]";
        chain.module(module, settings).table(&format!("modules.{module}.sandbox"), sandbox)
    });
    let model = load(&chain.folder().unwrap(), Overrides::new()).await;
    Stage { a, b, model }
}

/// Checks that the connection is closed, that the next call is answered, and that nothing else was sent until then. The kit
/// checks on virtual time that nothing is sent later.
async fn nothing_is_left(stage: &Stage) {
    soon(stage.a.wait_until(|requests| requests[0].dropped())).await;
    soon(stage.stream().collect()).await.unwrap();
    assert_eq!(stage.counts(), (2, 0));
}

/// Answers that never end: one that goes on, and two that fall silent.
fn endless() -> [Reply; 3] {
    let silent = |place| Reply::text("One two three four five").with_fault(Fault::SilenceInBody).fault_at(place);
    let slow = Reply::text("One ".repeat(500)).pace(Duration::from_millis(10));
    [slow, silent(Place::BeforeEvent(6)), silent(Place::InEvent(6))]
}

#[tokio::test]
async fn dropping_the_stream() {
    for formats in FORMATS {
        for order in ORDERS {
            for reply in endless() {
                let stage = narrow(reply, formats, order).await;
                let mut stream = stage.stream();
                first_text(&mut stream).await;
                drop(stream);
                nothing_is_left(&stage).await;
            }
        }
    }
}

#[tokio::test]
async fn dropping_the_stream_while_somebody_waits_for_the_next_event() {
    for order in ORDERS {
        let stage = narrow(endless()[1].clone(), FORMATS[0], order).await;
        let mut stream = stage.stream();
        let (began, begins) = tokio::sync::oneshot::channel();
        let reading = tokio::spawn(async move {
            first_text(&mut stream).await;
            began.send(()).unwrap();
            while stream.next().await.is_some() {}
        });
        soon(begins).await.unwrap();
        tokio::task::yield_now().await;
        reading.abort();
        nothing_is_left(&stage).await;
    }
}

#[tokio::test]
async fn dropping_the_stream_before_its_first_event() {
    for formats in FORMATS {
        for order in ORDERS {
            for place in [None, Some(Place::BeforeEvent(1)), Some(Place::BeforeEvent(2))] {
                let silence = match place {
                    None => Reply::fault(Fault::Silence),
                    Some(place) => Reply::fault(Fault::SilenceInBody).fault_at(place),
                };
                let stage = narrow(silence, formats, order).await;
                let mut stream = stage.stream();
                tokio::select! {
                    event = stream.next() => panic!("{event:?}"),
                    _ = soon(stage.a.wait_for_requests(1)) => {}
                }
                drop(stream);
                nothing_is_left(&stage).await;
            }
        }
    }
}

#[tokio::test]
async fn stopping_returns_the_trail_and_what_arrived() {
    for formats in FORMATS {
        for order in ORDERS {
            for reply in endless() {
                let stage = narrow(reply, formats, order).await;
                let mut stream = stage.stream();
                let text = first_text(&mut stream).await;
                let error = stream.stop().unwrap();
                assert_eq!(error.kind, ErrorKind::Cancelled);
                assert_eq!((error.trail.len(), error.trail[0].outcome), (1, Outcome::Cancelled), "{order:?}");
                assert_eq!(text_in(&error.received), text);
                assert!(stream.stop().is_none() && stream.next().await.is_none(), "it is over");
                nothing_is_left(&stage).await;
            }
        }
    }
}

#[tokio::test]
async fn stopping_before_the_first_event() {
    for order in ORDERS {
        let stage = narrow(Reply::fault(Fault::Silence), FORMATS[0], order).await;
        let mut stream = stage.stream();
        tokio::select! {
            event = stream.next() => panic!("{event:?}"),
            _ = soon(stage.a.wait_for_requests(1)) => {}
        }
        let error = stream.stop().unwrap();
        assert_eq!((&error.kind, error.trail.len()), (&ErrorKind::Cancelled, 1), "{order:?}");
        assert!(error.received.is_empty());
        nothing_is_left(&stage).await;
    }
}

#[tokio::test]
async fn a_stream_can_be_dropped_at_any_moment() {
    for formats in FORMATS {
        let stage = narrow(Reply::default(), formats, &["retry", "fallback"]).await;
        for turns in 0..80 {
            let mut stream = stage.stream();
            for _ in 0..turns {
                tokio::select! {
                    biased;
                    event = stream.next() => if event.is_none() { break },
                    () = tokio::task::yield_now() => {}
                }
            }
        }
        soon(stage.stream().collect()).await.unwrap();
        assert_eq!(stage.b.requests().len(), 0, "dropping a stream is no reason to ask another provider");
    }
}

#[tokio::test]
async fn a_stream_that_is_not_polled_sends_nothing() {
    let stage = narrow(Reply::default(), FORMATS[0], &["retry", "fallback"]).await;
    drop(stage.stream());
    let error = stage.stream().stop().unwrap();
    assert_eq!((error.kind, error.trail.len()), (ErrorKind::Cancelled, 0));
    soon(stage.stream().collect()).await.unwrap();
    assert_eq!(stage.counts(), (1, 0));
}

/// The modules are free once an answer has begun.
#[tokio::test]
async fn other_calls_run_while_an_answer_is_read() {
    for order in ORDERS {
        let stage = narrow(Reply::text("One two three").pace(Duration::from_millis(20)), FORMATS[0], order).await;
        let mut first = stage.stream();
        let began = first_text(&mut first).await;
        let other = soon(stage.model.invoke_with(hi())).await.unwrap();
        assert_eq!(other.text().as_deref(), Some("Hello from the simulator."), "{order:?}");
        let (events, end) = read(&mut first).await;
        assert_eq!(began + &text_of(&events), end.unwrap().text().unwrap(), "{order:?}");
        assert_eq!(stage.counts(), (2, 0));
    }
}

/// After a whole answer its connection is used again.
#[tokio::test]
async fn a_stream_that_is_dropped_after_its_end_keeps_the_connection() {
    for formats in FORMATS {
        let stage = narrow(Reply::text("One two"), formats, &["retry", "fallback"]).await;
        for _ in 0..3 {
            let mut stream = stage.stream();
            while !matches!(soon(stream.next()).await.unwrap().unwrap(), Event::End(_)) {}
            drop(stream);
            // The body ends after the answer.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!((stage.counts(), stage.a.connections()), ((3, 0), 1));
        assert!(stage.a.requests().iter().all(|request| !request.dropped()));
    }
}
