//! Spans and counters for a collector of OpenTelemetry.

use std::sync::{Arc, Mutex};

use arcllm_simulator::{Format, Reply};
use opentelemetry_proto::tonic::{
    collector::{metrics::v1::ExportMetricsServiceRequest, trace::v1::ExportTraceServiceRequest},
    trace::v1::Span,
};
use prost::Message as _;
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

use crate::{scene::replies, serve::gateway::Gateway, support::Chain};

/// What a collector was sent: paths and bodies.
type Received = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

/// A collector on loopback. Returns its URL.
async fn collector(received: Received) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            tokio::spawn(collect(connection, received.clone()));
        }
    });
    url
}

async fn collect(connection: TcpStream, received: Received) {
    let mut connection = BufReader::new(connection);
    loop {
        let (mut path, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if connection.read_line(&mut line).await.unwrap_or(0) == 0 {
                return;
            }
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(rest) = line.strip_prefix("post ") {
                path = rest.split(' ').next().unwrap().to_owned();
            } else if let Some(text) = line.strip_prefix("content-length: ") {
                length = text.parse().unwrap();
            } else if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        connection.read_exact(&mut body).await.unwrap();
        received.lock().unwrap().push((path, body));
        connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    }
}

fn attribute(span: &Span, name: &str) -> String {
    let found = span.attributes.iter().find(|attribute| attribute.key == name);
    found.map(|attribute| format!("{:?}", attribute.value)).unwrap_or_default()
}

#[tokio::test]
async fn a_call_is_a_trace_inside_of_the_client_s() {
    let received = Received::default();
    let endpoint = collector(received.clone()).await;
    let provider = replies([Reply::error(529, "busy")]).await;
    let chain = Chain::new().provider("sim", Format::OpenAi, &provider.url());
    let folder = chain.module("retry", crate::scene::FAST).folder().unwrap().trusted();
    let environment = [("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint), ("OTEL_SERVICE_NAME", "mine")];
    let gateway = Gateway::with(folder, &[], &environment).await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let parent = format!("00-{trace}-00f067aa0ba902b7-01");
    let body = json!({ "model": "sim", "messages": [{ "role": "user", "content": "Secret" }] });
    assert_eq!(gateway.post_with("/v1/chat/completions", &[("traceparent", &parent)], &body).await.status, 200);
    assert_eq!(gateway.stop().await.code, 0);

    let received = received.lock().unwrap();
    let of = |path: &str| received.iter().filter(|(at, _)| at == path).map(|(_, body)| &**body).collect::<Vec<_>>();
    let traces = of("/v1/traces").into_iter().map(|body| ExportTraceServiceRequest::decode(body).unwrap());
    let resources: Vec<_> = traces.flat_map(|request| request.resource_spans).collect();
    assert!(format!("{:?}", resources[0].resource).contains("\"mine\""), "{:?}", resources[0].resource);
    let spans: Vec<Span> =
        resources.into_iter().flat_map(|spans| spans.scope_spans).flat_map(|spans| spans.spans).collect();
    let by_name = |name: &str| spans.iter().filter(|span| span.name == name).collect::<Vec<_>>();
    let [request] = by_name("POST /v1/chat/completions")[..] else { panic!("{spans:?}") };
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(
        (hex(&request.trace_id), hex(&request.parent_span_id)),
        (trace.to_owned(), "00f067aa0ba902b7".to_owned())
    );
    // The call, and its two attempts.
    let calls = by_name("chat sim-model");
    assert_eq!(calls.len(), 3, "{spans:?}");
    let call = calls.iter().find(|span| span.parent_span_id == request.span_id).unwrap();
    assert!(attribute(call, "gen_ai.usage.output_tokens").contains("IntValue"), "{call:?}");
    assert!(spans.iter().all(|span| span.trace_id == request.trace_id));
    assert!(!format!("{spans:?}").contains("Secret"));

    let metrics = of("/v1/metrics").into_iter().map(|body| ExportMetricsServiceRequest::decode(body).unwrap());
    let metrics = metrics.flat_map(|request| request.resource_metrics).flat_map(|metrics| metrics.scope_metrics);
    let names: Vec<_> = metrics.flat_map(|metrics| metrics.metrics).map(|metric| metric.name).collect();
    for name in [
        "arcllm.calls",
        "arcllm.attempts",
        "arcllm.retries",
        "gen_ai.client.operation.duration",
        "arcllm.serve.requests",
    ] {
        assert!(names.iter().any(|found| found == name), "{name}: {names:?}");
    }
}

#[tokio::test]
async fn a_collector_that_is_down_harms_no_call() {
    let provider = replies([]).await;
    let folder = Chain::new().provider("sim", Format::OpenAi, &provider.url()).folder().unwrap().trusted();
    let environment = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")];
    let gateway = Gateway::with(folder, &[], &environment).await;
    let body = json!({ "model": "sim", "messages": [{ "role": "user", "content": "Hi" }] });
    assert_eq!(gateway.post("/v1/chat/completions", &body).await.status, 200);
    let output = gateway.stop().await;
    assert_eq!(output.code, 0);
    let told = output.stderr.lines().filter(|line| line.contains("the collector at 127.0.0.1:9/v1/"));
    // Spans and counters have failed, and it is told once.
    assert_eq!(told.count(), 1, "{}", output.stderr);
}

/// What listens at a wrong address may answer without end.
#[tokio::test]
async fn an_endless_answer_is_not_kept() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (sent, mut ended) = tokio::sync::mpsc::channel(100);
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let sent = sent.clone();
            tokio::spawn(async move {
                let mut count = 0_u64;
                let piece = [b'x'; 10_000];
                let _ = connection.read(&mut [0; 1000]).await;
                let mut answer = connection.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
                while answer.is_ok() {
                    answer = connection.write_all(&piece).await;
                    count += 1;
                }
                let _ = sent.send(count).await;
            });
        }
    });
    let provider = replies([]).await;
    let folder = Chain::new().provider("sim", Format::OpenAi, &provider.url()).folder().unwrap().trusted();
    let gateway = Gateway::with(folder, &[], &[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)]).await;
    let body = json!({ "model": "sim", "messages": [{ "role": "user", "content": "Hi" }] });
    assert_eq!(gateway.post("/v1/chat/completions", &body).await.status, 200);
    let output = gateway.stop().await;
    assert!(output.code == 0 && output.stderr.contains("its answer is too long"), "{}", output.stderr);
    // The buffers of the system hold more than what was read.
    assert!(ended.recv().await.unwrap() < 2000, "20 MB");
}

#[tokio::test]
async fn values_that_are_ignored_are_told() {
    let provider = replies([]).await;
    let folder = Chain::new().provider("sim", Format::OpenAi, &provider.url()).folder().unwrap().trusted();
    let environment = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "http/protobuf"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "1s"),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
        ("OTEL_TRACES_EXPORTER", "console"),
    ];
    let stderr = Gateway::with(folder, &[], &environment).await.stop().await.stderr;
    let told: Vec<&str> = stderr.lines().filter_map(|line| Some(&line[line.find("OTEL_")?..])).collect();
    let exporter = "OTEL_TRACES_EXPORTER is \"console\", and only \"otlp\" and \"none\" are known";
    let protocol = "and only http/protobuf is spoken, for which a collector has a port of its own, mostly 4318";
    let protocol = format!("OTEL_EXPORTER_OTLP_PROTOCOL is \"grpc\", {protocol}");
    assert_eq!(
        told,
        ["OTEL_METRIC_EXPORT_INTERVAL is no whole number, and is ignored", exporter, &protocol],
        "{stderr}"
    );
}
