//! What the caller of a streamed answer gets, event by event.

use std::collections::BTreeMap;

use arcllm::{ContentBlock, Error, Event, Response, ResponseStream, ToolCall};
use futures::StreamExt as _;
use serde_json::Value;

use super::scenario::Expect;

/// What came of an answer before its end.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// The pieces of text.
    pub(super) pieces: Vec<String>,
    /// The pieces of each call's arguments, by the call's number.
    arguments: BTreeMap<usize, String>,
    /// The tool calls that came whole.
    calls: Vec<(usize, ToolCall)>,
    /// Whether anything came after the end.
    went_on: bool,
}

impl Told {
    /// Reads a stream to its end.
    pub(super) async fn by(stream: ResponseStream) -> (Result<Response, Error>, Self) {
        Self::watched(stream, || ()).await
    }

    /// Reads a stream to its end, and calls `on_text` at each piece of text.
    pub(super) async fn watched(
        mut stream: ResponseStream,
        mut on_text: impl FnMut(),
    ) -> (Result<Response, Error>, Self) {
        let mut told = Self::default();
        let result = loop {
            match stream.next().await {
                Some(Ok(Event::Text(piece))) => {
                    on_text();
                    told.pieces.push(piece);
                }
                Some(Ok(Event::End(response))) => break Ok(*response),
                Some(Ok(Event::ToolArguments { index, json })) => {
                    told.arguments.entry(index).or_default().push_str(&json)
                }
                Some(Ok(Event::ToolUseEnd { index, call })) => told.calls.push((index, call)),
                Some(Ok(_)) => {}
                Some(Err(error)) => break Err(error),
                // The host ends every stream with one of these.
                None => break Err(arcllm::ErrorKind::Cancelled.into()),
            }
        };
        told.went_on = stream.next().await.is_some();
        (result, told)
    }

    /// How the events differ from the answer that they end with.
    pub(super) fn differences(&self, expect: &Expect, result: &Result<Response, Error>) -> Vec<String> {
        let mut found = Vec::new();
        let said = self.pieces.concat();
        let (content, whose) = match result {
            Ok(response) => (&response.content, "the answer"),
            Err(error) => (&error.received, "`received` of the error"),
        };
        let text: String = content.iter().filter_map(text).collect();
        if said != text {
            found.push(format!("the text of the events is {said:?}, but {whose} is {text:?}"));
        }
        found.extend(self.differing_calls(result));
        if expect.pieces.is_some_and(|pieces| pieces != self.pieces.len()) {
            found.push(format!(
                "the text came in {} pieces, expected {}",
                self.pieces.len(),
                expect.pieces.unwrap_or_default()
            ));
        }
        if self.went_on {
            found.push("an event came after the end".to_owned());
        }
        found
    }
}

impl Told {
    /// A tool call comes in pieces, then whole, and then in the answer. All three must be the same.
    fn differing_calls(&self, result: &Result<Response, Error>) -> Vec<String> {
        let mut found = Vec::new();
        for (index, call) in &self.calls {
            let pieces = self.arguments.get(index).map(String::as_str).unwrap_or_default();
            let whole = Value::Object(call.arguments.clone());
            if serde_json::from_str(pieces).ok() != Some(whole.clone()) {
                found.push(format!(
                    "the pieces of a tool call's arguments are {pieces:?}, but the whole call has {whole}"
                ));
            }
        }
        if let Ok(response) = result {
            let told: Vec<&ToolCall> = self.calls.iter().map(|(_, call)| call).collect();
            let answered: Vec<&ToolCall> = response.tool_calls().collect();
            if told != answered {
                found.push(format!(
                    "the tool calls of the events are {told:?}, but those of the answer are {answered:?}"
                ));
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
