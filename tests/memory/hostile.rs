//! A hostile provider: no answer within the limits costs more than six times its size.

use std::sync::Arc;

use arcllm::{Error, ErrorKind, Message, Model, Response};
use futures::StreamExt as _;

use crate::{
    BESIDES,
    allocator::Since,
    case::{Case, MEGABYTES},
    model,
    responses::responses,
    server::{Says, Server},
    streamed::{chunks, events},
    whole::whole,
};

/// Asks, and returns the answer as the caller gets it: whole, or event by event.
async fn ask(model: &Model, streamed: bool) -> Result<Response, Error> {
    let messages = [Message::user("hi")];
    if !streamed {
        return model.invoke(&messages, &[]).await;
    }
    let mut stream = model.stream(&messages, &[]);
    while let Some(event) = stream.next().await {
        if let arcllm::Event::End(response) = event? {
            return Ok(*response);
        }
    }
    panic!("a stream has an end")
}

pub(crate) async fn answers() {
    let server = Server::start().await;
    for case in whole().into_iter().chain(chunks()).chain(events()).chain(responses()) {
        let Case { name, format, says, body } = case;
        let body: Arc<[u8]> = body.into();
        let model = model(format, &server, MEGABYTES).await;
        server.says(says, &body);
        {
            let streamed = says == Says::Events;
            let since = Since::now();
            let result = ask(&model, streamed).await;
            let ended = match &result {
                Ok(response) => format!("{} blocks", response.content.len()),
                Err(error) => {
                    format!("{}: {}", error.kind.as_str(), error.to_string().chars().take(120).collect::<String>())
                }
            };
            let peak = since.peak();
            let times = peak.saturating_sub(BESIDES) as f64 / body.len() as f64;
            eprintln!("{times:5.2} times {:5} KB, {format}: {name}: {ended}", body.len() >> 10);
            assert!(times <= 6.0, "{name} ({format}) cost {times:.2} times its size");
            if let Err(error) = &result {
                let expected = matches!(error.kind, ErrorKind::Parse(_) | ErrorKind::Api(_) | ErrorKind::Connection(_));
                assert!(expected, "{name} ({format}): {error}");
            }
        }
    }
}

/// Ten answers of the largest size by default, of the kind that costs most.
pub(crate) async fn ten_at_once() {
    const TEN: usize = 10;
    const DEFAULT: usize = 16;
    const GIGABYTE: usize = 1_000_000_000;
    let server = Server::start().await;
    let model = model("openai", &server, DEFAULT).await;
    let before = r#"{"detail":[{"msg":""#;
    let mut body = before.as_bytes().to_vec();
    body.resize((DEFAULT << 20) - 4, b'a');
    body.extend_from_slice(br#""}]}"#);
    server.says(Says::Error, &body.into());
    let since = Since::now();
    let calls = (0..TEN).map(|_| {
        let model = model.clone();
        tokio::spawn(async move { ask(&model, false).await })
    });
    for call in calls.collect::<Vec<_>>() {
        let error = call.await.unwrap().unwrap_err();
        assert!(matches!(error.kind, ErrorKind::Api(_)), "{error}");
    }
    eprintln!("{TEN} at once: {} MB", since.peak() / 1_000_000);
    assert!(since.peak() < GIGABYTE, "{} bytes", since.peak());
}
