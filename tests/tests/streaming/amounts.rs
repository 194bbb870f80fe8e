//! Long answers and slow readers.

use std::time::Duration;

use arcllm::{ErrorKind, Event, Overrides};
use arcllm_simulator::{Reply, Simulator};
use futures::{FutureExt as _, StreamExt as _};

use super::stage::{FORMATS, Stage, first_text, hi, ordered, read, text_of};
use crate::{
    scene::{load, replies, soon},
    support::Chain,
};

const BOTH: &[&str] = &["retry", "fallback"];

/// An answer of 20 MB in one event.
fn huge() -> Reply {
    Reply::text("x".repeat(20_000_000)).pieces(1)
}

#[tokio::test]
async fn a_huge_event_is_refused_with_the_name_of_the_limit() {
    for formats in FORMATS {
        let stage = Stage::new(huge(), formats, &["retry"], "max_response_mb = 100").await;
        let (events, end) = read(&mut stage.stream()).await;
        let error = end.unwrap_err();
        assert!(matches!(&error.kind, ErrorKind::Parse(_)), "{error}");
        assert!(error.to_string().contains("longer than 16 MiB (providers.a.max_event_mb)"), "{error}");
        assert!(text_of(&events).is_empty() && error.received.is_empty());
        assert_eq!(stage.counts(), (1, 0));
    }
}

#[tokio::test]
async fn a_huge_event_is_accepted_within_the_limits() {
    for formats in FORMATS {
        let stage = Stage::new(huge(), formats, BOTH, "max_event_mb = 32\nmax_response_mb = 100").await;
        let (events, end) = read(&mut stage.stream()).await;
        assert_eq!((text_of(&events).len(), end.unwrap().text().unwrap().len()), (20_000_000, 20_000_000));
        let settings = "max_event_mb = 32\nmax_response_mb = 16";
        let stage = Stage::new(huge(), formats, &["retry"], settings).await;
        let error = soon(stage.stream().collect()).await.unwrap_err();
        assert!(error.to_string().contains("(providers.a.max_response_mb)"), "{error}");
    }
}

#[tokio::test]
async fn a_hundred_thousand_events_come_one_by_one_in_their_order() {
    let letters = || (0..100_000_u32).map(|number| char::from(b'a' + u8::try_from(number * 7 % 26).unwrap()));
    for formats in FORMATS {
        let reply = Reply::text(letters().collect::<String>()).piece_bytes(1).coalesced();
        let stage = Stage::new(reply, formats, BOTH, "").await;
        let (events, end) = read(&mut stage.stream()).await;
        let pieces = events.iter().filter_map(|event| if let Event::Text(piece) = event { Some(piece) } else { None });
        assert!(pieces.map(|piece| piece.parse::<char>().unwrap()).eq(letters()), "each event for itself");
        assert!(end.unwrap().text().unwrap().chars().eq(letters()));
    }
}

/// How much of an answer the server had sent when the reader left.
async fn sent(server: &Simulator) -> u64 {
    soon(server.wait_until(|requests| requests[0].dropped())).await[0].sent_bytes
}

/// What is not read stays with the server, except what the buffers of the system hold.
#[tokio::test]
async fn a_reader_that_pauses_holds_up_the_server() {
    const LENGTH: usize = 64 << 20;
    for order in [&[], BOTH] {
        let piece = format!(
            "data: {{\"id\": \"1\", \"choices\": [{{\"delta\": {{\"content\": \"{}\"}}}}]}}\n\n",
            "x".repeat(65_000)
        );
        let role = "data: {\"id\": \"1\", \"choices\": [{\"delta\": {\"role\": \"assistant\"}}]}\n\n".to_owned();
        let pieces = std::iter::once(role).chain(std::iter::repeat_n(piece, LENGTH / 65_000));
        let reply = Reply::event_stream(pieces.map(|piece| (Duration::ZERO, piece)));
        let stage = Stage::new(reply, FORMATS[1], order, "max_response_mb = 100").await;
        let mut stream = stage.stream();
        first_text(&mut stream).await;
        // Long enough for the server to send all of it.
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(!first_text(&mut stream).await.is_empty());
        drop(stream);
        let sent = sent(&stage.a).await;
        assert!(sent < LENGTH as u64 / 3, "{sent} bytes were sent");
    }
}

/// Readers have no time limit.
#[tokio::test]
async fn a_reader_that_pauses_for_long_is_no_silence() {
    for formats in FORMATS {
        let reply = Reply::text("One two three four").pace(Duration::from_millis(10));
        let settings = "idle_timeout_seconds = 0.8\ntimeout_seconds = 0.8\nfirst_event_timeout_seconds = 60";
        let stage = Stage::new(reply, formats, BOTH, settings).await;
        let mut stream = stage.stream();
        let mut text = first_text(&mut stream).await;
        tokio::time::sleep(Duration::from_millis(1200)).await;
        text += &first_text(&mut stream).await;
        tokio::time::sleep(Duration::from_millis(1200)).await;
        let (events, end) = read(&mut stream).await;
        assert_eq!(text + &text_of(&events), "One two three four");
        end.unwrap();
    }
}

/// The agent computes on the only thread. This is not the server's silence.
#[test]
fn a_reader_that_computes_for_long_is_no_silence() {
    let elsewhere = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    for (formats, order) in FORMATS.into_iter().zip([&[], BOTH]) {
        let reply = Reply::text("One two three four").pace(Duration::from_millis(100));
        let (a, b) = elsewhere.block_on(async { (replies([reply]).await, replies([]).await) });
        let here = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        here.block_on(async {
            let chain = Chain::new().provider_with("a", formats.0, &a.url(), "idle_timeout_seconds = 0.8");
            let chain = ordered(chain.provider("b", formats.1, &b.url()), order);
            let model = Box::pin(load(&chain.folder().unwrap(), Overrides::new())).await;
            let mut stream = model.stream_with(hi());
            let first = first_text(&mut stream).await;
            // It has seen that no more has come yet.
            assert!(stream.next().now_or_never().is_none());
            std::thread::sleep(Duration::from_millis(1200));
            let (events, end) = read(&mut stream).await;
            assert_eq!(first + &text_of(&events), end.unwrap().text().unwrap());
        });
    }
}
