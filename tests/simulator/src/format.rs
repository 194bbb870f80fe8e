//! The wire formats, and how a request shows which one it asks for.

use std::fmt;

/// A wire format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// Anthropic's Messages.
    Anthropic,
    /// OpenAI's Chat Completions, and what is compatible with it.
    OpenAi,
    /// OpenAI's Responses.
    Responses,
}

impl Format {
    /// The format whose endpoint this path is. Base URLs differ in what stands before it, but none ends in `/v1` twice:
    /// that is a mistake, which real servers answer with a 404.
    pub(crate) fn of_endpoint(target: &str) -> Option<Format> {
        let path = path(target);
        if path.contains("/v1/v1/") {
            None
        } else if path.ends_with("/v1/messages") {
            Some(Format::Anthropic)
        } else if path.ends_with("/chat/completions") {
            Some(Format::OpenAi)
        } else if path.ends_with("/responses") {
            Some(Format::Responses)
        } else {
            None
        }
    }

    /// Whether a request to this path counts tokens.
    pub(crate) fn counts_tokens(target: &str) -> bool {
        path(target).ends_with("/v1/messages/count_tokens")
    }

    /// The format that a client seems to speak, whatever it asks for. Errors of OpenAI's format are the most common.
    pub(crate) fn of_client(target: &str, headers: &[(String, String)]) -> Format {
        let has_version = headers.iter().any(|(name, _)| name == "anthropic-version");
        let is_anthropic = has_version || path(target).contains("/messages");
        let is_responses = path(target).contains("/responses");
        match is_anthropic {
            true => Format::Anthropic,
            false if is_responses => Format::Responses,
            false => Format::OpenAi,
        }
    }
}

/// The path of a request's target, without the query.
fn path(target: &str) -> &str {
    target.split(['?', '#']).next().unwrap_or_default()
}

impl fmt::Display for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Format::Anthropic => "anthropic",
            Format::OpenAi => "openai",
            Format::Responses => "openai-responses",
        })
    }
}
