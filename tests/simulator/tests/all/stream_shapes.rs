//! The shapes of a stream, and streams that the script gives.

use std::io::Read;
use std::time::{Duration, Instant};

use arcllm_simulator::{LineEnd, Reply, Script, Simulator};
use serde_json::json;

use crate::client::{COMPLETIONS, Client, MESSAGES, whole_exchange};
use crate::sse::{Streamed, events, stream};

const NO_PAUSE: Duration = Duration::ZERO;

async fn texts(reply: Reply) -> Vec<String> {
    let events = stream(reply, MESSAGES).await.events();
    let texts = events.iter().filter_map(|event| event.json()["delta"]["text"].as_str().map(str::to_owned));
    texts.collect()
}

#[tokio::test]
async fn texts_come_in_pieces() {
    assert_eq!(texts(Reply::text("One two  three")).await, ["One", " two", "  three"]);
    assert_eq!(texts(Reply::text("One two").pieces(2)).await, ["One ", "two"]);
    assert_eq!(texts(Reply::text("öäü").piece_bytes(3)).await, ["ö", "ä", "ü"]);
}

#[tokio::test]
async fn lines_end_in_three_ways() {
    let plain = stream(Reply::text("a b"), MESSAGES).await;
    for (line_end, end) in [(LineEnd::Lf, "\n"), (LineEnd::CrLf, "\r\n"), (LineEnd::Cr, "\r")] {
        let text = stream(Reply::text("a b").line_end(line_end), MESSAGES).await.text();
        assert_eq!(text, plain.text().replace('\n', end));
    }
}

#[tokio::test]
async fn comments_come_before_each_event() {
    let plain = stream(Reply::text("a b"), COMPLETIONS).await;
    let commented = stream(Reply::text("a b").comments(), COMPLETIONS).await;
    assert_eq!(commented.events(), plain.events());
    assert!(commented.chunks.iter().all(|chunk| chunk.starts_with(b": keep-alive\n\ndata: ")));
}

#[tokio::test]
async fn data_can_be_spread_over_lines() {
    let plain = stream(Reply::text("a, {b"), MESSAGES).await.events();
    let split = stream(Reply::text("a, {b").split_data(), MESSAGES).await.events();
    assert!(split[0].data.lines().count() > 10, "{:?}", split[0]);
    assert_eq!(plain.len(), split.len());
    assert!(plain.iter().zip(&split).all(|(plain, split)| plain.json() == split.json()));
}

#[tokio::test]
async fn other_events_come_between() {
    let plain = stream(Reply::text("a b"), MESSAGES).await.events();
    let events = stream(Reply::text("a b").pings().unknown_events(), MESSAGES).await.events();
    assert_eq!(events.len(), 3 * plain.len() - 2);
    assert!(events[1..].chunks(3).all(|three| three[0].name == "ping" && three[1].name == "simulated_event"));

    let events = stream(Reply::text("a b").pings(), COMPLETIONS).await.events();
    assert_eq!((events[1].json()["choices"].clone(), events[1].json()["usage"].clone()), (json!([]), json!(null)));
    assert_eq!(events.last().unwrap().data, "[DONE]");
}

#[tokio::test]
async fn a_pace_is_kept_between_events() {
    let pace = Duration::from_millis(10);
    let start = Instant::now();
    let streamed = stream(Reply::text("a").pace(pace).body_delay(2 * pace), MESSAGES).await;
    assert_eq!(streamed.chunks.len(), 7);
    assert!(start.elapsed() >= 8 * pace);
}

#[tokio::test]
async fn the_head_and_each_event_come_when_they_are_due() {
    let reply = Reply::event_stream([(NO_PAUSE, "data: 1\n\n"), (Duration::from_secs(3600), "data: 2\n\n")]);
    let simulator = Simulator::start(Script::new([reply])).await.unwrap();
    let mut client = Client::connect(&simulator).await;
    client.send(b"GET /anything HTTP/1.1\r\n\r\n").await;
    assert_eq!(client.read_head().await.header("content-type"), Some("text/event-stream"));
    assert_eq!(client.read_bytes(14).await, b"9\r\ndata: 1\n\n\r\n");
    assert_eq!(client.rest_of_open().await, b"");
}

