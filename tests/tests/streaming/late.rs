//! A fault after the first event ends the answer with an error that has what arrived, and nothing is sent again.

use std::time::Duration;

use arcllm::{ErrorKind, Event, Outcome};
use arcllm_simulator::{Fault, Format, Place, Reply};
use futures::future::join_all;
use serde_json::{Value, json};

use super::stage::{ALL_FORMATS, FORMATS, ORDERS, Stage, hi, read, text_in, text_of};

/// After the first word in either format.
const LATER: usize = 6;

/// A way to break off an answer.
struct Late {
    reply: Reply,
    /// A status or a kind.
    outcome: &'static str,
    says: &'static str,
}

fn late(reply: Reply, outcome: &'static str, says: &'static str) -> Late {
    Late { reply, outcome, says }
}

fn words() -> Reply {
    Reply::text("One two thrée fóur fíve síx séven eight")
}

fn broken(fault: Fault, place: Place) -> Reply {
    words().with_fault(fault).fault_at(place)
}

/// Plays each fault through each chain in all formats.
async fn play(settings: &str, faults: &[Late]) {
    for formats in ALL_FORMATS {
        play_in(formats, settings, faults).await;
    }
}

async fn play_in(formats: (Format, Format), settings: &str, faults: &[Late]) {
    let each = ORDERS.iter().flat_map(|order| faults.iter().map(move |fault| (order, fault)));
    join_all(each.map(async |(order, fault)| {
        let stage = Stage::new(fault.reply.clone(), formats, order, settings).await;
        let (events, end) = read(&mut stage.stream()).await;
        let about = format!("{} in {order:?} with {}", fault.reply, formats.0);
        let error = end.err().unwrap_or_else(|| panic!("{about}"));
        let outcome = match &error.kind {
            ErrorKind::Api(api) => api.status.to_string(),
            kind => kind.as_str().to_owned(),
        };
        assert_eq!((outcome.as_str(), error.kind.provider()), (fault.outcome, Some("a")), "{about}: {error}");
        assert!(error.to_string().contains(fault.says), "{about}: {error}");
        let heard = text_of(&events);
        assert!(heard.starts_with("One") && !heard.contains("eight"), "{about}: {heard}");
        assert_eq!(text_in(&error.received), heard, "{about}");
        assert_eq!(error.trail.len(), 1, "{about}: {error:?}");
        assert_eq!(error.trail[0].outcome.as_str(), error.kind.as_str(), "{about}");
        assert_eq!(stage.counts(), (1, 0), "nothing is asked again: {about}");
    }))
    .await;
}

#[tokio::test]
async fn cut_between_events_and_inside_of_them() {
    let mut faults = Vec::new();
    for place in [Place::BeforeEvent(LATER), Place::InEvent(LATER), Place::InCharacter(LATER)] {
        for fault in [Fault::Truncate, Fault::ResetInBody] {
            let cut = broken(fault, place);
            faults.push(late(cut.clone().gzip(), "connection", "broke off"));
            faults.push(late(cut, "connection", "broke off"));
        }
    }
    play("", &faults).await;
}

#[tokio::test]
async fn without_its_end_an_answer_fails() {
    let short = |reply| late(reply, "connection", "closed before the answer was whole");
    let early = |place| short(broken(Fault::EndEarly, place));
    play("", &[early(Place::BeforeEvent(LATER)), early(Place::InEvent(LATER)), early(Place::InCharacter(LATER))]).await;
    // The stop reason, without the end marker. The body ends as its framing asks.
    for formats in FORMATS {
        for order in ORDERS {
            let reply = words().with_fault(Fault::EndEarly).fault_at(Place::BeforeEnd);
            let stage = Stage::new(reply, formats, order, "").await;
            let (events, end) = read(&mut stage.stream()).await;
            assert_eq!(end.unwrap().text().unwrap(), text_of(&events));
            assert!(text_of(&events).ends_with("eight"));
            assert_eq!(stage.counts(), (1, 0));
        }
    }
    // The end marker, without a stop reason.
    let event = |event: Value| format!("data: {event}\n\n");
    let begins = json!({"type": "text", "text": "One"});
    let anthropic = [
        event(json!({"type": "message_start", "message": {"role": "assistant", "content": []}})),
        event(json!({"type": "content_block_start", "index": 0, "content_block": begins})),
        event(json!({"type": "content_block_stop", "index": 0})),
        event(json!({"type": "message_stop"})),
    ];
    let chunk =
        |word: &str| event(json!({"id": "1", "choices": [{"delta": {"content": word}, "finish_reason": null}]}));
    let openai = [chunk("One"), chunk(" two"), chunk(""), "data: [DONE]\n\n".to_owned()];
    for (formats, events) in FORMATS.into_iter().zip([anthropic, openai]) {
        let reply = Reply::event_stream(events.map(|event| (Duration::ZERO, event)));
        play_in(formats, "", &[late(reply, "connection", "did not say why it ended")]).await;
    }
}

