//! The routes of the page.

use std::sync::Arc;

use axum::{
    Router,
    extract::{RawQuery, State},
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, header};

use crate::{gateway::Gateway, page::view};

/// The whole page. `NONCE` stands where a script and a style are allowed.
const HTML: &str = include_str!("index.html");

/// Adds `/`, which holds no data, and the two routes that the page reads. Where keys are set, these two need one.
pub(crate) fn routes(router: Router<Arc<Gateway>>) -> Router<Arc<Gateway>> {
    router.route("/", get(index)).route("/api/overview", get(overview)).route("/api/calls", get(calls))
}

async fn index() -> Response {
    let nonce = format!("{:032x}", rand::random::<u128>());
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    );
    let mut response = answer("text/html; charset=utf-8", HTML.replace("NONCE", &nonce).into());
    if let Ok(policy) = HeaderValue::try_from(policy) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

async fn overview(State(gateway): State<Arc<Gateway>>) -> Response {
    json(gateway.page().overview(gateway.host()).await)
}

/// The calls since the reading that gave the cursor in `?after=`.
async fn calls(State(gateway): State<Arc<Gateway>>, RawQuery(query): RawQuery) -> Response {
    let new = gateway.page().calls.after(query.as_deref().and_then(|query| query.strip_prefix("after=")));
    json(view::calls(&new, gateway.host().config()).to_string().into())
}

fn json(body: Bytes) -> Response {
    answer("application/json", body)
}

fn answer(content_type: &'static str, body: Bytes) -> Response {
    let headers: [(HeaderName, &str); 5] = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        // No other site may read it, even where a browser sends a key by itself.
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    (headers, body).into_response()
}
