//! Counters, gauges and histograms, for whatever recorder the process has installed.

use std::{sync::Arc, time::Duration};

use metrics::{Counter, Gauge, Histogram, Label, SharedString, counter, gauge, histogram};

use crate::{
    chat::{
        error::Error,
        reason::ErrorReason,
        response::Response,
        trail::{Attempt, Outcome},
    },
    telemetry::model_label::model_label,
};

/// What is counted of a model's invokes. The frequent meters are looked up when the model is loaded, so that calls do
/// not pay for it. Install a recorder before.
pub(crate) struct ModelMeters {
    provider: Arc<str>,
    model: String,
    labels: [Label; 3],
    answered: Counter,
    duration: Histogram,
    first_chunk: Histogram,
    tokens: [Histogram; 2],
}

impl ModelMeters {
    /// Meters of this model. `is_named` says whether the configuration or the catalogue names it.
    pub(crate) fn new(provider: &str, model: &str, is_named: bool) -> Self {
        let provider: Arc<str> = provider.into();
        let labels = labels_of(provider.clone(), model, is_named);
        Self {
            answered: calls(&provider, "ok"),
            duration: histogram!("gen_ai.client.operation.duration", labels.to_vec()),
            first_chunk: histogram!("gen_ai.client.operation.time_to_first_chunk", labels.to_vec()),
            tokens: token_usage(&labels),
            provider,
            model: model.to_owned(),
            labels,
        }
    }

    /// The provider whose calls are counted.
    pub(crate) fn provider(&self) -> &str {
        &self.provider
    }

    /// The model whose calls are counted.
    pub(crate) fn model(&self) -> &str {
        &self.model
    }

    /// Counts a streamed answer that begins.
    pub(crate) fn committed(&self, after: Duration) {
        self.first_chunk.record(after);
    }

    /// Counts the tokens of an answer, for the model that gave it. A module may have asked another one.
    fn count_tokens(&self, response: &Response) {
        let is_it = |attempt: &&Attempt| attempt.outcome == Outcome::Ok && attempt.provider == response.provider;
        let answered = response.trail.iter().rev().find(is_it);
        let other = answered.filter(|by| by.provider != *self.provider || by.model != self.model);
        let of_other = other.map(|by| token_usage(&labels_of(by.provider.as_str().into(), &by.model, false)));
        let [input, output] = of_other.as_ref().unwrap_or(&self.tokens);
        input.record(response.usage.input_tokens as f64);
        output.record(response.usage.output_tokens as f64);
    }

    /// Counts an invoke that has ended.
    pub(crate) fn ended(&self, took: Duration, result: Result<&Response, &Error>) {
        match result {
            Ok(response) => {
                self.answered.increment(1);
                self.duration.record(took);
                self.count_tokens(response);
            }
            Err(error) => {
                let kind = error.kind.as_str();
                histogram!("gen_ai.client.operation.duration", with(&self.labels, "error.type", kind)).record(took);
                calls(&self.provider, kind).increment(1);
            }
        }
    }
}

/// Counters of tokens with these labels: of the input, and of the output.
fn token_usage(labels: &[Label]) -> [Histogram; 2] {
    ["input", "output"].map(|kind| histogram!("gen_ai.client.token.usage", with(labels, "gen_ai.token.type", kind)))
}

fn labels_of(provider: Arc<str>, model: &str, is_named: bool) -> [Label; 3] {
    let model = model_label(&provider, model, is_named).into_owned();
    [
        Label::from_static_parts("gen_ai.operation.name", "chat"),
        Label::new("gen_ai.provider.name", provider),
        Label::new("gen_ai.request.model", model),
    ]
}

fn with(labels: &[Label], name: &'static str, value: &'static str) -> Vec<Label> {
    [labels, &[Label::from_static_parts(name, value)]].concat()
}

fn calls(provider: &Arc<str>, outcome: &'static str) -> Counter {
    counter!("arcllm.calls", "provider" => provider.clone(), "outcome" => SharedString::const_str(outcome))
}

/// Counts an attempt that has ended.
pub(crate) fn count_attempt(attempt: &Attempt) {
    let (provider, outcome) = (attempt.provider.clone(), attempt.outcome.as_str());
    counter!("arcllm.attempts", "provider" => provider.clone(), "outcome" => outcome).increment(1);
    if !matches!(attempt.outcome, Outcome::Ok | Outcome::Cancelled) {
        // Words that a provider or a module makes up have no series of their own.
        let reason = match &attempt.reason {
            None => SharedString::const_str(outcome),
            Some(ErrorReason::Other(_)) => SharedString::const_str("other"),
            Some(reason) => SharedString::from_owned(reason.as_str().to_owned()),
        };
        counter!("arcllm.errors", "provider" => provider, "reason" => reason).increment(1);
    }
}

/// Counts a module that asks its inner again.
pub(crate) fn count_retry(module: &Arc<str>) {
    counter!("arcllm.retries", "module" => module.clone()).increment(1);
}

/// Counts a module that asks another model after its first.
pub(crate) fn count_fallback(module: &Arc<str>) {
    counter!("arcllm.fallbacks", "module" => module.clone()).increment(1);
}

/// Counts an operation of a module's state that failed.
pub(crate) fn count_state_failure(module: &Arc<str>) {
    counter!("arcllm.state.failures", "module" => module.clone()).increment(1);
}

/// The time that a module works on a call, without waiting for answers and without sleeping.
pub(crate) fn own_time(module: &Arc<str>) -> Histogram {
    histogram!("arcllm.module.own_time", "module" => module.clone())
}

/// Counts a module that could not serve a call, with the limit that it exceeded.
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
