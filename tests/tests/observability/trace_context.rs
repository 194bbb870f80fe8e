//! W3C Trace Context: the trace of a call, as providers and observers get it.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex},
};

use arcllm::{
    Adapter, Config, ErrorKind, Failure, Host, MemoryStore, Message, Model, Options, Overrides, Request, Response,
};
use arcllm_simulator::{Fault, Reply, Simulator};
use futures::future::BoxFuture;
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt as _},
    registry::LookupSpan,
};

use crate::scene::{FAST, around_both, load, replies, soon};

const CALLERS: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// The `traceparent` headers of all requests.
fn told(simulator: &Simulator) -> Vec<String> {
    let requests = simulator.requests();
    let headers = requests.iter().flat_map(|request| &request.headers);
    headers.filter(|(name, _)| name == "traceparent").map(|(_, value)| value.clone()).collect()
}

/// Asks `a` twice and then `b`. Returns the headers that each got.
async fn ask(host: &str, options: Options) -> (Vec<String>, Vec<String>) {
    let (a, b) = (replies([Reply::status(529), Reply::status(529)]).await, replies([]).await);
    let chain = around_both(&a, &b)
        .module("retry", &format!("{FAST}\nmax_retries = 1"))
        .module("fallback", "chain = [\"a\", \"b\"]")
        .host("order = [\"fallback\", \"retry\"]")
        .host(host);
    let model = load(&chain.folder().unwrap(), Overrides::new()).await;
    soon(model.invoke_with(Request::new([Message::user("Hi")]).with_options(options))).await.unwrap();
    (told(&a), told(&b))
}

/// Version, trace, span and flags.
fn parts(traceparent: &str) -> [&str; 4] {
    traceparent.split('-').collect::<Vec<_>>().try_into().unwrap()
}

#[tokio::test]
async fn providers_get_no_trace_unless_configured() {
    for options in [Options::default(), Options::new().traceparent(CALLERS)] {
        assert_eq!(ask("", options).await, (Vec::new(), Vec::new()));
    }
}

#[tokio::test]
async fn the_attempts_of_an_invoke_are_spans_of_one_trace() {
    let (a, b) = ask("propagate_trace = true", Options::default()).await;
    let [[version, trace, first, flags], second, third] = [&a[0], &a[1], &b[0]].map(|told| parts(told));
    assert_eq!((version, trace.len(), first.len(), flags), ("00", 32, 16, "01"));
    assert_eq!((second[1], third[1]), (trace, trace));
    assert!(first != second[2] && second[2] != third[2] && first != third[2]);
    assert!(first.chars().chain(trace.chars()).all(|digit| matches!(digit, '0'..='9' | 'a'..='f')));
    let (again, _) = ask("propagate_trace = true", Options::default()).await;
    assert_ne!(parts(&again[0])[1], trace);
}

#[tokio::test]
async fn the_callers_trace_continues() {
    let options = Options::new().traceparent(CALLERS);
    let (a, b) = ask("propagate_trace = true", options).await;
    for told in [&a[0], &a[1], &b[0]] {
        let [_, trace, span, flags] = parts(told);
        assert_eq!((trace, flags), (parts(CALLERS)[1], "01"));
        assert_ne!(span, parts(CALLERS)[2]);
    }
}

#[tokio::test]
async fn a_malformed_traceparent_is_an_error_and_nothing_is_sent() {
    let a = replies([]).await;
    let chain = crate::scene::around(&a).host("propagate_trace = true");
    let model = load(&chain.folder().unwrap(), Overrides::new()).await;
    let options = Options::new().traceparent("00-1-1-01");
    let request = Request::new([Message::user("Hi")]).with_options(options);
    let error = soon(model.invoke_with(request.clone())).await.unwrap_err();
    assert!(matches!(&error.kind, ErrorKind::Config(error) if error.problem.contains("`traceparent`")), "{error:?}");
    assert!(soon(model.stream_with(request).collect()).await.is_err());
    assert_eq!(a.connections(), 0);
}

/// A provider that is down.
struct Down;

impl Adapter for Down {
    fn send(self: Arc<Self>, _: Arc<Request>) -> BoxFuture<'static, Result<Response, ErrorKind>> {
        Box::pin(async { Err(ErrorKind::Connection(Failure::new("down", "is down"))) })
    }
}

