//! The body of a request as its client wrote it, where the provider can be sent it.
//!
//! Only single fields are changed in it: those that the call or the provider's table decides. What a provider takes in another
//! form than its format says is written anew.

use bytes::Bytes;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;

use crate::{
    adapter::format::{
        body_editor::{BodyEditor, includes_usage},
        declared,
        format::Format,
        lenient::{self, Halves},
        only_own,
        outline::Unwritable,
        splice::{field, splice},
    },
    chat::{
        content::ContentBlock,
        message::{Message, Role},
        options::{Options, OutputFormat, Reasoning},
        original::Original,
        request::Request,
        tool::Tool,
        wire_format::WireFormat,
    },
    config::{
        provider::ProviderConfig,
        quirks::{Quirks, ReasoningForm, SchemaForm, SystemPlace, ToolIdRule},
    },
};

/// The body of a request to a provider.
pub(crate) struct Outgoing {
    /// In pieces, which may belong to the client's own body.
    pub(crate) body: Vec<Bytes>,
    /// Set if the client gets the answer as the provider sends it, or what only the provider knows of it.
    pub(crate) echo: Option<Echo>,
}

/// How a client gets an answer as the provider sends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Echo {
    /// Whether the client has not asked for the event with the counts.
    pub(crate) hides_usage: bool,
    /// Whether the client does not know the tools that the provider was sent. Then the answer is written for the client, with what
    /// only the provider knows.
    pub(crate) is_rewritten: bool,
}

/// The body to send: the client's own, or one that the format writes.
pub(crate) fn outgoing(
    format: &dyn Format,
    request: &Request,
    provider: &ProviderConfig,
    model: &str,
    stream: bool,
) -> Result<Outgoing, Unwritable> {
    let given = request.original.given();
    if given.is_some() {
        only_own::check(request, provider.adapter)?;
    }
    let given = given.filter(|original| original.format == provider.adapter);
    let own = given.filter(|_| request.original().is_some() && takes(request, provider));
    match (own.and_then(|original| spliced(format, request, provider, model, stream, original)), given) {
        (Some(own), _) => Ok(own),
        (None, None) => {
            Ok(Outgoing { body: vec![format.encode(request, provider, model, stream)?.into()], echo: None })
        }
        (None, Some(original)) => {
            let is_chat = provider.adapter == WireFormat::OpenAi;
            let body = format.encode(request, provider, model, stream)?;
            let is_rewritten = !declared::knows_tools(provider.adapter, &original.body, &body);
            let echo = Echo { hides_usage: is_chat && stream && !asks_for_usage(&original.body), is_rewritten };
            Ok(Outgoing { body: vec![body.into()], echo: Some(echo) })
        }
    }
}

/// The client's own body, for this provider. `None` if it is no object.
fn spliced(
    format: &dyn Format,
    request: &Request,
    provider: &ProviderConfig,
    model: &str,
    stream: bool,
    original: &Original,
) -> Option<Outgoing> {
    let mut editor = BodyEditor::new(format, request, provider, model, stream, &original.body);
    let body = splice(&original.body, &mut editor)?;
    let hides_usage = editor.wants_usage() && editor.asks_for_usage() != Some(true);
    Some(Outgoing { body, echo: Some(Echo { hides_usage, is_rewritten: false }) })
}

/// JSON that a client can read: the text as it came, or repaired. `None` if it cannot be.
pub(crate) fn readable(json: Vec<u8>) -> Option<Vec<u8>> {
    let is_json = |json: &[u8]| std::str::from_utf8(json).is_ok() && serde_json::from_slice::<IgnoredAny>(json).is_ok();
    if is_json(&json) {
        return Some(json);
    }
    lenient::repaired(&json, Halves::Replace).filter(|json| is_json(json))
}

/// Whether this event of OpenAI Chat Completions has counts and nothing else. It comes only to clients that ask for it.
pub(crate) fn is_usage_alone(data: &str) -> bool {
    #[derive(Deserialize)]
    struct Chunk {
        #[serde(default)]
        choices: Option<Vec<IgnoredAny>>,
        usage: Option<IgnoredAny>,
    }
    let chunk = serde_json::from_str::<Chunk>(data);
    chunk.is_ok_and(|chunk| chunk.usage.is_some() && chunk.choices.is_none_or(|choices| choices.is_empty()))
}

