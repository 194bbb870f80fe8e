//! The conversation: who says what.

use crate::chat::{
    content::{ContentBlock, ToolResult, list_or_text, text_or_list},
    extensions::Extensions,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Who speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Role {
    /// Instructions of the application. `developer` is read as this.
    System,
    /// The person, or the program in their place.
    User,
    /// The model.
    Assistant,
    /// Results of tools.
    Tool,
    /// A role that a module made up; sent upstream as it is.
    Other(String),
}

impl Role {
    /// The word for it in JSON.
    pub fn as_str(&self) -> &str {
        match self {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
            Role::Tool => "tool",
            Role::Other(word) => word,
        }
    }
}

impl Serialize for Role {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Role {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        match word.as_str() {
            "system" | "developer" => Ok(Role::System),
            "user" => Ok(Role::User),
            "assistant" => Ok(Role::Assistant),
            "tool" => Ok(Role::Tool),
            _ => Err(D::Error::unknown_variant(&word, &["system", "user", "assistant", "tool"])),
        }
    }
}

/// One turn of the conversation.
///
/// In JSON `content` is a string or a list of blocks:
///
/// ```
/// # use arcllm::{ContentBlock, Message};
/// let message: Message = serde_json::from_str(r#"{"role": "user", "content": "Hello"}"#)?;
/// assert_eq!(message, Message::user("Hello"));
/// assert_eq!(message.content, [ContentBlock::text("Hello")]);
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said, in order.
    #[serde(serialize_with = "text_or_list", deserialize_with = "list_or_text")]
    pub content: Vec<ContentBlock>,
    /// Further data that came with it.
    #[serde(default, skip_serializing_if = "Extensions::is_empty")]
    pub extensions: Extensions,
}

impl Message {
    /// A message of these blocks. [`ContentBlock::text`], [`Media`](crate::Media) and others make them.
    pub fn new(role: Role, content: Vec<ContentBlock>) -> Self {
        Self { role, content, extensions: Extensions::new() }
    }

    /// Instructions of the application.
    pub fn system(text: impl Into<String>) -> Self {
        Self::new(Role::System, vec![ContentBlock::text(text)])
    }

    /// What the person says.
    pub fn user(text: impl Into<String>) -> Self {
        Self::new(Role::User, vec![ContentBlock::text(text)])
    }

    /// What the model said.
    pub fn assistant(text: impl Into<String>) -> Self {
        Self::new(Role::Assistant, vec![ContentBlock::text(text)])
    }

    /// What a tool answered to the call of this `id`.
    pub fn tool_result(tool_use_id: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(Role::Tool, vec![ContentBlock::ToolResult(ToolResult::text(tool_use_id, text))])
    }
}
