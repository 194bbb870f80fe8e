//! What the caller of a streamed answer gets, event by event.

use std::collections::BTreeMap;

use arcllm::{ContentBlock, Error, Event, Response, ResponseStream, ToolCall};
use futures::StreamExt as _;
use serde_json::Value;

use super::words::{count, json, quoted};

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

    /// How the events differ from the answer that they end with. `pieces` is how many pieces of text are expected.
    pub(super) fn differences(&self, pieces: Option<usize>, result: &Result<Response, Error>) -> Vec<String> {
        let mut found = Vec::new();
        let said = self.pieces.concat();
        let (content, whose) = match result {
            Ok(response) => (&response.content, "the answer at its end"),
            Err(error) => (&error.received, "what the error says was received"),
        };
        let text: String = content.iter().filter_map(text).collect();
        if said != text {
            found.push(format!("The text of the events is {}, but {whose} is {}.", quoted(&said), quoted(&text)));
        }
        found.extend(self.differing_calls(result));
        if let Some(expected) = pieces.filter(|pieces| *pieces != self.pieces.len()) {
            let came = count(self.pieces.len(), "piece");
            found.push(format!("The text came in {came}. It should have come in {expected}."));
        }
        if self.went_on {
            found.push("An event came after the end.".to_owned());
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
                let (pieces, whole) = (quoted(pieces), json(&whole));
                found.push(format!(
                    "The pieces of a tool call's arguments are {pieces}, but the whole call has {whole}."
                ));
            }
        }
        if let Ok(response) = result {
            let told: Vec<&ToolCall> = self.calls.iter().map(|(_, call)| call).collect();
            let answered: Vec<&ToolCall> = response.tool_calls().collect();
            if told != answered {
                let (told, answered) = (calls(&told), calls(&answered));
                found.push(format!("The tool calls of the events are {told}, but those of the answer are {answered}."));
            }
        }
        found
    }
}

fn calls(calls: &[&ToolCall]) -> String {
    let calls =
        calls.iter().map(|call| format!("{} {}", quoted(&call.name), json(&Value::Object(call.arguments.clone()))));
    let calls: Vec<String> = calls.collect();
    if calls.is_empty() { "none".to_owned() } else { calls.join(", ") }
}

fn text(block: &ContentBlock) -> Option<&str> {
    match block {
        ContentBlock::Text(text) => Some(&text.text),
        _ => None,
    }
}
