//! Writes the blocks of an answer.

use arcllm::{ContentBlock, Extensions};
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Map, Value};

use crate::client::messages::{citations, signature};

/// Whether a client of this format can read the block. Blocks that only OpenAI's formats have are left out.
pub(crate) fn is_written(block: &ContentBlock) -> bool {
    match block {
        ContentBlock::Other(value) => {
            let kind = kind(value);
            let is_openais = ["file", "reasoning", "message"].contains(&kind)
                || ["input_", "output_"].iter().any(|beginning| kind.starts_with(beginning))
                || ["_url", "_call", "_call_output"].iter().any(|ending| kind.ends_with(ending));
            !kind.is_empty() && !is_openais
        }
        ContentBlock::Text(_) | ContentBlock::ToolUse(_) | ContentBlock::Thinking(_) => true,
        _ => false,
    }
}

fn kind(block: &Value) -> &str {
    block.get("type").and_then(Value::as_str).unwrap_or_default()
}

/// A block as JSON.
pub(crate) struct BlockJson<'a> {
    pub(crate) block: &'a ContentBlock,
    /// Further citations of a text.
    pub(crate) citations: &'a [Value],
}

impl Serialize for BlockJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self.block {
            ContentBlock::Text(text) => {
                map.serialize_entry("type", "text")?;
                map.serialize_entry("text", &text.text)?;
                let citations = [citations::of_text(text).as_slice(), self.citations].concat();
                if !citations.is_empty() {
                    map.serialize_entry("citations", &citations)?;
                }
                others(&mut map, &text.extensions, &["type", "text"])?;
            }
            ContentBlock::Thinking(thinking) => {
                match &thinking.redacted {
                    Some(data) => {
                        map.serialize_entry("type", "redacted_thinking")?;
                        map.serialize_entry("data", data)?;
                    }
                    None => {
                        map.serialize_entry("type", "thinking")?;
                        map.serialize_entry("thinking", &thinking.text)?;
                        map.serialize_entry("signature", &signature::of(thinking))?;
                    }
                }
                others(&mut map, &thinking.extensions, &["type", "data", "thinking", "signature"])?;
            }
            ContentBlock::ToolUse(call) => {
                map.serialize_entry("type", "tool_use")?;
                map.serialize_entry("id", &call.id)?;
                map.serialize_entry("name", &call.name)?;
                map.serialize_entry("input", &call.arguments)?;
                others(&mut map, &call.extensions, &["type", "id", "name", "input"])?;
            }
            // As Anthropic does it: why the answer ended tells that the call is not whole.
            ContentBlock::Other(partial) if kind(partial) == "partial_tool_use" => {
                map.serialize_entry("type", "tool_use")?;
                map.serialize_entry("id", &partial["id"])?;
                map.serialize_entry("name", &partial["name"])?;
                map.serialize_entry("input", &Map::new())?;
            }
            ContentBlock::Other(value) => {
                // A refusal is OpenAI's; here it is text, and the reason why the answer ends.
                let refusal = value.get("refusal").filter(|_| kind(value) == "refusal");
                match refusal {
                    Some(refusal) => {
                        map.serialize_entry("type", "text")?;
                        map.serialize_entry("text", refusal)?;
                    }
                    None => value
                        .as_object()
                        .into_iter()
                        .flatten()
                        .try_for_each(|(name, field)| map.serialize_entry(name, field))?,
                }
            }
            _ => {}
        }
        map.end()
    }
}

/// Writes the fields that ArcLLM does not know.
pub(crate) fn others<M: SerializeMap>(map: &mut M, extensions: &Extensions, written: &[&str]) -> Result<(), M::Error> {
    for (key, value) in extensions {
        if let Some(name) = key.strip_prefix("anthropic.").filter(|name| !written.contains(name)) {
            map.serialize_entry(name, value)?;
        }
    }
    Ok(())
}
