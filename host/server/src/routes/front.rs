//! What happens around every request: who asks, how many may, and what is written in the log.

use std::{net::IpAddr, panic::AssertUnwindSafe, sync::Arc};

use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use futures::FutureExt as _;
use http::{HeaderMap, Method, StatusCode, Uri, header, uri::Authority};

use crate::{
    call::{body::linger, held_body::HeldBody},
    client::{problem::Problem, shape::Shape},
    gateway::{caller::Caller, gateway::Gateway},
    telemetry::noted::Entry,
};

/// Lets a request in, and notes how it ends.
pub(crate) async fn front(State(gateway): State<Arc<Gateway>>, mut request: Request, next: Next) -> Response {
    let shape = Shape::of(request.uri().path(), request.headers());
    let entry = Entry::begin(&gateway, request.method(), request.uri().path());
    let (entry, answered) = match let_in(&gateway, &request) {
        Ok(caller) => {
            let entry = entry.called_by(&caller);
            request.extensions_mut().insert(caller);
            (entry, Ok(request))
        }
        Err(problem) => {
            linger(request.into_body());
            (entry, Err(problem))
        }
    };
    let permit = match &answered {
        Ok(request) if request.method() == Method::POST => {
            let most = gateway.shared.live().config().max_in_flight;
            Some(gateway.shared.calls.add(most).ok_or(most))
        }
        _ => None,
    };
    let response = match (answered, permit.transpose()) {
        (Err(problem), _) => shape.refuse(&problem),
        (Ok(request), Err(most)) => {
            linger(request.into_body());
            shape.refuse(&busy(most))
        }
        (Ok(request), Ok(permit)) => {
            // A mistake in one request ends this request, and not the thread.
            let answer = AssertUnwindSafe(next.run(request)).catch_unwind().await;
            let answer = answer.unwrap_or_else(|_| shape.refuse(&panicked()));
            return noted(answer, entry.permitted(permit));
        }
    };
    noted(response, entry)
}

fn noted(response: Response, mut entry: Entry) -> Response {
    entry.answered(&response);
    response.map(|body| Body::new(HeldBody::new(body, entry)))
}

fn let_in(gateway: &Gateway, request: &Request) -> Result<Caller, Problem> {
    check_framing(request.headers())?;
    if is_open(request.uri().path()) {
        return Ok(Caller::default());
    }
    let holder = gateway.shared.live().keys.holder(request.headers())?;
    if holder.is_none() {
        check_origin(request.uri(), request.headers())?;
    }
    Ok(Caller::new(holder))
}

/// Refuses what another server in front could read otherwise: two hosts (RFC 9112, 3.2), and a body in a coding that is not
/// undone here (RFC 9112, 6.1).
fn check_framing(headers: &HeaderMap) -> Result<(), Problem> {
    if headers.get_all(header::HOST).iter().nth(1).is_some() {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "the header `host` stands twice"));
    }
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let is_known = codings.next().is_none_or(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked"));
    if is_known && codings.next().is_none() {
        return Ok(());
    }
    let message = "the header `transfer-encoding` has another coding than `chunked`";
    Err(Problem { should_retry: Some(false), ..Problem::new(StatusCode::NOT_IMPLEMENTED, message) })
}

/// Refuses the pages of other machines, where no keys are set. Whoever lures a user to a page could else ask with the
/// operator's keys. Such a page has an origin of its own, or a name of its own that leads to this machine.
fn check_origin(uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let host = uri.authority().map(Authority::as_str).or_else(|| text(header::HOST));
    let is_asked = host.is_none_or(|host| is_local(&format!("http://{host}")) || is_private(host));
    let message = match (is_asked, text(header::ORIGIN).is_none_or(is_local)) {
        (true, true) => return Ok(()),
        (_, false) => "pages of other machines may not ask here",
        (false, true) => "the header `host` names another machine",
    };
    let help = "set a key, as `arcllm serve key NAME` makes it";
    Err(Problem::new(StatusCode::FORBIDDEN, format!("{message}\n  help: {help}")))
}

