//! Counters of the server, and all counters of the process as Prometheus reads them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use arcllm::{Attempt, Usage};
use metrics::{SharedString, counter, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use opentelemetry::metrics::Meter;

use crate::{page::cost::of_call, telemetry::recorder::Both};

/// Seconds of a call or of its beginning.
const SECONDS: &[f64] = &[0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0];

/// Seconds that a module spends itself.
const OWN_SECONDS: &[f64] = &[1e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 5e-3, 2e-2, 0.1, 1.0];

/// Tokens of an answer.
const TOKENS: &[f64] =
    &[1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262_144.0, 1_048_576.0, 4_194_304.0];

/// What a call costs, in the currency of the prices.
const COSTS: &[f64] = &[1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0];

/// The bounds of histograms, by how their names end.
const BOUNDS: [(&str, &[f64]); 5] = [
    ("serve.cost", COSTS),
    ("operation.duration", SECONDS),
    ("time_to_first_chunk", SECONDS),
    ("own_time", OWN_SECONDS),
    ("token.usage", TOKENS),
];

/// What is so at this moment.
pub(crate) struct Now {
    pub(crate) calls: u64,
    /// The memory that the bodies of calls take.
    pub(crate) body_bytes: u64,
    pub(crate) connections: u64,
    pub(crate) reload_failed: bool,
    /// The configured models that cannot be loaded.
    pub(crate) failed_models: usize,
}

/// The bounds of the histogram of this name.
fn bounds(name: &str) -> &'static [f64] {
    BOUNDS.iter().find(|(ending, _)| name.ends_with(ending)).map_or(SECONDS, |(_, bounds)| bounds)
}

/// All counters of the process.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    handle: PrometheusHandle,
    begun: Instant,
}

impl Metrics {
    /// Makes this process count, before models are loaded: for Prometheus, and for OpenTelemetry if there is a meter. `None` if
    /// it counts already, for somebody else.
    pub(crate) fn install(meter: Option<Meter>) -> Option<Self> {
        let mut builder = PrometheusBuilder::new();
        for (ending, bounds) in BOUNDS {
            builder = builder.set_buckets_for_metric(Matcher::Suffix(ending.to_owned()), bounds).ok()?;
        }
        let prometheus = builder.build_recorder();
        let handle = prometheus.handle();
        let installed = match meter {
            Some(meter) => metrics::set_global_recorder(Both { prometheus, meter, bounds }).is_ok(),
            None => metrics::set_global_recorder(prometheus).is_ok(),
        };
        installed.then(|| Self { handle, begun: Instant::now() })
    }

    /// Puts what was measured into its buckets. Without it, the memory grows until somebody reads.
    pub(crate) fn tidy(&self) {
        self.handle.run_upkeep();
    }

    /// All counters, as text.
    pub(crate) fn render(&self, now: &Now) -> String {
        gauge!("arcllm.serve.calls").set(now.calls as f64);
        gauge!("arcllm.serve.body.bytes").set(now.body_bytes as f64);
        gauge!("arcllm.serve.connections").set(now.connections as f64);
        gauge!("arcllm.serve.reload_failed").set(if now.reload_failed { 1.0 } else { 0.0 });
        gauge!("arcllm.serve.failed_models").set(now.failed_models as f64);
        gauge!("arcllm.serve.uptime").set(self.begun.elapsed().as_secs_f64());
        self.handle.render()
    }

    /// How often [`tidy`](Self::tidy) is needed.
    pub(crate) const TIDIED: Duration = Duration::from_secs(5);
}

/// Counts a request that has ended.
pub(crate) fn count_request(path: &str, status: u16) {
    let status = http::StatusCode::from_u16(status)
        .map_or(SharedString::const_str("0"), |status| SharedString::from_owned(status.as_str().to_owned()));
    counter!("arcllm.serve.requests", "route" => route(path), "status" => status).increment(1);
}

/// Counts what a call has used, for the key that asked. Also attempts that failed may have tokens and a cost.
pub(crate) fn count_use(key: &str, trail: &[Attempt]) {
    let key: Arc<str> = key.into();
    let tokens = |kind: &'static str, of: fn(&Usage) -> u64| {
        let sum = trail.iter().filter_map(|attempt| attempt.usage.as_ref()).map(of).fold(0, u64::saturating_add);
        counter!("arcllm.serve.tokens", "key" => key.clone(), "type" => kind).increment(sum);
    };
    tokens("input", |usage| usage.input_tokens);
    tokens("output", |usage| usage.output_tokens);
    if let Some(cost) = of_call(trail) {
        histogram!("arcllm.serve.cost", "key" => key.clone()).record(cost);
    }
}

/// Counts a reload.
pub(crate) fn count_reload(outcome: &'static str) {
    counter!("arcllm.serve.reloads", "outcome" => outcome).increment(1);
}

/// The route of a path. There are few, whatever clients ask for.
fn route(path: &str) -> &'static str {
    match path.strip_prefix("/v1").unwrap_or(path) {
        "/chat/completions" => "/v1/chat/completions",
        "/responses" => "/v1/responses",
        "/messages" => "/v1/messages",
        "/messages/count_tokens" => "/v1/messages/count_tokens",
        "/health/live" => "/health/live",
        "/health/ready" => "/health/ready",
        "/metrics" => "/metrics",
        "/" => "/",
        path if path == "/models" || path.starts_with("/models/") => "/v1/models",
        path if path.starts_with("/api/") => "/api",
        _ => "other",
    }
}
