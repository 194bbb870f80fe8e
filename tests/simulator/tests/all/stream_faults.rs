//! Faults inside streams, down to the byte.

use std::io::{ErrorKind, Read};
use std::time::Duration;

use arcllm_simulator::{Fault, Place, Reply, Script, Simulator};
use serde_json::{Value, json};

use crate::client::{COMPLETIONS, Client, MESSAGES, ask, streaming};
use crate::sse::{Streamed, collected, stream};

/// The characters of several bytes are in the fifth event of either format.
fn reply() -> Reply {
    Reply::text("In Malmö it rains")
}

async fn broken(fault: Fault, place: Place, path: &str) -> Streamed {
    stream(reply().with_fault(fault).fault_at(place), path).await
}

#[tokio::test]
async fn cut_at_any_byte() {
    let whole = stream(reply(), MESSAGES).await.body();
    for count in (0..whole.len()).step_by(13).chain([whole.len() - 1, whole.len(), whole.len() + 100]) {
        let cut = broken(Fault::Truncate, Place::Byte(count), MESSAGES).await;
        assert_eq!(cut.body(), whole[..count.min(whole.len())]);
        assert!(!cut.is_ended && cut.error.is_none());
    }
}

#[tokio::test]
async fn reset_in_an_event() {
    for path in [MESSAGES, COMPLETIONS] {
        let whole = stream(reply(), path).await;
        let reset = broken(Fault::ResetInBody, Place::InEvent(4), path).await;
        assert_eq!(reset.error, Some(ErrorKind::ConnectionReset));
        assert_eq!(reset.chunks, whole.chunks[..3]);
        assert!(whole.chunks[3].starts_with(&reset.rest));
        assert!(String::from_utf8(reset.rest).unwrap().contains("data: {"));
    }
}

#[tokio::test]
async fn cut_between_events_and_in_a_character() {
    let whole = stream(reply(), MESSAGES).await;
    let before = broken(Fault::Truncate, Place::BeforeEvent(4), MESSAGES).await;
    assert_eq!((&before.chunks[..], before.rest.len()), (&whole.chunks[..3], 0));
    let inside = broken(Fault::Truncate, Place::InCharacter(1), MESSAGES).await;
    assert_eq!(inside.chunks.len(), 4);
    let error = std::str::from_utf8(&inside.rest).unwrap_err();
    assert_eq!((error.error_len(), error.valid_up_to()), (None, inside.rest.len() - 1));
    let none = broken(Fault::Truncate, Place::InCharacter(6), MESSAGES).await;
    assert_eq!((none.chunks, none.is_ended), (whole.chunks, false));
}

#[tokio::test]
async fn without_a_place_it_is_half_of_the_body() {
    let whole = stream(reply(), COMPLETIONS).await.body();
    let cut = stream(reply().with_fault(Fault::Truncate), COMPLETIONS).await;
    assert_eq!(cut.body(), whole[..whole.len() / 2]);
}

#[tokio::test]
async fn silence_lasts_until_the_client_leaves() {
    let silent = reply().with_fault(Fault::SilenceInBody).fault_at(Place::BeforeEvent(3));
    let simulator = Simulator::start(Script::new([silent])).await.unwrap();
    let mut client = Client::connect(&simulator).await;
    client.send(&streaming(MESSAGES)).await;
    let streamed = Streamed::of(&client.rest_of_open().await, None);
    assert_eq!((streamed.chunks.len(), streamed.is_ended), (2, false));
}

#[tokio::test]
async fn a_stream_can_end_without_its_end() {
    for (path, end) in [(MESSAGES, "message_stop"), (COMPLETIONS, "[DONE]")] {
        let whole = stream(reply(), path).await;
        assert!(whole.text().contains(end));
        let early = stream(reply().with_fault(Fault::EndEarly), path).await;
        assert_eq!(early.chunks, whole.chunks[..whole.chunks.len() - 1]);
        assert!(early.is_ended && early.error.is_none());
        let earlier = broken(Fault::EndEarly, Place::InEvent(4), path).await;
        assert_eq!((earlier.chunks.len(), earlier.is_ended), (4, true));
        assert!(whole.chunks[3].starts_with(&earlier.chunks[3]) && earlier.chunks[3] != whole.chunks[3]);
        assert_eq!(broken(Fault::EndEarly, Place::Byte(0), path).await.body(), b"");
    }
}

#[tokio::test]
async fn one_event_can_be_malformed() {
    for path in [MESSAGES, COMPLETIONS] {
        let whole = stream(reply(), path).await.events();
        let spoilt = broken(Fault::Malformed, Place::InEvent(5), path).await;
        assert!(spoilt.is_ended);
        let spoilt = spoilt.events();
        assert_eq!((spoilt.len(), &spoilt[..4], &spoilt[5..]), (whole.len(), &whole[..4], &whole[5..]));
        assert!(serde_json::from_str::<Value>(&spoilt[4].data).is_err());
        let done = broken(Fault::Malformed, Place::BeforeEnd, path).await.events();
        assert_eq!(done.last().unwrap().data.len(), whole.last().unwrap().data.len() - 1);
        let middle = stream(reply().with_fault(Fault::Malformed), path).await.events();
        let data: Vec<_> = middle[..middle.len() - 1].iter().map(|event| &event.data).collect();
        assert_eq!(data.iter().filter(|data| serde_json::from_str::<Value>(data).is_err()).count(), 1);
    }
}

