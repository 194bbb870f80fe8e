//! What these tests share: chains in each order, and reading a stream to its end.

use arcllm::{ContentBlock, Error, Event, Message, Model, Overrides, Request, Response, ResponseStream};
use arcllm_simulator::{Format, Reply, Simulator};
use futures::StreamExt as _;

use crate::{
    scene::{FAST, load, replies, soon},
    support::Chain,
};

/// The orders of the modules that a stream goes through, outermost first.
pub(super) const ORDERS: [&[&str]; 5] =
    [&[], &["retry"], &["fallback"], &["retry", "fallback"], &["fallback", "retry"]];

/// The formats of `a` and `b`.
pub(super) const FORMATS: [(Format, Format); 2] =
    [(Format::Anthropic, Format::OpenAi), (Format::OpenAi, Format::Anthropic)];

/// The same with OpenAI Responses.
pub(super) const ALL_FORMATS: [(Format, Format); 3] = [FORMATS[0], FORMATS[1], (Format::Responses, Format::OpenAi)];

/// The modules in this order around the chain's providers.
pub(super) fn ordered(chain: Chain, order: &[&str]) -> Chain {
    let chain = if order.is_empty() { chain } else { chain.host(&format!("order = {order:?}")) };
    order.iter().fold(chain, |chain, module| {
        chain.module(module, if *module == "retry" { FAST } else { "chain = [\"a\", \"b\"]" })
    })
}

/// Two providers, and a model over them.
pub(super) struct Stage {
    pub(super) a: Simulator,
    pub(super) b: Simulator,
    pub(super) model: Model,
}

impl Stage {
    /// One whose `a` gives this reply and has these settings.
    pub(super) async fn new(reply: Reply, formats: (Format, Format), order: &[&str], settings: &str) -> Self {
        let (a, b) = (replies([reply]).await, replies([]).await);
        let chain = Chain::new().provider_with("a", formats.0, &a.url(), settings);
        let chain = chain.provider("b", formats.1, &b.url());
        // Loading is a large future, and would make all of these large.
        let model = Box::pin(load(&ordered(chain, order).folder().unwrap(), Overrides::new())).await;
        Self { a, b, model }
    }

    /// How many requests each provider got.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.a.requests().len(), self.b.requests().len())
    }

    /// A stream. It sends its request when it is polled.
    pub(super) fn stream(&self) -> ResponseStream {
        self.model.stream_with(hi())
    }
}

/// A question.
pub(super) fn hi() -> Request {
    Request::new([Message::user("Hi")])
}

/// Reads a stream to its end: all events but the last, and how it ended. Checks that nothing follows.
pub(super) async fn read(stream: &mut ResponseStream) -> (Vec<Event>, Result<Response, Error>) {
    let mut events = Vec::new();
    let end = loop {
        match soon(stream.next()).await.unwrap() {
            Ok(Event::End(response)) => break Ok(*response),
            Ok(event) => events.push(event),
            Err(error) => break Err(error),
        }
    };
    assert!(stream.next().await.is_none() && stream.stop().is_none(), "it is over");
    (events, end)
}

/// Reads up to the first piece of text.
pub(super) async fn first_text(stream: &mut ResponseStream) -> String {
    loop {
        if let Event::Text(text) = soon(stream.next()).await.unwrap().unwrap() {
            return text;
        }
    }
}

/// The text of these events.
pub(super) fn text_of(events: &[Event]) -> String {
    let piece = |event: &Event| if let Event::Text(piece) = event { piece.clone() } else { String::new() };
    events.iter().map(piece).collect()
}

/// The text of these blocks.
pub(super) fn text_in(blocks: &[ContentBlock]) -> String {
    let text =
        |block: &ContentBlock| if let ContentBlock::Text(text) = block { text.text.clone() } else { String::new() };
    blocks.iter().map(text).collect()
}

/// A response without its times.
pub(super) fn without_times(mut response: Response) -> Response {
    for attempt in &mut response.trail {
        (attempt.took, attempt.first_event, attempt.started_after, attempt.waited) = Default::default();
    }
    response
}
