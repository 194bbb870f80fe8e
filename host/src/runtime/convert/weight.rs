//! How much memory of the host's a module takes with what it makes: about.

use super::wit;

/// Of each thing besides what it says, in bytes.
const EACH: usize = 256;

/// JSON is taken apart. Text in it takes what it took; a digit and a comma become a value, which is sixteen times as much.
const JSON: usize = 8;

/// The bytes that this takes as a request.
pub(crate) fn weight_of_request(parts: &wit::RequestParts) -> usize {
    let wit::Options { stop, tool_choice, metadata, extensions, .. } = &parts.options;
    let choice = match tool_choice {
        Some(wit::ToolChoice::Tool(text) | wit::ToolChoice::Other(text)) => json(text),
        Some(wit::ToolChoice::Auto | wit::ToolChoice::Required | wit::ToolChoice::None) | None => 0,
    };
    let pairs = metadata.iter().map(|(name, value)| EACH + name.len() + value.len());
    let tool = |tool: &wit::Tool| {
        EACH + tool.name.len() + tool.description.len() + json(&tool.parameters) + all(&tool.extensions)
    };
    EACH + parts.messages.iter().map(message).sum::<usize>()
        + parts.tools.iter().map(tool).sum::<usize>()
        + stop.iter().map(|text| EACH + text.len()).sum::<usize>()
        + choice
        + pairs.sum::<usize>()
        + all(extensions)
        + all(&parts.extensions)
}

/// The bytes that this takes as a response.
pub(crate) fn weight_of_response(parts: &wit::ResponseParts) -> usize {
    let names = parts.model.len() + parts.provider.len();
    EACH + blocks(&parts.content) + names + all(&parts.usage.extensions) + all(&parts.extensions)
}

fn message(message: &wit::Message) -> usize {
    EACH + blocks(&message.content) + all(&message.extensions)
}

fn blocks(blocks: &[wit::ContentBlock]) -> usize {
    let block = |block: &wit::ContentBlock| match block {
        wit::ContentBlock::Text(block) => text(block),
        wit::ContentBlock::Image(block) => image(block),
        wit::ContentBlock::ToolUse(call) => {
            EACH + call.id.len() + call.name.len() + json(&call.arguments) + all(&call.extensions)
        }
        wit::ContentBlock::ToolResult(result) => {
            let content = result.content.iter().map(|block| match block {
                wit::ToolResultBlock::Text(block) => text(block),
                wit::ToolResultBlock::Image(block) => image(block),
                wit::ToolResultBlock::Other(block) => json(block),
            });
            EACH + result.tool_use_id.len() + content.sum::<usize>() + all(&result.extensions)
        }
        wit::ContentBlock::Thinking(thinking) => {
            let hidden = [&thinking.signature, &thinking.redacted];
            let hidden = hidden.into_iter().flatten().map(String::len);
            EACH + thinking.text.len() + hidden.sum::<usize>() + all(&thinking.extensions)
        }
        wit::ContentBlock::Other(block) => json(block),
    };
    blocks.iter().map(block).sum()
}

fn text(text: &wit::Text) -> usize {
    EACH + text.text.len() + all(&text.extensions)
}

fn image(image: &wit::Image) -> usize {
    let source = match &image.source {
        wit::ImageSource::Data(bytes) => bytes.len(),
        wit::ImageSource::Url(url) => url.len(),
        wit::ImageSource::Other(text) => json(text),
    };
    EACH + image.media_type.len() + source + all(&image.extensions)
}

fn all(extensions: &wit::Extensions) -> usize {
    extensions.iter().map(|(key, value)| EACH + key.len() + json(value)).sum()
}

fn json(text: &str) -> usize {
    EACH.saturating_add(text.len().saturating_mul(JSON))
}
