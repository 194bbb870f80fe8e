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
    call::call, chat_completions::format::ChatCompletions, client::ClientFormat, gateway::Gateway, page::routes,
};

/// The routes over a gateway.
pub fn router(gateway: Arc<Gateway>) -> Router {
    let mut router = routes::routes(Router::new());
    // Some clients are given a base URL without `/v1`.
    for prefix in ["/v1", ""] {
        router = router.route(&format!("{prefix}/chat/completions"), calls(&ChatCompletions));
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
