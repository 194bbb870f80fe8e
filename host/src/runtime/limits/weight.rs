//! Estimates how many bytes of the host's memory the values take that a module makes.

use crate::runtime::guest::bindings::arcllm::llm::{streams::Event, types as wit};

/// For each item besides its content, in bytes.
const EACH: usize = 256;

/// For each array and object in JSON. It starts with room for four values. An object takes 104 bytes for each, and a
/// table to find them.
const OPENED: usize = 640;

/// For each further value in it. Room grows by doubling, and a text of one letter takes 32 bytes.
const FURTHER: usize = 320;

/// The bytes that this takes as a request.
pub(crate) fn weight_of_request(parts: &wit::RequestParts) -> usize {
    EACH + parts.messages.iter().map(message).sum::<usize>()
        + parts.tools.iter().map(tool).sum::<usize>()
        + weight_of_options(&parts.options)
        + weight_of_extensions(&parts.extensions)
}

/// The bytes that these options take.
pub(crate) fn weight_of_options(options: &wit::Options) -> usize {
    let wit::Options { stop, tool_choice, labels, metadata, extensions, output, reasoning, user, .. } = options;
    let choice = match tool_choice {
        Some(wit::ToolChoice::Tool(text) | wit::ToolChoice::Other(text)) => json(text),
        Some(wit::ToolChoice::Auto | wit::ToolChoice::Required | wit::ToolChoice::None) | None => 0,
    };
    let pairs = labels.iter().chain(metadata).map(|(name, value)| EACH + name.len() + value.len());
    let output = match output {
        Some(wit::OutputFormat::JsonSchema(schema)) => {
            let texts = schema.name.len() + schema.description.len();
            texts + json(&schema.schema) + weight_of_extensions(&schema.extensions)
        }
        Some(wit::OutputFormat::Other(text)) => json(text),
        Some(wit::OutputFormat::Text | wit::OutputFormat::Json) | None => 0,
    };
    let reasoning = match reasoning {
        Some(wit::Reasoning::Effort(word)) => word.len(),
        Some(wit::Reasoning::Other(text)) => json(text),
        Some(wit::Reasoning::Off | wit::Reasoning::Auto | wit::Reasoning::Budget(_)) | None => 0,
    };
    EACH + stop.iter().map(|text| EACH + text.len()).sum::<usize>()
        + choice
        + pairs.sum::<usize>()
        + output
        + reasoning
        + user.as_ref().map_or(0, String::len)
        + weight_of_extensions(extensions)
}

fn tool(tool: &wit::Tool) -> usize {
    EACH + match tool {
        wit::Tool::Function(tool) => {
            let texts = tool.name.len() + tool.description.len();
            texts + json(&tool.parameters) + mark(&tool.cache) + weight_of_extensions(&tool.extensions)
        }
        wit::Tool::Other(text) => json(text),
    }
}

fn mark(cache: &Option<wit::CacheMark>) -> usize {
    cache.as_ref().map_or(0, |mark| EACH + weight_of_extensions(&mark.extensions))
}

/// The bytes that this takes as a response.
pub(crate) fn weight_of_response(parts: &wit::ResponseParts) -> usize {
    let names = parts.model.len() + parts.provider.len();
    EACH + blocks(&parts.content)
        + names
        + weight_of_extensions(&parts.usage.extensions)
        + weight_of_extensions(&parts.extensions)
}

/// The bytes that this takes as an event.
pub(crate) fn weight_of_event(event: &Event) -> usize {
    let says = match event {
        Event::Text(text) | Event::Thinking(text) => text.len(),
        Event::ToolUseStart(start) => start.id.len() + start.name.len(),
        Event::ToolArguments(piece) => piece.json.len(),
        Event::ToolUseEnd(end) => call(&end.call),
        Event::Block(block) => blocks(std::slice::from_ref(block)),
        Event::Usage(usage) => weight_of_extensions(&usage.extensions),
        Event::End(parts) => weight_of_response(parts),
        // The host ignores it.
        Event::Other(_) => 0,
    };
    EACH.saturating_add(says)
}

fn message(message: &wit::Message) -> usize {
    EACH + blocks(&message.content) + weight_of_extensions(&message.extensions)
}

fn blocks(blocks: &[wit::ContentBlock]) -> usize {
    let block = |block: &wit::ContentBlock| match block {
        wit::ContentBlock::Text(block) => text(block),
        wit::ContentBlock::Image(block) | wit::ContentBlock::Document(block) | wit::ContentBlock::Audio(block) => {
            media(block)
        }
        wit::ContentBlock::ToolUse(tool_use) => call(tool_use),
        wit::ContentBlock::ToolResult(result) => {
            let content = result.content.iter().map(|block| match block {
                wit::ToolResultBlock::Text(block) => text(block),
                wit::ToolResultBlock::Image(block)
                | wit::ToolResultBlock::Document(block)
                | wit::ToolResultBlock::Audio(block) => media(block),
                wit::ToolResultBlock::Other(block) => json(block),
            });
            EACH + result.tool_use_id.len()
                + content.sum::<usize>()
                + mark(&result.cache)
                + weight_of_extensions(&result.extensions)
        }
        wit::ContentBlock::Thinking(thinking) => {
            let hidden = [&thinking.signature, &thinking.redacted, &thinking.provider];
            let hidden = hidden.into_iter().flatten().map(String::len);
            EACH + thinking.text.len() + hidden.sum::<usize>() + weight_of_extensions(&thinking.extensions)
        }
        wit::ContentBlock::Other(block) => json(block),
    };
    blocks.iter().map(block).sum()
}

