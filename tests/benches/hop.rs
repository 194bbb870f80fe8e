//! What a module costs a call: the same adapter in this process, bare, in one module and in two, side by side.
//!
//! `cargo bench -p arcllm-conformance --bench hop`
#![expect(clippy::unwrap_used, reason = "a benchmark ends where it cannot go on")]

use std::{hint::black_box, sync::Arc};

use arcllm::{
    Adapter, Config, ContentBlock, ErrorKind, Extensions, Host, Message, Model, Overrides, Request, Response,
    StopReason, Usage,
};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use futures::future::BoxFuture;
use serde_json::json;

/// Answers at once.
struct Instant;

impl Adapter for Instant {
    fn send(self: Arc<Self>, _: Arc<Request>) -> BoxFuture<'static, Result<Response, ErrorKind>> {
        Box::pin(std::future::ready(Ok(Response {
            content: vec![ContentBlock::text("Hello")],
            usage: Usage::default(),
            stop_reason: StopReason::EndTurn,
            model: "m".to_owned(),
            provider: "a".to_owned(),
            request_id: None,
            trail: Vec::new(),
            extensions: Extensions::new(),
        })))
    }
}

fn overrides(modules: usize) -> Overrides {
    let both = [("retry", json!(true)), ("fallback", json!({ "chain": ["a", "b"] }))];
    both.into_iter().take(modules).fold(Overrides::new(), |overrides, (name, switch)| overrides.module(name, switch))
}

fn hops(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let host = Host::builder().config(Config::parse("", None).unwrap());
    let host = host.adapter("a", "m", Arc::new(Instant)).adapter("b", "m", Arc::new(Instant)).build().unwrap();
    for (size, bytes) in [("1 KB", 1 << 10), ("10 MB", 10 << 20)] {
        let request = Arc::new(Request::new([Message::user("x".repeat(bytes))]));
        let mut group = criterion.benchmark_group(format!("invoke with {size}"));
        for modules in 0..=2 {
            let model: Model = runtime.block_on(host.load_model("a", overrides(modules))).unwrap();
            group.bench_function(BenchmarkId::new("modules", modules), |bencher| {
                bencher.iter(|| runtime.block_on(model.invoke_with(black_box(request.clone()))).unwrap());
            });
        }
        group.finish();
    }
}

criterion_group!(benches, hops);
criterion_main!(benches);
