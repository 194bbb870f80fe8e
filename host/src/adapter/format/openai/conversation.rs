//! Writes the messages of a request of OpenAI Chat Completions.

use std::borrow::Cow;

use serde_json::Value;

use crate::{
    adapter::format::{
        extensions::{CUSTOM, FUNCTION, INPUT, OPENAI, RESPONSES},
        family, foreign,
        history::{self, Block, NO_RESULT, Place, Turn},
        openai::parts,
        outline::{Json, Object, Unwritable},
        tools,
    },
    chat::{
        content::{ContentBlock, ToolCall, ToolResult},
        extensions::Extensions,
        message::{Message, Role},
    },
    config::{
        provider::ProviderConfig,
        quirks::{Quirks, ReasoningField, SystemPlace, ToolIdRule},
    },
};

/// The extension of reasoning with the fields in which a client of this format has sent it.
const FIELDS: &str = "arcllm.fields";

/// The messages. Each result of a tool becomes a message.
pub(crate) fn messages<'a>(
    messages: &'a [Cow<'a, Message>],
    provider: &ProviderConfig,
    model: &str,
) -> Result<Json<'a>, Unwritable> {
    let rule = provider.quirks.tool_id.unwrap_or(ToolIdRule::Short);
    let turns = history::turns(messages, rule, provider.repair_history)?;
    let mut writer = ConversationWriter {
        quirks: &provider.quirks,
        reasoning_field: reasoning_field(&provider.quirks, model),
        system: None,
        drafts: Vec::with_capacity(messages.len()),
    };
    for turn in &turns {
        writer.add(turn)?;
    }
    if writer.system.is_none() && writer.drafts.is_empty() {
        return Err(history::nothing_to_send());
    }
    let quirks = &provider.quirks;
    Ok(writer.system.into_iter().chain(writer.drafts).map(|draft| draft.into_json(quirks)).collect())
}

/// The field beside tool calls that has the reasoning before them.
fn reasoning_field(quirks: &Quirks, model: &str) -> Option<&'static str> {
    match quirks.reasoning_field {
        Some(ReasoningField::ReasoningContent) => Some("reasoning_content"),
        Some(ReasoningField::Reasoning) => Some("reasoning"),
        Some(ReasoningField::None) => None,
        None => family::wants_reasoning_back(model).then_some("reasoning_content"),
    }
}

/// A message under construction.
struct Draft<'a> {
    role: &'a str,
    /// What stands between texts that become one, if they do.
    gap: Option<&'static str>,
    parts: Vec<Json<'a>>,
    /// The id of the call that it answers.
    answers: Option<Json<'a>>,
    reasoning: Vec<(&'static str, Json<'a>)>,
    calls: Vec<Json<'a>>,
    extensions: Vec<&'a Extensions>,
}

struct ConversationWriter<'a, 'q> {
    quirks: &'q Quirks,
    reasoning_field: Option<&'static str>,
    /// All system messages, for providers that take them only at the start.
    system: Option<Draft<'a>>,
    drafts: Vec<Draft<'a>>,
}

