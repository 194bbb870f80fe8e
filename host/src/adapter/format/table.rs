//! The table of wire formats.

use crate::{
    adapter::format::{
        anthropic::anthropic::Anthropic, format::Format, openai::openai::OpenAi, responses::responses::Responses,
    },
    chat::wire_format::WireFormat,
};

/// The converter of this wire format.
pub(crate) fn format(wire_format: WireFormat) -> &'static dyn Format {
    match wire_format {
        WireFormat::Anthropic => &Anthropic,
        WireFormat::OpenAi => &OpenAi,
        WireFormat::OpenAiResponses => &Responses,
    }
}
