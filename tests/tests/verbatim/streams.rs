//! A streamed answer, event by event as the provider sends it.

use std::time::Duration;

use arcllm::{ErrorKind, Event, Message};
use arcllm_simulator::{Fault, Format, LineEnd, Place, Reply, Simulator};
use futures::StreamExt as _;
use serde_json::json;

use super::stage::{FORMATS, forwarding, is_usual, model, originals, request, rewritten};
use crate::{
    scene::{FAST, replies, soon},
    support::Chain,
};

/// A stream of this format that nobody else would write.
pub(crate) fn stream(format: Format) -> Vec<&'static str> {
    match format {
        Format::Anthropic => vec![
            "event: message_start\ndata: {\"type\": \"message_start\", \"x\": 1.0, \"message\": {\"id\": \"m\", \"model\": \"real\", \"usage\": {\"input_tokens\": 3}}}\n\n",
            "event: ping\ndata: {\"type\": \"ping\"}\n\n",
            "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
            "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"H\\u00e9\"}, \"y\": [] }\n\n",
            "event: new_event\ndata: {\"type\": \"new_event\"}\n\n",
            "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
            "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":2}}\n\n",
            "event: message_stop\ndata: {\"type\":\"message_stop\", \"z\":0}\n\n",
        ],
        Format::Responses => vec![
            "event: response.created\ndata: {\"type\": \"response.created\", \"x\": 1.0, \"response\": {\"id\": \"r\", \"model\": \"real\"}}\n\n",
            "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"item_id\":\"m\",\"output_index\":0,\"content_index\":0,\"delta\":\"H\\u00e9\", \"y\": [] }\n\n",
            "event: new_event\ndata: {\"type\": \"new_event\"}\n\n",
            "event: response.output_item.done\ndata: {\"type\":\"response.output_item.done\",\"output_index\":0,\"item\":{\"type\":\"message\",\"id\":\"m\",\"content\":[{\"type\":\"output_text\",\"text\":\"Hé\"}]}}\n\n",
            "event: response.completed\ndata: {\"type\":\"response.completed\", \"z\":0,\"response\":{\"status\":\"completed\",\"output\":[],\"usage\":{\"input_tokens\":3,\"output_tokens\":2}}}\n\n",
        ],
        _ => vec![
            "data: {\"id\": \"c\", \"model\": \"real\", \"x\": 1.0, \"choices\": [{\"index\": 0, \"delta\": {\"role\": \"assistant\"}}]}\n\n",
            "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"H\\u00e9\"}, \"y\": []}]}\n\n",
            "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":null}\n\n",
            "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":5}}\n\n",
            "data: [DONE]\n\n",
        ],
    }
}

pub(crate) fn sends(events: impl IntoIterator<Item = impl Into<Vec<u8>>>) -> Reply {
    Reply::event_stream(events.into_iter().map(|event| (Duration::from_millis(1), event)))
}

/// The body, asking for the counts where clients can.
pub(crate) fn asking(format: Format, body: &str) -> String {
    match format {
        Format::Anthropic | Format::Responses => body.to_owned(),
        _ => body.replacen('{', "{\"stream_options\": {\"include_usage\": true}, ", 1),
    }
}

#[tokio::test]
async fn the_providers_own_events_pass_modules_that_forward() {
    for (format, wire, body) in FORMATS {
        let expected = stream(format);
        for reply in [sends(expected.clone()), sends([expected.concat()])] {
            let (a, b) = (replies([Reply::status(503), reply]).await, replies([]).await);
            let model = model(&forwarding((&a, format), (&b, format))).await;
            let asked = request(wire, &asking(format, body));
            let (events, end) = originals(model.stream_with(asked).with_originals()).await;
            assert_eq!(events, expected);
            let end = end.unwrap();
            assert_eq!((end.text().unwrap(), end.model.as_str()), ("Hé".to_owned(), "real"));
            assert_eq!((end.usage.input_tokens, end.usage.output_tokens, end.trail.len()), (3, 2, 2));
            assert!(a.requests().iter().all(|request| request.body["stream"] == json!(true)));
        }
    }
}

#[tokio::test]
async fn counts_that_the_client_has_not_asked_for_are_left_out() {
    let (format, wire, body) = FORMATS[1];
    let a = replies([sends(stream(format)), sends(stream(format))]).await;
    let model = model(&forwarding((&a, format), (&a, format))).await;
    // The second body is written anew.
    for asked in [request(wire, body), request(wire, body).with_extension("openai.x", 1)] {
        let (events, end) = originals(model.stream_with(asked).with_originals()).await;
        assert_eq!(events.len(), 4);
        assert!(!events.concat().contains("prompt_tokens"), "{events:?}");
        assert_eq!(end.unwrap().usage.total_tokens, 5);
        assert_eq!(a.requests()[0].body["stream_options"], json!({"include_usage": true}));
    }
}

#[tokio::test]
async fn without_being_asked_for_they_do_not_come() {
    for (format, wire, body) in FORMATS {
        let a = replies([sends(stream(format)), sends(stream(format))]).await;
        let model = model(&forwarding((&a, format), (&a, format))).await;
        assert!(is_usual(model.stream_with(request(wire, body))).await);
        assert!(is_usual(model.stream(&[Message::user("Hi")], &[]).with_originals()).await);
    }
}

#[tokio::test]
async fn the_usual_events_come_from_another_format_from_modules_and_from_whole_answers() {
    for (format, wire, body) in FORMATS {
        let other = FORMATS.map(|(format, ..)| format).into_iter().find(|other| *other != format).unwrap();
        let (a, b) = (replies([Reply::status(400)]).await, replies([Reply::text("Hi")]).await);
        let moved = model(&forwarding((&a, format), (&b, other))).await;
        assert!(is_usual(moved.stream_with(request(wire, body)).with_originals()).await);
        let a = replies([Reply::text("Hi"), Reply::text("Hi").unstreamed()]).await;
        let written = rewritten(&a, format).await;
        assert!(is_usual(written.stream_with(request(wire, body)).with_originals()).await);
        let whole = model(&Chain::new().provider("a", format, &a.url())).await;
        assert!(is_usual(whole.stream_with(request(wire, body)).with_originals()).await);
    }
}

