//! Shows what happens while it happens: a spinner on a terminal, log lines on standard error.

use std::{
    fmt,
    io::IsTerminal as _,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use arcllm_server::Output;
use indicatif::ProgressBar;
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
};
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::{FilterExt as _, filter_fn},
    fmt::MakeWriter,
    layer::{Context, SubscriberExt as _},
    registry::LookupSpan,
    util::SubscriberInitExt as _,
};

use crate::{
    compiling::Compiling,
    output::{tell, word},
    told,
};

/// The spinner that shows attempts and waits, if one turns.
static TURNING: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Writes the log to standard error, and attempts and waits to the spinner. Where a timeline keeps what modules log
/// (`keeps_log`), it is not written. With `json`, nothing is said of compiling.
pub(crate) fn listen(filter: EnvFilter, json: bool, keeps_log: bool) {
    let keep = keeps_log.then_some(told::Keep);
    let is_kept = filter_fn(move |metadata| !(keeps_log && metadata.target() == told::TARGET));
    let compiling = (!json).then_some(Compiling { say: say_above }.with_filter(LevelFilter::DEBUG));
    let steps = Steps.with_filter(LevelFilter::DEBUG);
    let lines = lines(std::io::stderr).with_filter(filter.and(is_kept));
    tracing_subscriber::registry().with(lines).with(steps).with(compiling).with(keep).init();
}

/// Writes the log of a server, and nothing else, since a spinner would cost each call. No call waits for who reads it. Gives spans to
/// this layer.
pub(crate) fn listen_with(spans: Option<impl Layer<Registry> + Send + Sync>, filter: EnvFilter) {
    tracing_subscriber::registry().with(spans).with(lines(|| Output::Error).with_filter(filter)).init();
}

fn lines<S, W>(writer: W) -> impl Layer<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: for<'line> MakeWriter<'line> + Send + Sync + 'static,
{
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(colours)
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

/// Writes a line to standard error, above the spinner if one turns.
fn say_above(line: &str) {
    match &*turning() {
        Some(bar) => bar.suspend(|| tell(format_args!("{line}\n"))),
        None => tell(format_args!("{line}\n")),
    }
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
