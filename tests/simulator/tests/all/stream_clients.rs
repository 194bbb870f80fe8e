//! Clients that leave a stream before its end, and the records of it.

use std::time::Duration;

use arcllm_simulator::{Fault, Place, Recorded, Reply, Script, Simulator};

use crate::client::{Client, MESSAGES, soon, streaming};

const HOUR: Duration = Duration::from_secs(3600);

/// Reads `count` bytes of the body, leaves, and waits until the simulator knows.
async fn leave_after(reply: Reply, count: usize) -> Recorded {
    let simulator = Simulator::start(Script::new([reply])).await.unwrap();
    let mut client = Client::connect(&simulator).await;
    client.send(&streaming(MESSAGES)).await;
    client.read_head().await;
    client.read_bytes(count).await;
    assert!(!simulator.requests()[0].dropped());
    drop(client);
    soon(simulator.wait_until(|requests| requests[0].dropped())).await.remove(0)
}

#[tokio::test]
async fn leaving_is_noticed_while_the_next_event_is_not_due() {
    let recorded = leave_after(Reply::event_stream([(Duration::ZERO, "one"), (HOUR, "two")]), 8).await;
    assert_eq!((recorded.sent_events, recorded.sent_bytes), (1, 3));
    let recorded = leave_after(Reply::text("a b").pace(HOUR), 1).await;
    assert_eq!(recorded.sent_events, 1);
    assert!(recorded.closed_after.unwrap() < Duration::from_secs(20));
    assert_eq!(leave_after(Reply::text("late").body_delay(HOUR), 0).await.sent_events, 0);
}

#[tokio::test]
async fn leaving_is_noticed_while_events_come_steadily() {
    let words = Reply::text("word ".repeat(100_000)).pace(Duration::from_millis(1));
    let recorded = leave_after(words, 2000).await;
    assert!((2..100_000).contains(&recorded.sent_events));
    let many = (0..10_000_000 / 100).map(|_| (Duration::from_micros(100), vec![b'x'; 100]));
    assert!(leave_after(Reply::event_stream(many), 2000).await.sent_events < 100_000);
}

#[tokio::test]
async fn leaving_is_noticed_in_a_silence() {
    let silent = Reply::text("a b").with_fault(Fault::SilenceInBody).fault_at(Place::InEvent(2));
    assert_eq!(leave_after(silent, 10).await.sent_events, 1);
}

#[tokio::test]
async fn leaving_is_noticed_while_the_client_does_not_read() {
    let large = vec![b'x'; 1_000_000];
    let reply = Reply::event_stream((0..40).map(|_| (Duration::ZERO, large.clone())));
    let recorded = leave_after(reply, 10).await;
    assert!(recorded.sent_events < 40 && recorded.sent_bytes < 40_000_000);
}

#[tokio::test]
async fn a_whole_stream_is_counted_and_was_not_dropped() {
    let simulator = Simulator::start(Script::default()).await.unwrap();
    let mut client = Client::connect(&simulator).await;
    client.send(&streaming(MESSAGES)).await;
    let requests = soon(simulator.wait_until(|requests| requests.iter().any(|request| request.sent_events > 0))).await;
    // Four words, the five events around them, and a ping.
    assert_eq!(requests[0].sent_events, 10);
    drop(client);
    assert!(!simulator.requests()[0].dropped());
}
