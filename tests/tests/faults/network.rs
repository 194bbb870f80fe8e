//! Faults below HTTP: connections that fail or break, and silence.

use std::time::Duration;

use arcllm_simulator::Reply;

use super::{
    Broken, Fault,
    play::Part,
    stage::{BOTH_FORMATS, OTHER_WAY_ROUND, Setup, play_all, play_at_once},
};

#[tokio::test]
async fn connections_that_break() {
    let breaks = |fault| Fault::connection(Reply::fault(fault), "broke");
    let faults = [
        breaks(Broken::Reset),
        breaks(Broken::ResetInHead),
        breaks(Broken::ResetInBody),
        breaks(Broken::Close),
        breaks(Broken::Truncate),
        breaks(Broken::Garbage),
        // A broken body counts more than the status before it.
        Fault::connection(Reply::status(400).with_fault(Broken::ResetInBody), "broke off"),
        Fault::connection(Reply::status(529).with_fault(Broken::Truncate), "broke off"),
    ];
    play_all(BOTH_FORMATS, &faults).await;
    play_all(OTHER_WAY_ROUND, &faults).await;
}

/// Without a length the body ends with the connection, so a broken connection looks like an end.
#[tokio::test]
async fn a_short_body_without_a_length() {
    let short = |body: &str| {
        let reply = Reply::body("application/json", body).without_header("content-length");
        Fault::connection(reply.header("connection", "close"), "closed before the answer was whole")
    };
    let faults = [short(""), short("{\"id\": \"msg_1\", \"content\": [{\"type\": \"te")];
    play_all(BOTH_FORMATS, &faults).await;
    play_all(OTHER_WAY_ROUND, &faults).await;
}

#[tokio::test]
async fn a_refused_connection() {
    // Nothing listens on port 1 of this loopback address.
    let setup = Setup { address: |_| "http://127.1.2.3:1".to_owned(), ..BOTH_FORMATS };
    play_all(setup, &[Fault::connection(None, "cannot connect to 127.1.2.3:1")]).await;
}

#[tokio::test]
async fn a_name_that_does_not_exist() {
    // RFC 6761 reserves this name: it never exists.
    let setup = Setup { address: |_| "https://name.invalid".to_owned(), ..BOTH_FORMATS };
    play_all(setup, &[Fault::connection(None, "cannot connect to name.invalid:443")]).await;
}

#[tokio::test]
async fn a_server_without_tls() {
    let setup = Setup { address: |address| address.replace("http:", "https:"), ..BOTH_FORMATS };
    play_all(setup, &[Fault::connection(None, "cannot connect to 127.0.0.1")]).await;
}

/// A provider that always fails gets a short limit; one that answers in the end gets time for it.
const IMPATIENT: Setup = Setup {
    settings: |part| match part {
        Part::Fails => "timeout_seconds = 0.6",
        Part::Recovers => "timeout_seconds = 6.0",
        Part::Sound => "",
    },
    ..BOTH_FORMATS
};

#[tokio::test]
async fn silence() {
    let faults = [
        Fault::timeout(Reply::fault(Broken::Silence)).saying("no answer"),
        Fault::timeout(Reply::fault(Broken::SilenceInBody)).saying("not whole"),
        Fault::timeout(Reply::status(400).with_fault(Broken::SilenceInBody)),
    ];
    play_at_once(IMPATIENT, &faults).await;
}

#[tokio::test]
async fn an_answer_slower_than_the_limit_of_an_attempt() {
    let hour = Duration::from_secs(3600);
    let faults = [
        Fault::timeout(Reply::text("At last").delay(hour)),
        Fault::timeout(Reply::text("At last").body_delay(hour)),
        Fault::timeout(Reply::status(401).delay(hour)),
    ];
    play_at_once(IMPATIENT, &faults).await;
}
