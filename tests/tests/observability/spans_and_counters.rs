//! What an observer sees: nested spans, counters that add up, and no secrets.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
    sync::{Arc, Mutex},
};

use arcllm::{Error, Message, Overrides, Response};
use arcllm_simulator::{Fault, Place, Reply, Simulator};
use futures::StreamExt as _;
use insta::assert_snapshot;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tokio::runtime::{Builder, Runtime};
use tracing::{
    Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt as _},
    registry::LookupSpan,
};

use crate::{
    scene::{FAST, around_both, load, replies, soon},
    support::Chain,
};

/// A span that was seen.
#[derive(Debug, Default)]
struct Seen {
    name: &'static str,
    inside_of: Option<usize>,
    fields: BTreeMap<&'static str, String>,
}

impl Visit for Seen {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.fields.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.insert(field.name(), value.to_owned());
    }
}

/// Keeps every span of the library, in the order of their beginnings.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<Seen>>>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let span = context.span(id).unwrap();
        if attributes.metadata().target() != "arcllm" {
            return;
        }
        let inside_of = span.parent().and_then(|parent| parent.extensions().get::<usize>().copied());
        let mut seen = Seen { name: attributes.metadata().name(), inside_of, ..Seen::default() };
        attributes.record(&mut seen);
        let mut spans = self.0.lock().unwrap();
        span.extensions_mut().insert(spans.len());
        spans.push(seen);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let index = context.span(id).unwrap().extensions().get::<usize>().copied();
        if let Some(index) = index {
            values.record(&mut self.0.lock().unwrap()[index]);
        }
    }
}

impl Spans {
    /// The spans as a tree, one a line.
    fn tree(&self) -> String {
        let spans = self.0.lock().unwrap();
        let mut tree = String::new();
        for seen in &*spans {
            let outer = std::iter::successors(seen.inside_of, |index| spans[*index].inside_of).count();
            let fields: Vec<_> = seen.fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
            writeln!(tree, "{}{} {}", "  ".repeat(outer), seen.name, fields.join(" ")).unwrap();
        }
        tree
    }
}

/// A runtime of one thread, since subscriber and recorder are set for a thread.
fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// The spans and the counters of this.
fn observe<T>(doing: impl Future<Output = T>) -> (T, String, String) {
    // A subscriber for good: without one for a moment, as between two tests, spans would stay off.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry());
    let (spans, recorder) = (Spans::default(), DebuggingRecorder::new());
    let snapshotter = recorder.snapshotter();
    let _seen = tracing::subscriber::set_default(tracing_subscriber::registry().with(spans.clone()));
    let runtime = runtime();
    let done = metrics::with_local_recorder(&recorder, || {
        let done = runtime.block_on(doing);
        // Instances end in their own tasks.
        drop(runtime);
        done
    });
    let mut counted: Vec<_> = snapshotter
        .snapshot()
        .into_vec()
        .into_iter()
        .map(|(key, _, _, value)| {
            let value = match value {
                DebugValue::Counter(count) => count.to_string(),
                DebugValue::Gauge(value) => value.to_string(),
                DebugValue::Histogram(values) => format!("{} values", values.len()),
            };
            let labels: Vec<_> = key.key().labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
            format!("{} {} {value}\n", key.key().name(), labels.join(" "))
        })
        .collect();
    counted.sort();
    (done, spans.tree(), counted.concat())
}

async fn ask(chain: &Chain) -> Result<Response, Error> {
    let model = load(&chain.folder().unwrap(), Overrides::new()).await;
    soon(model.invoke(&[Message::user("What is the password?")], &[])).await
}

async fn overloaded() -> Simulator {
    replies([Reply::status(529), Reply::status(529)]).await
}

fn chain(a: &Simulator, b: &Simulator) -> Chain {
    around_both(a, b)
        .module("retry", &format!("{FAST}\nmax_retries = 1"))
        .module("fallback", "chain = [\"a\", \"b\"]")
        .host("order = [\"fallback\", \"retry\"]")
}

