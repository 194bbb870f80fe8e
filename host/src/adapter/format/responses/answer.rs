//! Writes an answer of the past as items of OpenAI Responses. The provider that gave it gets back its own items.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::{
    adapter::format::{
        extensions::INPUT,
        foreign,
        history::Block,
        outline::{Json, Object},
        responses::{decode, fields, parts},
        tool_names, tools,
    },
    chat::{
        content::{ContentBlock, Text, Thinking, ToolCall},
        extensions::Extensions,
        wire_format::WireFormat,
    },
    config::{provider::ProviderConfig, quirks::ReasoningField},
};

/// The extension that marks a call of a custom tool in OpenAI Chat Completions.
const CUSTOM_OF_CHAT: &str = "openai.custom";

/// The items of an answer.
#[derive(Default)]
pub(crate) struct WrittenAnswer<'a> {
    pub(crate) items: Vec<Json<'a>>,
    /// The ids of its calls of custom tools.
    pub(crate) custom: Vec<Cow<'a, str>>,
}

/// Writes one answer.
pub(crate) struct AnswerWriter<'a, 'q> {
    provider: &'q ProviderConfig,
    /// Those of the message.
    extensions: &'q [&'a Extensions],
    written: WrittenAnswer<'a>,
    /// The message under construction.
    message: Option<OutputMessage<'a>>,
}

/// A message of the model. Its parts are text blocks that name the same item.
struct OutputMessage<'a> {
    /// Absent as long as no part tells.
    item: Option<Option<&'a Map<String, Value>>>,
    parts: Vec<Json<'a>>,
}