/// Whether the client of OpenAI Chat Completions that wrote this body asks for the counts of a streamed answer.
fn asks_for_usage(body: &[u8]) -> bool {
    field(body, "stream_options").is_some_and(includes_usage)
}

/// Whether the provider takes all that stands in the request in the form of its format.
fn takes(request: &Request, provider: &ProviderConfig) -> bool {
    let quirks = &provider.quirks;
    let mut strict =
        request.tools.iter().filter_map(|tool| if let Tool::Function(tool) = tool { tool.strict } else { None });
    let takes_tools = !quirks.refuses("strict") || strict.next().is_none();
    takes_tools && takes_options(&request.options, quirks) && takes_history(&request.messages, quirks)
}

fn takes_options(options: &Options, quirks: &Quirks) -> bool {
    let Options {
        temperature, top_p, top_k, stop, parallel_tool_calls, seed, output, reasoning, user, metadata, ..
    } = options;
    let refused = [
        ("temperature", temperature.is_some()),
        ("top_p", top_p.is_some()),
        ("top_k", top_k.is_some()),
        ("stop", !stop.is_empty()),
        ("parallel_tool_calls", parallel_tool_calls.is_some()),
        ("seed", seed.is_some()),
        ("reasoning", reasoning.is_some()),
        ("user", user.is_some()),
        // A request that is stored has them.
        ("metadata", !metadata.is_empty() && options.extensions.get("openai.store") != Some(&Value::Bool(true))),
    ];
    let takes_output = match (output, quirks.schema) {
        (_, None | Some(SchemaForm::JsonSchema)) | (None | Some(OutputFormat::Text), _) => true,
        (Some(OutputFormat::Json), Some(SchemaForm::None)) => true,
        (Some(_), Some(SchemaForm::Value | SchemaForm::None)) => false,
    };
    let takes_reasoning = match (reasoning, quirks.reasoning) {
        (None, _) | (Some(Reasoning::Other(_)), _) => true,
        (Some(_), Some(ReasoningForm::Thinking | ReasoningForm::Template)) => false,
        (Some(Reasoning::Effort(word)), _) => quirks.efforts.as_ref().is_none_or(|known| known.contains(word)),
        (Some(Reasoning::Off | Reasoning::Auto | Reasoning::Budget(_)), _) => true,
    };
    let is_refused = refused.iter().any(|(option, is_set)| *is_set && quirks.refuses(option));
    !is_refused && takes_output && takes_reasoning && (seed.is_none() || quirks.seed_field.is_none())
}

/// Whether the provider takes the conversation as its client has written it.
fn takes_history(messages: &[Message], quirks: &Quirks) -> bool {
    let any_id = matches!(quirks.tool_id, None | Some(ToolIdRule::Any));
    let any_turns = quirks.strict_turns != Some(true);
    let any_place = quirks.system != Some(SystemPlace::First);
    let (any_reasoning, any_field) = (quirks.reasoning_field.is_none(), quirks.message_fields.is_none());
    if any_id && any_turns && any_place && any_reasoning && any_field {
        return true;
    }
    messages.iter().enumerate().all(|(at, message)| {
        let is_tool = |block: &ContentBlock| matches!(block, ContentBlock::ToolUse(_) | ContentBlock::ToolResult(_));
        let is_thinking = |block: &ContentBlock| matches!(block, ContentBlock::Thinking(_));
        (any_turns || message.role == Role::User || message.role == Role::System)
            && (any_place || at == 0 || message.role != Role::System)
            && (any_id || !message.content.iter().any(is_tool))
            && (any_reasoning || !message.content.iter().any(is_thinking))
            && (any_field || !has_fields(message))
    })
}

/// Whether the message or a tool call in it has fields beyond those of the format.
fn has_fields(message: &Message) -> bool {
    let of_call = |block: &ContentBlock| matches!(block, ContentBlock::ToolUse(call) if !call.extensions.is_empty());
    !message.extensions.is_empty() || message.content.iter().any(of_call)
}

#[cfg(test)]
mod tests;
