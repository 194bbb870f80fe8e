//! The routes for those who watch the server: `/health/live`, `/health/ready` and `/metrics`.

use std::sync::Arc;

use arcllm::rfc3339;
use axum::{extract::State, response::Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::json;

use crate::{
    client::{
        problem::Problem,
        shape::{Shape, json_answer},
    },
    gateway::{gateway::Gateway, readiness::Stage},
    telemetry::metrics::Now,
};

/// Answers as long as the process lives.
pub(crate) async fn live() -> Response {
    json_answer(&json!({"status": "live"}))
}

/// Tells whether calls are welcome, and what is wrong with the configuration.
pub(crate) async fn ready(State(gateway): State<Arc<Gateway>>) -> Response {
    let readiness = &gateway.shared.readiness;
    let (stage, troubles) = (readiness.stage(), readiness.troubles().clone());
    let reload = troubles.reload.map(|(at, error)| json!({"failed_at": rfc3339(at), "error": error}));
    let mut response = json_answer(&json!({
        "status": stage.as_str(),
        "failed_reload": reload,
        "failed_models": troubles.models,
        "removed_modules": gateway.host().removed_modules(),
    }));
    if stage != Stage::Ready {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}

/// All counters, as Prometheus reads them.
pub(crate) async fn metrics(State(gateway): State<Arc<Gateway>>, headers: HeaderMap) -> Response {
    let shared = &gateway.shared;
    let Some(metrics) = &shared.metrics else {
        let message = "nothing is counted here: the program counts with a recorder of its own";
        return Shape::of("/metrics", &headers).refuse(&Problem::new(StatusCode::NOT_FOUND, message));
    };
    let troubles = shared.readiness.troubles().clone();
    let now = Now {
        calls: shared.calls.get(),
        body_bytes: shared.bodies.get(),
        connections: shared.connections.get(),
        reload_failed: troubles.reload.is_some(),
        failed_models: troubles.models.len(),
    };
    let mut response = Response::new(metrics.render(&now).into());
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
