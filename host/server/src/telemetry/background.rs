//! Lines for standard output and standard error, which a thread of its own writes, so that no request waits for who reads them.

use std::{
    io::Write as _,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use crate::telemetry::standard_error::tell;

/// The most bytes that wait to be written. A reader that is slower loses lines.
const MOST_WAITING: usize = 1 << 20;

/// How long lines are gathered before they are written.
const GATHERED: Duration = Duration::from_millis(20);

/// How long the last lines may take. A reader that has stopped reading must not keep the process from ending.
const LAST_LINES: Duration = Duration::from_secs(1);

/// What lines are written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    Standard,
    Error,
}

/// Lines that wait to be written.
#[derive(Debug, Clone)]
pub(crate) struct Background(Arc<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    lines: Mutex<Lines>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Lines {
    text: String,
    lost: u64,
    /// Some have been taken, and are not written yet.
    is_writing: bool,
    is_closed: bool,
}

impl Background {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// If the system gives none.
    pub(crate) fn start(output: Output) -> std::io::Result<Self> {
        let waiting = Arc::<Waiting>::default();
        let written = waiting.clone();
        thread::Builder::new().name("arcllm-log".to_owned()).spawn(move || written.write(output))?;
        Ok(Self(waiting))
    }

    /// Adds a line, without its end.
    pub(crate) fn add(&self, line: &str) {
        let mut lines = self.0.lines();
        if lines.is_closed {
            return;
        }
        if lines.text.len() + line.len() > MOST_WAITING {
            lines.lost += 1;
            return;
        }
        let was_empty = lines.text.is_empty();
        lines.text.push_str(line);
        lines.text.push('\n');
        if was_empty {
            self.0.changed.notify_all();
        }
    }

    /// Waits until all is written, or for the time that the last lines may take.
    pub(crate) fn drain(&self) {
        let lines = self.0.lines();
        let has_more = |lines: &mut Lines| lines.is_writing || !lines.text.is_empty();
        // Either way nothing is left to do.
        let _ = self.0.changed.wait_timeout_while(lines, LAST_LINES, has_more);
    }

    /// Writes what waits, as [`drain`](Self::drain) does, and ends the thread.
    pub(crate) fn close(&self) {
        self.0.lines().is_closed = true;
        self.0.changed.notify_all();
        self.drain();
    }
}

impl Waiting {
    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, output: Output) {
        loop {
            let lines = self.lines();
            let lines = self.changed.wait_while(lines, |lines| lines.text.is_empty() && !lines.is_closed);
            let lines = lines.unwrap_or_else(PoisonError::into_inner);
            // More come soon, unless this is the end.
            let gathered = self.changed.wait_timeout_while(lines, GATHERED, |lines| !lines.is_closed);
            let (mut lines, _) = gathered.unwrap_or_else(PoisonError::into_inner);
            lines.is_writing = true;
            let (mut text, lost) = (std::mem::take(&mut lines.text), std::mem::take(&mut lines.lost));
            drop(lines);
            if lost > 0 && output == Output::Error {
                text.push_str(&lost_lines(lost));
                text.push('\n');
            }
            let written = output.write(&text);
            if lost > 0 && output == Output::Standard {
                tell(format_args!("{}", lost_lines(lost)));
            }
            let mut lines = self.lines();
            lines.is_writing = false;
            if written.is_err() {
                lines.is_closed = true;
                lines.text.clear();
            }
            let ends = lines.is_closed && lines.text.is_empty();
            drop(lines);
            self.changed.notify_all();
            if ends {
                return;
            }
        }
    }
}

fn lost_lines(lost: u64) -> String {
    let what = if lost == 1 { "1 line of the log is".to_owned() } else { format!("{lost} lines of the log are") };
    format!("{what} lost: its reader is too slow")
}

impl Output {
    fn write(self, text: &str) -> std::io::Result<()> {
        match self {
            Self::Standard => {
                let mut output = std::io::stdout().lock();
                output.write_all(text.as_bytes()).and_then(|()| output.flush())
            }
            Self::Error => std::io::stderr().lock().write_all(text.as_bytes()),
        }
    }
}
