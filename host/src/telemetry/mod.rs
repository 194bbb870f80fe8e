//! What observers see of calls: `tracing` spans and `metrics` counters. Their names follow OpenTelemetry's conventions
//! for generative AI: <https://opentelemetry.io/docs/specs/semconv/gen-ai/>.
//!
//! None of them has a key. Messages are in them only if the host is told to put them there.

pub(crate) mod meters;
pub(crate) mod model_label;
pub(crate) mod observed;
pub(crate) mod scope;
pub(crate) mod spans;
pub(crate) mod trace;
