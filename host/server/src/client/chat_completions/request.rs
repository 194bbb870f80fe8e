//! Reads a request.

use arcllm::{ExtensionLevel, Request};
use serde_json::{Map, Value};

use crate::client::{
    body_json,
    chat_completions::{known, messages, options, tools},
    client::{Asked, CallForms},
    fields::Fields,
    place::Place,
    places::Places,
    problem::Problem,
};

/// What only a provider that speaks this format can do. Another one would answer something else than what was asked for.
const OWN: [&str; 2] = ["n", "audio"];

/// The extension with what the client wants of a stream besides its usage.
const STREAM_OPTIONS: &str = "arcllm.stream_options";

/// The fields of what the library calls otherwise.
const OPTIONS: [(&str, &str); 2] = [("output", "response_format"), ("reasoning", "reasoning_effort")];

/// Reads the body of a request.
pub(crate) fn read(body: &[u8]) -> Result<Asked, Problem> {
    let body = body_json::read(body)?;
    known::REQUEST.check(&body, &Place::Body)?;
    let mut fields = Fields::of(body, Place::Body)?;
    let model = fields.need_text("model")?;
    let streamed = fields.flag("stream")?.unwrap_or_default();
    let (wants_usage, stream_options) = stream_options(&mut fields)?;
    let messages = messages::read(&mut fields)?;
    let forwardable = !messages.iter().any(messages::is_signed);
    let older = fields.peek("functions").is_some();
    let tools = tools::read(&mut fields)?;
    let mut options = options::read(&mut fields)?;
    tools::choice(&mut fields, &mut options)?;
    if older {
        // The older form has room for one call.
        options.parallel_tool_calls = Some(false);
    }
    let call_forms = CallForms { older, custom: tools::custom(&tools) };
    let own = own(&mut fields)?;
    let mut request = Request::new(messages).with_tools(tools).with_options(options);
    request.extensions.extend(fields.others(ExtensionLevel::Body, "openai."));
    request.extensions.extend(own);
    request.extensions.extend(stream_options);
    let only_own_format = OWN.into_iter().find(|name| request.extensions.contains_key(&format!("openai.{name}")));
    Ok(Asked {
        model,
        streamed,
        wants_usage,
        request,
        places: Places { options: &OPTIONS, ..Places::default() },
        headers: Vec::new(),
        forwardable,
        only_own_format,
        call_forms,
        echo: Value::Null,
    })
}

/// Whether a stream ends with its usage, and what else is wanted of it.
fn stream_options(fields: &mut Fields<'_>) -> Result<(bool, Option<(String, Value)>), Problem> {
    let Some(value) = fields.take("stream_options") else { return Ok((false, None)) };
    let place = fields.place;
    let others = value.as_object().cloned().unwrap_or_default();
    let others: Map<String, Value> = others.into_iter().filter(|(name, _)| name != "include_usage").collect();
    let wants_usage = Fields::of(value, place.field("stream_options"))?.flag("include_usage")?.unwrap_or_default();
    Ok((wants_usage, (!others.is_empty()).then(|| (STREAM_OPTIONS.to_owned(), others.into()))))
}

/// Several answers, which are asked for only if there is more than one.
fn own(fields: &mut Fields<'_>) -> Result<Option<(String, Value)>, Problem> {
    let several = fields.count("n")?.filter(|count| *count != 1);
    Ok(several.map(|count| ("openai.n".to_owned(), count.into())))
}

#[cfg(test)]
mod tests;