#[tokio::test]
async fn silence() {
    let silent = |place| late(broken(Fault::SilenceInBody, place), "timeout", "(providers.a.idle_timeout_seconds)");
    // The limit of an attempt does not count once the answer has begun.
    let settings = "idle_timeout_seconds = 1.5\nfirst_event_timeout_seconds = 60\ntimeout_seconds = 0.01";
    play(settings, &[silent(Place::BeforeEvent(LATER)), silent(Place::InEvent(LATER))]).await;
}

#[tokio::test]
async fn an_event_that_is_not_json() {
    let spoilt = || broken(Fault::Malformed, Place::BeforeEvent(LATER));
    let says = "an event is not JSON";
    play("", &[late(spoilt(), "parse", says), late(spoilt().gzip().coalesced(), "parse", says)]).await;
}

#[tokio::test]
async fn an_error_event() {
    for (formats, status) in FORMATS.into_iter().zip(["529", "500"]) {
        let error = || broken(Fault::ErrorEvent, Place::BeforeEvent(LATER));
        let faults = [late(error(), status, "(simulated)"), late(error().coalesced(), status, "(simulated)")];
        play_in(formats, "", &faults).await;
    }
}

#[tokio::test]
async fn more_bytes_than_the_limits() {
    let long = format!("One {}", "x".repeat(1 << 20));
    let big = late(Reply::text(format!("{long} eight")), "parse", "(providers.a.max_event_mb)");
    play("max_event_mb = 1", &[big]).await;
    let much = || Reply::text(format!("{long} eight")).piece_bytes(1000);
    let says = "(providers.a.max_response_mb)";
    let faults = [late(much(), "parse", says), late(much().gzip(), "parse", says)];
    play("max_response_mb = 1", &faults).await;
}

/// A tool call that is not whole must not run.
#[tokio::test]
async fn arguments_that_never_close() {
    for formats in ALL_FORMATS {
        for order in ORDERS {
            let call = Reply::text("One").tool_call("call_1", "look", json!({"at": "here"}));
            let stage = Stage::new(call.with_fault(Fault::OpenArguments), formats, order, "").await;
            let (events, end) = read(&mut stage.stream()).await;
            let error = end.unwrap_err();
            assert!(matches!(&error.kind, ErrorKind::Parse(_)), "{error}");
            assert!(error.to_string().contains("arguments") || error.to_string().contains("input"), "{error}");
            assert!(events.iter().any(|event| matches!(event, Event::ToolArguments { .. })));
            assert!(!events.iter().any(|event| matches!(event, Event::ToolUseEnd { .. })));
            let received = serde_json::to_value(&error.received).unwrap();
            assert_eq!((&received[0]["type"], &received[0]["text"]), (&json!("text"), &json!("One")));
            let partial = json!({
                "type": "partial_tool_use", "id": "call_1", "name": "look", "arguments": "{\"at\":\"here\"",
            });
            assert_eq!(received[1], partial);
            assert_eq!((stage.counts(), error.trail.len()), ((1, 0), 1));
        }
    }
}

/// The deadline is the agent's, so the error names no provider.
#[tokio::test]
async fn the_deadline() {
    let endless = Reply::text("One ".repeat(2000)).pace(Duration::from_millis(10));
    let replies = [broken(Fault::SilenceInBody, Place::BeforeEvent(LATER)), endless];
    let each = FORMATS.iter().flat_map(|formats| ORDERS.iter().map(move |order| (*formats, *order)));
    let each: Vec<_> =
        each.flat_map(|(formats, order)| replies.iter().map(move |reply| (formats, order, reply))).collect();
    join_all(each.into_iter().map(async |(formats, order, reply)| {
        let stage = Stage::new(reply.clone(), formats, order, "").await;
        let mut request = hi();
        request.options.deadline = Some(Duration::from_secs(4));
        let (events, end) = read(&mut stage.model.stream_with(request)).await;
        let error = end.unwrap_err();
        assert_eq!(error.kind, ErrorKind::DeadlineExceeded, "{order:?}");
        assert!(text_of(&events).starts_with("One"), "{order:?} {formats:?} {reply}: {events:?} {error:?}");
        assert_eq!(text_in(&error.received), text_of(&events));
        assert_eq!((error.trail.len(), error.trail[0].outcome), (1, Outcome::DeadlineExceeded), "{order:?}");
        assert_eq!(stage.counts(), (1, 0), "{order:?}");
        crate::scene::soon(stage.a.wait_until(|requests| requests[0].dropped())).await;
    }))
    .await;
}
