//! What the benchmarks share: hosts with adapters in this process, measuring and printing.
#![allow(dead_code, unused_imports, reason = "each benchmark uses a part of it")]

mod adapters;
mod child;
mod elsewhere;
mod flaky;
mod hosts;
mod load;
mod measure;
mod served;
mod table;

pub(crate) use adapters::{Instant, Parked, answer};
pub(crate) use child::{Child, child_arguments};
pub(crate) use elsewhere::Elsewhere;
pub(crate) use flaky::{Flaky, draw, turn};
pub(crate) use hosts::{Modules, host, loopback, retry_and_fallback};
pub(crate) use load::Load;
pub(crate) use measure::{cpu_time, median, resident_kb};
pub(crate) use served::{EVENTS, body, provider};
pub(crate) use table::{Table, micros, millis, time};

/// A runtime with two workers, so that figures of different machines can be compared.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}