impl<'a> ConversationWriter<'a, '_> {
    fn add(&mut self, turn: &Turn<'a>) -> Result<(), Unwritable> {
        if turn.has_results() {
            return self.add_results(turn);
        }
        let draft = self.draft(turn)?;
        match (&turn.role, self.quirks.system) {
            (Role::System, Some(SystemPlace::First)) => match &mut self.system {
                Some(system) => system.extend(draft),
                None => self.system = Some(draft),
            },
            // An empty answer would be made up.
            (Role::Assistant, _) if turn.has_more_than_text && draft.is_empty() => {}
            _ if self.quirks.strict_turns != Some(true) => self.drafts.push(draft),
            (Role::Assistant, _) if draft.parts.is_empty() && draft.calls.is_empty() => {}
            _ => match self.drafts.last_mut().filter(|last| last.answers.is_some() && draft.role == "user") {
                Some(result) => result.extend(draft),
                None => self.drafts.push(draft),
            },
        }
        Ok(())
    }

    /// A message without results of tools.
    fn draft(&self, turn: &Turn<'a>) -> Result<Draft<'a>, Unwritable> {
        let (role, gap) = match turn.role {
            Role::System => ("system", Some("\n\n")),
            Role::User | Role::Tool => ("user", None),
            // The text blocks of an answer may be one text that was cut anywhere.
            Role::Assistant => ("assistant", Some("")),
            Role::Other(word) => (word.as_str(), None),
        };
        let mut draft = Draft { extensions: turn.extensions.clone(), ..Draft::new(role, gap) };
        for block in &turn.blocks {
            match block {
                Block::Content(content) => draft.parts.extend(parts::part(content, turn.place(), self.quirks)?),
                Block::Call(id, call) => draft.calls.push(self.tool_call(id, call)),
                Block::Result(..) => {}
            }
        }
        draft.reasoning = own_reasoning(turn, self.quirks);
        if let Some(field) = self.reasoning_field.filter(|_| turn.has_calls()) {
            draft.reasoning.retain(|(own, _)| *own != field);
            draft.reasoning.push((field, reasoning(turn)));
        }
        Ok(draft)
    }

    fn tool_call(&self, id: &Cow<'a, str>, call: &'a ToolCall) -> Json<'a> {
        let name = tools::name_of_call(&call.name);
        if let Some((fields, input)) = parts::custom(call, self.quirks) {
            let mut custom = Object::default();
            fields.iter().for_each(|(name, value)| custom.insert(name, value));
            custom.insert("name", name);
            custom.insert(INPUT, input);
            let custom = custom.into();
            let mut json = Object::new([("id", id.clone().into()), ("type", CUSTOM.into()), (CUSTOM, custom)]);
            parts::extend_call(&mut json, &call.extensions, self.quirks);
            return json.into();
        }
        let mut function = Object::new([("name", name), ("arguments", Json::AsText(&call.arguments))]);
        parts::extend_inside(&mut function, FUNCTION, &call.extensions, self.quirks);
        let function = function.into();
        let mut json = Object::new([("id", id.clone().into()), ("type", "function".into()), ("function", function)]);
        parts::extend_call(&mut json, &call.extensions, self.quirks);
        json.into()
    }

    /// A message for each result, and one of the user with what such a message cannot hold: the API refuses others between
    /// results.
    fn add_results(&mut self, turn: &Turn<'a>) -> Result<(), Unwritable> {
        let mut beside = Draft::new("user", None);
        for block in &turn.blocks {
            let Block::Result(id, result) = block else { continue };
            let mut draft = Draft::new("tool", Some("\n"));
            draft.answers = Some(id.clone().into());
            match result {
                None => draft.parts.push(text_part(NO_RESULT.into())),
                Some(result) => {
                    draft.parts = texts(result, self.quirks);
                    draft.extensions.push(&result.extensions);
                    let media = result.content.iter().filter(|block| is_media(block));
                    for block in media {
                        beside.parts.extend(parts::part(block, Place::Question(turn.at), self.quirks)?);
                    }
                }
            }
            self.drafts.push(draft);
        }
        match self.drafts.last_mut().filter(|_| self.quirks.strict_turns == Some(true)) {
            _ if beside.parts.is_empty() => {}
            Some(result) => result.extend(beside),
            None => self.drafts.push(beside),
        }
        Ok(())
    }
}

impl<'a> Draft<'a> {
    fn new(role: &'a str, gap: Option<&'static str>) -> Self {
        let (parts, answers, reasoning, calls, extensions) = Default::default();
        Self { role, gap, parts, answers, reasoning, calls, extensions }
    }

    /// Whether nothing is written in it but its role.
    fn is_empty(&self) -> bool {
        let has_own = |extensions: &&Extensions| extensions.keys().any(|key| is_own(key));
        self.parts.is_empty()
            && self.calls.is_empty()
            && self.reasoning.is_empty()
            && !self.extensions.iter().any(has_own)
    }

    fn extend(&mut self, other: Self) {
        self.parts.extend(other.parts);
        self.extensions.extend(other.extensions);
    }