/// A fallback that judges answers looks at their beginning, and loses nothing of it.
#[tokio::test]
async fn a_beginning_that_a_module_has_looked_at_comes_too() {
    for (format, wire, body) in FORMATS {
        let a = replies([sends(stream(format))]).await;
        let chain = Chain::new().provider("a", format, &a.url()).provider("b", format, &a.url());
        let model = model(&chain.module("fallback", "chain = [\"b\"]\non_empty = true")).await;
        let asked = request(wire, &asking(format, body));
        let (events, end) = originals(model.stream_with(asked).with_originals()).await;
        assert_eq!(events, stream(format));
        assert_eq!(end.unwrap().provider, "a");
    }
}

/// Comments go, line ends and lines of data are those of the specification.
#[tokio::test]
async fn framing_makes_no_difference() {
    for (format, wire, body) in FORMATS {
        let says = || Reply::text("Hi {there}\n").tool_call("call_1", "look", json!({"at": "Zürich\n"}));
        let plain = replies([says()]).await;
        let chain = |a: &Simulator| forwarding((a, format), (a, format));
        let (expected, _) =
            originals(model(&chain(&plain)).await.stream_with(request(wire, body)).with_originals()).await;
        for reply in
            [says().comments(), says().line_end(LineEnd::CrLf), says().gzip().coalesced(), says().line_end(LineEnd::Cr)]
        {
            let a = replies([reply]).await;
            let (events, end) =
                originals(model(&chain(&a)).await.stream_with(request(wire, body)).with_originals()).await;
            assert!(end.is_ok());
            assert_eq!(events, expected);
        }
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_ends_with_an_error_and_without_closing_events() {
    for (format, wire, body) in FORMATS {
        let whole = stream(format);
        for cut in 0..whole.len() {
            let cut_off = sends(whole[..cut].iter().copied()).with_fault(Fault::ResetInBody);
            let cut_off = cut_off.fault_at(Place::BeforeEvent(cut + 10));
            let error = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"no\"}}\n\n";
            let failed = sends(whole[..cut].iter().copied().chain([error]));
            for reply in [cut_off, failed] {
                let a = replies([reply]).await;
                let model = model(&Chain::new().provider("a", format, &a.url())).await;
                let asked = request(wire, &asking(format, body));
                let (events, end) = originals(model.stream_with(asked).with_originals()).await;
                let last = whole[whole.len() - 1];
                assert!(events.iter().all(|event| event != last && whole.contains(&&**event)), "{events:?}");
                let error = end.unwrap_err();
                assert!(matches!(error.kind, ErrorKind::Connection(_) | ErrorKind::Api(_)), "{cut}: {error:?}");
            }
        }
    }
}

/// Some servers leave out the event that ends a stream. A client waits for it. That of OpenAI Responses holds the answer, and
/// without it no answer is whole.
#[tokio::test]
async fn a_closing_event_that_the_provider_leaves_out_is_added() {
    for (format, wire, body) in FORMATS.into_iter().filter(|(format, ..)| *format != Format::Responses) {
        let mut events = stream(format);
        let last = events.pop().unwrap();
        for marker in [None, Some("data: [done]\n\n")] {
            let a = replies([sends(events.iter().copied().chain(marker))]).await;
            let model = model(&Chain::new().provider("a", format, &a.url())).await;
            let asked = request(wire, &asking(format, body));
            let (came, end) = originals(model.stream_with(asked).with_originals()).await;
            assert!(end.is_ok());
            assert_eq!(came[..came.len() - 1], events);
            assert_eq!(came[came.len() - 1], last.replace(", \"z\":0", ""));
        }
    }
}

/// What had arrived of an answer that broke off, as in any stream.
#[tokio::test]
async fn what_had_arrived_is_in_the_error_and_the_counts_are_in_the_trail() {
    let (format, wire, body) = FORMATS[0];
    let whole = stream(format);
    let cut_off = sends(whole[..4].iter().copied()).with_fault(Fault::ResetInBody).fault_at(Place::BeforeEvent(20));
    let a = replies([cut_off]).await;
    let model = model(&Chain::new().provider("a", format, &a.url()).module("retry", FAST)).await;
    let (events, end) = originals(model.stream_with(request(wire, body)).with_originals()).await;
    let error = end.unwrap_err();
    assert_eq!(events, whole[..4]);
    assert!(format!("{:?}", error.received).contains("Hé"));
    assert_eq!(error.trail[0].usage.as_ref().unwrap().input_tokens, 3);
}

/// `collect` reads the same answer in either way.
#[tokio::test]
async fn the_whole_answer_is_the_same() {
    for (format, wire, body) in FORMATS {
        let a = replies([sends(stream(format)), sends(stream(format))]).await;
        let model = model(&forwarding((&a, format), (&a, format))).await;
        let [one, other] =
            [model.stream_with(request(wire, body)), model.stream_with(request(wire, body)).with_originals()];
        let (one, other) = (soon(one.collect()).await.unwrap(), soon(other.collect()).await.unwrap());
        assert_eq!((one.content, one.usage, one.extensions), (other.content, other.usage, other.extensions));
        let mut left = model.stream_with(request(wire, body)).with_originals();
        assert!(matches!(soon(left.next()).await, Some(Ok(Event::Original(_)))));
        assert!(left.stop().is_some());
    }
}
