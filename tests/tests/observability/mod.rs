//! What observers and providers see of a call.

mod spans_and_counters;
mod trace_context;
