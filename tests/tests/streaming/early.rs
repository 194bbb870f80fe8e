//! Faults before the first event of an answer are errors of the call: retry and fallback apply, as without streaming,
//! in each order of the modules.

use std::time::Duration;

use arcllm_simulator::{Fault as Broken, Format, Place, Reply};
use serde_json::json;

use crate::faults::{
    Fault,
    play::Part,
    stage::{BOTH_FORMATS, OTHER_WAY_ROUND, Setup, play_all, play_at_once},
};

const STREAMED: Setup = Setup { streamed: true, ..BOTH_FORMATS };

/// Before and inside events without content, and inside the first event with content.
const PLACES: [Place; 5] =
    [Place::BeforeEvent(1), Place::InEvent(1), Place::BeforeEvent(2), Place::InEvent(2), Place::InCharacter(1)];

async fn both_ways_round(faults: &[Fault]) {
    play_all(STREAMED, faults).await;
    play_all(Setup { streamed: true, ..OTHER_WAY_ROUND }, faults).await;
}

/// A stream of these bytes.
fn says(event: &str) -> Reply {
    Reply::event_stream([(Duration::ZERO, event)])
}

#[tokio::test]
async fn cut_before_and_inside_of_the_first_event() {
    let mut faults = Vec::new();
    for place in PLACES {
        let cut = |broken| Reply::text("äöü").with_fault(broken).fault_at(place);
        faults.push(Fault::connection(cut(Broken::Truncate), "broke off"));
        faults.push(Fault::connection(cut(Broken::Truncate).gzip(), "broke off"));
        // Resets are slow, so these two places must do.
        if matches!(place, Place::BeforeEvent(1) | Place::InCharacter(_)) {
            faults.push(Fault::connection(cut(Broken::ResetInBody), "broke off"));
        }
    }
    both_ways_round(&faults).await;
}

#[tokio::test]
async fn no_byte_of_the_answer() {
    let breaks = |fault| Fault::connection(Reply::fault(fault), "broke");
    both_ways_round(&[Broken::Reset, Broken::ResetInHead, Broken::Close, Broken::Garbage].map(breaks)).await;
}

#[tokio::test]
async fn an_end_before_any_content() {
    let early = |place| Reply::text("äöü").with_fault(Broken::EndEarly).fault_at(place);
    let whole = "closed before the answer was whole";
    let begun = PLACES.into_iter().filter(|place| *place != Place::BeforeEvent(1));
    let mut faults: Vec<_> = begun.map(|place| Fault::connection(early(place), whole)).collect();
    faults.push(Fault::connection(early(Place::BeforeEvent(2)).gzip(), whole));
    // A body that is complete and has no event is no answer.
    let none = "the stream has no events";
    faults.push(Fault::no_answer(early(Place::BeforeEvent(1)), none));
    faults.push(Fault::no_answer(says(""), none));
    faults.push(Fault::no_answer(says(": nothing but a comment\n\n"), none));
    both_ways_round(&faults).await;
    // The end marker without a stop reason.
    let start = json!({"type": "message_start", "message": {"role": "assistant", "content": []}});
    let stop = json!({"type": "message_stop"});
    let anthropic = [format!("data: {stop}\n\n"), format!("data: {start}\n\ndata: {stop}\n\n")];
    let done = "data: [DONE]\n\n";
    let openai = [done.to_owned(), format!("data: {{\"id\": \"1\", \"choices\": []}}\n\n{done}")];
    for (format, ends) in [(Format::Anthropic, anthropic), (Format::OpenAi, openai)] {
        let faults = ends.map(|end| Fault::connection(says(&end), "did not say why it ended"));
        play_all(Setup { formats: [format, format], ..STREAMED }, &faults).await;
    }
}

#[tokio::test]
async fn an_event_that_is_not_json() {
    let spoilt = |number| Reply::fault(Broken::Malformed).fault_at(Place::BeforeEvent(number));
    let faults = [
        Fault::no_answer(spoilt(1), "an event is not JSON"),
        Fault::no_answer(spoilt(2), "an event is not JSON"),
        Fault::no_answer(spoilt(1).gzip(), "an event is not JSON"),
        Fault::no_answer(says("data: Hello!\n\n"), "an event is not JSON"),
    ];
    both_ways_round(&faults).await;
}

