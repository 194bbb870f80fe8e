//! The JSON of errors, in the shape of OpenAI or of Anthropic.

use axum::{body::Body, response::Response};
use http::{HeaderMap, HeaderValue, header};
use serde_json::{Value, json};

use crate::client::{problem::Problem, request_id};

/// The shape that a client reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    OpenAi,
    Anthropic,
}

impl Shape {
    /// The shape for a request: Anthropic's on its routes and where `anthropic-version` is sent.
    pub(crate) fn of(path: &str, headers: &HeaderMap) -> Self {
        let path = path.strip_prefix("/v1").unwrap_or(path);
        let is_messages = path.strip_prefix("/messages").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if is_messages || headers.contains_key("anthropic-version") { Self::Anthropic } else { Self::OpenAi }
    }

    /// The JSON of a problem with the request of this name.
    fn error(self, problem: &Problem, id: &str) -> Value {
        let message = &problem.message;
        match self {
            Self::Anthropic => {
                let error = json!({"type": anthropic_type(problem), "message": message});
                json!({"type": "error", "error": error, "request_id": id})
            }
            Self::OpenAi => {
                let (kind, code) = openai_type(problem);
                json!({"error": {"message": message, "type": kind, "param": problem.param, "code": code}})
            }
        }
    }

    /// The answer to a request that no format has read.
    pub(crate) fn refuse(self, problem: &Problem) -> Response {
        let id = request_id::new();
        let mut response = json_answer(&self.error(problem, &id));
        *response.status_mut() = problem.status;
        request_id::write(&id, response.headers_mut());
        problem.mark(&mut response);
        response
    }
}

/// An answer of this JSON.
pub(crate) fn json_answer(body: &Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn anthropic_type(problem: &Problem) -> &'static str {
    match problem.status.as_u16() {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 | 529 => "overloaded_error",
        504 => "timeout_error",
        400..=499 => "invalid_request_error",
        _ => "api_error",
    }
}

/// OpenAI's type and code.
fn openai_type(problem: &Problem) -> (&'static str, Option<&'static str>) {
    match problem.status.as_u16() {
        401 => ("invalid_request_error", Some("invalid_api_key")),
        403 => ("invalid_request_error", Some("insufficient_permissions")),
        404 if problem.param.as_deref() == Some("model") => ("invalid_request_error", Some("model_not_found")),
        429 => ("rate_limit_error", Some("rate_limit_exceeded")),
        400..=499 => ("invalid_request_error", None),
        _ => ("server_error", None),
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    #[test]
    fn the_route_or_the_version_decides() {
        let version = HeaderMap::from_iter([("anthropic-version".parse().unwrap(), HeaderValue::from_static("x"))]);
        for (path, headers, shape) in [
            ("/v1/messages", HeaderMap::new(), Shape::Anthropic),
            ("/messages/count_tokens", HeaderMap::new(), Shape::Anthropic),
            ("/v1/models", version, Shape::Anthropic),
            ("/v1/models", HeaderMap::new(), Shape::OpenAi),
            ("/v1/messagesx", HeaderMap::new(), Shape::OpenAi),
            ("/v1/chat/completions", HeaderMap::new(), Shape::OpenAi),
        ] {
            assert_eq!(Shape::of(path, &headers), shape, "{path}");
        }
    }

    #[test]
    fn an_error_has_the_fields_of_its_shape() {
        let problem = Problem::new(StatusCode::UNAUTHORIZED, "no");
        let openai =
            json!({"message": "no", "type": "invalid_request_error", "param": null, "code": "invalid_api_key"});
        assert_eq!(Shape::OpenAi.error(&problem, "id"), json!({"error": openai}));
        let anthropic =
            json!({"type": "error", "error": {"type": "authentication_error", "message": "no"}, "request_id": "id"});
        assert_eq!(Shape::Anthropic.error(&problem, "id"), anthropic);
    }
}
