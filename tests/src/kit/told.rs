//! What the caller of a streamed answer is told, event by event.

use std::collections::BTreeMap;

use arcllm::{ContentBlock, Error, Event, Response, ResponseStream, ToolCall};
use futures::StreamExt as _;
use serde_json::Value;

use super::scenario::Expect;

/// What was told of an answer before its end.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// The pieces of text.
    pub(super) pieces: Vec<String>,
    /// The pieces of each call's arguments, by the call's number.
    arguments: BTreeMap<usize, String>,
    /// The calls that were whole.
    calls: Vec<(usize, ToolCall)>,
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
                Some(Ok(Event::ToolArguments { index, json })) => {
                    told.arguments.entry(index).or_default().push_str(&json)
                }
                Some(Ok(Event::ToolUseEnd { index, call })) => told.calls.push((index, call)),
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
        found.extend(self.differing_calls(result));
        if expect.pieces.is_some_and(|pieces| pieces != self.pieces.len()) {
            found.push(format!("{} pieces were told, expected {:?}", self.pieces.len(), expect.pieces));
        }
        if self.went_on {
            found.push("more came after the end".to_owned());
        }
        found
    }
}

impl Told {
    /// A call for a tool is told in pieces, then whole, and stands in the answer: three times the same.
    fn differing_calls(&self, result: &Result<Response, Error>) -> Vec<String> {
        let mut found = Vec::new();
        for (index, call) in &self.calls {
            let pieces = self.arguments.get(index).map(String::as_str).unwrap_or_default();
            let whole = Value::Object(call.arguments.clone());
            if serde_json::from_str(pieces).ok() != Some(whole.clone()) {
                found.push(format!("the pieces of a tool's arguments say {pieces:?}, but the call has {whole}"));
            }
        }
        if let Ok(response) = result {
            let told: Vec<&ToolCall> = self.calls.iter().map(|(_, call)| call).collect();
            let answered: Vec<&ToolCall> = response.tool_calls().collect();
            if told != answered {
                found.push(format!("the calls that were told are {told:?}, but the answer has {answered:?}"));
            }
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
