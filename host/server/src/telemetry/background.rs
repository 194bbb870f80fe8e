//! Standard output and standard error, each written by a thread of its own, so that no request waits for who reads them.

use std::{
    fmt,
    io::{self, ErrorKind},
    sync::{Condvar, LazyLock, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant, SystemTime},
};

use arcllm::{plain, rfc3339};

/// The most bytes that wait to be written. A reader that is slower loses lines.
const MOST_WAITING: usize = 1 << 20;

/// How long lines are gathered before they are written.
const GATHERED: Duration = Duration::from_millis(20);

/// How long nothing more is said of lost lines.
const TOLD_AGAIN: Duration = Duration::from_secs(1);

/// How long the last lines may take. A reader that has stopped reading must not keep the process from ending.
const LAST_LINES: Duration = Duration::from_secs(1);

/// What the process writes to. No writer waits for a reader: one that is too slow loses lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Standard output.
    Standard,
    /// Standard error.
    Error,
}

/// The process has one of each.
static STANDARD: LazyLock<Background> = LazyLock::new(|| Background::start(Output::Standard));
static ERROR: LazyLock<Background> = LazyLock::new(|| Background::start(Output::Error));

impl Output {
    /// Adds a line, or several, without the last line end.
    pub fn add(self, line: &str) {
        self.background().add(line);
    }

    /// Waits until all is written, for a second at most.
    ///
    /// # Errors
    ///
    /// If the last lines could not be written.
    pub fn drain(self) -> io::Result<()> {
        self.background().drain()
    }

    fn background(self) -> &'static Background {
        match self {
            Self::Standard => &STANDARD,
            Self::Error => &ERROR,
        }
    }

    /// Writes without a buffer, which would keep what a full disk does not take.
    #[cfg(unix)]
    fn write(self, bytes: &[u8]) -> io::Result<usize> {
        Ok(match self {
            Self::Standard => rustix::io::write(io::stdout(), bytes),
            Self::Error => rustix::io::write(io::stderr(), bytes),
        }?)
    }

    #[cfg(not(unix))]
    fn write(self, bytes: &[u8]) -> io::Result<usize> {
        use io::Write as _;
        match self {
            Self::Standard => {
                let mut output = io::stdout().lock();
                output.write_all(bytes).and_then(|()| output.flush()).map(|()| bytes.len())
            }
            Self::Error => io::stderr().lock().write_all(bytes).map(|()| bytes.len()),
        }
    }
}

/// Each write is one line, or several whole ones.
impl io::Write for Output {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.add(String::from_utf8_lossy(text).trim_end_matches('\n'));
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Tells the operator of something else than a request, on standard error.
pub(crate) fn tell(what: fmt::Arguments<'_>) {
    let what = plain::lines(&what.to_string(), 10_000).replace('\n', "\n  ");
    Output::Error.add(&format!("{} {what}", rfc3339(SystemTime::now())));
}

/// Lines that wait to be written.
#[derive(Debug)]
struct Background {
    lines: Mutex<Lines>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Lines {
    text: String,
    lost: u64,
    /// Some have been taken, and are not written yet.
    is_writing: bool,
    /// Why the last ones could not be written.
    failed: Option<ErrorKind>,
    /// Nobody will ever read.
    is_gone: bool,
}

impl Background {
    fn start(output: Output) -> Self {
        let thread = thread::Builder::new().name("arcllm-log".to_owned());
        let started = thread.spawn(move || output.background().write(output));
        // Without a thread nothing can be written, and `drain` says so.
        let failed = started.err().map(|error| error.kind());
        let lines = Lines { is_gone: failed.is_some(), failed, ..Lines::default() };
        Self { lines: Mutex::new(lines), changed: Condvar::new() }
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, line: &str) {
        let mut lines = self.lines();
        if lines.is_gone {
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
            self.changed.notify_all();
        }
    }

