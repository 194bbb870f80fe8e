//! The routes of the page.

use std::sync::Arc;

use axum::{
    extract::{Extension, RawQuery, State},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, header};
use serde_json::Value;

use crate::{
    gateway::{caller::Caller, gateway::Gateway},
    page::{overview, view},
};

/// The whole page. `NONCE` stands where a script and a style are allowed.
const HTML: &str = include_str!("index.html");

/// The page, which holds no data.
pub(crate) async fn index() -> Response {
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

/// The chains, the modules and the providers.
pub(crate) async fn overview(State(gateway): State<Arc<Gateway>>, Extension(caller): Extension<Caller>) -> Response {
    let all = gateway.shared.page.overview(&gateway.host()).await;
    json(&match caller.holder.filter(|holder| holder.patterns().is_some()) {
        Some(holder) => overview::as_seen_by(&holder, &all),
        None => Value::clone(&all),
    })
}

/// The calls that ended after the reading that gave the cursor in `?after=`.
pub(crate) async fn calls(
    State(gateway): State<Arc<Gateway>>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> Response {
    let shared = &gateway.shared;
    let new = shared.page.calls.after(query.as_deref().and_then(|query| query.strip_prefix("after=")));
    json(&view::calls(&new, shared.calls.get(), caller.holder.as_deref()))
}

fn json(value: &Value) -> Response {
    answer("application/json", value.to_string().into())
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