/// Whether nobody can own this name on the internet, as `host.docker.internal` or the name of a container.
fn is_private(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    !name.contains(['.', ':']) || name.ends_with(".internal")
}

/// Whether a page of this origin is one of this machine.
fn is_local(origin: &str) -> bool {
    let Some(host) = origin.parse::<Uri>().ok().and_then(|uri| uri.host().map(str::to_owned)) else { return false };
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || host.ends_with(".localhost") || address.is_ok_and(|address| address.is_loopback())
}

/// Whether everybody may see this: probes of a machine have no key, and the page at `/` has no data.
fn is_open(path: &str) -> bool {
    matches!(path, "/" | "/api/hello" | "/health/live" | "/health/ready")
}

fn busy(most: u64) -> Problem {
    let calls = if most == 1 { "1 call runs".to_owned() } else { format!("{most} calls run") };
    let message = format!("{calls}, which is the most that this gateway takes");
    let retry_after = Some(std::time::Duration::from_secs(1));
    Problem { retry_after, ..Problem::new(StatusCode::SERVICE_UNAVAILABLE, message) }
}

fn panicked() -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the gateway made a mistake; its log says which")
}

/// The longest part of a path or a method that an error repeats, in characters.
const LONGEST_SHOWN: usize = 200;

fn shown(text: &str) -> std::borrow::Cow<'_, str> {
    arcllm::plain::line(text, LONGEST_SHOWN)
}

/// The answer for a route that does not exist.
pub(crate) async fn unknown_route(uri: Uri, headers: HeaderMap, body: Body) -> Response {
    linger(body);
    let help = "POST /v1/chat/completions, /v1/responses or /v1/messages; GET /v1/models";
    let message = format!("there is no route {}\n  help: {help}", shown(uri.path()));
    Shape::of(uri.path(), &headers).refuse(&Problem::new(StatusCode::NOT_FOUND, message))
}

/// The answer for a method that a route does not have.
pub(crate) async fn wrong_method(method: Method, uri: Uri, headers: HeaderMap, body: Body) -> Response {
    linger(body);
    let (path, method) = (shown(uri.path()), shown(method.as_str()));
    let message = format!("{path} does not take {method}; the header `allow` says what it takes");
    Shape::of(uri.path(), &headers).refuse(&Problem::new(StatusCode::METHOD_NOT_ALLOWED, message))
}

#[cfg(test)]
mod tests {
    use arcllm::{Config, Host};
    use axum::{Router, middleware::from_fn_with_state, routing::get};
    use tower::ServiceExt as _;

    use super::*;

    async fn panics() -> &'static str {
        panic!("on purpose")
    }

    #[tokio::test]
    async fn a_mistake_ends_its_own_request() {
        let host = Host::builder().config(Config::parse("", None).unwrap()).build().unwrap();
        let gateway = Arc::new(Gateway::new(host));
        let router: Router<Arc<Gateway>> = Router::new().route("/", get(panics));
        let router = router.layer(from_fn_with_state(gateway.clone(), front)).with_state(gateway.clone());
        let response = router.oneshot(Request::new(Body::empty())).await.unwrap();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(response.headers()["content-type"], "application/json");
    }

    #[test]
    fn pages_of_this_machine_are_told_from_others() {
        for (origin, local) in [
            ("http://localhost:3000", true),
            ("http://app.localhost", true),
            ("https://127.0.0.1:4000", true),
            ("http://[::1]:4000", true),
            ("null", false),
            ("https://example.com", false),
            ("http://localhost.example.com", false),
            ("http://127.0.0.1.example.com", false),
            ("http://192.168.0.7", false),
            ("", false),
        ] {
            assert_eq!(is_local(origin), local, "{origin}");
        }
    }
}
