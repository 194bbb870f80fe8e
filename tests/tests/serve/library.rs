//! The routes in a program of its own: without sockets, so that time is virtual and a provider answers when the test says so.

use std::{sync::Arc, time::Duration};

use arcllm::{Adapter, Answer, Config, ErrorKind, Event, EventStream, Host, Request, Response};
use axum::{Router, body::Body};
use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream};
use http::Request as HttpRequest;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::support::Provider;

/// Waits before each piece of a streamed answer.
struct Slow(Duration);

impl Adapter for Slow {
    fn send(self: Arc<Self>, _: Arc<Request>) -> BoxFuture<'static, Result<Response, ErrorKind>> {
        async move { Ok(whole()) }.boxed()
    }

    fn stream(self: Arc<Self>, _: Arc<Request>) -> BoxFuture<'static, Result<Answer, ErrorKind>> {
        let wait = self.0;
        let pieces = [Event::Text("a".to_owned()), Event::Text("b".to_owned()), Event::End(Box::new(whole()))];
        let events: EventStream = stream::iter(pieces)
            .then(move |piece| async move {
                tokio::time::sleep(wait).await;
                Ok(piece)
            })
            .boxed();
        async move { Ok(Answer::Stream { head: Box::new(Response::new(Vec::new()).with_provider("a", "m")), events }) }
            .boxed()
    }
}

fn whole() -> Response {
    Response::new(vec![arcllm::ContentBlock::text("ab")]).with_provider("a", "m")
}

fn router(config: &str, adapter: Arc<dyn Adapter>) -> Router {
    let host = Host::builder().config(Config::parse(config, None).unwrap()).adapter("a", "m", adapter).build().unwrap();
    arcllm_server::router(Arc::new(arcllm_server::Gateway::new(host)))
}

/// Posts this JSON. Gives the status, a header and the whole body.
async fn post(router: &Router, path: &str, body: &Value) -> (u16, Option<String>, String) {
    let request = HttpRequest::post(path).body(Body::from(body.to_string())).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    let retry_after = headers.get("retry-after").map(|value| value.to_str().unwrap().to_owned());
    (status, retry_after, String::from_utf8(body.to_vec()).unwrap())
}

fn question(streamed: bool) -> Value {
    json!({"model": "a", "stream": streamed, "max_tokens": 9, "input": "Hi", "messages": [{"role": "user", "content": "Hi"}]})
}

/// How a format fills a silence, and how often the same stands in an answer besides.
type Filling = (&'static str, &'static str, fn(usize) -> usize);

const FILLED: [Filling; 3] = [
    ("/v1/chat/completions", ": keep-alive\n\n", |_| 0),
    ("/v1/messages", "event: ping\n", |_| 1),
    // The first filling is the one that each answer has.
    ("/v1/responses", "event: response.in_progress\n", |fillings| usize::from(fillings == 0)),
];

#[tokio::test(start_paused = true)]
async fn fifteen_seconds_of_silence_are_filled_in_the_format_of_the_client() {
    for (path, filling, besides) in FILLED {
        for (seconds, fillings) in [(1, 0), (14, 0), (16, 3), (40, 6), (61, 12)] {
            let router = router("", Arc::new(Slow(Duration::from_secs(seconds))));
            let (status, _, body) = post(&router, path, &question(true)).await;
            assert_eq!(status, 200);
            let found = body.matches(filling).count();
            assert_eq!(found, fillings + besides(fillings), "{path}, {seconds} s: {body}");
            assert!(body.contains("\"a\"") && body.contains("\"b\""), "nothing is lost: {body}");
        }
    }
}

#[tokio::test]
async fn a_module_without_room_is_an_overload() {
    for (path, kind) in [
        ("/v1/chat/completions", "service_unavailable_error"),
        ("/v1/messages", "overloaded_error"),
        ("/v1/responses", "server_error"),
    ] {
        for streamed in [false, true] {
            let provider = Arc::new(Provider::closed());
            let sandbox = "max_concurrent = 1\nmax_instances = 1\nmax_queued = 1\n";
            let config =
                format!("[modules.retry]\nenabled = true\nmax_retries = 0\n[modules.retry.sandbox]\n{sandbox}");
            let router = router(&config, provider.clone());
            let asking = || {
                let (router, question) = (router.clone(), question(false));
                tokio::spawn(async move { post(&router, path, &question).await })
            };
            let served = asking();
            provider.wait_until_asked(1).await;
            let queued = asking();
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            let (status, retry_after, body) = post(&router, path, &question(streamed)).await;
            assert_eq!((status, retry_after.as_deref()), (503, Some("1")), "{path}: {body}");
            let error: Value = serde_json::from_str(&body).unwrap();
            assert_eq!(error["error"]["type"], kind, "{body}");
            assert!(body.contains("the module `retry` has no room"), "{body}");
            provider.let_answer(2);
            assert_eq!((served.await.unwrap().0, queued.await.unwrap().0), (200, 200));
        }
    }
}

/// Breaks off after its first piece, the first time.
struct Breaking(std::sync::atomic::AtomicUsize, Duration);

impl Adapter for Breaking {
    fn send(self: Arc<Self>, _: Arc<Request>) -> BoxFuture<'static, Result<Response, ErrorKind>> {
        async move { Ok(whole()) }.boxed()
    }

    fn stream(self: Arc<Self>, _: Arc<Request>) -> BoxFuture<'static, Result<Answer, ErrorKind>> {
        let is_first = self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
        let broken = Err(ErrorKind::Connection(arcllm::Failure::new("a", "reset")));
        let rest = [Ok(Event::Text("b".to_owned())), Ok(Event::End(Box::new(whole())))];
        let rest = if is_first { vec![broken] } else { rest.to_vec() };
        let wait = self.1;
        let pieces = [Ok(Event::Text("a".to_owned()))].into_iter().chain(rest);
        let events: EventStream = stream::iter(pieces)
            .then(move |piece| async move {
                tokio::time::sleep(wait).await;
                piece
            })
            .boxed();
        async move { Ok(Answer::Stream { head: Box::new(Response::new(Vec::new()).with_provider("a", "m")), events }) }
            .boxed()
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_held_until_it_is_whole_is_filled_meanwhile() {
    for (path, filling, besides) in FILLED {
        let router = router(
            "[modules.resume]\nenabled = true\nmode = \"hold\"",
            Arc::new(Breaking(0.into(), Duration::from_secs(20))),
        );
        let (status, _, body) = post(&router, path, &question(true)).await;
        // The first answer takes 40 s, the second 60 s.
        let found = body.matches(filling).count();
        assert_eq!((status, found), (200, 6 + besides(6)), "{path}: {body}");
        let text = body.find("\"ab\"").unwrap_or_else(|| panic!("{path}: {body}"));
        assert!(
            body.rfind(filling).is_some_and(|last| last < text),
            "{path}: nothing of the answer comes before: {body}"
        );
    }
}