#[tokio::test]
async fn an_error_can_take_the_place_of_an_event() {
    let anthropic = broken(Fault::ErrorEvent, Place::InEvent(4), MESSAGES).await;
    assert!(anthropic.is_ended);
    let events = anthropic.events();
    assert_eq!((events.len(), events[3].name.as_str()), (4, "error"));
    assert_eq!(events[3].json()["error"]["type"], "overloaded_error");
    let openai = broken(Fault::ErrorEvent, Place::InEvent(2), COMPLETIONS).await.events();
    assert_eq!((openai.len(), openai[1].name.as_str()), (2, ""));
    assert_eq!(openai[1].json()["error"]["type"], "server_error");
    let raw = Reply::event_stream([(Duration::ZERO, "data: 1\n\n")]).with_fault(Fault::ErrorEvent);
    assert!(stream(raw, MESSAGES).await.text().starts_with("event: error\n"));
}

#[tokio::test]
async fn arguments_can_stay_open() {
    for (arguments, open) in [(json!({"a": {"b": 1}}), "{\"a\":{\"b\":1"), (json!({}), "{")] {
        let reply = Reply::default().tool_call("call_1", "f", arguments).with_fault(Fault::OpenArguments);
        let openai = stream(reply.clone(), COMPLETIONS).await;
        assert!(openai.is_ended);
        let call = &collected(COMPLETIONS, &openai.events())["choices"][0]["message"]["tool_calls"][0];
        assert_eq!(call["function"]["arguments"], open);
        let anthropic = stream(reply, MESSAGES).await.events();
        let pieces =
            anthropic.iter().filter_map(|event| Some(event.json()["delta"]["partial_json"].as_str()?.to_owned()));
        assert_eq!(pieces.collect::<String>(), open);
        assert_eq!(anthropic.last().unwrap().name, "message_stop");
    }
}

#[tokio::test]
async fn what_is_not_streamed_has_places_too() {
    let whole = reply();
    let cut = reply().with_fault(Fault::Truncate).fault_at(Place::Byte(7));
    let early = reply().with_fault(Fault::EndEarly);
    let simulator = Simulator::start(Script::new([whole, early, cut])).await.unwrap();
    let length = ask(&simulator, MESSAGES).await.length();
    assert!(serde_json::from_slice::<Value>(&ask(&simulator, MESSAGES).await.body).is_err());
    let mut client = Client::connect(&simulator).await;
    client.send(&crate::client::usual(MESSAGES)).await;
    assert_eq!(client.read_head().await.length(), length);
    assert_eq!(client.rest().await, (b"{\"id\":\"".to_vec(), None));
}

#[tokio::test]
async fn compressed_streams_break_off_too() {
    let whole = stream(reply(), MESSAGES).await.text();
    let decoded = |bytes: &[u8]| {
        let mut plain = Vec::new();
        let is_whole = flate2::read::GzDecoder::new(bytes).read_to_end(&mut plain).is_ok();
        (String::from_utf8(plain).unwrap(), is_whole)
    };
    for place in [Place::BeforeEvent(4), Place::InEvent(4)] {
        let cut = stream(reply().gzip().with_fault(Fault::Truncate).fault_at(place), MESSAGES).await;
        assert_eq!((cut.chunks.len(), cut.is_ended), (3, false));
        assert_eq!(cut.rest.is_empty(), place == Place::BeforeEvent(4));
        let (text, is_whole) = decoded(&cut.body());
        assert!(whole.starts_with(&text) && text.contains("content_block_start") && !is_whole, "{text}");
    }
    let cut = stream(reply().gzip().with_fault(Fault::Truncate).fault_at(Place::Byte(5)), MESSAGES).await;
    assert_eq!(cut.body().len(), 5);
    let early = stream(reply().gzip().with_fault(Fault::EndEarly), MESSAGES).await;
    let (text, is_whole) = decoded(&early.body());
    assert!(early.is_ended && is_whole && whole.starts_with(&text) && !text.contains("message_stop"));
}

#[tokio::test]
async fn a_stream_that_ends_in_good_order_leaves_the_connection_open() {
    let faults = [Fault::EndEarly, Fault::Malformed, Fault::ErrorEvent, Fault::OpenArguments];
    let replies = faults.map(|fault| reply().with_fault(fault));
    let simulator = Simulator::start(Script::new(replies)).await.unwrap();
    let mut client = Client::connect(&simulator).await;
    for _ in faults {
        client.send(&streaming(MESSAGES)).await;
        client.read_head().await;
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n0\r\n\r\n") {
            bytes.extend(client.read_bytes(1).await);
        }
    }
    assert_eq!(client.ask(MESSAGES).await.status, 200);
}
