//! The routes.

use std::{pin::pin, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::DefaultBodyLimit,
    middleware::from_fn_with_state,
    response::Response,
    routing::{MethodRouter, any, get, post},
};
use tracing::Instrument as _;

use crate::{
    call::{call::call, held_body::HeldBody, posted::Posted},
    client::{
        chat_completions::format::ChatCompletions,
        client::ClientFormat,
        messages::{count::count_tokens, format::Messages},
        responses::{format::Responses, stored},
    },
    gateway::gateway::Gateway,
    page::routes,
    routes::{
        front::{front, unknown_route, wrong_method},
        health, models,
    },
    telemetry::otlp::request_span,
};

/// The routes over a gateway.
pub fn router(gateway: Arc<Gateway>) -> Router {
    let mut router = Router::new()
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .route("/metrics", get(health::metrics))
        // Claude Code asks these two whether anybody is there.
        .route("/api/hello", get(health::live))
        .route("/", get(routes::index))
        .route("/api/overview", get(routes::overview))
        .route("/api/calls", get(routes::calls));
    // Some clients are given a base URL without `/v1`.
    for prefix in ["/v1", ""] {
        router = router
            .route(&format!("{prefix}/chat/completions"), calls(&ChatCompletions))
            .route(&format!("{prefix}/models"), get(models::list))
            .route(&format!("{prefix}/models/{{*name}}"), get(models::one))
            .route(&format!("{prefix}/messages"), calls(&Messages))
            .route(&format!("{prefix}/messages/count_tokens"), post(counts))
            .route(&format!("{prefix}/responses"), calls(&Responses).fallback(stored::no_method))
            .route(&format!("{prefix}/responses/{{*rest}}"), any(stored::no_response));
    }
    router
        .fallback(unknown_route)
        .method_not_allowed_fallback(wrong_method)
        // `body::read` has the limit of the configuration.
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn_with_state(gateway.clone(), front))
        .with_state(gateway)
}

/// A route that asks a model in this format.
fn calls(format: &'static dyn ClientFormat) -> MethodRouter<Arc<Gateway>> {
    post(async move |asked: Posted| {
        let span = request_span(&asked.path, &asked.headers, asked.caller.key());
        let answer = {
            // Pinned, since a future that is awaited in two places has room for each.
            let mut answering = pin!(call(&asked, format));
            if span.is_disabled() { answering.await } else { answering.as_mut().instrument(span).await }
        };
        // Modules can read the request as long as the answer has not ended.
        answer.map(|body| Body::new(HeldBody::new(body, asked.held)))
    })
}

/// The route that counts tokens.
async fn counts(asked: Posted) -> Response {
    count_tokens(&asked).await
}
