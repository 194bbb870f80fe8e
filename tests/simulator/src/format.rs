//! The two wire formats, and how a request shows which one it asks for.

use std::fmt;

/// A wire format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// Anthropic's Messages.
    Anthropic,
    /// OpenAI's Chat Completions, and what is compatible with it.
    OpenAi,
}

impl Format {
    /// The format that a request asks for, by the end of its path: base URLs differ in what stands before it.
    pub(crate) fn of(method: &str, target: &str) -> Option<Format> {
        let path = target.split(['?', '#']).next().unwrap_or_default();
        if method != "POST" {
            None
        } else if path.ends_with("/v1/messages") {
            Some(Format::Anthropic)
        } else if path.ends_with("/chat/completions") {
            Some(Format::OpenAi)
        } else {
            None
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Format::Anthropic => "anthropic",
            Format::OpenAi => "openai",
        })
    }
}