    fn into_json(self, quirks: &Quirks) -> Json<'a> {
        let mut message = Object::new([("role", self.role.into())]);
        if let Some(id) = self.answers {
            message.insert("tool_call_id", id);
        }
        // The API wants null beside tool calls, and refuses it without them.
        let is_null = self.parts.is_empty() && !self.calls.is_empty();
        message.insert("content", if is_null { Json::Null } else { content(self.parts, self.gap) });
        for (field, text) in self.reasoning {
            message.insert(field, text);
        }
        if !self.calls.is_empty() {
            message.insert("tool_calls", self.calls);
        }
        for extensions in self.extensions {
            parts::extend(&mut message, extensions, quirks);
        }
        message.into()
    }
}

/// A string for plain text, because old servers accept nothing else; else a list of parts.
fn content<'a>(parts: Vec<Json<'a>>, gap: Option<&'static str>) -> Json<'a> {
    let texts: Option<Vec<Cow<'a, str>>> = parts.iter().map(Json::plain_text).collect();
    match (texts, gap) {
        (Some(mut texts), _) if texts.len() < 2 => texts.pop().unwrap_or_default().into(),
        (Some(texts), Some(gap)) => Json::Joined(texts, gap),
        _ => parts.into(),
    }
}

/// The reasoning before the calls of this turn. Providers that want it back refuse calls without the field, and take an empty
/// one where another provider made the calls.
fn reasoning<'a>(turn: &Turn<'a>) -> Json<'a> {
    let texts = turn.blocks.iter().filter_map(|block| match block {
        Block::Content(ContentBlock::Thinking(thinking)) if !thinking.text.is_empty() => {
            Some(Cow::Borrowed(thinking.text.as_str()))
        }
        _ => None,
    });
    Json::Joined(texts.collect(), "")
}

/// The reasoning of this turn that a client of this format has sent, in the fields in which it came. Providers that want it back
/// in a place of their own, or nowhere, have a quirk that says so.
fn own_reasoning<'a>(turn: &Turn<'a>, quirks: &Quirks) -> Vec<(&'static str, Json<'a>)> {
    if quirks.reasoning_field.is_some() {
        return Vec::new();
    }
    let fields = ["reasoning_content", "reasoning"].into_iter().map(|field| {
        let texts = turn.blocks.iter().filter_map(|block| match block {
            Block::Content(ContentBlock::Thinking(thinking)) => {
                let fields = thinking.extensions.get(FIELDS).and_then(Value::as_array);
                let is_in = fields.into_iter().flatten().any(|name| name == field);
                is_in.then_some(Cow::Borrowed(thinking.text.as_str()))
            }
            _ => None,
        });
        (field, texts.filter(|text| !text.is_empty()).collect::<Vec<_>>())
    });
    let fields = fields.filter(|(_, texts)| !texts.is_empty());
    fields.map(|(field, texts)| (field, Json::Joined(texts, ""))).collect()
}

/// Whether this extension is a field of a message of this format.
fn is_own(key: &str) -> bool {
    key.strip_prefix(OPENAI).is_some_and(|rest| rest.starts_with('.'))
        && !key.strip_prefix(RESPONSES).is_some_and(|rest| rest.starts_with('.'))
}

fn is_media(block: &ContentBlock) -> bool {
    match block {
        ContentBlock::Image(_) | ContentBlock::Document(_) | ContentBlock::Audio(_) => true,
        ContentBlock::Other(value) => foreign::is_media(value),
        _ => false,
    }
}

/// The texts of a result, as parts.
fn texts<'a>(result: &'a ToolResult, quirks: &Quirks) -> Vec<Json<'a>> {
    let texts = result.content.iter().filter_map(|block| match block {
        ContentBlock::Text(text) => Some(parts::text(text, quirks)),
        ContentBlock::Other(value) if !foreign::is_media(value) => Some(text_part(Json::Owned(value.to_string()))),
        _ => None,
    });
    let texts: Vec<Json<'a>> = texts.collect();
    // The format has no field for errors.
    let is_empty = result.content.iter().all(|block| matches!(block, ContentBlock::Text(text) if text.text.is_empty()));
    if result.is_error && is_empty { vec![text_part("error".into())] } else { texts }
}

fn text_part(text: Json<'_>) -> Json<'_> {
    Json::object([("type", "text".into()), ("text", text)])
}
