//! Writes the items of a request of OpenAI Responses: messages, reasoning, tool calls and their results.

use std::{borrow::Cow, collections::HashSet};

use crate::{
    adapter::format::{
        history::{self, Block, NO_RESULT, Turn},
        outline::{Json, Object, Unwritable},
        responses::{answer::AnswerWriter, fields, parts},
    },
    chat::{
        content::{ContentBlock, ToolResult},
        message::{Message, Role},
    },
    config::{
        provider::ProviderConfig,
        quirks::{SystemPlace, ToolIdRule},
    },
};

/// The items. System messages stay in their places, with the role `system`.
pub(crate) fn input<'a>(messages: &'a [Cow<'a, Message>], provider: &ProviderConfig) -> Result<Json<'a>, Unwritable> {
    let rule = provider.quirks.tool_id.unwrap_or(ToolIdRule::Word);
    let turns = history::turns(messages, rule, provider.repair_history)?;
    let (system, items, custom) = Default::default();
    let mut writer = InputWriter { provider, system, items, custom };
    for turn in &turns {
        writer.add(turn)?;
    }
    if writer.system.is_empty() && writer.items.is_empty() {
        return Err(history::nothing_to_send());
    }
    let system = (!writer.system.is_empty()).then(|| system_message(writer.system));
    Ok(system.into_iter().chain(writer.items).collect())
}

struct InputWriter<'a, 'q> {
    provider: &'q ProviderConfig,
    /// The texts of all system messages, for providers that take them only at the start.
    system: Vec<Json<'a>>,
    items: Vec<Json<'a>>,
    /// The ids of calls of custom tools, whose results have a type of their own.
    custom: HashSet<Cow<'a, str>>,
}

impl<'a> InputWriter<'a, '_> {
    fn add(&mut self, turn: &Turn<'a>) -> Result<(), Unwritable> {
        if turn.has_results() {
            return self.add_results(turn);
        }
        match turn.role {
            Role::Assistant => {
                let written = AnswerWriter::new(self.provider, &turn.extensions).write(&turn.blocks);
                self.items.extend(written.items);
                self.custom.extend(written.custom);
                Ok(())
            }
            Role::System => self.add_question("system", turn),
            Role::User | Role::Tool => self.add_question("user", turn),
            Role::Other(word) => self.add_question(word, turn),
        }
    }

    /// A message that is no answer. The JSON of an item in it becomes an item of its own.
    fn add_question(&mut self, role: &'a str, turn: &Turn<'a>) -> Result<(), Unwritable> {
        let quirks = &self.provider.quirks;
        let mut content = Vec::with_capacity(turn.blocks.len());
        for block in &turn.blocks {
            match block {
                Block::Content(ContentBlock::Other(value)) if parts::is_item(value) => {
                    self.end_message(role, std::mem::take(&mut content), turn);
                    self.items.push(parts::item(value));
                }
                Block::Content(block) => content.extend(parts::part(block, turn.at, quirks)?),
                Block::Call(..) | Block::Result(..) => {}
            }
        }
        if content.is_empty() && turn.blocks.is_empty() {
            content.push(parts::text(""));
        }
        self.end_message(role, content, turn);
        Ok(())
    }

    fn end_message(&mut self, role: &'a str, content: Vec<Json<'a>>, turn: &Turn<'a>) {
        if content.is_empty() {
            return;
        }
        if role == "system" && self.provider.quirks.system == Some(SystemPlace::First) {
            self.system.extend(content);
            return;
        }
        let mut message = parts::message(role, parts::content(content));
        for extensions in &turn.extensions {
            fields::apply(&mut message, extensions, &fields::OF_MESSAGE, &self.provider.quirks);
        }
        self.items.push(message.into());
    }

    fn add_results(&mut self, turn: &Turn<'a>) -> Result<(), Unwritable> {
        for block in &turn.blocks {
            let Block::Result(id, result) = block else { continue };
            let kind = if self.custom.contains(id) { "custom_tool_call_output" } else { "function_call_output" };
            let output = match result {
                None => NO_RESULT.into(),
                Some(result) => self.output(result, turn.at)?,
            };
            let mut item = Object::new([("type", kind.into()), ("call_id", id.clone().into()), ("output", output)]);
            if let Some(result) = result {
                fields::apply(&mut item, &result.extensions, &fields::OF_CALL, &self.provider.quirks);
            }
            self.items.push(item.into());
        }
        Ok(())
    }

    /// What a tool answered: one text, or a list of parts if there is more. The format has no field for errors.
    fn output(&self, result: &'a ToolResult, at: usize) -> Result<Json<'a>, Unwritable> {
        let mut content = Vec::with_capacity(result.content.len());
        for block in &result.content {
            match block {
                ContentBlock::Other(value) if !parts::is_content(value) => {
                    content.push(parts::text(Json::Owned(value.to_string())));
                }
                block => content.extend(parts::part(block, at, &self.provider.quirks)?),
            }
        }
        let texts: Option<Vec<Cow<'_, str>>> = content.iter().map(parts::plain_text).collect();
        Ok(match texts {
            Some(texts) if result.is_error && texts.iter().all(|text| text.is_empty()) => "error".into(),
            Some(texts) => Json::Joined(texts, "\n"),
            None => content.into(),
        })
    }
}

fn system_message(content: Vec<Json<'_>>) -> Json<'_> {
    let texts: Option<Vec<Cow<'_, str>>> = content.iter().map(parts::plain_text).collect();
    parts::message("system", texts.map_or_else(|| content.into(), |texts| Json::Joined(texts, "\n\n"))).into()
}
