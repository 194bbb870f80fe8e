//! Counts for Prometheus and for OpenTelemetry at once.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use metrics_exporter_prometheus::PrometheusRecorder;
use opentelemetry::{KeyValue, metrics as otel};

/// Counts for both.
#[derive(Debug)]
pub(crate) struct Both {
    pub(crate) prometheus: PrometheusRecorder,
    pub(crate) meter: otel::Meter,
    /// The bounds of the histogram of this name.
    pub(crate) bounds: fn(&str) -> &'static [f64],
}

impl Recorder for Both {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.prometheus.describe_counter(key, unit, description);
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.prometheus.describe_gauge(key, unit, description);
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.prometheus.describe_histogram(key, unit, description);
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        let counter = self.meter.u64_counter(key.name().to_owned()).build();
        let first = self.prometheus.register_counter(key, metadata);
        Counter::from_arc(Arc::new(Twice { first, second: counter, labels: labels(key) }))
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        let gauge = self.meter.f64_gauge(key.name().to_owned()).build();
        let first = self.prometheus.register_gauge(key, metadata);
        let second = Level { gauge, now: AtomicU64::new(0.0_f64.to_bits()) };
        Gauge::from_arc(Arc::new(Twice { first, second, labels: labels(key) }))
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        let bounds = (self.bounds)(key.name()).to_vec();
        let histogram = self.meter.f64_histogram(key.name().to_owned()).with_boundaries(bounds).build();
        let first = self.prometheus.register_histogram(key, metadata);
        Histogram::from_arc(Arc::new(Twice { first, second: histogram, labels: labels(key) }))
    }
}

fn labels(key: &Key) -> Vec<KeyValue> {
    key.labels().map(|label| KeyValue::new(label.key().to_owned(), label.value().to_owned())).collect()
}

/// The same meter for both.
struct Twice<A, B> {
    first: A,
    second: B,
    labels: Vec<KeyValue>,
}

impl CounterFn for Twice<Counter, otel::Counter<u64>> {
    fn increment(&self, value: u64) {
        self.first.increment(value);
        self.second.add(value, &self.labels);
    }

    /// Nothing here counts like this, and OpenTelemetry has no such thing.
    fn absolute(&self, value: u64) {
        self.first.absolute(value);
    }
}

impl HistogramFn for Twice<Histogram, otel::Histogram<f64>> {
    fn record(&self, value: f64) {
        self.first.record(value);
        self.second.record(value, &self.labels);
    }
}

/// A gauge that remembers its value, since OpenTelemetry's can only be set.
struct Level {
    gauge: otel::Gauge<f64>,
    /// The bits of a number.
    now: AtomicU64,
}

impl Level {
    fn change(&self, labels: &[KeyValue], by: f64) {
        let add = |bits| (f64::from_bits(bits) + by).to_bits();
        let before = self.now.update(Ordering::Relaxed, Ordering::Relaxed, add);
        self.gauge.record(f64::from_bits(before) + by, labels);
    }
}

impl GaugeFn for Twice<Gauge, Level> {
    fn increment(&self, value: f64) {
        self.first.increment(value);
        self.second.change(&self.labels, value);
    }

    fn decrement(&self, value: f64) {
        self.first.decrement(value);
        self.second.change(&self.labels, -value);
    }

    fn set(&self, value: f64) {
        self.first.set(value);
        self.second.now.store(value.to_bits(), Ordering::Relaxed);
        self.second.gauge.record(value, &self.labels);
    }
}