/// It counts as the status that it names, so an overloaded provider is retried.
#[tokio::test]
async fn an_error_event() {
    for (format, status) in [(Format::Anthropic, 529), (Format::OpenAi, 500)] {
        let error =
            |place| Fault::status(status, Reply::fault(Broken::ErrorEvent).fault_at(place)).saying("(simulated)");
        let faults = [1, 2].map(|number| error(Place::BeforeEvent(number)));
        play_all(Setup { formats: [format, format], ..STREAMED }, &faults).await;
    }
    let kinds = [("invalid_request_error", 400), ("authentication_error", 401), ("rate_limit_error", 429)];
    let faults = kinds.map(|(kind, status)| {
        let error = json!({"type": "error", "error": {"type": kind, "message": "Come back later."}});
        Fault::status(status, says(&format!("event: error\ndata: {error}\n\n"))).saying("Come back later.")
    });
    both_ways_round(&faults).await;
}

#[tokio::test]
async fn more_bytes_than_the_limits() {
    let long = format!(": ping\n\ndata: {{\"type\": \"{}\"}}\n\n", "x".repeat(1 << 20));
    let small = |_| "max_event_mb = 1";
    let faults = [Fault::parse(says(&long), "max_event_mb")];
    play_all(Setup { settings: small, ..STREAMED }, &faults).await;
    play_all(Setup { settings: small, streamed: true, ..OTHER_WAY_ROUND }, &faults).await;
    // Many small events without content.
    let pings = ": ping\n\n".repeat((1 << 20) / 8 + 1);
    both_ways_round(&[Fault::parse(says(&pings), "max_response_mb")]).await;
}

/// Silence, endless pauses, and pings, which are no first event.
fn silences() -> Vec<Reply> {
    let in_body = |place| Reply::fault(Broken::SilenceInBody).fault_at(place);
    let ping = "event: ping\ndata: {\"type\": \"ping\"}\n\n";
    let chunk = "data: {\"id\": \"1\", \"choices\": []}\n\n";
    let pings = |ping: &str| Reply::event_stream((0..2000).map(|_| (Duration::from_millis(20), ping.to_owned())));
    vec![
        Reply::fault(Broken::Silence),
        in_body(Place::BeforeEvent(1)),
        in_body(Place::InEvent(2)),
        in_body(Place::BeforeEvent(2)),
        Reply::text("At last").body_delay(Duration::from_secs(3600)),
        pings(": keep-alive\n\n"),
        pings(&[ping, chunk].concat()),
    ]
}

#[tokio::test]
async fn silence_beyond_the_limit_of_an_attempt() {
    let settings = |part| match part {
        Part::Fails => "timeout_seconds = 0.6",
        Part::Recovers => "timeout_seconds = 6.0",
        Part::Sound => "",
    };
    // In the other format these pings are events without content, too.
    let faults: Vec<_> =
        silences().into_iter().map(|reply| Fault::timeout(reply).saying(".timeout_seconds)")).collect();
    play_at_once(Setup { settings, ..STREAMED }, &faults).await;
}

#[tokio::test]
async fn silence_beyond_the_limit_of_the_first_event() {
    // It counts instead of `timeout_seconds`, which is shorter here.
    let settings = |part| match part {
        Part::Fails => "timeout_seconds = 0.01\nfirst_event_timeout_seconds = 0.6",
        Part::Recovers => "timeout_seconds = 0.01\nfirst_event_timeout_seconds = 6.0",
        Part::Sound => "",
    };
    let faults: Vec<_> =
        silences().into_iter().map(|reply| Fault::timeout(reply).saying(".first_event_timeout_seconds)")).collect();
    play_at_once(Setup { settings, streamed: true, ..OTHER_WAY_ROUND }, &faults).await;
}
