//! Counters, gauges and histograms, for whatever recorder the process has installed; none costs next to nothing.

use std::{sync::Arc, time::Duration};

use metrics::{Gauge, SharedString, counter, gauge, histogram};

use crate::{error::Error, provider::Provider, response::Response, trail::Attempt};

const OPERATION: &str = "chat";

/// Counts an invoke, its time and its tokens.
pub(crate) fn count_invoke(chain: &dyn Provider, took: Duration, result: &Result<Response, Error>) {
    let (provider, model) = (chain.name().to_owned(), chain.model().to_owned());
    let mut labels = vec![
        ("gen_ai.operation.name", SharedString::const_str(OPERATION)),
        ("gen_ai.provider.name", provider.clone().into()),
        ("gen_ai.request.model", model.into()),
    ];
    let outcome = match result {
        Ok(response) => {
            for (kind, tokens) in [("input", response.usage.input_tokens), ("output", response.usage.output_tokens)] {
                let mut labels = labels.clone();
                labels.push(("gen_ai.token.type", SharedString::const_str(kind)));
                histogram!("gen_ai.client.token.usage", &labels).record(tokens as f64);
            }
            "ok"
        }
        Err(error) => {
            labels.push(("error.type", SharedString::const_str(error.kind.as_str())));
            error.kind.as_str()
        }
    };
    histogram!("gen_ai.client.operation.duration", &labels).record(took);
    counter!("arcllm.calls", "provider" => provider, "outcome" => outcome).increment(1);
}

/// Counts an attempt that has ended.
pub(crate) fn count_attempt(attempt: &Attempt) {
    let (provider, outcome) = (attempt.provider.clone(), attempt.outcome.as_str());
    counter!("arcllm.attempts", "provider" => provider, "outcome" => outcome).increment(1);
}

/// A module asked its inner again.
pub(crate) fn count_retry(module: &Arc<str>) {
    counter!("arcllm.retries", "module" => module.clone()).increment(1);
}

/// A module asked another model, after it had asked one.
pub(crate) fn count_fallback(module: &Arc<str>) {
    counter!("arcllm.fallbacks", "module" => module.clone()).increment(1);
}

/// Counts a module's part in a call: the time that it spent itself, and not waiting for an answer or sleeping.
pub(crate) fn count_hop(module: &Arc<str>, own_time: Duration) {
    histogram!("arcllm.module.own_time", "module" => module.clone()).record(own_time);
}

/// A module could not serve a call; by the limit that it exceeded, if it was that.
pub(crate) fn count_failure(module: &Arc<str>, limit: Option<&'static str>) {
    counter!("arcllm.module.failures", "module" => module.clone(), "limit" => limit.unwrap_or("none")).increment(1);
}

/// How many instances of a module run.
pub(crate) fn instances(module: &Arc<str>) -> Gauge {
    gauge!("arcllm.module.instances", "module" => module.clone())
}

/// How many calls wait for an instance of a module.
pub(crate) fn queued(module: &Arc<str>) -> Gauge {
    gauge!("arcllm.module.queued", "module" => module.clone())
}