/// A trace must not change the random numbers of a seed.
#[tokio::test(start_paused = true)]
async fn waits_are_the_same_with_and_without_a_trace() {
    let waits = async |propagate: bool| {
        let config = format!("[host]\npropagate_trace = {propagate}\n[modules.retry]\nenabled = true\nmax_retries = 4");
        let host = Host::builder().config(Config::parse(&config, None).unwrap()).seed(7);
        let host =
            host.state_store(Arc::new(MemoryStore::default())).adapter("down", "m", Arc::new(Down)).build().unwrap();
        let model = host.load_model("down", Overrides::new()).await.unwrap();
        let error = model.invoke(&[Message::user("Hi")], &[]).await.unwrap_err();
        error.trail.iter().map(|attempt| attempt.waited).collect::<Vec<_>>()
    };
    let without = waits(false).await;
    assert_eq!(without.len(), 5);
    assert_eq!(without, waits(true).await);
}

/// The fields of each span, and how many requests were sent in it.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<Fields>>>);

#[derive(Default)]
struct Fields {
    name: &'static str,
    fields: BTreeMap<&'static str, String>,
    requests: usize,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.fields.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.insert(field.name(), value.to_owned());
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Seen {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut all = self.0.lock().unwrap();
        let mut fields = Fields { name: attributes.metadata().name(), ..Fields::default() };
        attributes.record(&mut fields);
        context.span(id).unwrap().extensions_mut().insert(all.len());
        all.push(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let index = context.span(id).unwrap().extensions().get::<usize>().copied();
        values.record(&mut self.0.lock().unwrap()[index.unwrap()]);
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if event.metadata().target() == "arcllm::http" {
            // Each request is sent in a span.
            let span = context.event_span(event).unwrap();
            let index = span.extensions().get::<usize>().copied().unwrap();
            self.0.lock().unwrap()[index].requests += 1;
        }
    }
}

/// What is seen while this is done with a model of `a`, which replies so, and the trace that `a` got.
fn observe(reply: Reply, doing: impl AsyncFnOnce(Model, &Simulator)) -> (Seen, Vec<String>) {
    // A subscriber for good: without one for a moment, as between two tests, spans would stay off.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry());
    let seen = Seen::default();
    let _seen = tracing::subscriber::set_default(tracing_subscriber::registry().with(seen.clone()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let told = runtime.block_on(async {
        let a = replies([reply]).await;
        let chain = crate::scene::around(&a).host("propagate_trace = true");
        doing(load(&chain.folder().unwrap(), Overrides::new()).await, &a).await;
        told(&a)
    });
    (seen, told)
}

#[test]
fn spans_have_the_ids_that_the_provider_gets() {
    let (seen, told) = observe(Reply::text("Hi."), async |model, _| {
        soon(model.invoke(&[Message::user("Hi")], &[])).await.unwrap();
    });
    let seen = seen.0.lock().unwrap();
    let [_, trace, span, _] = parts(&told[0]);
    let [invoke, attempt] = ["invoke", "attempt"].map(|name| seen.iter().find(|span| span.name == name).unwrap());
    assert_eq!(invoke.fields["trace_id"], trace);
    assert_eq!((&*attempt.fields["trace_id"], &*attempt.fields["span_id"]), (trace, span));
    assert_eq!((invoke.requests, attempt.requests), (0, 1));
}

#[test]
fn a_dropped_attempt_is_cancelled() {
    for streamed in [false, true] {
        let (seen, _) = observe(Reply::fault(Fault::Silence), async |model, a| {
            let messages = [Message::user("Hi")];
            let asking = async {
                match streamed {
                    true => drop(model.stream(&messages, &[]).collect().await),
                    false => drop(model.invoke(&messages, &[]).await),
                }
            };
            tokio::select! {
                () = asking => panic!("it is not answered"),
                _ = soon(a.wait_for_requests(1)) => {}
            }
        });
        let seen = seen.0.lock().unwrap();
        let attempt = seen.iter().find(|span| span.name == "attempt").unwrap();
        assert_eq!(attempt.fields["error.type"], "cancelled");
    }
}
