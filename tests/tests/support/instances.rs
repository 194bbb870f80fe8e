//! Counts the instances of a module by the gauge `arcllm.module.instances`: how many have begun, and how many run.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use metrics::{Counter, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

/// The instances of one module that began while this counted.
#[derive(Clone)]
pub(crate) struct Instances {
    module: &'static str,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    begun: AtomicUsize,
    ended: AtomicUsize,
}

impl Instances {
    /// Runs this on one thread, and counts the instances of this module meanwhile.
    pub(crate) fn count(module: &'static str, run: impl AsyncFnOnce(Self)) {
        let instances = Self { module, counts: Arc::default() };
        metrics::with_local_recorder(&instances.clone(), || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(run(instances));
        });
    }

    /// How many have begun.
    pub(crate) fn begun(&self) -> usize {
        self.counts.begun.load(Ordering::SeqCst)
    }

    /// How many run.
    pub(crate) fn running(&self) -> usize {
        self.begun() - self.counts.ended.load(Ordering::SeqCst)
    }

    /// Waits until so many run.
    pub(crate) async fn wait_until_running(&self, running: usize) {
        crate::scene::soon(async {
            while self.running() != running {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
    }
}

impl Recorder for Instances {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        let of_module = |label: &metrics::Label| label.key() == "module" && label.value() == self.module;
        if key.name() == "arcllm.module.instances" && key.labels().any(of_module) {
            return Gauge::from_arc(self.counts.clone());
        }
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

impl GaugeFn for Counts {
    fn increment(&self, _: f64) {
        self.begun.fetch_add(1, Ordering::SeqCst);
    }

    fn decrement(&self, _: f64) {
        self.ended.fetch_add(1, Ordering::SeqCst);
    }

    fn set(&self, _: f64) {}
}
