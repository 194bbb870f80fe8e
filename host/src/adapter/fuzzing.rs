//! What the fuzz targets call.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "the fixed values here are right")]

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use reqwest::{StatusCode, header::HeaderMap};
use tokio::runtime::{Builder, Runtime};

use crate::{
    adapter::{
        format::outline::Unwritable,
        http::{
            asked::Asked,
            body::Body,
            events::Events,
            hint,
            reader::{HttpAnswer, Reader},
        },
    },
    chat::{error::ErrorKind, event::Event, request::Request, response::Response, wire_format::WireFormat},
    config::config::Config,
};

/// The events of an answer, and why it ended if not with its end.
pub(crate) type Heard = (Vec<Event>, Option<ErrorKind>);

const CONFIG: &str = r#"
    [providers.anthropic-here]
    adapter = "anthropic"
    base_url = "http://localhost:1"

    [providers.openai-here]
    adapter = "openai"
    base_url = "http://localhost:1"

    [providers.openai-responses-here]
    adapter = "openai-responses"
    base_url = "http://localhost:1"
"#;

fn asked(format: WireFormat) -> Arc<Asked> {
    static ASKED: OnceLock<[Arc<Asked>; 3]> = OnceLock::new();
    let all = ASKED.get_or_init(|| {
        let config = Config::parse(CONFIG, None).expect("a configuration");
        WireFormat::ALL.map(|format| {
            let mut provider = config.providers[&format!("{}-here", format.as_str())].clone();
            // Small, so that inputs reach it. The last event of OpenAI Responses repeats the answer.
            provider.max_event_bytes = if format == WireFormat::OpenAiResponses { 1 << 16 } else { 1024 };
            Arc::new(Asked { provider, model: "asked".to_owned(), secrets: None })
        })
    });
    all.iter().find(|asked| asked.provider.adapter == format).expect("a provider of each format").clone()
}

fn answer(status: StatusCode, body: &[u8]) -> HttpAnswer {
    HttpAnswer { status, headers: HeaderMap::new(), body: body.to_vec(), flaw: None, framed: true }
}

/// Reads a whole answer.
pub(crate) fn read(format: WireFormat, status: StatusCode, body: &[u8]) -> Result<Response, ErrorKind> {
    Reader::new(&asked(format)).read(&answer(status, body), false)
}

/// Reads a streamed answer that arrives in these pieces.
pub(crate) fn hear(format: WireFormat, pieces: Vec<Bytes>) -> Heard {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| Builder::new_current_thread().enable_all().build().expect("a runtime"));
    runtime.block_on(async {
        let body = Body::of(stream::iter(pieces.into_iter().map(Ok)).boxed(), asked(format));
        let mut events = Events::new(asked(format), answer(StatusCode::OK, b""), body);
        let (mut heard, mut failed) = (Vec::new(), None);
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => heard.push(event),
                Err(error) => failed = Some(error),
            }
        }
        // Lets the task run that reads the body to its end. Otherwise such tasks pile up.
        tokio::task::yield_now().await;
        (heard, failed)
    })
}

/// The wait that the server asks for, and whether it wants another attempt.
pub(crate) fn hint(headers: &HeaderMap, now: SystemTime) -> (Option<Duration>, Option<bool>) {
    (hint::retry_after(headers, now), hint::should_retry(headers))
}

/// Writes a request as a body.
pub(crate) fn write(format: WireFormat, request: &Request, stream: bool) -> Result<Vec<u8>, Unwritable> {
    let asked = asked(format);
    asked.format().encode(request, &asked.provider, &asked.model, stream)
}
