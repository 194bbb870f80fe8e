//! A block of a streamed answer, which comes in pieces.

use serde_json::Value;

use crate::adapter::format::{
    malformed::Malformed,
    tree::{self, Keep, Room, Unfit},
};

/// A block that has begun.
pub(crate) struct Block {
    /// As it began, and completed at its end.
    pub(crate) value: Value,
    pub(crate) text: String,
    pub(crate) thinking: String,
    pub(crate) signature: String,
    pub(crate) input: String,
    /// Which of the tool calls it is, if it is one.
    pub(crate) call: Option<usize>,
    pub(crate) ended: bool,
}

impl Block {
    /// Makes it what it would have been without streaming.
    pub(crate) fn complete(&mut self, room: &Room) -> Result<(), Malformed> {
        let Some(fields) = self.value.as_object_mut() else { return Ok(()) };
        let mut set = |name: &str, text: &mut String| {
            if fields.contains_key(name) || !text.is_empty() {
                fields.insert(name.to_owned(), std::mem::take(text).into());
            }
        };
        set("text", &mut self.text);
        set("thinking", &mut self.thinking);
        set("signature", &mut self.signature);
        if !self.input.is_empty() {
            // Text that is not JSON stays one: reading the block tells what is wrong with it.
            let input = std::mem::take(&mut self.input);
            let input = match tree::read(input.as_bytes(), &Keep::All, room) {
                Ok(input) => input,
                Err(Unfit::NotJson(_)) => Value::String(input),
                Err(Unfit::TooLarge(malformed)) => return Err(malformed),
            };
            fields.insert("input".to_owned(), input);
        }
        Ok(())
    }
}
