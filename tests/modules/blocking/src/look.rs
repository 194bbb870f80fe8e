//! Tells what it sees of a request, of its inner's answer, and of another model's.

use std::fmt::Write as _;

use crate::{
    arcllm::llm::{
        llm_provider_blocking as inner, models_blocking as models, state_blocking as state,
        types::{
            CacheMark, ContentBlock, Error, Failure, JsonSchema, Media, MediaSource, Outcome, OutputFormat, Reasoning,
            Request, Response, StopReason, Tool,
        },
    },
    said,
};

/// Asks the inner, and the other model with more than the caller asked for.
pub(crate) fn look(request: Request, other: &str) -> Result<Response, Error> {
    request.note("looks");
    let mut told = of_request(&request, other);
    let answer = inner::invoke(request.clone())?;
    told += &of_answer(&answer);
    let more = more(&request);
    let size = more.size();
    let model = models::load(&request, other)?;
    let _ = write!(told, " images={} tools={} model={}", size.images, size.tools, model.name());
    model.invoke(more)?;
    let attempts = request.attempts(0);
    let _ = write!(told, " attempts={}", attempts.len());
    for attempt in attempts {
        told += if matches!(attempt.outcome, Outcome::Ok) { " outcome=ok" } else { " outcome=failed" };
    }
    let count = state::increment("looked", 1).map_err(failed)?;
    let _ = write!(told, " count={count}");
    Ok(said(&request, told))
}

fn of_request(request: &Request, other: &str) -> String {
    let (options, size) = (request.options(), request.size());
    let facts = request.facts(other);
    let window = facts.as_ref().and_then(|facts| facts.context_window);
    let tools = facts.is_some_and(|facts| facts.capabilities.contains(&("tools".to_owned(), true)));
    format!(
        "top-k={} labels={} team={} nothing={} messages={} text-bytes={} digest={} last={} listed={} window={} tools={tools}",
        options.top_k.unwrap_or_default(),
        options.labels.len(),
        request.label("team").as_deref().unwrap_or("none"),
        request.label("nothing").as_deref().unwrap_or("none"),
        size.messages,
        size.text_bytes,
        request.digest().len(),
        request.last_user_text(3).as_deref().unwrap_or("none"),
        models::list(request).iter().any(|model| model.name == other),
        window.unwrap_or_default(),
    )
}

fn of_answer(answer: &Response) -> String {
    let stop = match answer.stop_reason() {
        Some(StopReason::EndTurn) => "end-turn",
        _ => "other",
    };
    let size = answer.size().map(|size| (size.text_bytes, size.tool_calls));
    let (bytes, calls) = size.unwrap_or_default();
    format!(" whole={} stop={stop} said={bytes} calls={calls}", answer.is_whole())
}

/// The same call with two options, a picture to keep for an hour, and a tool of the provider.
fn more(request: &Request) -> Request {
    let mut options = request.options();
    options.output = Some(OutputFormat::JsonSchema(JsonSchema {
        name: "answer".into(),
        description: String::new(),
        schema: r#"{"type":"object"}"#.into(),
        strict: None,
        extensions: Vec::new(),
    }));
    options.reasoning = Some(Reasoning::Budget(2000));
    let request = request.with_options(&options);
    let mut parts = request.parts();
    let picture = ContentBlock::Image(Media {
        media_type: "image/png".into(),
        source: MediaSource::Data(b"png".to_vec()),
        name: String::new(),
        cache: Some(CacheMark { ttl: Some(3_600_000_000_000), extensions: Vec::new() }),
        extensions: Vec::new(),
    });
    if let Some(message) = parts.messages.first_mut() {
        message.content.push(picture);
    }
    parts.tools.push(Tool::Other(r#"{"type":"web_search_20250305","name":"web_search"}"#.into()));
    request.derive(&parts)
}

fn failed(message: String) -> Error {
    Error::Other(Failure { message, provider: String::new(), extensions: Vec::new() })
}