fn call(call: &wit::ToolCall) -> usize {
    let texts = call.id.len() + call.name.len();
    EACH + texts + json(&call.arguments) + mark(&call.cache) + weight_of_extensions(&call.extensions)
}

fn text(text: &wit::Text) -> usize {
    EACH + text.text.len() + mark(&text.cache) + weight_of_extensions(&text.extensions)
}

fn media(media: &wit::Media) -> usize {
    let source = match &media.source {
        wit::MediaSource::Data(bytes) => bytes.len(),
        wit::MediaSource::Url(text) | wit::MediaSource::File(text) => text.len(),
        wit::MediaSource::Other(text) => json(text),
    };
    let texts = media.media_type.len() + media.name.len();
    EACH + texts + source + mark(&media.cache) + weight_of_extensions(&media.extensions)
}

/// The bytes that these take.
pub(crate) fn weight_of_extensions(extensions: &wit::Extensions) -> usize {
    extensions.iter().map(|(key, value)| EACH + key.len() + json(value)).sum()
}

/// Estimates the bytes of parsed JSON from its text. Texts in it keep their size, while two brackets can become three
/// hundred bytes.
fn json(json: &str) -> usize {
    let (mut weight, mut in_text, mut escaped) = (EACH.saturating_add(json.len()), false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_text,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => weight = weight.saturating_add(OPENED),
            b',' if !in_text => weight = weight.saturating_add(FURTHER),
            _ => {}
        }
    }
    weight
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    /// What the allocator takes for this many bytes, at least.
    fn allocated(bytes: usize) -> usize {
        if bytes == 0 { 0 } else { (bytes + 8).next_multiple_of(16).max(32) }
    }

    /// What a tree takes besides its root: arrays by their capacity, objects by that of their map.
    fn taken(value: &Value) -> usize {
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
            Value::String(text) => allocated(text.capacity()),
            Value::Array(values) => {
                allocated(values.capacity() * size_of::<Value>()) + values.iter().map(taken).sum::<usize>()
            }
            Value::Object(values) => {
                // A map has a power of two of places, and uses at most seven of eight.
                let places = (values.len() * 8 / 7 + 1).next_power_of_two().max(4);
                let entry = size_of::<Value>() + size_of::<String>() + size_of::<u64>();
                let own = if values.is_empty() { 0 } else { allocated(places * entry) + allocated(places * 9 + 16) };
                own + values.iter().map(|(key, value)| allocated(key.capacity()) + taken(value)).sum::<usize>()
            }
        }
    }

    fn is_bounded(text: &str) -> bool {
        let tree = taken(&crate::runtime::guest::convert::json::json(text));
        assert!(tree <= json(text), "{tree} bytes of {}: {}", json(text), text.get(..60).unwrap_or(text));
        true
    }

    #[test]
    fn no_json_takes_more_than_it_weighs() {
        let nested = "[".repeat(120) + "0" + &"]".repeat(120);
        let list = |of: &str| format!("[{}]", vec![of; 1000].join(","));
        let keys = |of: &str| {
            let entries: Vec<String> = (0..1000).map(|key| format!("\"{key}\":{of}")).collect();
            format!("{{{}}}", entries.join(","))
        };
        let deep = "{\"\":".repeat(120) + "0" + &"}".repeat(120);
        for text in
            [&nested, &deep, "0", "\"\"", "[", "{\"a\":\"\\\"[[[[\"}", "[[[\"", &list("\"a\""), &"[1,".repeat(200)]
        {
            assert!(is_bounded(text));
        }
        for of in ["0", "[]", "[0]", "[[0]]", "{}", "{\"\":0}", "\"\"", "\"a\"", "{\"a\":\"b\"}", &nested, &deep] {
            assert!(is_bounded(&list(of)) && is_bounded(&keys(of)));
        }
    }

    #[test]
    fn text_in_json_keeps_its_size() {
        let image = format!("{{\"data\":\"{}\"}}", "[,{".repeat(1 << 20));
        assert!(json(&image) < image.len() + 2048);
    }

    proptest! {
        #[test]
        fn no_random_json_takes_more_than_it_weighs(text in "[\\[\\]{},:\"0a\\\\]{0,200}", value in any_json()) {
            prop_assert!(is_bounded(&text) && is_bounded(&value.to_string()));
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![Just(Value::Null), any::<i32>().prop_map(Value::from), ".{0,9}".prop_map(Value::from)];
        leaf.prop_recursive(6, 200, 9, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..9).prop_map(Value::from),
                prop::collection::vec((".{0,3}", inner), 0..9).prop_map(|all| Value::Object(all.into_iter().collect())),
            ]
        })
    }
}
