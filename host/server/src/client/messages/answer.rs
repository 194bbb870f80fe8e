//! Writes a whole answer.

use arcllm::{ContentBlock, Response, StopReason};
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::Value;

use crate::client::{
    client::Heading,
    messages::{
        block::{BlockJson, is_written, others},
        citations,
        usage::UsageJson,
    },
};

/// Writes a whole answer.
pub(crate) fn write(heading: &Heading, response: &Response) -> Vec<u8> {
    let mut out = Vec::new();
    // Writing to memory does not fail.
    let _ = serde_json::to_writer(&mut out, &Message { heading, response });
    out
}

struct Message<'a> {
    heading: &'a Heading,
    response: &'a Response,
}

impl Serialize for Message<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { heading, response } = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &id(heading))?;
        map.serialize_entry("type", "message")?;
        map.serialize_entry("role", "assistant")?;
        map.serialize_entry("model", &heading.model)?;
        map.serialize_entry("content", &Content(response))?;
        map.serialize_entry("stop_reason", stop_reason(response))?;
        map.serialize_entry("stop_sequence", &stop_sequence(response))?;
        map.serialize_entry("usage", &UsageJson::of(response))?;
        const WRITTEN: [&str; 9] =
            ["id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "stop-sequence", "usage"];
        others(&mut map, &response.extensions, &WRITTEN)?;
        map.end()
    }
}

struct Content<'a>(&'a Response);

impl Serialize for Content<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let citations = citations::of_annotations(self.0);
        let blocks: Vec<&ContentBlock> = self.0.content.iter().filter(|block| is_written(block)).collect();
        let last_text = blocks.iter().rposition(|block| matches!(block, ContentBlock::Text(_)));
        serializer.collect_seq(blocks.into_iter().enumerate().map(|(at, block)| {
            let citations = if Some(at) == last_text { citations.as_slice() } else { &[] };
            BlockJson { block, citations }
        }))
    }
}

/// The name of the answer.
pub(crate) fn id(heading: &Heading) -> String {
    format!("msg_{}", heading.id)
}

/// Why the answer ended, in the words of this format. A filter is a refusal here.
pub(crate) fn stop_reason(response: &Response) -> &str {
    match &response.stop_reason {
        StopReason::ContentFilter => "refusal",
        reason => reason.as_str(),
    }
}

/// The stop text that ended the answer, where the provider tells.
pub(crate) fn stop_sequence(response: &Response) -> Option<&Value> {
    response.extensions.get("anthropic.stop-sequence")
}
