//! The body of a request as its client wrote it, where the provider can be sent it.
//!
//! Only single fields are changed in it: those that the call or the provider's table decides. What a provider takes in another
//! form than its format says is written anew.

use bytes::Bytes;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;

use crate::{
    adapter::format::{
        family,
        format::Format,
        lenient::{self, Halves},
        outline::Unwritable,
        splice::{Change, Editor, field, splice},
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

/// The names of the limit of an answer's tokens, in all formats.
const LIMITS: [&str; 3] = ["max_tokens", "max_completion_tokens", "max_output_tokens"];

/// The body of a request to a provider.
pub(crate) struct Outgoing {
    /// In pieces, which may belong to the client's own body.
    pub(crate) body: Vec<Bytes>,
    /// Set if the client gets the answer as the provider sends it.
    pub(crate) echo: Option<Echo>,
}

/// How a client gets an answer as the provider sends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Echo {
    /// Whether the client has not asked for the event with the counts.
    pub(crate) hides_usage: bool,
}

/// The body to send: the client's own, or one that the format writes.
pub(crate) fn outgoing(
    format: &dyn Format,
    request: &Request,
    provider: &ProviderConfig,
    model: &str,
    stream: bool,
) -> Result<Outgoing, Unwritable> {
    let given = request.original.given().filter(|original| original.format == provider.adapter);
    let own = given.filter(|_| request.original().is_some() && takes(request, provider));
    match (own.and_then(|original| spliced(format, request, provider, model, stream, original)), given) {
        (Some(own), _) => Ok(own),
        (None, None) => {
            Ok(Outgoing { body: vec![format.encode(request, provider, model, stream)?.into()], echo: None })
        }
        (None, Some(original)) => {
            let is_chat = provider.adapter == WireFormat::OpenAi;
            let echo = Echo { hides_usage: is_chat && stream && !asks_for_usage(&original.body) };
            Ok(Outgoing { body: vec![format.encode(request, provider, model, stream)?.into()], echo: Some(echo) })
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
    let mut editor = BodyEditor::new(format, request, provider, model, stream);
    let body = splice(&original.body, &mut editor)?;
    let hides_usage = editor.wants_usage() && editor.asks_for_usage != Some(true);
    Some(Outgoing { body, echo: Some(Echo { hides_usage }) })
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

/// A field that a body has, whatever its client wrote.
struct Setting {
    name: &'static str,
    value: Vec<u8>,
    /// Whether it only fills a place that the client has left empty.
    is_default: bool,
    /// Whether it is added where the client has no such field.
    is_added: bool,
}

/// Makes the client's own body what this provider is sent.
struct BodyEditor<'a> {
    request: &'a Request,
    provider: &'a ProviderConfig,
    stream: bool,
    /// Those that are not in the body so far.
    missing: Vec<Setting>,
    /// Those that have come. A field may come again.
    set: Vec<Setting>,
    /// The limit of tokens, and the name of its field.
    limit: (&'static str, Option<u32>),
    is_limited: bool,
    /// What `include` has to name, until it has come.
    included: Option<&'static str>,
    /// What the client's `stream_options` say, once they have come.
    asks_for_usage: Option<bool>,
}

impl<'a> BodyEditor<'a> {
    fn new(format: &dyn Format, request: &'a Request, provider: &'a ProviderConfig, model: &str, stream: bool) -> Self {
        let setting =
            |name, value: String| Setting { name, value: value.into_bytes(), is_default: false, is_added: true };
        let mut missing = vec![setting("model", Value::from(model).to_string())];
        missing.push(Setting { is_added: stream, ..setting("stream", stream.to_string()) });
        missing.extend(format.fixed_fields().iter().map(|(name, value)| setting(name, (*value).to_owned())));
        if let Some(temperature) = default_temperature(request, provider, model) {
            missing.push(Setting { is_default: true, ..setting("temperature", Value::from(temperature).to_string()) });
        }
        let limit = request.options.max_tokens.or_else(|| provider.default_max_tokens(model));
        let limit = (format.limit_field(&provider.quirks, model), limit);
        let included = format.included(provider, model);
        let (set, is_limited, asks_for_usage) = Default::default();
        Self { request, provider, stream, missing, set, limit, is_limited, included, asks_for_usage }
    }

    fn is_chat(&self) -> bool {
        self.provider.adapter == WireFormat::OpenAi
    }

    /// Whether the provider is asked for the counts of a streamed answer.
    fn wants_usage(&self) -> bool {
        self.is_chat() && self.stream && self.provider.quirks.stream_options != Some(false)
    }

    /// What becomes of a limit of tokens. The name changes if the provider has a quirk about it.
    fn change_limit(&mut self, name: &str, value: &[u8]) -> Change {
        let given = serde_json::from_slice::<Option<f64>>(value).unwrap_or_default();
        let (field, limit) = self.limit;
        let limit = limit.filter(|_| given.is_none() || self.request.options.max_tokens.is_some());
        let value = limit.filter(|limit| given != Some(f64::from(*limit))).map(|limit| limit.to_string().into_bytes());
        self.is_limited |= given.is_some() || value.is_some();
        let renamed = self.is_chat() && self.provider.quirks.max_tokens_field.is_some() && name != field;
        match (renamed, value) {
            (false, None) => Change::Keep,
            (false, Some(value)) => Change::Set(value),
            (true, None) => Change::Rename(field),
            (true, Some(value)) => Change::Replace(field, value),
        }
    }

    fn change_stream_options(&mut self, value: &[u8]) -> Change {
        self.asks_for_usage = Some(includes_usage(value));
        match self.wants_usage() {
            true => Change::Set(with_usage(value)),
            false => Change::Remove,
        }
    }

    fn change_include(&mut self, value: &[u8]) -> Change {
        let Some(name) = self.included.take() else { return Change::Keep };
        let mut names = serde_json::from_slice::<Vec<Value>>(value).unwrap_or_default();
        if names.iter().any(|known| known == name) {
            return Change::Keep;
        }
        names.push(name.into());
        Change::Set(Value::from(names).to_string().into_bytes())
    }

    fn change_setting(&mut self, name: &str, value: &[u8]) -> Change {
        if let Some(at) = self.missing.iter().position(|setting| setting.name == name) {
            self.set.push(self.missing.swap_remove(at));
        }
        match self.set.iter().find(|setting| setting.name == name) {
            Some(setting) if !setting.is_default || value == b"null" => match setting.value == value {
                true => Change::Keep,
                false => Change::Set(setting.value.clone()),
            },
            _ => Change::Keep,
        }
    }
}

impl Editor for BodyEditor<'_> {
    fn change(&mut self, name: &str, value: &[u8]) -> Change {
        match name {
            "stream_options" if self.is_chat() => self.change_stream_options(value),
            name if LIMITS.contains(&name) => self.change_limit(name, value),
            "include" if self.included.is_some() => self.change_include(value),
            name => self.change_setting(name, value),
        }
    }

    fn add(&mut self) -> Vec<(&'static str, Vec<u8>)> {
        let missing = std::mem::take(&mut self.missing).into_iter().filter(|setting| setting.is_added);
        let mut added: Vec<_> = missing.map(|setting| (setting.name, setting.value)).collect();
        if let (false, (field, Some(limit))) = (self.is_limited, self.limit) {
            added.push((field, limit.to_string().into_bytes()));
        }
        if let Some(name) = self.included.take() {
            added.push(("include", Value::from(vec![name]).to_string().into_bytes()));
        }
        if self.asks_for_usage.is_none() && self.wants_usage() {
            added.push(("stream_options", with_usage(b"null")));
        }
        added
    }
}

/// The temperature of the configuration, where the client leaves it open and the model takes it.
fn default_temperature(request: &Request, provider: &ProviderConfig, model: &str) -> Option<f64> {
    let options = &request.options;
    let is_anthropic = provider.adapter == WireFormat::Anthropic;
    let reasons = options.reasoning.is_some() || options.extensions.contains_key("anthropic.thinking");
    let is_refused = family::refuses_temperature(model)
        || provider.quirks.refuses("temperature")
        || is_anthropic && (options.top_p.is_some() || reasons);
    provider.temperature.filter(|_| options.temperature.is_none() && !is_refused)
}

/// Asks for the counts in `stream_options`.
struct UsageEditor {
    is_there: bool,
}

impl Editor for UsageEditor {
    fn change(&mut self, name: &str, _: &[u8]) -> Change {
        if name != "include_usage" {
            return Change::Keep;
        }
        self.is_there = true;
        Change::Set(b"true".to_vec())
    }

    fn add(&mut self) -> Vec<(&'static str, Vec<u8>)> {
        if self.is_there { Vec::new() } else { vec![("include_usage", b"true".to_vec())] }
    }
}

/// These `stream_options`, asking for the counts.
fn with_usage(options: &[u8]) -> Vec<u8> {
    let asking = splice(&Bytes::copy_from_slice(options), &mut UsageEditor { is_there: false });
    asking.map_or_else(|| br#"{"include_usage":true}"#.to_vec(), |pieces| pieces.concat())
}

/// Whether these `stream_options` ask for the counts.
fn includes_usage(options: &[u8]) -> bool {
    let options = serde_json::from_slice::<Value>(options).unwrap_or_default();
    options.get("include_usage") == Some(&Value::Bool(true))
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
