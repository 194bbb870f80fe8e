//! Servers that stream without a request for it, and servers that do not stream despite one.

use arcllm::{Event, Usage};
use arcllm_simulator::{Fault as Broken, Format, Place, Reply};
use serde_json::json;

use super::stage::{ALL_FORMATS, ORDERS, Stage, hi, read, text_of, without_times};
use crate::{
    faults::{
        Fault,
        stage::{BOTH_FORMATS, OTHER_WAY_ROUND, RESPONSES, Setup, play_all},
    },
    scene::soon,
};

fn says() -> Reply {
    let says = Reply::text("Let me look. 👀").thinking("Hm.", "c2lnbmVk");
    says.tool_call("call_1", "look", json!({"at": "Zürich", "deep": [1, 2]})).tool_call("call_2", "stop", json!({}))
}

#[tokio::test]
async fn a_whole_answer_to_a_request_for_events() {
    for formats in ALL_FORMATS {
        for order in ORDERS {
            let stage = Stage::new(says().unstreamed(), formats, order, "").await;
            let (events, end) = read(&mut stage.stream()).await;
            let end = without_times(end.unwrap());
            assert_eq!(text_of(&events), end.text().unwrap());
            let plain = Stage::new(says(), formats, order, "").await;
            assert_eq!(end, without_times(soon(plain.model.invoke_with(hi())).await.unwrap()), "{order:?}");
            // The same blocks and calls, in other pieces.
            let streamed = Stage::new(says().pieces(1), formats, order, "").await;
            let (expected, _) = read(&mut streamed.stream()).await;
            let kinds = |events: &[Event]| -> Vec<String> {
                let json = |event: &Event| serde_json::to_value(event).unwrap();
                let whole =
                    events.iter().map(json).filter(|event| event["type"] == "block" || event["call"].is_object());
                whole.map(|event| event.to_string()).collect()
            };
            assert_eq!(kinds(&events), kinds(&expected), "{order:?} in {}", formats.0);
        }
    }
}

#[tokio::test]
async fn events_to_a_request_for_a_whole_answer() {
    for formats in ALL_FORMATS {
        for order in ORDERS {
            let plain = Stage::new(says(), formats, order, "").await;
            let plain = without_times(soon(plain.model.invoke_with(hi())).await.unwrap());
            for reply in [says().streamed(), says().streamed().gzip().comments().pings()] {
                let stage = Stage::new(reply, formats, order, "").await;
                let mut response = without_times(soon(stage.model.invoke_with(hi())).await.unwrap());
                if formats.0 == Format::OpenAi {
                    // OpenAI counts the tokens of a stream only on request.
                    assert_eq!(response.usage, Usage::default());
                    response.usage = plain.usage.clone();
                    response.trail.iter_mut().for_each(|attempt| attempt.usage = Some(plain.usage.clone()));
                }
                assert_eq!(response, plain, "{order:?} in {}", formats.0);
            }
        }
    }
}

/// The caller sees nothing before the end, so an error at any place is one of the call.
#[tokio::test]
async fn errors_in_events_that_were_not_requested() {
    let streamed =
        |fault, place| Reply::text("One two thrée fóur fíve síx").streamed().with_fault(fault).fault_at(place);
    let later = Place::BeforeEvent(6);
    let faults = [
        Fault::connection(streamed(Broken::Truncate, later), "broke off"),
        Fault::connection(streamed(Broken::ResetInBody, Place::InCharacter(6)), "broke off"),
        Fault::connection(streamed(Broken::EndEarly, later), "before the answer was whole"),
        Fault::no_answer(streamed(Broken::Malformed, later), "an event is not JSON"),
        Fault::parse(Reply::text("x".repeat(1 << 20)).streamed(), "max_response_mb"),
    ];
    play_all(BOTH_FORMATS, &faults).await;
    play_all(OTHER_WAY_ROUND, &faults).await;
    play_all(RESPONSES, &faults).await;
    for (format, status) in [(Format::Anthropic, 529), (Format::OpenAi, 500), (Format::Responses, 503)] {
        let error = Fault::status(status, streamed(Broken::ErrorEvent, later)).saying("(simulated)");
        play_all(Setup { formats: [format, format], ..BOTH_FORMATS }, &[error]).await;
    }
}

/// As for a request without streaming.
#[tokio::test]
async fn broken_whole_answers_to_a_request_for_events() {
    let body = |body: &str| Reply::body("application/json", body);
    let connection = |fault| Fault::connection(Reply::text("Hello").unstreamed().with_fault(fault), "broke");
    let faults = [
        connection(Broken::Truncate),
        connection(Broken::ResetInBody),
        Fault::no_answer(Reply::fault(Broken::Malformed).unstreamed(), "not JSON"),
        Fault::no_answer(body(""), "empty body"),
        Fault::parse(body("{}"), "unreadable answer"),
        Fault::no_answer(Reply::body("text/html", "<html>It works!</html>"), "): It works!"),
        Fault::parse(Reply::text("x".repeat(1 << 20)).unstreamed(), "max_response_mb"),
        Fault::status(429, body(r#"{"type": "error", "error": {"type": "rate_limit_error", "message": "Later."}}"#)),
    ];
    play_all(Setup { streamed: true, ..BOTH_FORMATS }, &faults).await;
    play_all(Setup { streamed: true, ..OTHER_WAY_ROUND }, &faults).await;
    play_all(Setup { streamed: true, ..RESPONSES }, &faults).await;
}
