//! A request with a body in JSON.

use std::sync::Arc;

use axum::{
    extract::{FromRequest, Request},
    response::Response,
};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use crate::{
    call::body,
    client::{problem::Problem, shape::Shape},
    gateway::{caller::Caller, gateway::Gateway, shared::Counted},
};

/// A request with a body in JSON, as the routes that are posted to get it.
pub(crate) struct Posted {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) caller: Caller,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// The memory that the body takes. It is kept until the answer has ended.
    pub(crate) held: Counted,
}

impl FromRequest<Arc<Gateway>> for Posted {
    type Rejection = Response;

    async fn from_request(request: Request, gateway: &Arc<Gateway>) -> Result<Self, Response> {
        let (mut head, body) = request.into_parts();
        let live = gateway.shared.live().clone();
        let mut held = gateway.shared.bodies.none();
        let body = tokio::select! {
            body = body::read(live.config(), &head.headers, body, &mut held) => body,
            () = gateway.shared.ending.cancelled() => {
                Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the gateway stops, and the body is not whole"))
            }
        };
        let body = body.map_err(|problem| Shape::of(head.uri.path(), &head.headers).refuse(&problem))?;
        let caller = head.extensions.remove().unwrap_or_default();
        let (gateway, path) = (gateway.clone(), head.uri.path().to_owned());
        Ok(Self { gateway, caller, path, headers: head.headers, body, held })
    }
}
