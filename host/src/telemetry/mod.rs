//! What an observer sees of calls: `tracing` spans and `metrics` counters, named as OpenTelemetry's conventions for
//! generative AI name what they cover: <https://opentelemetry.io/docs/specs/semconv/gen-ai/>.
//!
//! No key is in any of them, and no content of messages unless it is asked for.

pub(crate) mod meters;
pub(crate) mod observed;
pub(crate) mod scope;
pub(crate) mod spans;
pub(crate) mod trace;
