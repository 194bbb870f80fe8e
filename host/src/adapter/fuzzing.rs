//! How the fuzz targets reach the formats.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "what stands here is known to be right")]

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use reqwest::{StatusCode, header::HeaderMap};
use tokio::runtime::{Builder, Runtime};

use crate::{
    adapter::http::{body::Body, events::Events, hint, http_adapter::HttpAdapter, reader::HttpAnswer},
    chat::{error::ErrorKind, event::Event, request::Request, response::Response},
    config::{config::Config, wire_format::WireFormat},
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
"#;

fn adapter(format: WireFormat) -> Arc<HttpAdapter> {
    static ADAPTERS: OnceLock<[Arc<HttpAdapter>; 2]> = OnceLock::new();
    let [anthropic, openai] = ADAPTERS.get_or_init(|| {
        let config = Config::parse(CONFIG, None).expect("a configuration");
        ["anthropic-here", "openai-here"].map(|name| {
            let mut provider = config.providers[name].clone();
            // Small, so that it is met.
            provider.max_event_bytes = 1024;
            Arc::new(HttpAdapter::new(&provider, "asked".to_owned(), None).expect("an adapter"))
        })
    });
    match format {
        WireFormat::Anthropic => anthropic.clone(),
        WireFormat::OpenAi => openai.clone(),
    }
}

fn answer(status: StatusCode, body: &[u8]) -> HttpAnswer {
    HttpAnswer { status, headers: HeaderMap::new(), body: body.to_vec(), flaw: None, framed: true }
}

/// What a whole answer means.
pub(crate) fn read(format: WireFormat, status: StatusCode, body: &[u8]) -> Result<Response, ErrorKind> {
    adapter(format).reader().read(&answer(status, body))
}

/// What an answer in events says that comes in these pieces.
pub(crate) fn hear(format: WireFormat, pieces: Vec<Bytes>) -> Heard {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| Builder::new_current_thread().enable_all().build().expect("a runtime"));
    runtime.block_on(async {
        let body = Body::of(stream::iter(pieces.into_iter().map(Ok)).boxed(), adapter(format));
        let mut events = Events::new(adapter(format), answer(StatusCode::OK, b""), body);
        let (mut heard, mut failed) = (Vec::new(), None);
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => heard.push(event),
                Err(error) => failed = Some(error),
            }
        }
        // What reads a body to its end once the answer is whole, or it would pile up.
        tokio::task::yield_now().await;
        (heard, failed)
    })
}

/// The wait that the server asks for, and whether it wants to be asked again.
pub(crate) fn hint(headers: &HeaderMap, now: SystemTime) -> (Option<Duration>, Option<bool>) {
    (hint::retry_after(headers, now), hint::should_retry(headers))
}

/// The body that a request becomes, if the format can write it.
pub(crate) fn write(format: WireFormat, request: &Request, stream: bool) -> Result<Vec<u8>, String> {
    let adapter = adapter(format);
    adapter.format().encode(request, &adapter.provider, "asked", stream)
}
