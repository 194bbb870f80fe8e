//! Export of spans and counters by OpenTelemetry's protocol, as the variables `OTEL_*` of the environment say:
//! <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>.

use std::{
    env,
    error::Error as _,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::{HeaderMap, Uri};
use opentelemetry::{
    Context,
    metrics::{Meter, MeterProvider as _},
    propagation::TextMapPropagator as _,
    trace::TracerProvider as _,
};
use opentelemetry_http::{Bytes, HeaderExtractor, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{MetricExporter, Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{
    Resource, metrics::SdkMeterProvider, propagation::TraceContextPropagator, trace::SdkTracerProvider,
};
use tokio::runtime::Handle;
use tracing::{Span, Subscriber, field::Empty, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::{Layer, filter::filter_fn, registry::LookupSpan};

use crate::telemetry::background::tell;

/// The name of the service, unless `OTEL_SERVICE_NAME` says another one.
const SERVICE: &str = "arcllm";

/// How long an export may take, unless `OTEL_EXPORTER_OTLP_TIMEOUT` says.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The longest answer of a collector, in bytes. What listens at a wrong address could answer for ever.
const MOST_ANSWERED: usize = 64 << 10;

/// The only protocol that is spoken.
const PROTOCOL: &str = "http/protobuf";

/// The variables that hold a whole number.
const NUMBERS: [&str; 6] = [
    "OTEL_EXPORTER_OTLP_TIMEOUT",
    "OTEL_METRIC_EXPORT_INTERVAL",
    "OTEL_BSP_SCHEDULE_DELAY",
    "OTEL_BSP_MAX_QUEUE_SIZE",
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
    "OTEL_BSP_EXPORT_TIMEOUT",
];

/// Exports spans and counters.
#[derive(Debug)]
pub struct Otlp {
    spans: Option<SdkTracerProvider>,
    counters: Option<SdkMeterProvider>,
}

impl Otlp {
    /// What the environment asks for; `None` if it names no endpoint. Call it inside of a runtime with several threads.
    ///
    /// # Errors
    ///
    /// What is wrong with the environment.
    pub fn from_env() -> Result<Option<Self>, String> {
        if env::var("OTEL_SDK_DISABLED").is_ok_and(|value| value.eq_ignore_ascii_case("true")) {
            return Ok(None);
        }
        let is_wanted = |signal: &str| {
            let has = |name: &str| env::var(name).is_ok_and(|value| !value.is_empty());
            let is_none = env::var(format!("OTEL_{signal}_EXPORTER")).is_ok_and(|exporter| exporter == "none");
            !is_none && (has("OTEL_EXPORTER_OTLP_ENDPOINT") || has(&format!("OTEL_EXPORTER_OTLP_{signal}_ENDPOINT")))
        };
        let (spans, counters) = (is_wanted("TRACES"), is_wanted("METRICS"));
        if !spans && !counters {
            return Ok(None);
        }
        tell_ignored();
        let (client, resource) = (Client::new()?, Resource::builder().with_service_name(service()).build());
        let spans = spans.then(|| spans_to(client.clone(), resource.clone())).transpose()?;
        let counters = counters.then(|| counters_to(client, resource)).transpose()?;
        Ok(Some(Self { spans, counters }))
    }

    /// What sends the spans of calls, for a subscriber of `tracing`.
    pub fn layer<S>(&self) -> Option<impl Layer<S> + Send + Sync + use<S>>
    where
        S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        let tracer = self.spans.as_ref()?.tracer(SERVICE);
        let layer = tracing_opentelemetry::layer().with_tracer(tracer).with_location(false).with_threads(false);
        Some(layer.with_filter(filter_fn(|metadata| metadata.is_span() && metadata.target().starts_with("arcllm"))))
    }

    /// What counts.
    pub(crate) fn meter(&self) -> Option<Meter> {
        Some(self.counters.as_ref()?.meter(SERVICE))
    }

    /// Sends what is left. Blocks, so that it needs a thread of its own.
    pub(crate) fn end(&self) {
        // An error has been told by the exporter.
        let _ = self.spans.as_ref().map(SdkTracerProvider::shutdown);
        let _ = self.counters.as_ref().map(SdkMeterProvider::shutdown);
    }
}

/// The span of a request, inside of the one that its `traceparent` names. It is disabled if nobody listens.
pub(crate) fn request_span(path: &str, headers: &HeaderMap, key: Option<&str>) -> Span {
    let span = info_span!(
        target: "arcllm::serve",
        "request",
        "otel.name" = format_args!("POST {path}"),
        "otel.kind" = "server",
        "http.request.method" = "POST",
        "url.path" = path,
        "http.response.status_code" = Empty,
        "arcllm.key" = key,
    );
    if !span.is_disabled() {
        let parent: Context = TraceContextPropagator::new().extract(&HeaderExtractor(headers));
        // Another subscriber may listen, which has no traces.
        let _ = span.set_parent(parent);
    }
    span
}

/// Tells the operator of values that are ignored, as the standard wants it:
/// <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>.
fn tell_ignored() {
    let set = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    for name in NUMBERS {
        if set(name).is_some_and(|value| value.parse::<u64>().is_err()) {
            tell(format_args!("{name} is no whole number, and is ignored"));
        }
    }
    for name in ["OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER"] {
        if let Some(value) = set(name).filter(|value| !["otlp", "none"].contains(&value.as_str())) {
            tell(format_args!("{name} is {value:?}, and only \"otlp\" and \"none\" are known"));
        }
    }
    for signal in ["", "TRACES_", "METRICS_"] {
        let name = format!("OTEL_EXPORTER_OTLP_{signal}PROTOCOL");
        if let Some(value) = set(&name).filter(|value| value != PROTOCOL) {
            tell(format_args!(
                "{name} is {value:?}, and only {PROTOCOL} is spoken, for which a collector has a port of its own, mostly 4318"
            ));
        }
    }
}

fn service() -> String {
    env::var("OTEL_SERVICE_NAME").ok().filter(|name| !name.is_empty()).unwrap_or_else(|| SERVICE.to_owned())
}

fn spans_to(client: Client, resource: Resource) -> Result<SdkTracerProvider, String> {
    let exporter = SpanExporter::builder().with_http().with_protocol(Protocol::HttpBinary).with_http_client(client);
    let exporter = exporter.build().map_err(|error| format!("spans cannot be exported: {error}"))?;
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build())
}

fn counters_to(client: Client, resource: Resource) -> Result<SdkMeterProvider, String> {
    let exporter = MetricExporter::builder().with_http().with_protocol(Protocol::HttpBinary).with_http_client(client);
    let exporter = exporter.build().map_err(|error| format!("metrics cannot be exported: {error}"))?;
    Ok(SdkMeterProvider::builder().with_periodic_exporter(exporter).with_resource(resource).build())
}

/// Sends exports from the threads of the exporters, which have no runtime.
#[derive(Debug, Clone)]
struct Client {
    client: reqwest::Client,
    runtime: Handle,
    /// Whether the last export has failed, and the operator was told.
    has_failed: Arc<AtomicBool>,
}

impl Client {
    fn new() -> Result<Self, String> {
        // The client asks for one, also where it needs none. An error means that there is one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let milliseconds = env::var("OTEL_EXPORTER_OTLP_TIMEOUT").ok().and_then(|text| text.parse().ok());
        let timeout = milliseconds.map_or(TIMEOUT, Duration::from_millis);
        let redirects = reqwest::redirect::Policy::none();
        let client = reqwest::Client::builder().timeout(timeout).redirect(redirects).build();
        Ok(Self {
            client: client.map_err(|error| error.to_string())?,
            runtime: Handle::current(),
            has_failed: Arc::default(),
        })
    }
}

impl HttpClient for Client {
    fn send_bytes<'client, 'future>(
        &'client self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'future>>
    where
        'client: 'future,
        Self: 'future,
    {
        let (client, has_failed) = (self.client.clone(), self.has_failed.clone());
        let sending = self.runtime.spawn(async move {
            let url = request.uri().clone();
            let mut answer = client.execute(request.try_into()?).await.inspect_err(|error| {
                tell_failure(&has_failed, &url, &in_words(error));
            })?;
            let mut response = Response::builder().status(answer.status());
            if let Some(headers) = response.headers_mut() {
                headers.clone_from(answer.headers());
            }
            let mut body = Vec::new();
            while let Some(piece) = answer.chunk().await? {
                body.extend_from_slice(&piece);
                if body.len() > MOST_ANSWERED {
                    tell_failure(&has_failed, &url, "its answer is too long");
                    return Err("the answer of the collector is too long".into());
                }
            }
            match answer.status().is_success() {
                true => has_failed.store(false, Ordering::Relaxed),
                false => tell_failure(&has_failed, &url, &format!("it answers with {}", answer.status())),
            }
            Ok::<_, HttpError>(response.body(body.into())?)
        });
        Box::pin(async move { sending.await? })
    }
}

/// Tells the operator that nothing is exported: once, until an export succeeds.
fn tell_failure(has_failed: &AtomicBool, url: &Uri, why: &str) {
    if !has_failed.swap(true, Ordering::Relaxed) {
        // The user and password of an address stay out of the log.
        let (host, path) = (url.host().unwrap_or_default(), url.path());
        let port = url.port_u16().map(|port| format!(":{port}")).unwrap_or_default();
        tell(format_args!(
            "spans and counters are lost, since the collector at {host}{port}{path} does not take them: {why}"
        ));
    }
}

/// An error with its causes, without the address.
fn in_words(error: &reqwest::Error) -> String {
    let mut words = Vec::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        words.push(error.to_string());
        cause = error.source();
    }
    if words.is_empty() { "no answer".to_owned() } else { words.join(": ") }
}
