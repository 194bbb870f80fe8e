//! The routes.

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::State,
    response::Response,
    routing::{MethodRouter, post},
};
use http::HeaderMap;

use crate::{
    call::call,
    chat_completions::format::ChatCompletions,
    client::ClientFormat,
    gateway::Gateway,
    messages::{count::count_tokens, format::Messages},
};

/// The routes over a gateway.
pub fn router(gateway: Arc<Gateway>) -> Router {
    let mut router = Router::new();
    // Some clients are given a base URL without `/v1`.
    for prefix in ["/v1", ""] {
        router = router
            .route(&format!("{prefix}/chat/completions"), calls(&ChatCompletions))
            .route(&format!("{prefix}/messages"), calls(&Messages))
            .route(&format!("{prefix}/messages/count_tokens"), post(counts));
    }
    router.with_state(gateway)
}

/// A route that asks a model in this format.
fn calls(format: &'static dyn ClientFormat) -> MethodRouter<Arc<Gateway>> {
    post(move |State(gateway): State<Arc<Gateway>>, headers: HeaderMap, body: Bytes| async move {
        let response: Response = call(&gateway, format, &headers, &body).await;
        response
    })
}

/// The route that counts tokens.
async fn counts(State(gateway): State<Arc<Gateway>>, headers: HeaderMap, body: Bytes) -> Response {
    count_tokens(&gateway, &headers, &body).await
}
