//! What the routes of stored responses answer: the gateway stores none.

use axum::{body::Body, response::Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use crate::{
    call::call::failed,
    client::{problem::Problem, responses::format::Responses},
};

/// Answers a request for one stored response, such as `GET /v1/responses/ID`.
pub(crate) async fn no_response(method: Method) -> Response {
    let message = format!(
        "{method} of a stored response: the gateway stores none. Send the whole conversation with POST to /v1/responses, and set \
         `store` to false"
    );
    refused(StatusCode::NOT_FOUND, message)
}

/// Answers another method than POST, and a WebSocket. Codex goes on without one after this status.
pub(crate) async fn no_method(method: Method, headers: HeaderMap) -> Response<Body> {
    let upgrade = headers.get(header::UPGRADE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if upgrade.to_ascii_lowercase().contains("websocket") {
        return refused(StatusCode::UPGRADE_REQUIRED, "the gateway has no WebSocket here: send the request with POST");
    }
    let mut response = refused(StatusCode::METHOD_NOT_ALLOWED, format!("{method} is not possible here: send POST"));
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
    response
}

fn refused(status: StatusCode, message: impl Into<String>) -> Response {
    failed(&Responses, &Problem { should_retry: Some(false), ..Problem::new(status, message) })
}
