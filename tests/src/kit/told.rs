//! What the caller of a streamed answer is told, event by event.

use arcllm::{ContentBlock, Error, Event, Response, ResponseStream};
use futures::StreamExt as _;

use super::scenario::Expect;

/// What was told of an answer before its end.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// The pieces of text.
    pub(super) pieces: Vec<String>,
    /// Whether anything came after the end.
    went_on: bool,
}

impl Told {
    /// Reads a stream to its end.
    pub(super) async fn by(mut stream: ResponseStream) -> (Result<Response, Error>, Self) {
        let mut told = Self::default();
        let result = loop {
            match stream.next().await {
                Some(Ok(Event::Text(piece))) => told.pieces.push(piece),
                Some(Ok(Event::End(response))) => break Ok(*response),
                Some(Ok(_)) => {}
                Some(Err(error)) => break Err(error),
                // A stream that ends without either is a bug of the host's.
                None => break Err(arcllm::ErrorKind::Cancelled.into()),
            }
        };
        told.went_on = stream.next().await.is_some();
        (result, told)
    }

    /// What was told must be what came of it.
    pub(super) fn differences(&self, expect: &Expect, result: &Result<Response, Error>) -> Vec<String> {
        let mut found = Vec::new();
        let said = self.pieces.concat();
        let (content, whose) = match result {
            Ok(response) => (&response.content, "the answer"),
            Err(error) => (&error.received, "what the error says had arrived"),
        };
        let text: String = content.iter().filter_map(text).collect();
        if said != text {
            found.push(format!("the pieces say {said:?}, but {whose} is {text:?}"));
        }
        if expect.pieces.is_some_and(|pieces| pieces != self.pieces.len()) {
            found.push(format!("{} pieces were told, expected {:?}", self.pieces.len(), expect.pieces));
        }
        if self.went_on {
            found.push("more came after the end".to_owned());
        }
        found
    }
}

fn text(block: &ContentBlock) -> Option<&str> {
    match block {
        ContentBlock::Text(text) => Some(&text.text),
        _ => None,
    }
}
