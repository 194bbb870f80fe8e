//! Standard error, which no request waits for.

use std::{fmt, io, sync::LazyLock, time::SystemTime};

use arcllm::{plain, rfc3339};

use crate::telemetry::background::{Background, Output};

/// The process has one standard error. Absent if there is no thread for it.
static WRITTEN: LazyLock<Option<Background>> = LazyLock::new(|| Background::start(Output::Error).ok());

/// Standard error, written by a thread of its own. Each write is one line, or several whole ones. A reader that is too slow loses
/// lines.
#[derive(Debug, Clone, Copy, Default)]
pub struct StandardError;

impl StandardError {
    /// Waits until all is written, for a second at most.
    pub fn drain(self) {
        WRITTEN.iter().for_each(Background::drain);
    }
}

impl io::Write for StandardError {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        match &*WRITTEN {
            Some(written) => written.add(String::from_utf8_lossy(text).trim_end_matches('\n')),
            None => io::stderr().write_all(text)?,
        }
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Tells the operator of something else than a request.
pub(crate) fn tell(what: fmt::Arguments<'_>) {
    let what = plain::lines(&what.to_string(), 10_000).replace('\n', "\n  ");
    // There is nowhere to report to if that fails.
    let _ = io::Write::write_all(&mut StandardError, format!("{} {what}\n", rfc3339(SystemTime::now())).as_bytes());
}
