//! Standard output and standard error of guests: lines of the module's log.
//!
//! Toolchains of languages with a runtime write there: what a program prints, and why it ends.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::{
    async_trait,
    cli::{IsTerminal, StdoutStream},
    p2::{OutputStream, Pollable, StreamResult},
};

use crate::{
    chat::plain::{self, MESSAGE},
    config::sandbox::Limits,
    runtime::limits::log_rate::LogRate,
};

/// The most bytes of a line. A longer one is logged in parts.
const LINE: usize = 2000;

/// How many lines are kept to say why a guest ended.
const LAST_LINES: usize = 12;

/// The most characters of these lines together.
const LAST_CHARACTERS: usize = 1500;

/// One of the two outputs of an instance. Clones are the same output.
#[derive(Clone)]
pub(crate) struct GuestOutput(Arc<Mutex<Inside>>);

struct Inside {
    module: Arc<str>,
    name: OutputName,
    limits: Limits,
    rate: LogRate,
    /// The bytes since the last line end.
    begun: Vec<u8>,
    last: VecDeque<String>,
}

/// Which of the two outputs it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OutputName {
    /// Standard output, which is logged as `info`.
    Stdout,
    /// Standard error, which is logged as `warn`.
    Stderr,
}

impl GuestOutput {
    /// Makes the output of an instance of this module.
    pub(crate) fn new(module: Arc<str>, name: OutputName, limits: Limits) -> Self {
        let (rate, begun, last) = (LogRate::new(), Vec::new(), VecDeque::new());
        Self(Arc::new(Mutex::new(Inside { module, name, limits, rate, begun, last })))
    }

    /// Returns the last lines that were written, and logs one that has no end yet.
    pub(crate) fn last_lines(&self) -> Option<String> {
        let mut inside = self.inside();
        inside.end_line();
        let (mut lines, mut characters) = (Vec::new(), 0);
        for line in inside.last.iter().rev() {
            characters += line.chars().count();
            if characters > LAST_CHARACTERS && !lines.is_empty() {
                break;
            }
            lines.push(plain::line(line, MESSAGE));
        }
        lines.reverse();
        (!lines.is_empty()).then(|| plain::lines(&lines.join("\n"), LAST_CHARACTERS).into_owned())
    }

    /// Forgets the last lines: they are about calls that have ended.
    pub(crate) fn forget(&self) {
        let mut inside = self.inside();
        inside.end_line();
        inside.last.clear();
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inside {
    fn write(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = LINE.saturating_sub(self.begun.len());
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let taken = end.unwrap_or(bytes.len()).min(room);
            let (piece, rest) = bytes.split_at(taken);
            self.begun.extend_from_slice(piece);
            bytes = rest;
            match bytes.split_first() {
                Some((b'\n', rest)) => {
                    bytes = rest;
                    self.end_line();
                }
                Some(_) => self.end_line(),
                None => {}
            }
        }
    }

    fn end_line(&mut self) {
        let text = String::from_utf8_lossy(&self.begun).trim_end().to_owned();
        self.begun.clear();
        if text.is_empty() {
            return;
        }
        let module: &str = &self.module;
        // Counted first: a guest that floods its output must not keep the host busy with lines that nobody reads.
        if self.rate.count(text.len(), &self.limits, module).is_ok() {
            let line = plain::line(&text, MESSAGE);
            match self.name {
                OutputName::Stdout => tracing::info!(target: "arcllm::module", module, context = "stdout", "{line}"),
                OutputName::Stderr => tracing::warn!(target: "arcllm::module", module, context = "stderr", "{line}"),
            }
        }
        if self.last.len() == LAST_LINES {
            self.last.pop_front();
        }
        self.last.push_back(text);
    }
}

impl IsTerminal for GuestOutput {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for GuestOutput {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    // The default would write later, in a task of its own, and lose what a guest wrote before it trapped.
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for GuestOutput {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.inside().write(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(LINE)
    }
}

#[async_trait]
impl Pollable for GuestOutput {
    async fn ready(&mut self) {}
}

impl AsyncWrite for GuestOutput {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.inside().write(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stderr() -> GuestOutput {
        GuestOutput::new("mine".into(), OutputName::Stderr, Limits::default())
    }

    fn write(output: &GuestOutput, text: &str) {
        output.inside().write(text.as_bytes());
    }

    #[test]
    fn the_last_lines_are_those_that_say_why_a_guest_ended() {
        let output = stderr();
        assert_eq!(output.last_lines(), None);
        write(&output, "Traceback:\n  File \"app.py\", li");
        write(&output, "ne 3\n\nValueError: no");
        assert_eq!(output.last_lines().unwrap(), "Traceback:\n  File \"app.py\", line 3\nValueError: no");
        write(&output, "a line without an end");
        output.forget();
        assert_eq!(output.last_lines(), None);
    }

    #[test]
    fn what_is_kept_is_clean_and_bounded() {
        let output = stderr();
        write(&output, &"x".repeat(3 * LINE));
        assert_eq!(output.inside().begun.len(), LINE);
        for line in 0..100 {
            write(&output, &format!("{line} \u{1b}[31m {}\n", "y".repeat(500)));
        }
        let last = output.last_lines().unwrap();
        assert!(last.chars().count() <= LAST_CHARACTERS + 1 && last.contains("99 \\u{1b}[31m"), "{last}");
        assert!(output.inside().last.len() <= LAST_LINES);
        output.inside().write(&[0xff, 0xfe, b'\n']);
        assert!(output.last_lines().unwrap().ends_with("\u{fffd}\u{fffd}"));
    }
}
