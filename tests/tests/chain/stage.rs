//! One question to a chain over two providers, asked twice: for a whole answer, and for one that is streamed.

use arcllm::{Error, Message, Options, Overrides, Request, Response};
use arcllm_simulator::{Format, Recorded, Reply};

use crate::{
    scene::{load, replies, soon},
    support::Chain,
};

/// What happened.
pub(super) struct Played {
    pub(super) streamed: bool,
    pub(super) result: Result<Response, Error>,
    /// The requests that `b` got.
    pub(super) sent_to_b: Vec<Recorded>,
}

impl Played {
    /// The attempts, such as `a/a-model: 529`.
    pub(super) fn trail(&self) -> Vec<String> {
        let trail = match &self.result {
            Ok(response) => &response.trail,
            Err(error) => &error.trail,
        };
        let tell = |attempt: &arcllm::Attempt| {
            let outcome = attempt.outcome.as_str().to_owned();
            let outcome = attempt.status.map_or(outcome, |status| status.to_string());
            format!("{}: {outcome}", attempt.model)
        };
        trail.iter().map(tell).collect()
    }

    /// The text of the answer.
    pub(super) fn text(&self) -> String {
        self.result.as_ref().unwrap_or_else(|error| panic!("{error}")).text().unwrap_or_default()
    }
}

/// Asks a chain whose `a` and `b` have these formats and replies, without and with streaming. `changes` adds the modules.
pub(super) async fn both_ways(
    formats: [Format; 2],
    a: impl Into<Vec<Reply>>,
    b: impl Into<Vec<Reply>>,
    changes: impl Fn(Chain) -> Chain,
) -> [Played; 2] {
    let (of_a, of_b) = (a.into(), b.into());
    let play = async |streamed| {
        let (a, b) = (replies(of_a.clone()).await, replies(of_b.clone()).await);
        let chain = Chain::new().provider_with("a", formats[0], &a.url(), "timeout_seconds = 3.0");
        let chain = changes(chain.provider("b", formats[1], &b.url()));
        // Loading is a large future, and would make all of these large.
        let model = Box::pin(load(&chain.folder().unwrap(), Overrides::new())).await;
        let options = Options::new().max_tokens(500).temperature(0.9);
        let request = Request::new([Message::user("Hi")]).with_options(options);
        let result = match streamed {
            true => soon(model.stream_with(request).collect()).await,
            false => soon(model.invoke_with(request)).await,
        };
        Played { streamed, result, sent_to_b: b.requests() }
    };
    [play(false).await, play(true).await]
}
