//! Says that a component is being compiled, if that takes long.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::layer::{Context, Layer};

use crate::{output::word, progress::say_above};

/// Code that is kept from an earlier run is there by then.
const LONG: Duration = Duration::from_secs(1);

/// How many compilations of each module are under way.
static UNDER_WAY: Mutex<BTreeMap<String, usize>> = Mutex::new(BTreeMap::new());

/// Watches the library's events of compilations.
pub(crate) struct Compiling;

impl<S: Subscriber> Layer<S> for Compiling {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() != "arcllm::compile" {
            return;
        }
        let mut component = Component::default();
        event.record(&mut component);
        match component.bytes {
            Some(bytes) => begin(component.module, bytes),
            None => end(&component.module),
        }
    }
}

fn begin(module: String, bytes: u64) {
    *under_way().entry(module.clone()).or_default() += 1;
    // If there is no thread, nothing is said.
    let _ = thread::Builder::new().spawn(move || {
        thread::sleep(LONG);
        if under_way().contains_key(&module) {
            let (name, mb) = (word(&module), bytes as f64 / 1e6);
            say_above(&format!("compiling {name} ({mb:.1} MB); the result is kept for later runs"));
        }
    });
}

fn end(module: &str) {
    let mut under_way = under_way();
    match under_way.get_mut(module) {
        Some(count) if *count > 1 => *count -= 1,
        _ => drop(under_way.remove(module)),
    }
}

fn under_way() -> std::sync::MutexGuard<'static, BTreeMap<String, usize>> {
    UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Default)]
struct Component {
    module: String,
    /// Known where a compilation begins.
    bytes: Option<u64>,
}

impl Visit for Component {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "module" {
            value.clone_into(&mut self.module);
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "bytes" {
            self.bytes = Some(value);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}