    fn drain(&self) -> io::Result<()> {
        let has_more = |lines: &mut Lines| lines.is_writing || !lines.text.is_empty();
        let drained = self.changed.wait_timeout_while(self.lines(), LAST_LINES, has_more);
        let (lines, _) = drained.unwrap_or_else(PoisonError::into_inner);
        lines.failed.map_or(Ok(()), |kind| Err(kind.into()))
    }

    fn write(&self, output: Output) {
        let mut sink = Sink { output, is_in_line: false };
        let (mut lost, mut told) = (0, None::<Instant>);
        loop {
            let lines = self.changed.wait_while(self.lines(), |lines| lines.text.is_empty());
            drop(lines);
            // More come soon.
            thread::sleep(GATHERED);
            let mut lines = self.lines();
            lines.is_writing = true;
            let text = std::mem::take(&mut lines.text);
            lost += std::mem::take(&mut lines.lost);
            drop(lines);
            let unwritten = sink.write(&text).err();
            let is_gone = unwritten.as_ref().is_some_and(Unwritten::is_final);
            lost += unwritten.as_ref().map_or(0, |unwritten| unwritten.lines);
            // Not for each line while a disk is full.
            let is_due = told.is_none_or(|told| told.elapsed() >= TOLD_AGAIN);
            if lost > 0 && (is_gone || is_due) && sink.tell_lost(lost, is_gone) {
                (lost, told) = (0, Some(Instant::now()));
            }
            let mut lines = self.lines();
            lines.is_writing = false;
            lines.failed = unwritten.map(|unwritten| unwritten.why.kind());
            lines.is_gone = is_gone;
            if is_gone {
                lines.text.clear();
            }
            drop(lines);
            self.changed.notify_all();
            if is_gone {
                return;
            }
        }
    }
}

/// Where lines are written.
struct Sink {
    output: Output,
    /// Whether a line was cut.
    is_in_line: bool,
}

/// Lines that could not be written.
struct Unwritten {
    lines: u64,
    why: io::Error,
}

impl Unwritten {
    /// Whether nobody will ever read: the pipe is closed, or the descriptor is.
    fn is_final(&self) -> bool {
        const BAD_DESCRIPTOR: i32 = 9;
        self.why.kind() == ErrorKind::BrokenPipe || cfg!(unix) && self.why.raw_os_error() == Some(BAD_DESCRIPTOR)
    }
}

impl Sink {
    /// Writes whole lines.
    fn write(&mut self, text: &str) -> Result<(), Unwritten> {
        let lost = |rest: &[u8]| rest.iter().filter(|byte| **byte == b'\n').count() as u64;
        let mut rest = text.as_bytes();
        if self.is_in_line {
            self.write_all(&mut b"\n".as_slice()).map_err(|why| Unwritten { lines: lost(rest), why })?;
        }
        let written = self.write_all(&mut rest);
        let said = text.get(..text.len() - rest.len()).unwrap_or_default();
        self.is_in_line = !said.is_empty() && !said.ends_with('\n');
        written.map_err(|why| Unwritten { lines: lost(rest), why })
    }

    /// Writes until nothing is left.
    fn write_all(&self, rest: &mut &[u8]) -> io::Result<()> {
        while !rest.is_empty() {
            match self.output.write(rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => *rest = rest.get(count..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Somebody who shares the pipe has made it so that a write does not wait.
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(GATHERED),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Says how many lines are lost. Whether that was said.
    fn tell_lost(&mut self, lost: u64, is_gone: bool) -> bool {
        let what = if lost == 1 {
            "1 line of the log is lost".to_owned()
        } else {
            format!("{lost} lines of the log are lost")
        };
        let why = if is_gone {
            "nobody reads, and no more are written"
        } else {
            "its reader is too slow, or there is no room"
        };
        match self.output {
            Output::Standard => tell(format_args!("{what}: {why}")),
            Output::Error => return self.write(&format!("{what}: {why}\n")).is_ok(),
        }
        true
    }
}