#[test]
fn spans_nest_as_the_call_went() {
    let (answer, tree, _) = observe(async {
        let (a, b) = (overloaded().await, replies([Reply::text("Swordfish.")]).await);
        ask(&chain(&a, &b)).await
    });
    answer.unwrap();
    assert_snapshot!(tree, @r#"
    invoke arcllm.attempts=3 arcllm.response.provider=b gen_ai.operation.name=chat gen_ai.provider.name=a gen_ai.request.model=a-model gen_ai.response.finish_reasons=end_turn gen_ai.response.id=req_sim000001 gen_ai.response.model=b-model gen_ai.usage.input_tokens=10 gen_ai.usage.output_tokens=5 otel.name=chat a-model
      module arcllm.module=fallback otel.name=module fallback
        module arcllm.module=retry error.type=api otel.name=module retry
          attempt arcllm.asked_by=retry error.type=api gen_ai.operation.name=chat gen_ai.provider.name=a gen_ai.request.model=a-model http.response.status_code=529 otel.kind=client otel.name=chat a-model
          attempt arcllm.asked_by=retry error.type=api gen_ai.operation.name=chat gen_ai.provider.name=a gen_ai.request.model=a-model http.response.status_code=529 otel.kind=client otel.name=chat a-model
        module arcllm.module=retry otel.name=module retry
          attempt arcllm.asked_by=retry gen_ai.operation.name=chat gen_ai.provider.name=b gen_ai.request.model=b-model gen_ai.response.id=req_sim000001 gen_ai.response.model=b-model gen_ai.usage.input_tokens=10 gen_ai.usage.output_tokens=5 otel.kind=client otel.name=chat b-model
    "#);
}

#[test]
fn counters_add_up() {
    let (_, _, counted) = observe(async {
        let (a, b) = (overloaded().await, replies([Reply::text("Swordfish.")]).await);
        let chain = chain(&a, &b);
        ask(&chain).await.unwrap();
        let (a, b) = (replies([Reply::error(400, "No.")]).await, replies([Reply::error(401, "No.")]).await);
        ask(&self::chain(&a, &b)).await.unwrap_err();
    });
    assert_snapshot!(counted, @r#"
    arcllm.attempts provider=a outcome=api 3
    arcllm.attempts provider=b outcome=api 1
    arcllm.attempts provider=b outcome=ok 1
    arcllm.calls provider=a outcome=api 1
    arcllm.calls provider=a outcome=ok 1
    arcllm.errors provider=a reason=invalid_request 1
    arcllm.errors provider=a reason=overloaded 2
    arcllm.errors provider=b reason=authentication 1
    arcllm.fallbacks module=fallback 2
    arcllm.module.instances module=fallback 0
    arcllm.module.instances module=retry 0
    arcllm.module.own_time module=fallback 2 values
    arcllm.module.own_time module=retry 4 values
    arcllm.retries module=retry 1
    gen_ai.client.operation.duration gen_ai.operation.name=chat gen_ai.provider.name=a gen_ai.request.model=a-model 1 values
    gen_ai.client.operation.duration gen_ai.operation.name=chat gen_ai.provider.name=a gen_ai.request.model=a-model error.type=api 1 values
    gen_ai.client.operation.time_to_first_chunk gen_ai.operation.name=chat gen_ai.provider.name=a gen_ai.request.model=a-model 0 values
    gen_ai.client.token.usage gen_ai.operation.name=chat gen_ai.provider.name=a gen_ai.request.model=a-model gen_ai.token.type=input 0 values
    gen_ai.client.token.usage gen_ai.operation.name=chat gen_ai.provider.name=a gen_ai.request.model=a-model gen_ai.token.type=output 0 values
    gen_ai.client.token.usage gen_ai.operation.name=chat gen_ai.provider.name=b gen_ai.request.model=b-model gen_ai.token.type=input 1 values
    gen_ai.client.token.usage gen_ai.operation.name=chat gen_ai.provider.name=b gen_ai.request.model=b-model gen_ai.token.type=output 1 values
    "#);
}

#[test]
fn an_invoke_that_is_dropped_is_cancelled() {
    let (_, tree, counted) = observe(async {
        let a = Simulator::start(arcllm_simulator::Script::new([Reply::fault(arcllm_simulator::Fault::Silence)]));
        let a = a.await.unwrap();
        let model = load(&crate::scene::around(&a).folder().unwrap(), Overrides::new()).await;
        let messages = [Message::user("Hi")];
        let asking = model.invoke(&messages, &[]);
        tokio::select! {
            _ = asking => {}
            _ = a.wait_until(|requests| !requests.is_empty()) => {}
        }
    });
    assert!(tree.starts_with("invoke ") && tree.contains("error.type=cancelled"), "{tree}");
    assert!(counted.contains("arcllm.calls provider=a outcome=cancelled 1"), "{counted}");
    assert!(counted.contains("arcllm.attempts provider=a outcome=cancelled 1"), "{counted}");
}

#[test]
fn a_stream_is_counted_when_it_has_ended() {
    let (_, tree, counted) = observe(async {
        let cut = Reply::text("one two").with_fault(Fault::EndEarly).fault_at(Place::BeforeEvent(5));
        let a = replies([Reply::text("one two"), cut]).await;
        let model = load(&crate::scene::around(&a).folder().unwrap(), Overrides::new()).await;
        let messages = [Message::user("Hi")];
        model.stream(&messages, &[]).collect().await.unwrap();
        model.stream(&messages, &[]).collect().await.unwrap_err();
        drop(model.stream(&messages, &[]).next().await);
    });
    for (outcome, error) in [("ok", "gen_ai.usage.output_tokens"), ("connection", "error.type=connection")] {
        assert!(counted.contains(&format!("arcllm.calls provider=a outcome={outcome} 1")), "{counted}");
        assert!(counted.contains(&format!("arcllm.attempts provider=a outcome={outcome} 1")), "{counted}");
        assert!(tree.contains(error), "{tree}");
    }
    assert!(counted.contains("arcllm.calls provider=a outcome=cancelled 1"), "{counted}");
    let first = "gen_ai.client.operation.time_to_first_chunk gen_ai.operation.name=chat gen_ai.provider.name=a";
    assert!(counted.contains(&format!("{first} gen_ai.request.model=a-model 3 values")), "{counted}");
}

#[test]
fn names_from_a_provider_are_harmless_in_a_log() {
    let (answer, tree, _) = observe(async {
        let a = replies([Reply::text("Hi").model("evil\u{1b}[31m\n\u{9b}").stop_reason("odd\u{7}")]).await;
        ask(&crate::scene::around(&a)).await
    });
    assert_eq!(answer.unwrap().model, "evil\u{1b}[31m\n\u{9b}");
    assert!(tree.contains(r"evil\u{1b}[31m\n\u{9b}") && tree.contains(r"odd\u{7}"), "{tree}");
    assert!(!tree.contains(['\u{1b}', '\u{9b}', '\u{7}']), "{tree}");
}

#[test]
fn content_is_traced_only_if_configured_and_keys_never() {
    for asked_for in [false, true] {
        let (answer, tree, counted) = observe(async {
            let a = replies([Reply::text("Swordfish.")]).await;
            let chain = Chain::new()
                .host(&format!("trace_content = {asked_for}"))
                // A variable that is always set serves as the key.
                .provider_with("a", arcllm_simulator::Format::Anthropic, &a.url(), "api_key_env = \"PATH\"");
            ask(&chain).await
        });
        answer.unwrap();
        for content in ["What is the password?", "Swordfish."] {
            assert_eq!(tree.contains(content), asked_for, "{tree}");
            assert!(!counted.contains(content), "{counted}");
        }
        let key = std::env::var("PATH").unwrap();
        assert!(!tree.contains(&key) && !counted.contains(&key));
    }
}
