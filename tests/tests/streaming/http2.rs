//! Streams over HTTP/2, which is used with every provider that supports it.
//!
//! It needs TLS, and so a certificate that the system trusts: on Unix `SSL_CERT_FILE` names it, once for each process.
//! So each test here runs itself again in a process of its own, with a certificate made for it.

use std::{env, fs, path::Path, process::Command, time::Duration};

use arcllm::{ErrorKind, Outcome, Overrides};
use arcllm_simulator::Format;
use serde_json::json;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};

use super::{
    h2_server::{Server, Then},
    stage::{first_text, hi, ordered, read, text_in, text_of},
};
use crate::{
    scene::{load, soon, steps},
    support::Chain,
};

/// Set in the second run: the file of the certificate's key.
const KEY: &str = "ARCLLM_TEST_HTTP2_KEY";
const RETRY: &[&str] = &["retry"];
const BOTH: &[&str] = &["retry", "fallback"];

/// Runs the test of this name in a process that trusts the certificate of its servers.
fn trusting(name: &str, test: impl AsyncFnOnce(CertificateDer<'static>, PrivateKeyDer<'static>)) {
    trusting_as(&format!("streaming::http2::{name}"), test);
}

/// The same for a test of another file, with its whole path.
pub(crate) fn trusting_as(path: &str, test: impl AsyncFnOnce(CertificateDer<'static>, PrivateKeyDer<'static>)) {
    if let Some(key) = env::var_os(KEY) {
        let certificate = CertificateDer::from_pem_file(env::var_os("SSL_CERT_FILE").unwrap()).unwrap();
        let key = PrivateKeyDer::from_pem_file(Path::new(&key)).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        return runtime.block_on(test(certificate, key));
    }
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (folder.path().join("certificate.pem"), folder.path().join("key.pem"));
    fs::write(&certificate, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let mut again = Command::new(env::current_exe().unwrap());
    again.args(["--exact", path, "--nocapture"]);
    let output = again.env("SSL_CERT_FILE", certificate).env(KEY, key).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let is_passed = output.status.success() && said.contains("1 passed");
    assert!(is_passed, "{said}{}", String::from_utf8_lossy(&output.stderr));
}

/// An answer as events of this format.
fn answer(format: Format, words: &[&str]) -> Vec<String> {
    let event =
        |event: serde_json::Value| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or("x"));
    match format {
        Format::Anthropic => {
            let start = json!({"type": "message_start", "message": {"role": "assistant", "content": []}});
            let block = json!({"type": "text", "text": ""});
            let begin = json!({"type": "content_block_start", "index": 0, "content_block": block});
            let piece = |word: &&str| {
                let delta = json!({"type": "text_delta", "text": word});
                json!({"type": "content_block_delta", "index": 0, "delta": delta})
            };
            let end = json!({"type": "content_block_stop", "index": 0});
            let amend = json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}});
            let events = [start, begin].into_iter().chain(words.iter().map(piece));
            events.chain([end, amend, json!({"type": "message_stop"})]).map(event).collect()
        }
        _ => {
            let chunk = |delta, reason| json!({"id": "1", "choices": [{"delta": delta, "finish_reason": reason}]});
            let role = chunk(json!({"role": "assistant"}), None);
            let pieces = words.iter().map(|word| chunk(json!({"content": word}), None));
            let events = std::iter::once(role).chain(pieces).chain([chunk(json!({}), Some("stop"))]);
            events.map(event).chain(["data: [DONE]\n\n".to_owned()]).collect()
        }
    }
}

/// A chain around one such server.
fn around(server: &Server, format: Format, order: &[&str], settings: &str) -> Chain {
    ordered(
        Chain::new().provider_with("a", format, &server.url(), settings).provider("b", format, &server.url()),
        order,
    )
}

/// An answer of two words, and then this.
fn begun(format: Format, then: Then) -> (Vec<String>, Then) {
    let mut events = answer(format, &["One", " two", " three"]);
    events.truncate(if format == Format::Anthropic { 4 } else { 3 });
    (events, then)
}

#[test]
fn side_by_side_over_one_connection() {
    trusting("side_by_side_over_one_connection", async |certificate, key| {
        for format in [Format::Anthropic, Format::OpenAi] {
            let answers = [begun(format, Then::Silence), (answer(format, &["Me", " too"]), Then::End)];
            let server = Server::start(&certificate, &key, answers).await;
            let folder = around(&server, format, BOTH, "").folder().unwrap();
            let model = Box::pin(load(&folder, Overrides::new())).await;
            let mut first = model.stream_with(hi());
            assert_eq!(first_text(&mut first).await, "One");
            let (events, end) = read(&mut model.stream_with(hi())).await;
            assert_eq!(text_of(&events), "Me too");
            assert_eq!(end.unwrap().trail.len(), 1);
            assert_eq!((server.seen().connections, server.seen().requests), (1, 2));
            // The stream is closed, not the connection.
            drop(first);
            soon(server.wait_until(|seen| seen.resets == 1)).await;
        }
    });
}

