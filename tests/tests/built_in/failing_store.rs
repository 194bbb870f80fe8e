//! A store that fails is told once a minute by the host, however many modules and calls it fails. What a module does wrong is not
//! told as a failure of the store.

use std::{
    fmt,
    sync::{Arc, Mutex},
};

use arcllm::{Config, CounterAddition, Host, Life, MemoryStore, Message, Overrides};
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt as _},
};

use crate::{
    scene::soon,
    support::{Elsewhere, Odd, Provider},
};

/// All modules that keep something, each going on without the store.
const MODULES: &str = r#"
[modules.telemetry]
enabled = true
log = false
[modules.budget]
enabled = true
on_store_failure = "allow"
unknown_price = "allow"
limits = [{ tokens = 1000000, window = "day" }]
[modules.cache]
enabled = true
cache_all = true
[modules.route]
enabled = true
rules = [{ targets = ["a/m", "b/m"], order = "fastest" }]
[modules.retry]
enabled = true
[modules.hedge]
enabled = true
after = "p95"
targets = ["b/m"]
[modules.circuit-breaker]
enabled = true
[modules.rate-limit]
enabled = true
adaptive = true
max_in_flight = 1000
"#;

/// Keeps the warnings and errors of the log.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, _: &Field, value: &dyn fmt::Debug) {
        self.0 += &format!("{value:?} ");
    }
}

impl<S: Subscriber> Layer<S> for Warnings {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() <= Level::WARN {
            let mut text = Text(String::new());
            event.record(&mut text);
            self.0.lock().unwrap().push(text.0);
        }
    }
}

/// What the log warns of while this is done, and how many failures of the store are counted.
fn warnings(doing: impl Future<Output = ()>) -> (Vec<String>, u64) {
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry());
    let (warnings, recorder) = (Warnings::default(), DebuggingRecorder::new());
    let snapshotter = recorder.snapshotter();
    let _seen = tracing::subscriber::set_default(tracing_subscriber::registry().with(warnings.clone()));
    // One thread, since subscriber and recorder are set for a thread.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(doing);
        drop(runtime);
    });
    let counted = snapshotter.snapshot().into_vec().into_iter().filter_map(|(key, _, _, value)| match value {
        DebugValue::Counter(count) if key.key().name() == "arcllm.state.failures" => Some(count),
        _ => None,
    });
    let failures = counted.sum();
    (warnings.0.lock().unwrap().clone(), failures)
}

#[test]
fn a_store_that_fails_under_100_calls_leaves_one_warning_a_minute() {
    for provider in [Provider::open(), Provider::open().failing(503)] {
        let (provider, mut minutes) = (Arc::new(provider), 0);
        let (warnings, failures) = warnings(async {
            let began = tokio::time::Instant::now();
            let host =
                Host::builder().config(Config::parse(MODULES, None).unwrap()).state_store(Elsewhere::new(Odd::Fails));
            let host = host.adapter("a", "m", provider.clone()).adapter("b", "m", provider.clone()).build().unwrap();
            let model = soon(host.load_model("a", Overrides::new())).await.unwrap();
            for at in 0..100 {
                drop(model.invoke(&[Message::user(format!("{at}"))], &[]).await);
            }
            // Virtual ones: a failing provider is asked again after a while.
            minutes = began.elapsed().as_secs() / 60;
        });
        let of_store: Vec<_> = warnings.iter().filter(|line| line.contains("it is gone")).collect();
        let told = u64::try_from(of_store.len()).unwrap();
        assert!(told >= 1 && told <= 1 + minutes, "{of_store:#?} in {minutes} minutes");
        assert!(of_store.iter().all(|line| line.contains("the state store fails")), "{of_store:#?}");
        assert!(failures >= 300, "{failures}");
    }
}

/// A module that adds to a text, beside one whose things are too many for the memory of the process.
#[test]
fn a_mistake_of_a_module_is_no_failure_of_the_store_and_a_limit_of_the_memory_is() {
    let (lines, failures) = warnings(async {
        let host = Host::builder().state_store(Arc::new(MemoryStore::default())).build().unwrap();
        let kept = host.state_store().open("careless");
        kept.set("text", b"many".to_vec(), Life::Forever).await.unwrap();
        for _ in 0..100 {
            let added = [CounterAddition { key: "text".to_owned(), delta: 1, most: None, life: Life::Forever }];
            let error = kept.add(&added).await.unwrap_err();
            assert!(error.is_of_module, "{error}");
        }
    });
    assert_eq!((lines, failures), (Vec::new(), 0));
    let (lines, failures) = warnings(async {
        // The store of the process, as a program has it that sets none.
        let host = Host::builder().build().unwrap();
        let kept = host.state_store().open_within("hoarder", 1 << 20).unwrap();
        kept.set("text", vec![0; 1 << 20], Life::Forever).await.unwrap_err();
        kept.set("text", vec![0; 1 << 20], Life::Forever).await.unwrap_err();
    });
    assert_eq!(failures, 2);
    assert!(lines.len() == 1 && lines[0].contains("more than 1 MiB"), "{lines:?}");
}
