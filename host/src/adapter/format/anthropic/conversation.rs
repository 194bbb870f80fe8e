//! Writes the system prompt and the messages of a request of Anthropic Messages.

use crate::{
    adapter::format::{
        anthropic::blocks::{BlockWriter, content},
        extensions::ANTHROPIC,
        family,
        history::{self, Block, Turn},
        outline::{Json, Object, Unwritable},
    },
    chat::{content::ContentBlock, message::Role},
    config::{provider::ProviderConfig, quirks::SystemPlace},
};

/// The system prompt and the messages.
pub(crate) struct Conversation<'a> {
    system: Vec<Json<'a>>,
    messages: Vec<MergedMessage<'a>>,
    /// System messages behind the last message that are not written yet.
    between: Vec<Json<'a>>,
}

/// Messages of one role that follow each other. The format wants them as one.
struct MergedMessage<'a> {
    role: &'a str,
    blocks: Vec<Json<'a>>,
    fields: Object<'a>,
}

impl<'a> Conversation<'a> {
    pub(crate) fn of(
        turns: &[Turn<'a>],
        writer: &BlockWriter<'_>,
        provider: &ProviderConfig,
        model: &str,
    ) -> Result<Self, Unwritable> {
        let in_place = match provider.quirks.system {
            Some(place) => place == SystemPlace::Anywhere,
            None => family::takes_system_between(model),
        };
        let (system, messages, between) = Default::default();
        let mut conversation = Self { system, messages, between };
        for (turn, blocks) in turns.iter().zip(written(turns, writer)?) {
            match turn.role {
                Role::System if in_place && !conversation.messages.is_empty() => conversation.between.extend(blocks),
                Role::System => conversation.system.extend(blocks),
                Role::User | Role::Tool => conversation.add("user", blocks, turn),
                Role::Assistant => conversation.add("assistant", blocks, turn),
                Role::Other(word) => conversation.add(word, blocks, turn),
            }
        }
        conversation.end_user();
        match conversation.messages.is_empty() {
            true => Err(history::nothing_to_send()),
            false => Ok(conversation),
        }
    }

    fn add(&mut self, role: &'a str, blocks: Vec<Json<'a>>, turn: &Turn<'a>) {
        if blocks.is_empty() {
            return;
        }
        if role != "user" {
            self.end_user();
        }
        match self.messages.last_mut() {
            Some(last) if last.role == role => last.blocks.extend(blocks),
            _ => self.messages.push(MergedMessage { role, blocks, fields: Object::default() }),
        }
        if let Some(last) = self.messages.last_mut() {
            turn.extensions.iter().for_each(|extensions| last.fields.apply(extensions, ANTHROPIC));
        }
    }

    /// Writes the system messages that stand before, within or behind a message of the user: behind it, the only place that
    /// the API takes. Those between two answers go to the front.
    fn end_user(&mut self) {
        let blocks = std::mem::take(&mut self.between);
        match self.messages.last() {
            _ if blocks.is_empty() => {}
            Some(last) if last.role == "user" => {
                self.messages.push(MergedMessage { role: "system", blocks, fields: Object::default() });
            }
            _ => self.system.extend(blocks),
        }
    }

    /// The blocks of the system prompt and of the messages, in the order of the API.
    pub(crate) fn blocks(&mut self) -> impl Iterator<Item = &mut [Json<'a>]> {
        let messages = self.messages.iter_mut().map(|message| message.blocks.as_mut_slice());
        std::iter::once(self.system.as_mut_slice()).chain(messages)
    }

    /// Whether anybody but the system says something.
    pub(crate) fn has_messages(&self) -> bool {
        !self.messages.is_empty()
    }

    pub(crate) fn write(self, body: &mut Object<'a>) {
        if !self.system.is_empty() {
            body.insert("system", content(self.system));
        }
        body.insert("messages", self.messages.into_iter().map(MergedMessage::into_json).collect::<Json<'_>>());
    }
}

impl<'a> MergedMessage<'a> {
    fn into_json(self) -> Json<'a> {
        let mut message = Object::new([("role", self.role.into()), ("content", content(self.blocks))]);
        message.append(self.fields);
        message.into()
    }
}

/// The blocks of each turn. An answer that was cut may end with thinking, which the API refuses: it is left out.
fn written<'a>(turns: &[Turn<'a>], writer: &BlockWriter<'_>) -> Result<Vec<Vec<Json<'a>>>, Unwritable> {
    let mut all = Vec::with_capacity(turns.len());
    for turn in turns {
        let mut blocks = Vec::with_capacity(turn.blocks.len());
        for block in &turn.blocks {
            blocks.extend(writer.block(block, turn.place())?);
        }
        all.push(blocks);
    }
    // Answers in a row become one.
    let mut goes_on = false;
    for (turn, blocks) in turns.iter().zip(&mut all).rev() {
        match turn.role {
            Role::System => {}
            Role::Assistant => {
                while !goes_on && blocks.last().is_some_and(is_thinking) {
                    blocks.pop();
                }
                goes_on |= !blocks.is_empty();
            }
            _ => goes_on &= blocks.is_empty(),
        }
    }
    Ok(all)
}

fn is_thinking(block: &Json<'_>) -> bool {
    block.is("thinking") || block.is("redacted_thinking")
}

/// Whether the answer that goes on behind results of tools was begun without reasoning that this provider can verify. The API
/// then takes no budget for reasoning.
pub(crate) fn lacks_thinking(turns: &[Turn<'_>], provider: &str) -> bool {
    let (mut begun, mut goes_on): (Option<&Turn<'_>>, bool) = (None, false);
    for turn in turns {
        match turn.role {
            Role::System => {}
            Role::Assistant => {
                begun.get_or_insert(turn);
                goes_on = false;
            }
            _ if turn.has_results() => goes_on = true,
            // What stands beside results belongs to them.
            _ if goes_on => {}
            _ => begun = None,
        }
    }
    let is_verifiable = |block: &Block<'_>| match block {
        Block::Content(ContentBlock::Thinking(thinking)) => {
            let is_signed = thinking.signature.is_some() || thinking.redacted.is_some();
            is_signed && thinking.provider.as_ref().is_none_or(|author| author == provider)
        }
        _ => false,
    };
    goes_on && begun.is_some_and(|turn| !turn.blocks.iter().any(is_verifiable))
}
