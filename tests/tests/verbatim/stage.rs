//! What these tests share: requests as a gateway reads them from a client, and what comes back.

use arcllm::{Error, Event, Message, Model, Options, Original, Request, Response, ResponseStream, WireFormat};
use arcllm_simulator::{Format, Simulator};
use futures::StreamExt as _;

use crate::{
    scene::{FAST, load, soon},
    support::{Chain, Folder},
};

/// All formats, with a body that holds a field which no adapter writes.
pub(crate) const FORMATS: [(Format, WireFormat, &str); 3] = [
    (
        Format::Anthropic,
        WireFormat::Anthropic,
        r#"{"model": "alias", "mark": {"model": 1}, "max_tokens": 9, "messages": [{"role": "user", "content": "Hi", "x": 1.0}]}"#,
    ),
    (
        Format::OpenAi,
        WireFormat::OpenAi,
        r#"{"mark": [{"model": 1}], "max_tokens": 9, "messages": [{"role": "user", "content": "Hi", "x": 1.0}], "model": "alias"}"#,
    ),
    (
        Format::Responses,
        WireFormat::OpenAiResponses,
        r#"{"store": false, "include": ["reasoning.encrypted_content"], "model": "alias", "input": [{"role": "user", "content": "Hi", "x": 1.0}], "mark": {"model": 1}, "max_output_tokens": 9}"#,
    ),
];

/// Puts answers in capitals as they come.
pub(super) const UPPER: &[u8] = include_bytes!("../../prebuilt/upper-streamed.wasm");

/// A request that a gateway has read from this body.
pub(super) fn request(format: WireFormat, body: &str) -> Request {
    let request = Request::new([Message::user("Hi")]).with_options(Options::new().max_tokens(9));
    request.with_original(Original::new(format, body.to_owned()))
}

/// The modules that forward, around `a` and with `b` to fall back on where a retry does not help.
pub(super) fn forwarding(a: (&Simulator, Format), b: (&Simulator, Format)) -> Chain {
    let chain = Chain::new().provider("a", a.1, &a.0.url()).provider("b", b.1, &b.0.url());
    let chain = chain.host("order = [\"telemetry\", \"fallback\", \"retry\"]");
    chain.module("telemetry", "").module("fallback", "chain = [\"b\"]").module("retry", FAST)
}

/// The model of `a` in this chain.
pub(super) async fn model(chain: &Chain) -> Model {
    Box::pin(load(&chain.folder().unwrap(), arcllm::Overrides::new())).await
}

/// The model of `a` with a module that writes answers.
pub(super) async fn rewritten(a: &Simulator, format: Format) -> Model {
    let chain = Chain::new().provider("a", format, &a.url()).host("watch = false\norder = [\"upper-streamed\"]");
    let folder = Folder::new(&chain.module("upper-streamed", "").to_string()).unwrap();
    folder.write("modules/upper-streamed.wasm", UPPER).unwrap();
    Box::pin(load(&folder, arcllm::Overrides::new())).await
}

/// The provider's own events, and how they ended. Fails if any other event comes.
pub(super) async fn originals(mut stream: ResponseStream) -> (Vec<String>, Result<Response, Error>) {
    let mut events = Vec::new();
    let end = loop {
        match soon(stream.next()).await.unwrap() {
            Ok(Event::Original(event)) => events.push(String::from_utf8(event.to_vec()).unwrap()),
            Ok(Event::End(response)) => break Ok(*response),
            Ok(event) => panic!("{event:?} after {events:?}"),
            Err(error) => break Err(error),
        }
    };
    assert!(stream.next().await.is_none());
    (events, end)
}

/// Whether the usual events come, and no others.
pub(super) async fn is_usual(mut stream: ResponseStream) -> bool {
    let mut has_text = false;
    while let Some(event) = soon(stream.next()).await {
        match event.unwrap() {
            Event::Original(_) => return false,
            Event::Text(_) => has_text = true,
            _ => {}
        }
    }
    has_text
}
