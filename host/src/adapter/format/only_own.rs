//! What only one format can ask for. A provider of another one would answer something else than the client has asked for.

use crate::{
    adapter::format::outline::Unwritable,
    chat::{request::Request, wire_format::WireFormat},
};

/// Extensions of a request, each with the field that it is.
const FIELDS: [(&str, WireFormat, &str); 4] = [
    ("n", WireFormat::OpenAi, "openai.n"),
    ("audio", WireFormat::OpenAi, "openai.audio"),
    ("prompt", WireFormat::OpenAiResponses, "openai.responses.prompt"),
    ("tool_choice", WireFormat::OpenAiResponses, "openai.responses.tool_choice"),
];

/// Refuses what a client has asked for in a format that the provider does not speak, and what this format cannot say.
pub(crate) fn check(request: &Request, format: WireFormat) -> Result<(), Unwritable> {
    let asks = |(_, of, key): &&(&str, WireFormat, &str)| *of != format && request.extensions.contains_key(*key);
    match FIELDS.iter().find(asks) {
        Some((field, of, _)) => {
            let problem = format!(
                "`{field}` is for providers of the format `{}` alone: leave it out, or ask another model",
                of.as_str()
            );
            Err(Unwritable::refused(problem))
        }
        None => Ok(()),
    }
}
