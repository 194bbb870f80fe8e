//! Reads a request.

use arcllm::{Message, Request};
use bytes::Bytes;
use serde_json::Value;

use crate::client::{
    body_json,
    client::{Asked, CallForms},
    fields::Fields,
    place::Place,
    places::Places,
    problem::Problem,
    responses::{
        conversation::Conversation, extensions::extensions, known, names::Names, object::ECHOED, options, tools::Tools,
    },
};

/// The fields of what the library calls otherwise.
const OPTIONS: [(&str, &str); 4] = [
    ("output.json_schema.", "text.format."),
    ("output", "text.format"),
    ("reasoning", "reasoning.effort"),
    ("max_tokens", "max_output_tokens"),
];

/// What the adapters write themselves, or what has no meaning without stored responses.
const NOT_KEPT: [&str; 17] = [
    "background",
    "conversation",
    "extra_body",
    "input",
    "max_output_tokens",
    "messages",
    "model",
    "previous_response_id",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "tool_choice",
    "tools",
    "top_p",
    "parallel_tool_calls",
    "instructions",
];

/// Reads a request.
///
/// # Errors
///
/// A 400 that names the place.
pub(crate) fn read(body: &Bytes) -> Result<Asked, Problem> {
    let body = body_json::read(body)?;
    known::REQUEST.check(&body, &Place::Body)?;
    let mut fields = Fields::of(body, Place::Body)?;
    refuse_stored(&fields)?;
    let echo = echo(&fields);
    let model = fields.need_text("model")?;
    let streamed = fields.flag("stream")?.unwrap_or_default();
    let tools = fields.list("tools")?.unwrap_or_default();
    let names = Names::of(&tools);
    let mut tools = Tools::read(tools, &names)?;
    let mut options = options::read(&mut fields)?;
    if let Some(choice) = fields.take("tool_choice") {
        options.tool_choice = tools.choice(choice, &names)?;
    }
    let mut conversation = Conversation::new(&names);
    conversation.messages.extend(fields.text("instructions")?.map(Message::system));
    let first = (!conversation.messages.is_empty()).then_some("instructions");
    match fields.take("input") {
        Some(Value::Array(items)) if items.is_empty() && fields.peek("prompt").is_none() => {
            return Err(fields.place.field("input").empty());
        }
        Some(input) => conversation.read(input)?,
        // A stored prompt may be all that is asked.
        None if fields.peek("prompt").is_some() => {}
        None => return Err(fields.missing("input")),
    }
    let forwardable = !conversation.has_sealed;
    let places = Places { list: "input", first, items: Some(conversation.begins), options: &OPTIONS };
    let only_own_format = match () {
        () if fields.peek("prompt").is_some() => Some("prompt"),
        () if tools.chosen.is_some() => Some("tool_choice"),
        () => None,
    };
    let mut request =
        Request::new(conversation.messages).with_tools(std::mem::take(&mut tools.functions)).with_options(options);
    let mut rest = fields.rest();
    rest.retain(|name, _| !NOT_KEPT.iter().any(|other| is_same(name, other)));
    request.extensions = extensions(rest);
    request.extensions.extend(tools.extensions());
    Ok(Asked {
        model,
        streamed,
        wants_usage: true,
        request,
        places,
        headers: Vec::new(),
        forwardable,
        only_own_format,
        call_forms: CallForms::default(),
        echo,
    })
}

/// Refuses what needs a response that the gateway has stored. `store` itself is taken as false.
fn refuse_stored(fields: &Fields<'_>) -> Result<(), Problem> {
    let is_set = |name: &str| fields.peek(name).is_some_and(|value| *value != false);
    let refused = |name: &str, message: &str| Err(fields.place.field(name).problem(message));
    if is_set("previous_response_id") {
        return refused(
            "previous_response_id",
            "the gateway stores no responses: send the whole conversation in `input`, and set `store` to false",
        );
    }
    if is_set("conversation") {
        return refused("conversation", "the gateway stores no conversations: send all items in `input`");
    }
    if is_set("background") {
        return refused(
            "background",
            "the gateway runs no responses in the background: leave it out, and read the answer",
        );
    }
    Ok(())
}

/// The fields that the answer repeats.
fn echo(fields: &Fields<'_>) -> Value {
    let repeated = ECHOED.iter().filter_map(|(name, _)| {
        let value = fields.peek(name)?;
        Some(((*name).to_owned(), value.clone()))
    });
    repeated.filter(|(name, _)| !["store", "background", "previous_response_id"].contains(&name.as_str())).collect()
}

/// Whether a lenient server takes one name for the other.
fn is_same(name: &str, other: &str) -> bool {
    let bare = |name: &str| -> String {
        name.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    bare(name) == bare(other)
}
