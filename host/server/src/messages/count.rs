//! Counts the tokens of a request: <https://docs.claude.com/en/api/messages-count-tokens>.
//!
//! Claude Code asks for some dozens of counts at once. So no module sees them, and they are passed on as they are.

use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    call::failed,
    gateway::Gateway,
    messages::{format::Messages, place::Place, request::passed_on},
    problem::Problem,
};

/// Answers one request for a count.
pub(crate) async fn count_tokens(gateway: &Gateway, headers: &HeaderMap, body: &Bytes) -> Response {
    match count(gateway, headers, body).await {
        Ok(count) => {
            let mut response = Response::new(Body::from(count));
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
        Err(problem) => failed(&Messages, &problem),
    }
}

async fn count(gateway: &Gateway, headers: &HeaderMap, body: &Bytes) -> Result<Bytes, Problem> {
    let loaded = gateway.model(&model_of(body)?).await.map_err(|error| Problem::of_load(&error))?;
    let model = loaded.model;
    let counted = model.count_tokens(body.clone(), passed_on(headers)).await.map_err(|error| Problem::from(&error))?;
    counted.ok_or_else(|| {
        let what = format!(
            "the provider {:?} cannot count tokens: only providers of Anthropic's format can",
            model.provider()
        );
        Problem { should_retry: Some(false), ..Problem::new(StatusCode::NOT_IMPLEMENTED, what) }
    })
}

/// The model that the body names. Nothing else of it is read.
fn model_of(body: &Bytes) -> Result<String, Problem> {
    #[derive(Deserialize)]
    struct Named {
        model: Option<Value>,
    }
    let named: Named =
        serde_json::from_slice(body).map_err(|error| Place::Body.wrong(format!("is not JSON: {error}")))?;
    let place = Place::Body.field("model");
    match named.model {
        Some(Value::String(model)) => Ok(model),
        Some(other) => Err(place.not("a string", &other)),
        None => Err(place.missing()),
    }
}
