//! Says that a large component is being compiled, if that takes long.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::layer::{Context, Layer};

use crate::output::word;

/// A smaller component is compiled in no time that anybody would notice.
const LARGE: u64 = 1_000_000;

/// Code that is kept from an earlier run is there by then.
const LONG: Duration = Duration::from_secs(1);

/// The compilations under way, by module: when each of them began. The modules that were named.
static STATE: Mutex<State> = Mutex::new(State { under_way: BTreeMap::new(), named: BTreeSet::new() });

struct State {
    under_way: BTreeMap<String, Vec<Instant>>,
    named: BTreeSet<String>,
}

/// Watches the library's events of compilations.
pub(crate) struct Compiling {
    /// Writes a line for the user.
    pub(crate) say: fn(&str),
}

impl<S: Subscriber> Layer<S> for Compiling {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() != "arcllm::compile" {
            return;
        }
        let mut component = Component::default();
        event.record(&mut component);
        match component.bytes {
            Some(bytes @ LARGE..) => begin(component.module, bytes, self.say),
            Some(_) => {}
            None => end(&component.module),
        }
    }
}

fn begin(module: String, bytes: u64, say: fn(&str)) {
    let began = Instant::now();
    state().under_way.entry(module.clone()).or_default().push(began);
    // If there is no thread, nothing is said.
    let _ = thread::Builder::new().spawn(move || {
        thread::sleep(LONG);
        let mut state = state();
        let is_long = state.under_way.get(&module).is_some_and(|all| all.contains(&began));
        if is_long && state.named.insert(module.clone()) {
            drop(state);
            let (name, mb) = (word(&module), bytes as f64 / 1e6);
            say(&format!("compiling {name} ({mb:.1} MB); the result is kept for later runs"));
        }
    });
}

fn end(module: &str) {
    let mut state = state();
    if let Some(all) = state.under_way.get_mut(module) {
        all.pop();
    }
}

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
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
