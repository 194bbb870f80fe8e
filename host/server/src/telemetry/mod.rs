//! What people and other programs learn of the requests: the log, counters and spans.

pub(crate) mod background;
pub(crate) mod log;
pub(crate) mod metrics;
pub(crate) mod noted;
pub mod otlp;
pub(crate) mod recorder;
pub(crate) mod refusals;
