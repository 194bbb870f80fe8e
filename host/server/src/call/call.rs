//! One call: reads what a client asks, asks the model, and writes the answer in the client's format.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use arcllm::{Event, Model, Original, Request};
use axum::{body::Body, response::Response};
use http::{HeaderValue, StatusCode, header};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use crate::{
    call::{
        call_head::{CallHead, Tried},
        posted::Posted,
        stream::AnswerBody,
    },
    client::{
        client::{Asked, ClientFormat, Heading},
        problem::Problem,
        tool_ids,
    },
    gateway::{
        caller::CallNote,
        gateway::{Gateway, LoadedModel},
    },
};

/// From here on a body is large, in bytes. Reading a smaller one takes about a millisecond at most.
const LARGE: usize = 256 * 1024;

/// Answers one request.
pub(crate) async fn call(posted: &Posted, format: &'static dyn ClientFormat) -> Response {
    let head = CallHead::of(&posted.headers);
    let answered = match read(posted, format).await {
        Ok(asked) => answer(posted, format, &head, asked).await,
        Err(problem) => Err(problem),
    };
    let (mut response, tried) = answered.unwrap_or_else(|mut problem| {
        problem.request_id.get_or_insert_with(|| head.id.clone());
        let response = failed(format, &problem);
        (response, Tried { trail: problem.trail, notes: problem.notes })
    });
    head.write(&tried, response.headers_mut());
    response
}

/// What the client asks. A thread of its own reads a large body, since the calls beside this one would wait for it.
async fn read(posted: &Posted, format: &'static dyn ClientFormat) -> Result<Asked, Problem> {
    if posted.body.len() < LARGE {
        return format.read(&posted.headers, &posted.body);
    }
    let (headers, body) = (posted.headers.clone(), posted.body.clone());
    match spawn_blocking(move || format.read(&headers, &body)).await {
        Ok(read) => read,
        // It has panicked, as its log says.
        Err(_) => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the gateway could not read the body")),
    }
}

/// The answer, and what was tried.
async fn answer(
    posted: &Posted,
    format: &'static dyn ClientFormat,
    head: &CallHead,
    mut asked: Asked,
) -> Result<(Response, Tried), Problem> {
    let Posted { gateway, caller, headers, body, .. } = posted;
    caller.mark(headers, &mut asked.request.options);
    let note = caller.note(&asked.model, asked.streamed);
    let loaded = match gateway.model(caller, &asked.model).await {
        Ok(loaded) => check_format(gateway, format, &loaded.model, &asked).map(|()| loaded),
        Err(problem) => Err(problem),
    };
    let loaded = match loaded {
        Ok(loaded) => loaded,
        Err(problem) => {
            note.refused();
            return Err(problem);
        }
    };
    gateway.clamp(&loaded.model, &mut asked.request.options);
    if gateway.format(&loaded.model) != Some(format.wire()) {
        gateway.leave_out_reasoning(&loaded.model, &mut asked.request.options);
    }
    let Asked { model, streamed, wants_usage, call_forms, echo, places, .. } = asked;
    let heading = Heading { id: head.id.clone(), model, created: now(), wants_usage, call_forms, echo };
    let mut request = asked.request;
    if asked.forwardable {
        let mut original = Original::new(format.wire(), body.clone());
        original.headers = asked.headers;
        request = request.with_original(original);
    }
    let ending = gateway.shared.ending.clone();
    let answered = match streamed {
        true => streamed_answer(format, loaded, heading, request, note, ending).await,
        false => whole_answer(format, &loaded, &heading, request, note, ending).await,
    };
    answered.map_err(|problem| places.translate(problem))
}

/// The field that asks for several answers.
const SEVERAL: &str = "n";

/// Refuses what only a provider of the client's format can do, where the provider speaks another one or a module stands in the way.
fn check_format(gateway: &Gateway, format: &dyn ClientFormat, model: &Model, asked: &Asked) -> Result<(), Problem> {
    let Some(field) = asked.only_own_format else { return Ok(()) };
    let is_own = gateway.format(model) == Some(format.wire());
    // Only the first of several answers would be checked, changed or kept.
    if let Some(module) = model.reader()
        && field == SEVERAL
        && is_own
    {
        let problem =
            format!("the module `{module}` reads answers, and reads one of a call: leave it out, or ask one by one");
        return Err(Problem::bad_field(field, problem));
    }
    if is_own {
        return Ok(());
    }
    let provider = model.provider();
    Err(Problem::bad_field(
        field,
        format!("the provider `{provider}` cannot do that: leave it out, or ask another model"),
    ))
}

async fn whole_answer(
    format: &dyn ClientFormat,
    loaded: &LoadedModel,
    heading: &Heading,
    request: Request,
    note: CallNote,
    ending: CancellationToken,
) -> Result<(Response, Tried), Problem> {
    let mut answer = match loaded.model.invoke_watched(request, &note.trail, ending.cancelled()).await {
        Ok(answer) => answer,
        Err(error) => {
            note.failed(&error);
            return Err(loaded.problem(&error));
        }
    };
    note.answered(&answer);
    let body = match answer.original().filter(|original| original.format == format.wire()) {
        Some(original) => original.body.clone(),
        None => written(format, heading, &answer).into(),
    };
    let tried = Tried { trail: std::mem::take(&mut answer.trail), notes: std::mem::take(&mut answer.notes) };
    Ok((json(StatusCode::OK, body), tried))
}

/// An answer in the client's format. One that a module has rewritten has what only its provider knows.
fn written(format: &dyn ClientFormat, heading: &Heading, answer: &arcllm::Response) -> Vec<u8> {
    let original = answer.rewritten().filter(|original| original.format == format.wire());
    let Some(original) = original else { return format.answer(heading, &tool_ids::fitted(format.wire(), answer)) };
    let written = format.answer(heading, answer);
    let Ok(original) = serde_json::from_slice(&original.body) else { return written };
    match serde_json::from_slice(&written) {
        Ok(mut whole) => {
            format.keep(&mut whole, original);
            whole.to_string().into_bytes()
        }
        Err(_) => written,
    }
}

async fn streamed_answer(
    format: &'static dyn ClientFormat,
    loaded: LoadedModel,
    heading: Heading,
    request: Request,
    note: CallNote,
    ending: CancellationToken,
) -> Result<(Response, Tried), Problem> {
    let events = loaded.model.stream_with(Arc::new(request)).with_originals();
    let mut body = AnswerBody::new(events, format, format.events(heading), loaded.clone(), note, ending);
    let first = body.first().await;
    let mut tried = body.tried();
    match first {
        Some(Ok(event)) => {
            if let Event::End(answer) = &event {
                tried.trail.clone_from(&answer.trail);
                tried.notes.clone_from(&answer.notes);
            }
            body.write(event);
        }
        Some(Err(error)) => {
            body.failed(&error);
            return Err(loaded.problem(&error));
        }
        None => body.keep_alive(),
    }
    let mut response = Response::new(Body::from_stream(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok((response, tried))
}

/// The answer to a request that failed.
pub(crate) fn failed(format: &dyn ClientFormat, problem: &Problem) -> Response {
    let mut response = json(problem.status, format.error(problem));
    problem.mark(&mut response);
    response
}

fn json(status: StatusCode, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
