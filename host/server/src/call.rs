//! One call: reads what a client asks, asks the model, and writes the answer in the client's format.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use arcllm::{Error, Model, Original, Request, Response as Answer};
use axum::{body::Body, response::Response};
use bytes::Bytes;
use futures::StreamExt as _;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use tokio::time::timeout;

use crate::{
    client::{Asked, ClientFormat, Heading},
    gateway::Gateway,
    page::call_note::CallNote,
    problem::Problem,
    stream::AnswerBody,
};

/// After this silence the head of a streamed answer is sent without waiting for the first event.
pub(crate) const SILENCE: Duration = Duration::from_secs(15);

/// Answers one request.
pub(crate) async fn call(
    gateway: &Gateway,
    format: &'static dyn ClientFormat,
    headers: &HeaderMap,
    body: &Bytes,
) -> Response {
    match answer(gateway, format, headers, body).await {
        Ok(response) => response,
        Err(problem) => failed(format, &problem),
    }
}

async fn answer(
    gateway: &Gateway,
    format: &'static dyn ClientFormat,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<Response, Problem> {
    let Asked { model: name, streamed, wants_usage, request } = format.read(headers, body)?;
    let note = gateway.note(&name, streamed);
    let model = match gateway.model(&name).await {
        Ok(model) => model,
        Err(error) => {
            note.not_loaded();
            return Err(Problem::of_load(&error));
        }
    };
    let heading = Heading { id: id(), model: name, created: now(), wants_usage };
    let request = request.with_original(Original::new(format.wire(), body.clone()));
    if streamed {
        return streamed_answer(format, &model, heading, request, note).await;
    }
    let answer = match model.invoke_with(Arc::new(request)).await {
        Ok(answer) => answer,
        Err(error) => {
            note.failed(&error);
            return Err(problem_of(&model, &error));
        }
    };
    note.answered(&answer);
    let body = match answer.original().filter(|original| original.format == format.wire()) {
        Some(original) => original.body.clone(),
        None => format.answer(&heading, &answer).into(),
    };
    let mut response = json(StatusCode::OK, body);
    name_answer(response.headers_mut(), &heading, &answer);
    Ok(response)
}

async fn streamed_answer(
    format: &'static dyn ClientFormat,
    model: &Model,
    heading: Heading,
    request: Request,
    note: CallNote,
) -> Result<Response, Problem> {
    let mut events = model.stream_with(Arc::new(request)).with_originals();
    let first = timeout(SILENCE, events.next()).await.ok().flatten();
    if let Some(Err(error)) = &first {
        note.failed(error);
        return Err(problem_of(model, error));
    }
    let mut body = AnswerBody::new(events, format.events(heading), model.clone(), note);
    match first {
        Some(Ok(event)) => body.write(event),
        _ => body.keep_alive(),
    }
    let mut response = Response::new(Body::from_stream(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}

/// The problem that an error of a call is. A client need not try again what a module has tried again.
pub(crate) fn problem_of(model: &Model, error: &Error) -> Problem {
    let mut problem = Problem::from(error);
    if error.trail.len() > 1 || model.modules().any(|module| module == "retry") {
        problem.should_retry = Some(false);
    }
    problem
}

/// The answer to a request that failed.
pub(crate) fn failed(format: &dyn ClientFormat, problem: &Problem) -> Response {
    let mut response = json(problem.status, format.error(problem));
    let headers = response.headers_mut();
    if let Some(seconds) = problem.wait_seconds() {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    if let Some(should_retry) = problem.should_retry {
        let value = if should_retry { "true" } else { "false" };
        headers.insert("x-should-retry", HeaderValue::from_static(value));
    }
    response
}

fn name_answer(headers: &mut HeaderMap, heading: &Heading, answer: &Answer) {
    let names = [
        ("x-request-id", heading.id.clone()),
        ("x-arcllm-provider", answer.provider.clone()),
        ("x-arcllm-model", answer.model.clone()),
        ("x-arcllm-attempts", answer.trail.len().to_string()),
    ];
    for (name, value) in names {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
}

fn json(status: StatusCode, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn id() -> String {
    format!("{:024x}", rand::random::<u128>() >> 32)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
