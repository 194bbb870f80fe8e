//! A block of a streamed answer. It arrives in pieces.

use serde_json::Value;

use crate::adapter::format::{
    malformed::Malformed,
    tree::{self, Keep, MemoryBudget, TreeError},
};

/// A block that has begun to arrive.
pub(crate) struct StreamedBlock {
    /// The block as it began. [`complete`](Self::complete) adds the pieces.
    pub(crate) value: Value,
    pub(crate) text: String,
    pub(crate) thinking: String,
    pub(crate) signature: String,
    pub(crate) input: String,
    /// The number of the tool call, if the block is one.
    pub(crate) call: Option<usize>,
    pub(crate) ended: bool,
}

impl StreamedBlock {
    /// Makes `value` what it would have been without streaming.
    pub(crate) fn complete(&mut self, budget: &MemoryBudget) -> Result<(), Malformed> {
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
            // Text that is not JSON stays text. Reading the block reports it.
            let input = std::mem::take(&mut self.input);
            let input = match tree::read(input.as_bytes(), &Keep::All, budget) {
                Ok(input) => input,
                Err(TreeError::NotJson(_)) => Value::String(input),
                Err(TreeError::TooLarge(malformed)) => return Err(malformed),
            };
            fields.insert("input".to_owned(), input);
        }
        Ok(())
    }
}
