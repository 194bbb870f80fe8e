//! The bytes of an answer may take many shapes; its events are the same.

use std::time::Duration;

use arcllm::{Event, Response};
use arcllm_simulator::{Fault, Format, LineEnd, Place, Reply};
use serde_json::json;

use super::stage::{ALL_FORMATS, Stage, read, without_times};

const BOTH: &[&str] = &["retry", "fallback"];

fn says() -> Reply {
    let call = |id: &str| (id.to_owned(), json!({"at": "Zürich\r\n", "deep": [1, {"a": "}\""}]}));
    let (first, second) = (call("call_1"), call("call_2"));
    let text = Reply::text("Let me look: \n\ndata: 👀\r\n").thinking("Hm, {where?}", "c2lnbmVk");
    text.tool_call(first.0, "look", first.1).tool_call(second.0, "look", second.1)
}

async fn hear(reply: Reply, formats: (Format, Format)) -> (Vec<Event>, Response) {
    let stage = Stage::new(reply, formats, BOTH, "").await;
    let (events, end) = read(&mut stage.stream()).await;
    assert_eq!(stage.counts(), (1, 0));
    (events, without_times(end.unwrap()))
}

#[tokio::test]
async fn line_ends_comments_and_data_in_several_lines() {
    for formats in ALL_FORMATS {
        let plain = hear(says(), formats).await;
        assert!(plain.0.len() > 20, "{plain:?}");
        for line_end in [LineEnd::Lf, LineEnd::CrLf, LineEnd::Cr] {
            let style = || says().line_end(line_end);
            for reply in [
                style(),
                style().comments(),
                style().split_data(),
                style().comments().split_data().coalesced(),
                style().coalesced().gzip(),
            ] {
                assert_eq!(hear(reply, formats).await, plain, "{line_end:?} in {}", formats.0);
            }
        }
    }
}

#[tokio::test]
async fn compressed_answers() {
    for formats in ALL_FORMATS {
        let plain = hear(says(), formats).await;
        for reply in [says().gzip(), says().gzip().pace(Duration::from_millis(2)), says().gzip().comments().coalesced()]
        {
            assert_eq!(hear(reply, formats).await, plain, "{}", formats.0);
        }
    }
}

/// Pings and unknown events are skipped.
#[tokio::test]
async fn pings_and_unknown_events() {
    for formats in ALL_FORMATS {
        let plain = hear(says(), formats).await;
        for reply in [says().pings(), says().unknown_events(), says().pings().unknown_events().comments().gzip()] {
            assert_eq!(hear(reply, formats).await, plain, "{}", formats.0);
        }
    }
}

/// The pieces differ, the text does not.
#[tokio::test]
async fn pieces_of_any_length() {
    for formats in ALL_FORMATS {
        let (_, plain) = hear(says(), formats).await;
        for pieces in [says().pieces(1), says().pieces(7), says().piece_bytes(1), says().piece_bytes(3).coalesced()] {
            assert_eq!(hear(pieces, formats).await.1, plain, "{}", formats.0);
        }
    }
}

/// An answer ends with its last event, also if the server keeps the connection open.
#[tokio::test]
async fn an_answer_ends_with_its_last_event() {
    for formats in ALL_FORMATS {
        let plain = hear(says(), formats).await;
        for line_end in [LineEnd::Lf, LineEnd::CrLf, LineEnd::Cr] {
            // A place after the last event is the end.
            let open = says().line_end(line_end).with_fault(Fault::SilenceInBody).fault_at(Place::BeforeEvent(10_000));
            assert_eq!(hear(open, formats).await, plain, "{line_end:?} in {}", formats.0);
        }
    }
}

/// Some servers send neither a type nor a length.
#[tokio::test]
async fn without_the_headers_of_a_stream() {
    for formats in ALL_FORMATS {
        let plain = hear(says(), formats).await;
        let unnamed = says().without_header("content-type");
        let misnamed = says().header("content-type", "application/json");
        let unframed = says().without_header("transfer-encoding").header("connection", "close");
        for reply in [unnamed, misnamed, unframed] {
            assert_eq!(hear(reply, formats).await, plain, "{}", formats.0);
        }
    }
}
