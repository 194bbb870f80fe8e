//! Counts the tokens of a request: <https://docs.claude.com/en/api/messages-count-tokens>.
//!
//! Claude Code asks for some dozens of counts at once. So no module sees them, and they are passed on as they are. Where a module
//! rewrites each request, nothing is passed on: it may be there to keep something from the provider.

use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    call::{call::failed, posted::Posted},
    client::{
        messages::{format::Messages, request::passed_on},
        place::Place,
        problem::Problem,
        request_id,
    },
    gateway::gateway::LoadedModel,
};

/// Answers one request for a count.
pub(crate) async fn count_tokens(asked: &Posted) -> Response {
    let id = request_id::new();
    let mut response = match count(asked).await {
        Ok(count) => {
            let mut response = Response::new(Body::from(count));
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
        Err(mut problem) => {
            problem.request_id.get_or_insert_with(|| id.clone());
            failed(&Messages, &problem)
        }
    };
    request_id::write(&id, response.headers_mut());
    response
}

async fn count(asked: &Posted) -> Result<Bytes, Problem> {
    let Posted { gateway, caller, headers, body, .. } = asked;
    let LoadedModel { model, rewritten_by, .. } = gateway.model(caller, &model_of(body)?).await?;
    if let Some(module) = rewritten_by {
        let what = format!("tokens are not counted: the module {module:?} rewrites requests, and a count goes past it");
        return Err(uncountable(what));
    }
    let counted = model.count_tokens(body.clone(), passed_on(headers)).await.map_err(|error| Problem::from(&error))?;
    counted.ok_or_else(|| {
        let what = format!(
            "the provider {:?} cannot count tokens: only providers of Anthropic's format can",
            model.provider()
        );
        uncountable(what)
    })
}

fn uncountable(what: String) -> Problem {
    Problem { should_retry: Some(false), ..Problem::new(StatusCode::NOT_IMPLEMENTED, what) }
}

/// The model that the body names. Nothing else of it is read.
fn model_of(body: &Bytes) -> Result<String, Problem> {
    #[derive(Deserialize)]
    struct Named {
        model: Option<Value>,
    }
    let named: Named =
        serde_json::from_slice(body).map_err(|error| Place::Body.problem(format!("is not JSON: {error}")))?;
    let place = Place::Body.field("model");
    match named.model {
        Some(Value::String(model)) => Ok(model),
        Some(other) => Err(place.expected("a string", &other)),
        None => Err(place.missing()),
    }
}
