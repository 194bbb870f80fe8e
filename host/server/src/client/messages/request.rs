//! Reads a request.

use arcllm::{ContentBlock, ExtensionLevel, Message, Options, Request, Role};
use http::HeaderMap;
use serde_json::Value;

use crate::client::{
    body_json,
    client::{Asked, CallForms},
    fields::Fields,
    messages::{content, known, made, reasoning, tools},
    place::Place,
    places::Places,
    problem::Problem,
};

/// The headers of a client that go on to providers of this format.
const HEADERS: [&str; 2] = ["anthropic-version", "anthropic-beta"];

/// The longest name of a user that other providers take.
const LONGEST_USER: usize = 64;

/// The fields of what the library calls otherwise.
const OPTIONS: [(&str, &str); 4] = [
    ("output.json_schema.", "output_config.format."),
    ("output", "output_config.format"),
    ("reasoning", "thinking"),
    ("stop", "stop_sequences"),
];

/// Reads a request.
pub(crate) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Asked, Problem> {
    let place = Place::Body;
    let body = body_json::read(body)?;
    known::REQUEST.check(&body, &place)?;
    let forwardable = !made::is_in(&body);
    let mut body = Fields::of(body, place)?;
    let model = body.need_text("model")?;
    let streamed = body.flag("stream")?.unwrap_or_default();
    let has_system = body.peek("system").is_some_and(says_something);
    let places = Places { first: has_system.then_some("system"), options: &OPTIONS, ..Places::default() };
    let messages = messages(&mut body)?;
    let tools = tools::read(&mut body)?;
    let options = options(body)?;
    let request = Request::new(messages).with_tools(tools).with_options(options);
    Ok(Asked {
        model,
        streamed,
        wants_usage: true,
        request,
        places,
        headers: passed_on(headers),
        forwardable,
        only_own_format: None,
        call_forms: CallForms::default(),
        echo: Value::Null,
    })
}

/// The headers that go on to providers of this format. A header can stand there several times.
pub(crate) fn passed_on(headers: &HeaderMap) -> Vec<(String, String)> {
    let of = |name: &'static str| {
        let values: Vec<_> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
        (!values.is_empty()).then(|| (name.to_owned(), values.join(",")))
    };
    HEADERS.into_iter().filter_map(of).collect()
}

/// The system prompt and the messages.
fn messages(body: &mut Fields<'_>) -> Result<Vec<Message>, Problem> {
    let mut messages = Vec::new();
    let outer = body.place;
    let place = outer.field("system");
    if let Some(system) = body.take("system").filter(says_something) {
        messages.push(Message::new(Role::System, content::read(system, &place)?));
    }
    let outer = body.place;
    let place = outer.field("messages");
    let list = body.list("messages")?.ok_or_else(|| place.missing())?;
    if list.is_empty() {
        return Err(place.empty());
    }
    for (at, value) in list.into_iter().enumerate() {
        messages.push(message(value, &place.item(at))?);
    }
    Ok(messages)
}

fn says_something(content: &Value) -> bool {
    content != "" && content.as_array().is_none_or(|blocks| !blocks.is_empty())
}

fn message(value: Value, place: &Place<'_>) -> Result<Message, Problem> {
    let mut fields = Fields::of(value, *place)?;
    let role = fields.need_text("role")?;
    let at = place.field("content");
    let content = content::read(fields.take("content").ok_or_else(|| at.missing())?, &at)?;
    let is_result = |block: &ContentBlock| matches!(block, ContentBlock::ToolResult(_));
    let role = match role.as_str() {
        "system" => Role::System,
        "assistant" => Role::Assistant,
        "user" if !content.is_empty() && content.iter().all(is_result) => Role::Tool,
        "user" => Role::User,
        other => {
            let what = format!("is {other:?}; the roles are \"user\", \"assistant\" and \"system\"");
            return Err(place.field("role").problem(what));
        }
    };
    let mut message = Message::new(role, content);
    message.extensions = fields.others(ExtensionLevel::Message, "anthropic.");
    Ok(message)
}

fn options(mut body: Fields<'_>) -> Result<Options, Problem> {
    let mut options = Options::new();
    options.max_tokens = body.count("max_tokens")?;
    options.temperature = body.temperature()?;
    options.top_p = body.number("top_p")?;
    options.top_k = body.count("top_k")?;
    options.stop = body.texts("stop_sequences")?;
    tools::read_choice(&mut body, &mut options)?;
    reasoning::read(&mut body, &mut options)?;
    read_metadata(&mut body, &mut options)?;
    options.extensions.extend(body.others(ExtensionLevel::Body, "anthropic."));
    Ok(options)
}

/// Who asks. OpenAI refuses a longer name than [`LONGEST_USER`], so such a name is only for Anthropic.
fn read_metadata(body: &mut Fields<'_>, options: &mut Options) -> Result<(), Problem> {
    let outer = body.place;
    let place = outer.field("metadata");
    let Some(metadata) = body.take("metadata") else { return Ok(()) };
    let mut fields = Fields::of(metadata.clone(), place)?;
    options.user = fields.text("user_id")?.filter(|user| user.len() <= LONGEST_USER);
    let is_exact = options.user.is_some() && fields.is_empty();
    if !is_exact && metadata.as_object().is_some_and(|metadata| !metadata.is_empty()) {
        options.extensions.insert("anthropic.metadata".to_owned(), metadata);
    }
    Ok(())
}