#[tokio::test]
async fn events_can_share_a_chunk() {
    let streamed = stream(Reply::text("a b c").coalesced(), MESSAGES).await;
    assert_eq!((streamed.chunks.len(), streamed.is_ended), (1, true));
    assert_eq!(streamed.events(), stream(Reply::text("a b c"), MESSAGES).await.events());
    let paced = Reply::event_stream([(NO_PAUSE, "a"), (NO_PAUSE, "b"), (Duration::from_millis(1), "c")]).coalesced();
    assert_eq!(stream(paced, MESSAGES).await.chunks, [&b"ab"[..], b"c"]);
}

#[tokio::test]
async fn bytes_of_the_script_are_sent_as_they_are() {
    let pieces = ["\u{feff}data: 1\n", "", "\n", "nonsense"].map(|piece| (NO_PAUSE, piece));
    let streamed = stream(Reply::event_stream(pieces), MESSAGES).await;
    // A piece without bytes is only a pause: a chunk without any would end the body.
    assert_eq!(streamed.chunks, ["\u{feff}data: 1\n".as_bytes(), b"\n", b"nonsense"]);
    assert!(streamed.is_ended && streamed.head.contains("text/event-stream"));
    let not_utf8 = Reply::event_stream([(NO_PAUSE, vec![0xff, 0xfe])]);
    assert_eq!(stream(not_utf8, COMPLETIONS).await.body(), [0xff, 0xfe]);
    assert!(stream(Reply::event_stream(Vec::<(Duration, Vec<u8>)>::new()), MESSAGES).await.is_ended);
}

#[tokio::test]
async fn large_streams_arrive_whole() {
    let many = Reply::event_stream((0..100_000).map(|number| (NO_PAUSE, format!("data: {number}\n\n"))));
    let streamed = stream(many, MESSAGES).await;
    assert_eq!(streamed.chunks.len(), 100_000);
    assert_eq!(streamed.chunks[99_999], b"data: 99999\n\n");
    let large = format!("data: {}\n\n", "x".repeat(20_000_000));
    let streamed = stream(Reply::event_stream([(NO_PAUSE, large.clone())]), MESSAGES).await;
    assert_eq!((streamed.chunks.len(), streamed.body().len()), (1, large.len()));
    let words = stream(Reply::text("word ".repeat(20_000)), COMPLETIONS).await;
    assert_eq!(words.events().len(), 20_000 + 5);
}

#[tokio::test]
async fn a_compressed_stream_can_be_read_event_by_event() {
    let streamed = stream(Reply::text("It rains").gzip(), MESSAGES).await;
    assert!(streamed.head.contains("content-encoding: gzip\r\n"));
    let mut seen = 0;
    let mut bytes = Vec::new();
    for chunk in &streamed.chunks[..streamed.chunks.len() - 1] {
        bytes.extend_from_slice(chunk);
        let mut text = Vec::new();
        // It is not whole yet, so an error comes after what there is.
        assert!(flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut text).is_err());
        seen += 1;
        assert_eq!(events(&String::from_utf8(text).unwrap()).len(), seen);
    }
    let mut text = String::new();
    flate2::read::GzDecoder::new(&streamed.body()[..]).read_to_string(&mut text).unwrap();
    assert_eq!(text, stream(Reply::text("It rains"), MESSAGES).await.text());
}

#[tokio::test]
async fn framing_of_the_script_replaces_chunks() {
    let reply = || Reply::event_stream([(NO_PAUSE, "data: 1\n\n"), (NO_PAUSE, "data: 2\n\n")]);
    let endless = reply().without_header("transfer-encoding");
    let simulator = Simulator::start(Script::new([endless, reply().header("content-length", "18")])).await.unwrap();
    for length in [false, true] {
        let (bytes, end) = whole_exchange(&simulator, MESSAGES).await;
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.ends_with("\r\n\r\ndata: 1\n\ndata: 2\n\n") && !text.contains("chunked"), "{text}");
        assert_eq!((text.contains("content-length: 18\r\n"), end), (length, None));
    }
}

#[tokio::test]
async fn a_head_request_gets_no_events() {
    let reply = Reply::event_stream([(NO_PAUSE, "data: 1\n\n")]);
    let simulator = Simulator::start(Script::new([reply])).await.unwrap();
    let mut client = Client::connect(&simulator).await;
    client.send(b"HEAD / HTTP/1.1\r\nconnection: close\r\n\r\n").await;
    let streamed = Streamed::of(&client.rest().await.0, None);
    assert!(streamed.chunks.is_empty() && !streamed.is_ended && streamed.head.contains("chunked"));
}