impl<'a, 'q> AnswerWriter<'a, 'q> {
    pub(crate) fn new(provider: &'q ProviderConfig, extensions: &'q [&'a Extensions]) -> Self {
        Self { provider, extensions, written: WrittenAnswer::default(), message: None }
    }

    /// The items of these blocks. Reasoning at the end is left out: the API demands what follows it.
    pub(crate) fn write(mut self, blocks: &[Block<'a>]) -> WrittenAnswer<'a> {
        for block in blocks {
            match block {
                Block::Content(content) => self.add(content),
                Block::Call(id, call) => self.add_call(id.clone(), call),
                Block::Result(..) => {}
            }
        }
        self.end_message();
        while self.written.items.last().is_some_and(|item| item.is("reasoning")) {
            self.written.items.pop();
        }
        self.written
    }

    fn add(&mut self, block: &'a ContentBlock) {
        match block {
            ContentBlock::Text(text) if text.text.is_empty() => {}
            ContentBlock::Text(text) => {
                let item = fields::get(&text.extensions, fields::ITEM).and_then(Value::as_object);
                let part = self.text(text);
                self.add_part(Some(item), part);
            }
            ContentBlock::Thinking(thinking) => {
                if let Some(reasoning) = self.reasoning(thinking) {
                    self.add_item(reasoning);
                }
            }
            ContentBlock::Other(_) if block.is_partial_tool_use() => {}
            ContentBlock::Other(value) => match foreign::format_of_block(value) {
                Some(WireFormat::Anthropic) if !parts::is_item(value) => {}
                Some(WireFormat::OpenAi) if parts::is_said(value) => self.add_part(None, value.into()),
                Some(WireFormat::OpenAi) => {}
                _ => self.add_item(parts::item(value)),
            },
            // Models do not draw, and calls and results are blocks of their own.
            _ => {}
        }
    }

    fn add_item(&mut self, item: Json<'a>) {
        self.end_message();
        self.written.items.push(item);
    }

    /// Adds a part of a message with these fields, or of any message.
    fn add_part(&mut self, item: Option<Option<&'a Map<String, Value>>>, part: Json<'a>) {
        let known = self.message.as_ref().and_then(|message| message.item);
        if known.is_some() && item.is_some() && known != item {
            self.end_message();
        }
        let message = self.message.get_or_insert_with(|| OutputMessage { item, parts: Vec::new() });
        message.item = message.item.or(item);
        message.parts.push(part);
    }

    fn text(&self, text: &'a Text) -> Json<'a> {
        let is_refusal = fields::get(&text.extensions, fields::REFUSAL) == Some(&Value::Bool(true));
        let mut part = match is_refusal {
            true => Object::new([("type", "refusal".into()), ("refusal", text.text.as_str().into())]),
            false => Object::new([("type", "output_text".into()), ("text", text.text.as_str().into())]),
        };
        fields::apply(&mut part, &text.extensions, &fields::OF_TEXT, &self.provider.quirks);
        part.into()
    }

    /// Ends the message. What the model said elsewhere, or by another name, is one text: the blocks may be one text that was
    /// cut anywhere.
    fn end_message(&mut self) {
        let Some(OutputMessage { item, parts }) = self.message.take() else { return };
        let item = item.flatten();
        let quirks = &self.provider.quirks;
        let texts: Option<Vec<Cow<'a, str>>> = parts.iter().map(|part| part.only_text("output_text")).collect();
        let content = match texts.filter(|_| item.is_none()) {
            Some(texts) => Json::Joined(texts, ""),
            None => parts.into_iter().map(with_annotations).collect(),
        };
        let mut message = parts::message("assistant", content);
        for extensions in self.extensions {
            fields::apply(&mut message, extensions, &fields::OF_MESSAGE, quirks);
        }
        if let Some(item) = item {
            fields::apply_item(&mut message, item, quirks);
        }
        self.written.items.push(message.into());
    }

    /// Reasoning, if it is the provider's own.
    fn reasoning(&self, thinking: &'a Thinking) -> Option<Json<'a>> {
        // A client that cannot name the provider has Anthropic's signatures, too.
        let is_others = match &thinking.provider {
            Some(provider) => *provider != self.provider.name,
            None => !fields::has_any(&thinking.extensions),
        };
        let takes_plain = self.provider.quirks.reasoning_field != Some(ReasoningField::None);
        let has_plain = takes_plain && fields::has_any(&thinking.extensions);
        if is_others || (thinking.signature.is_none() && !has_plain) {
            return None;
        }
        let kept = |name| fields::get(&thinking.extensions, name);
        let (summary, content) = (kept("summary"), kept("content"));
        let is_kept =
            (summary.is_some() || content.is_some()) && decode::reasoning_text(summary, content) == thinking.text;
        let mut item = Object::new([("type", "reasoning".into())]);
        match summary.filter(|_| is_kept) {
            Some(summary) => item.insert("summary", summary),
            None if is_kept || thinking.text.is_empty() => item.insert("summary", Vec::new()),
            None => item.insert("summary", vec![summary_text(&thinking.text)]),
        }
        if let Some(content) = content.filter(|_| is_kept) {
            item.insert("content", content);
        }
        if let Some(encrypted) = &thinking.signature {
            item.insert("encrypted_content", encrypted.as_str());
        }
        fields::apply(&mut item, &thinking.extensions, &fields::OF_REASONING, &self.provider.quirks);
        Some(item.into())
    }

    fn add_call(&mut self, id: Cow<'a, str>, call: &'a ToolCall) {
        let own = tool_names::own(&call.name, &call.extensions);
        let name = own.map_or_else(|| tools::name_of_call(&call.name), |own| own.name.into());
        let is_custom = fields::get(&call.extensions, fields::CUSTOM) == Some(&Value::Bool(true))
            || call.extensions.contains_key(CUSTOM_OF_CHAT);
        let input = call.arguments.get(INPUT).filter(|_| is_custom && call.arguments.len() == 1);
        let mut item = match input.and_then(Value::as_str) {
            Some(input) => {
                self.written.custom.push(id.clone());
                Object::new([
                    ("type", "custom_tool_call".into()),
                    ("call_id", id.into()),
                    ("name", name),
                    (INPUT, input.into()),
                ])
            }
            None => Object::new([
                ("type", "function_call".into()),
                ("call_id", id.into()),
                ("name", name),
                ("arguments", Json::AsText(&call.arguments)),
            ]),
        };
        if let Some(own) = own {
            item.insert("namespace", own.namespace);
        }
        fields::apply(&mut item, &call.extensions, &fields::OF_CALL, &self.provider.quirks);
        self.add_item(item.into());
    }
}

fn summary_text(text: &str) -> Json<'_> {
    Json::object([("type", "summary_text".into()), ("text", text.into())])
}

/// A text with the list of annotations, which the API demands of its own messages.
fn with_annotations(part: Json<'_>) -> Json<'_> {
    match part {
        Json::Object(fields) if fields.iter().any(|(_, value)| matches!(value, Json::Text("output_text"))) => {
            let mut object: Object<'_> = fields.into_vec().into_iter().collect();
            object.insert_missing("annotations", Vec::new());
            object.into()
        }
        other => other,
    }
}
