//! What only one wire format or one provider knows.

use std::borrow::Cow;

use serde_json::Value;

use crate::chat::{content::ContentBlock, message::Message, response::PROVIDER, wire_format::WireFormat};

/// The messages as this provider gets them: answers of other providers have no extensions and no blocks that only their
/// author knows. Strict servers refuse fields and blocks that they do not know.
pub(crate) fn without_others_fields<'a>(messages: &'a [Message], provider: &str) -> Vec<Cow<'a, Message>> {
    let is_others = |message: &Message| {
        let author = message.extensions.get(PROVIDER).and_then(Value::as_str);
        author.is_some_and(|author| author != provider)
    };
    let messages = messages.iter().map(|message| match is_others(message) {
        true => Cow::Owned(without_own(message.clone())),
        false => Cow::Borrowed(message),
    });
    messages.collect()
}

fn without_own(mut message: Message) -> Message {
    message.extensions.clear();
    message.content.retain(|block| !matches!(block, ContentBlock::Other(_)));
    message.content.iter_mut().filter_map(|block| block.extensions_mut()).for_each(|extensions| extensions.clear());
    message
}

/// The types that Anthropic's documentation names and that do not end in `_tool_use` or `_tool_result`.
const ANTHROPIC: [&str; 7] = [
    "compaction",
    "container_upload",
    "mid_conv_system",
    "redacted_thinking",
    "search_result",
    "tool_reference",
    "web_search_result",
];

/// The types that OpenAI's documentation names and that do not begin with `input_` or `output_` or end in `_url`.
const OPENAI: [&str; 2] = ["file", "refusal"];

/// The types of the items of OpenAI Responses that do not end in `_call` or `_call_output`.
const RESPONSES: [&str; 13] = [
    "additional_tools",
    "compaction_summary",
    "compaction_trigger",
    "configuration_update",
    "item_reference",
    "mcp_approval_request",
    "mcp_approval_response",
    "mcp_list_tools",
    "message",
    "program",
    "program_output",
    "reasoning",
    "tool_search_output",
];

/// The field that marks an item of OpenAI Responses whose type is not known. It is not sent.
pub(crate) const ITEM: &str = "arcllm.item";

/// The format that has blocks of this type. `None` if neither has.
pub(crate) fn format_of_block(block: &Value) -> Option<WireFormat> {
    let kind = block.get("type")?.as_str()?;
    // Anthropic's format has blocks of this type, too, with a `content`.
    let is_compaction =
        kind == "compaction" && block.get("encrypted_content").is_some() && block.get("content").is_none();
    if is_compaction || block.get(ITEM).is_some() {
        return Some(WireFormat::OpenAiResponses);
    }
    let is_anthropics = has_source(block)
        || ANTHROPIC.contains(&kind)
        || ["_tool_use", "_tool_result"].iter().any(|ending| kind.ends_with(ending));
    let is_openais = OPENAI.contains(&kind)
        || kind.ends_with("_url")
        || ["input_", "output_"].iter().any(|beginning| kind.starts_with(beginning));
    let is_item = RESPONSES.contains(&kind) || ["_call", "_call_output"].iter().any(|ending| kind.ends_with(ending));
    match (is_anthropics, is_openais, is_item) {
        (true, ..) => Some(WireFormat::Anthropic),
        (_, true, _) => Some(WireFormat::OpenAi),
        (.., true) => Some(WireFormat::OpenAiResponses),
        _ => None,
    }
}

/// Whether it is a picture or a document of Anthropic's format.
fn has_source(block: &Value) -> bool {
    ["image", "document"].contains(&kind(block)) && block.pointer("/source/type").is_some()
}

/// Whether the block is a picture, a document or a recording in the JSON of a format.
pub(crate) fn is_media(block: &Value) -> bool {
    has_source(block) || ["file", "input_audio"].contains(&kind(block)) || kind(block).ends_with("_url")
}

/// The format of a tool that its provider runs. The types of Anthropic end in a date: `web_search_20250305`.
pub(crate) fn format_of_tool(tool: &Value) -> WireFormat {
    let kind = tool.get("type").and_then(Value::as_str).unwrap_or_default();
    let date = kind.rsplit('_').next().unwrap_or_default();
    let is_dated = date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit());
    if is_dated || kind == "mcp_toolset" { WireFormat::Anthropic } else { WireFormat::OpenAi }
}

/// The type of a block, for errors.
pub(crate) fn kind(block: &Value) -> &str {
    block.get("type").and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn blocks() {
        let owner = |kind: &str| format_of_block(&json!({"type": kind}));
        for kind in [
            "server_tool_use",
            "web_search_tool_result",
            "mcp_tool_use",
            "code_execution_tool_result",
            "container_upload",
            "a_new_tool_result",
        ] {
            assert_eq!(owner(kind), Some(WireFormat::Anthropic), "{kind}");
        }
        for kind in ["refusal", "input_audio", "image_url", "file", "video_url", "output_text"] {
            assert_eq!(owner(kind), Some(WireFormat::OpenAi), "{kind}");
        }
        for kind in ["web_search_call", "computer_call_output", "mcp_list_tools", "item_reference", "reasoning"] {
            assert_eq!(owner(kind), Some(WireFormat::OpenAiResponses), "{kind}");
        }
        let compaction = |field: &str| format_of_block(&json!({"type": "compaction", field: "x"}));
        assert_eq!(compaction("encrypted_content"), Some(WireFormat::OpenAiResponses));
        assert_eq!(compaction("content"), Some(WireFormat::Anthropic));
        for kind in ["hologram", "partial_tool_uses", "profile"] {
            assert_eq!(owner(kind), None, "{kind}");
        }
    }

    #[test]
    fn tools() {
        for (kind, format) in [
            ("web_search_20250305", WireFormat::Anthropic),
            ("mcp_toolset", WireFormat::Anthropic),
            ("web_search_preview", WireFormat::OpenAi),
            ("web_search_preview_2025_03_11", WireFormat::OpenAi),
            ("code_interpreter", WireFormat::OpenAi),
        ] {
            assert_eq!(format_of_tool(&json!({"type": kind})), format, "{kind}");
        }
    }
}
