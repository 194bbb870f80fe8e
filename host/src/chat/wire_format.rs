//! The wire formats that providers speak.

/// The wire format that a provider speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WireFormat {
    /// Anthropic Messages.
    Anthropic,
    /// OpenAI Chat Completions.
    OpenAi,
    /// OpenAI Responses.
    OpenAiResponses,
}

impl WireFormat {
    /// All formats.
    pub(crate) const ALL: [WireFormat; 3] = [WireFormat::Anthropic, WireFormat::OpenAi, WireFormat::OpenAiResponses];

    /// The value of `providers.NAME.adapter`.
    pub fn as_str(self) -> &'static str {
        match self {
            WireFormat::Anthropic => "anthropic",
            WireFormat::OpenAi => "openai",
            WireFormat::OpenAiResponses => "openai-responses",
        }
    }
}