#[test]
fn before_the_first_event_it_is_retried() {
    trusting("before_the_first_event_it_is_retried", async |certificate, key| {
        for format in [Format::Anthropic, Format::OpenAi] {
            for then in [Then::Reset, Then::Abort, Then::End] {
                let start = answer(format, &[]).remove(0);
                let answers = [(vec![start], then), (answer(format, &["Hello"]), Then::End)];
                let server = Server::start(&certificate, &key, answers).await;
                let folder = around(&server, format, RETRY, "").folder().unwrap();
                let model = Box::pin(load(&folder, Overrides::new())).await;
                let response = soon(model.stream_with(hi()).collect()).await.unwrap();
                assert_eq!(response.text().as_deref(), Some("Hello"));
                let expected = ["retry asks a: connection", "retry waits, retry asks a: ok"];
                assert_eq!(steps(&response.trail), expected, "{then:?}");
            }
        }
    });
}

#[test]
fn after_the_first_event_the_error_ends_the_answer() {
    trusting("after_the_first_event_the_error_ends_the_answer", async |certificate, key| {
        for format in [Format::Anthropic, Format::OpenAi] {
            for then in [Then::Reset, Then::Abort, Then::End, Then::Silence] {
                let server = Server::start(&certificate, &key, [begun(format, then)]).await;
                let folder = around(&server, format, BOTH, "idle_timeout_seconds = 1.5").folder().unwrap();
                let model = Box::pin(load(&folder, Overrides::new())).await;
                let (events, end) = read(&mut model.stream_with(hi())).await;
                let error = end.unwrap_err();
                match then {
                    Then::Silence => {
                        assert!(error.to_string().contains("(providers.a.idle_timeout_seconds)"), "{error}")
                    }
                    _ => assert!(matches!(&error.kind, ErrorKind::Connection(_)), "{error}"),
                }
                assert_eq!((text_of(&events).as_str(), text_in(&error.received).as_str()), ("One two", "One two"));
                assert_eq!((error.trail.len(), server.seen().requests), (1, 1), "nothing is asked again");
            }
        }
    });
}

#[test]
fn leaving_resets_the_stream_and_keeps_the_connection() {
    trusting("leaving_resets_the_stream_and_keeps_the_connection", async |certificate, key| {
        for order in [&[], BOTH] {
            let format = Format::Anthropic;
            let leave = |then| begun(format, then);
            let answers = [leave(Then::Silence), leave(Then::Repeat), (answer(format, &["Hello"]), Then::End)];
            let server = Server::start(&certificate, &key, answers).await;
            let folder = around(&server, format, order, "").folder().unwrap();
            let model = Box::pin(load(&folder, Overrides::new())).await;
            let mut stream = model.stream_with(hi());
            first_text(&mut stream).await;
            drop(stream);
            soon(server.wait_until(|seen| seen.resets == 1)).await;
            let mut stream = model.stream_with(hi());
            first_text(&mut stream).await;
            let error = stream.stop().unwrap();
            assert_eq!((error.kind, error.trail[0].outcome), (ErrorKind::Cancelled, Outcome::Cancelled));
            soon(server.wait_until(|seen| seen.resets == 2)).await;
            soon(model.stream_with(hi()).collect()).await.unwrap();
            assert_eq!((server.seen().connections, server.seen().requests), (1, 3));
        }
    });
}

#[test]
fn a_reader_that_pauses_holds_up_the_server() {
    trusting("a_reader_that_pauses_holds_up_the_server", async |certificate, key| {
        let word = "x".repeat(60_000);
        let mut events = answer(Format::OpenAi, &[&word]);
        events.truncate(2);
        let server = Server::start(&certificate, &key, [(events, Then::Repeat)]).await;
        let folder = around(&server, Format::OpenAi, BOTH, "").folder().unwrap();
        let model = Box::pin(load(&folder, Overrides::new())).await;
        let mut stream = model.stream_with(hi());
        first_text(&mut stream).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        // It is held up if it sends nothing more.
        let sent = server.seen().sent;
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(server.seen().sent, sent, "what is not read is not sent");
        assert!(sent < 16 << 20, "{sent} bytes were sent");
        while server.seen().sent < sent + (1 << 20) {
            first_text(&mut stream).await;
        }
        drop(stream);
        soon(server.wait_until(|seen| seen.resets == 1)).await;
    });
}
