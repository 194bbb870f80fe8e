//! What goes wrong before an answer has said anything is an error of the call: tried again and elsewhere, in each order of
//! the modules, like that of an answer without streaming.

use std::time::Duration;

use arcllm_simulator::{Fault as Broken, Format, Place, Reply};
use serde_json::json;

use crate::faults::{
    Fault,
    play::Part,
    stage::{BOTH_FORMATS, OTHER_WAY_ROUND, Setup, play_all, play_at_once},
};

const STREAMED: Setup = Setup { streamed: true, ..BOTH_FORMATS };

/// Before and inside of events that say nothing, and inside of the first one that would.
const PLACES: [Place; 5] =
    [Place::BeforeEvent(1), Place::InEvent(1), Place::BeforeEvent(2), Place::InEvent(2), Place::InCharacter(1)];

async fn both_ways_round(faults: &[Fault]) {
    play_all(STREAMED, faults).await;
    play_all(Setup { streamed: true, ..OTHER_WAY_ROUND }, faults).await;
}

/// Streams of the script's own in one format.
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
        // A reset takes the simulator a moment.
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
async fn ended_before_it_said_anything() {
    let early = |place| Reply::text("äöü").with_fault(Broken::EndEarly).fault_at(place);
    let whole = "closed before the answer was whole";
    let mut faults: Vec<_> = PLACES.map(|place| Fault::connection(early(place), whole)).into();
    faults.push(Fault::connection(early(Place::BeforeEvent(2)).gzip(), whole));
    faults.push(Fault::connection(says(""), whole));
    faults.push(Fault::connection(says(": nothing but a comment\n\n"), whole));
    both_ways_round(&faults).await;
    // The end marker without the reason to end.
    let start = json!({"type": "message_start", "message": {"role": "assistant", "content": []}});
    let stop = json!({"type": "message_stop"});
    let anthropic = [format!("data: {stop}\n\n"), format!("data: {start}\n\ndata: {stop}\n\n")];
    let done = "data: [DONE]\n\n";
    let openai = [done.to_owned(), format!("data: {{\"id\": \"1\", \"choices\": []}}\n\n{done}")];
    for (format, ends) in [(Format::Anthropic, anthropic), (Format::OpenAi, openai)] {
        let faults = ends.map(|end| Fault::connection(says(&end), whole));
        play_all(Setup { formats: [format, format], ..STREAMED }, &faults).await;
    }
}

#[tokio::test]
async fn an_event_that_is_not_json() {
    let spoilt = |number| Reply::fault(Broken::Malformed).fault_at(Place::BeforeEvent(number));
    let faults = [
        Fault::parse(spoilt(1), "an event is not JSON"),
        Fault::parse(spoilt(2), "an event is not JSON"),
        Fault::parse(spoilt(1).gzip(), "an event is not JSON"),
        Fault::parse(says("data: Hello!\n\n"), "an event is not JSON"),
    ];
    both_ways_round(&faults).await;
}

/// It has the status that it should have had: one that is overloaded is tried again like any.
#[tokio::test]
async fn an_error_in_the_place_of_an_event() {
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
async fn more_than_one_event_or_answer_may_have() {
    let long = format!(": ping\n\ndata: {{\"type\": \"{}\"}}\n\n", "x".repeat(1 << 20));
    let small = |_| "max_event_mb = 1";
    let faults = [Fault::parse(says(&long), "max_event_mb")];
    play_all(Setup { settings: small, ..STREAMED }, &faults).await;
    play_all(Setup { settings: small, streamed: true, ..OTHER_WAY_ROUND }, &faults).await;
    // Many small ones that say nothing.
    let pings = ": ping\n\n".repeat((1 << 20) / 8 + 1);
    both_ways_round(&[Fault::parse(says(&pings), "max_response_mb")]).await;
}

/// Silence, pauses without end, and pings, which are no events that say anything.
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
async fn silence_beyond_the_time_of_an_attempt() {
    let settings = |part| match part {
        Part::Fails => "timeout_seconds = 0.3",
        Part::Recovers => "timeout_seconds = 1.0",
        Part::Sound => "",
    };
    // An event of one format is an event without a choice in the other.
    let faults: Vec<_> =
        silences().into_iter().map(|reply| Fault::timeout(reply).saying(".timeout_seconds)")).collect();
    play_at_once(Setup { settings, ..STREAMED }, &faults).await;
}

#[tokio::test]
async fn silence_beyond_the_time_for_the_first_event() {
    // It counts in the place of the other, which is shorter here.
    let settings = |part| match part {
        Part::Fails => "timeout_seconds = 0.01\nfirst_event_timeout_seconds = 0.3",
        Part::Recovers => "timeout_seconds = 0.01\nfirst_event_timeout_seconds = 1.0",
        Part::Sound => "",
    };
    let faults: Vec<_> =
        silences().into_iter().map(|reply| Fault::timeout(reply).saying(".first_event_timeout_seconds)")).collect();
    play_at_once(Setup { settings, streamed: true, ..OTHER_WAY_ROUND }, &faults).await;
}
