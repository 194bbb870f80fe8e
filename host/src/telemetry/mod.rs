//! What an observer sees of calls: `tracing` spans and `metrics` counters, named as OpenTelemetry's conventions for
//! generative AI name what they cover: <https://opentelemetry.io/docs/specs/semconv/gen-ai/>.
//!
//! No key is in any of them, and no content of messages unless it is asked for.

mod meters;
mod observed;
mod scope;
mod spans;
mod trace;

pub(crate) use meters::{
    ModelMeters, count_attempt, count_failure, count_fallback, count_retry, instances, own_time, queued,
};
pub(crate) use observed::Observed;
pub(crate) use scope::Scope;
pub(crate) use spans::{attempt_ended, attempt_span, attempt_traced, hop_ended, hop_span, invoke_traced};
pub(crate) use trace::{Trace, TraceParent};
