//! Shows what happens while it happens: a spinner on a terminal, log lines on standard error.

use std::{
    fmt,
    io::IsTerminal as _,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use indicatif::ProgressBar;
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
};
use tracing_subscriber::{
    Layer, Registry,
    layer::{Context, SubscriberExt as _},
    registry::LookupSpan,
    util::SubscriberInitExt as _,
};

use crate::output::word;

/// The spinner that shows attempts and waits, if one turns.
static TURNING: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Writes warnings and the log of modules to standard error, and attempts and waits to the spinner. `ARCLLM_LOG` sets the
/// level of the log: error, warn (the default), info, debug or trace.
pub(crate) fn listen() {
    tracing_subscriber::registry().with(lines()).with(Steps.with_filter(LevelFilter::DEBUG)).init();
}

/// Writes the same log, and nothing else, since a spinner would cost each call of a server. Gives spans to this layer.
pub(crate) fn listen_with(spans: Option<impl Layer<Registry> + Send + Sync>) {
    tracing_subscriber::registry().with(spans).with(lines()).init();
}

fn lines<S: Subscriber + for<'span> LookupSpan<'span>>() -> impl Layer<S> {
    let level = std::env::var("ARCLLM_LOG").ok().and_then(|level| level.parse().ok()).unwrap_or(LevelFilter::WARN);
    tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()))
        .with_filter(level)
}

/// A spinner with a text beside it.
pub(crate) struct Spinner(Option<ProgressBar>);

impl Spinner {
    /// Starts to turn, if it is wanted and standard error is a terminal.
    pub(crate) fn start(wanted: bool) -> Self {
        if !(wanted && std::io::stderr().is_terminal()) {
            return Self(None);
        }
        let bar = ProgressBar::new_spinner();
        bar.enable_steady_tick(Duration::from_millis(100));
        *turning() = Some(bar.clone());
        Self(Some(bar))
    }

    pub(crate) fn say(&self, what: String) {
        if let Some(bar) = &self.0 {
            bar.set_message(word(&what).into_owned());
        }
    }

    /// Removes it from the terminal. A second call does nothing.
    pub(crate) fn stop(&mut self) {
        if let Some(bar) = self.0.take() {
            *turning() = None;
            bar.finish_and_clear();
        }
    }
}

fn turning() -> std::sync::MutexGuard<'static, Option<ProgressBar>> {
    TURNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Shows the library's events of attempts and waits beside the spinner.
struct Steps;

impl<S: Subscriber> Layer<S> for Steps {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() != Level::DEBUG {
            return;
        }
        let mut step = Step::default();
        event.record(&mut step);
        let message = match event.metadata().target() {
            "arcllm::attempt" => format!("attempt {}: asking {}", step.number, step.name),
            "arcllm::wait" => format!("{} waits {:.1} s", step.name, step.seconds),
            _ => return,
        };
        if let Some(bar) = &*turning() {
            bar.set_message(word(&message).into_owned());
        }
    }
}

#[derive(Default)]
struct Step {
    name: String,
    number: u64,
    seconds: f64,
}

impl Visit for Step {
    fn record_str(&mut self, field: &Field, value: &str) {
        if ["provider", "module"].contains(&field.name()) {
            value.clone_into(&mut self.name);
        }
    }

    fn record_u64(&mut self, _: &Field, value: u64) {
        self.number = value;
    }

    fn record_f64(&mut self, _: &Field, value: f64) {
        self.seconds = value;
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}
