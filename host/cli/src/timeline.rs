//! Draws a trail: every attempt, every wait, and the module that caused it.

use std::{fmt, time::Duration};

use anstyle::{AnsiColor, Style};
use arcllm::{Attempt, Error, Note, Outcome};
use tracing::Level;

use crate::{output::word, told::Told};

const WIDTH: usize = 40;
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const WAIT: Style = AnsiColor::Yellow.on_default();
const FAINT: Style = Style::new().dimmed();

/// A trail, and how the call ended.
pub(crate) struct Timeline<'a> {
    pub(crate) trail: &'a [Attempt],
    /// What modules remarked, in order.
    pub(crate) notes: &'a [Note],
    pub(crate) outcome: &'a str,
    /// What modules logged, and how long after the beginning of the call, in order.
    pub(crate) log: &'a [(Duration, Told)],
}

/// Describes how a call without a whole answer ended.
pub(crate) fn outcome_of(error: &Error) -> String {
    let answer = if error.received.is_empty() { "no answer" } else { "no whole answer" };
    format!("{answer}: {}", error.kind.as_str().replace('_', " "))
}

impl fmt::Display for Timeline<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.trail.last().map_or(Duration::ZERO, |last| last.started_after + last.took);
        let names = self.trail.iter().map(|attempt| word(&attempt.provider).chars().count());
        let scale = Scale { total, name: names.max().unwrap_or_default() };
        let mut before: Option<&Attempt> = None;
        let (mut log, mut notes) = (self.log.iter().peekable(), self.notes.iter().peekable());
        let mut tell_until = |formatter: &mut fmt::Formatter<'_>, until: Duration| {
            loop {
                // What was said first comes first.
                let before = log.peek().map_or(until, |(at, _)| until.min(*at));
                if let Some(note) = notes.next_if(|note| note.after <= before && note.after < until) {
                    scale.note(formatter, note)?;
                } else if let Some((at, told)) = log.next_if(|(at, _)| *at < until) {
                    scale.told(formatter, *at, told)?;
                } else {
                    break;
                }
            }
            Ok(())
        };
        for attempt in self.trail {
            tell_until(formatter, attempt.started_after.saturating_sub(attempt.waited))?;
            scale.wait(formatter, attempt, before)?;
            tell_until(formatter, attempt.started_after)?;
            scale.attempt(formatter, attempt)?;
            before = Some(attempt);
        }
        tell_until(formatter, Duration::MAX)?;
        let attempts = self.trail.len();
        let plural = if attempts == 1 { "" } else { "s" };
        writeln!(formatter, "{:>8}  {}; {attempts} attempt{plural}", clock(total), word(self.outcome))
    }
}

/// Maps the time of a call to columns.
struct Scale {
    total: Duration,
    name: usize,
}

impl Scale {
    fn attempt(&self, formatter: &mut fmt::Formatter<'_>, attempt: &Attempt) -> fmt::Result {
        let (style, mark) = match attempt.outcome {
            Outcome::Ok => (GOOD, "█"),
            _ => (BAD, "█"),
        };
        let bar = self.bar(attempt.started_after, attempt.took, mark);
        let time = clock(attempt.started_after);
        let (name, width) = (word(&attempt.provider), self.name);
        writeln!(formatter, "{time:>8}  {name:<width$}  {style}{bar}{style:#}  {style}{}{style:#}", what(attempt))
    }

    /// Draws what is between two attempts: a wait or a change of provider, and the module that caused it.
    fn wait(&self, formatter: &mut fmt::Formatter<'_>, attempt: &Attempt, before: Option<&Attempt>) -> fmt::Result {
        if !attempt.waited.is_zero() {
            let who = attempt.waited_by.as_deref().unwrap_or("a module");
            let start = attempt.started_after.saturating_sub(attempt.waited);
            // A wait that is shorter than the hint has another reason.
            let hint = before.and_then(|before| before.retry_after).filter(|hint| *hint <= attempt.waited);
            let why = match (hint, before) {
                (Some(hint), _) => format!("the server asked for {}", length(hint)),
                (None, Some(before)) if before.started_after + before.took > start => {
                    format!("{} has not answered", word(&before.provider))
                }
                (None, _) => "its own backoff".to_owned(),
            };
            let (bar, width) = (self.bar(start, attempt.waited, "·"), self.name);
            let waited = length(attempt.waited);
            writeln!(formatter, "{:>8}  {:<width$}  {WAIT}{bar}  {who} waits {waited}: {why}{WAIT:#}", "", "")?;
        }
        match before {
            Some(before) if before.provider != attempt.provider => {
                let (width, provider) = (self.name, word(&attempt.provider));
                // No module, if a retry outside of fallback starts the chain again.
                let who = attempt.loaded_by.as_deref().unwrap_or("the chain");
                writeln!(
                    formatter,
                    "{FAINT}{:>8}  {:<width$}  {:<WIDTH$}  {who} switches to {provider}{FAINT:#}",
                    "", "", ""
                )
            }
            _ => Ok(()),
        }
    }

    /// Writes a line of a module's log.
    fn told(&self, formatter: &mut fmt::Formatter<'_>, at: Duration, told: &Told) -> fmt::Result {
        let style = match told.level {
            Level::ERROR => BAD,
            Level::WARN => WAIT,
            _ => FAINT,
        };
        let (time, width) = (clock(at), self.name);
        writeln!(formatter, "{time:>8}  {:<width$}  {style}{told}{style:#}", "")
    }

    /// Writes a remark of a module.
    fn note(&self, formatter: &mut fmt::Formatter<'_>, note: &Note) -> fmt::Result {
        let (time, width) = (clock(note.after), self.name);
        writeln!(formatter, "{time:>8}  {:<width$}  {}: {}", "", word(&note.module), word(&note.text))
    }

    fn bar(&self, start: Duration, took: Duration, mark: &str) -> String {
        let column = |time: Duration| {
            let share = if self.total.is_zero() { 0.0 } else { time.as_secs_f64() / self.total.as_secs_f64() };
            // Truncated to the column that the moment is in.
            ((share * WIDTH as f64) as usize).min(WIDTH)
        };
        let from = column(start).min(WIDTH - 1);
        let marks = column(start + took).saturating_sub(from).max(1).min(WIDTH - from);
        format!("{}{}{}", " ".repeat(from), mark.repeat(marks), " ".repeat(WIDTH - from - marks))
    }
}

fn what(attempt: &Attempt) -> String {
    let hint = attempt.retry_after.map(|hint| format!(", retry after {}", length(hint))).unwrap_or_default();
    let outcome = match (attempt.outcome, attempt.status) {
        (Outcome::Api, Some(status)) => format!("status {status}"),
        (outcome, _) => outcome.as_str().replace('_', " "),
    };
    format!("{outcome}{hint} ({})", length(attempt.took))
}

pub(crate) fn clock(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

pub(crate) fn length(duration: Duration) -> String {
    match duration {
        short if short < Duration::from_secs(1) => format!("{} ms", short.as_millis()),
        long => format!("{:.1} s", long.as_secs_f64()),
    }
}
