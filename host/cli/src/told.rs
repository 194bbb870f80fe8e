//! What modules log, kept for a timeline.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::layer::{Context, Layer};

use crate::output::word;

/// The target of what modules log.
pub(crate) const TARGET: &str = "arcllm::module";

/// The most lines that are kept. Of more, the last ones are.
const MOST: usize = 1000;

static KEPT: Mutex<VecDeque<Told>> = Mutex::new(VecDeque::new());

/// A line that a module logged.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) at: Instant,
    pub(crate) level: Level,
    pub(crate) module: String,
    pub(crate) message: String,
}

/// Takes the lines that were kept since the last time.
pub(crate) fn take() -> Vec<Told> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect()
}

/// Keeps what modules log.
pub(crate) struct Keep;

impl<S: Subscriber> Layer<S> for Keep {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() != TARGET {
            return;
        }
        let (at, level) = (Instant::now(), *event.metadata().level());
        let mut told = Told { at, level, module: String::new(), message: String::new() };
        event.record(&mut told);
        // What the host says of a module names none.
        if told.module.is_empty() {
            return;
        }
        let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == MOST {
            kept.pop_front();
        }
        kept.push_back(told);
    }
}

impl fmt::Display for Told {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = self.level.as_str().to_lowercase();
        write!(formatter, "{} says ({level}): {}", word(&self.module), word(&self.message))
    }
}

impl Visit for Told {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "module" {
            value.clone_into(&mut self.module);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        }
    }
}
