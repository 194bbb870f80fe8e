//! Requests over HTTP/2 that the server says it has not processed. They are sent once more, on a new connection.

use std::{
    thread,
    time::{Duration, Instant},
};

use arcllm::{Config, Error, ErrorKind, Host, Message, Model, Overrides, Response};
use arcllm_simulator::Format;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::refusing_server::{Does, Server};
use crate::{
    scene::{load, say_hi, soon, steps},
    streaming::http2::trusting_as,
    support::Chain,
};

const NO_ERROR: u32 = 0;
const INTERNAL_ERROR: u32 = 2;
const ENHANCE_YOUR_CALM: u32 = 11;

/// Runs the test in a process that trusts the certificate of its servers.
fn trusting(name: &str, test: impl AsyncFnOnce(CertificateDer<'static>, PrivateKeyDer<'static>)) {
    trusting_as(&format!("wire::errors::refused::{name}"), test);
}

async fn model(server: &Server, settings: &str) -> Model {
    let chain = Chain::new().provider_with("a", Format::OpenAi, &server.url(), settings);
    Box::pin(load(&chain.folder().unwrap(), Overrides::new())).await
}

#[track_caller]
fn is_answered_at_once(result: Result<Response, Error>) {
    let response = result.unwrap();
    assert_eq!(
        (response.text().as_deref(), steps(&response.trail)),
        (Some("Hello"), vec!["the caller asks a: ok".to_owned()])
    );
}

#[track_caller]
fn fails_at_once(result: Result<Response, Error>) {
    let error = result.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Connection(_)), "{error:?}");
    assert_eq!(steps(&error.trail), ["the caller asks a: connection"]);
}

const REFUSALS: [Does; 4] = [
    Does::Refuses,
    Does::GoesAway { last: 1, code: NO_ERROR, closes: false },
    Does::GoesAway { last: 1, code: NO_ERROR, closes: true },
    Does::GoesAway { last: 1, code: ENHANCE_YOUR_CALM, closes: true },
];

#[test]
fn what_was_refused_is_sent_once_more() {
    trusting("what_was_refused_is_sent_once_more", async |certificate, key| {
        for does in REFUSALS {
            let server = Server::start(&certificate, &key, &[Does::Answers, does, Does::Answers, Does::Answers]).await;
            let model = model(&server, "").await;
            is_answered_at_once(soon(say_hi(&model)).await);
            assert_eq!(server.seen(), (1, 1));
            is_answered_at_once(soon(say_hi(&model)).await);
            assert_eq!(server.seen(), (2, 3), "{does:?}");
            is_answered_at_once(soon(say_hi(&model)).await);
        }
        // A new connection may refuse, too.
        for does in [Does::Refuses, Does::GoesAway { last: 0, code: NO_ERROR, closes: true }] {
            let server = Server::start(&certificate, &key, &[does, Does::Answers, Does::Answers]).await;
            let model = model(&server, "").await;
            is_answered_at_once(soon(say_hi(&model)).await);
            assert_eq!(server.seen(), (2, 2), "{does:?}");
            // A streamed answer.
            let server = Server::start(&certificate, &key, &[does, Does::Answers]).await;
            let model = self::model(&server, "").await;
            is_answered_at_once(soon(model.stream(&[Message::user("Hi")], &[]).collect()).await);
        }
    });
}

/// A client of the program sends again itself, on the same connection if it is open.
#[test]
fn a_client_of_the_program_sends_again() {
    trusting("a_client_of_the_program_sends_again", async |certificate, key| {
        let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
        for does in REFUSALS {
            let server = Server::start(&certificate, &key, &[Does::Answers, does, Does::Answers]).await;
            let chain = Chain::new().provider("a", Format::OpenAi, &server.url()).host("watch = false");
            let folder = chain.folder().unwrap();
            let config = Config::load(&folder.path().join("config.toml")).unwrap();
            let client = reqwest::Client::builder().no_proxy().retry(reqwest::retry::never()).build().unwrap();
            let host = Host::builder().config(config).http_client(client).build().unwrap();
            let model = Box::pin(host.load_model("a", Overrides::new())).await.unwrap();
            is_answered_at_once(soon(say_hi(&model)).await);
            is_answered_at_once(soon(say_hi(&model)).await);
            assert_eq!(server.seen().1, 3, "{does:?}");
        }
    });
}

/// Like a kept connection of HTTP/1.
#[test]
fn a_connection_that_ended_while_the_program_blocked_its_thread_is_not_used() {
    let name = "a_connection_that_ended_while_the_program_blocked_its_thread_is_not_used";
    trusting(name, async |certificate, key| {
        let server = Server::start(&certificate, &key, &[Does::AnswersLast, Does::Answers]).await;
        let server = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let model = runtime.block_on(model(&server, ""));
            is_answered_at_once(runtime.block_on(soon(say_hi(&model))));
            thread::sleep(Duration::from_millis(50));
            is_answered_at_once(runtime.block_on(soon(say_hi(&model))));
            server
        });
        let server = tokio::task::spawn_blocking(|| server.join().unwrap()).await.unwrap();
        assert_eq!(server.seen(), (2, 2));
    });
}

#[test]
fn what_is_refused_twice_fails() {
    trusting("what_is_refused_twice_fails", async |certificate, key| {
        let server = Server::start(&certificate, &key, &[Does::Refuses, Does::Refuses]).await;
        fails_at_once(soon(say_hi(&model(&server, "").await)).await);
        assert_eq!(server.seen(), (2, 2));
    });
}

#[test]
fn what_may_have_been_processed_is_not_sent_again() {
    trusting("what_may_have_been_processed_is_not_sent_again", async |certificate, key| {
        for does in [
            Does::GoesAway { last: 3, code: NO_ERROR, closes: true },
            Does::GoesAway { last: 3, code: INTERNAL_ERROR, closes: true },
            Does::GoesAway { last: 0x7fff_ffff, code: NO_ERROR, closes: true },
            Does::Resets(INTERNAL_ERROR),
        ] {
            let server = Server::start(&certificate, &key, &[Does::Answers, does]).await;
            let model = model(&server, "").await;
            is_answered_at_once(soon(say_hi(&model)).await);
            fails_at_once(soon(say_hi(&model)).await);
            assert_eq!(server.seen(), (1, 2), "{does:?}");
        }
    });
}

#[test]
fn both_sends_share_the_time_of_the_attempt() {
    trusting("both_sends_share_the_time_of_the_attempt", async |certificate, key| {
        let server = Server::start(&certificate, &key, &[Does::Refuses, Does::Nothing]).await;
        let model = model(&server, "timeout_seconds = 0.6").await;
        let started = Instant::now();
        let error = soon(say_hi(&model)).await.unwrap_err();
        assert!(matches!(error.kind, ErrorKind::Timeout(_)), "{error:?}");
        assert!(started.elapsed() >= Duration::from_millis(600));
        assert_eq!((steps(&error.trail), server.seen()), (vec!["the caller asks a: timeout".to_owned()], (2, 2)));
    });
}

#[test]
fn leaving_ends_the_second_send() {
    trusting("leaving_ends_the_second_send", async |certificate, key| {
        let server = Server::start(&certificate, &key, &[Does::Refuses, Does::Nothing]).await;
        let model = model(&server, "").await;
        let asking = tokio::spawn(async move { say_hi(&model).await });
        soon(server.wait_until(|seen| seen.requests == 2)).await;
        asking.abort();
        soon(server.wait_until(|seen| seen.ended >= 1)).await;
        assert_eq!(server.seen(), (2, 2));
    });
}
