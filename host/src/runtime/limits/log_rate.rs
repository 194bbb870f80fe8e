//! Keeps a module's log within its rate.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::Instant;

use crate::{config::sandbox::Limits, runtime::limits::limit::Limit};

/// What an instance has logged in the second that began with its first message.
pub(crate) struct LogRate {
    since: Instant,
    lines: u64,
    bytes: u64,
    /// Messages that were dropped in this second.
    left_out: u64,
}

impl LogRate {
    pub(crate) fn new() -> Self {
        Self { since: Instant::now(), lines: 0, bytes: 0, left_out: 0 }
    }

    /// Counts a message. Fails if the instance has logged too much in this second; the message is then dropped.
    pub(crate) fn count(&mut self, bytes: usize, limits: &Limits, module: &str) -> Result<(), Limit> {
        if self.since.elapsed().as_secs() >= 1 {
            if self.left_out > 0 {
                let (left_out, limit) = (self.left_out, Limit::LogLines.setting());
                tracing::warn!(target: "arcllm::module", module, "{left_out} log messages of the module were dropped: it logs too much ({limit})");
            }
            *self = Self::new();
        }
        self.lines += 1;
        self.bytes = self.bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        let counted = within(self.lines, self.bytes, 1, limits);
        self.left_out += u64::from(counted.is_err());
        counted
    }
}

/// What one call has logged.
#[derive(Default)]
pub(crate) struct CallLog {
    lines: AtomicU64,
    bytes: AtomicU64,
}

impl CallLog {
    /// Counts a message of a call that has run for `seconds`. Fails if the call alone logs more than an instance may.
    pub(crate) fn count(&self, bytes: usize, seconds: u64, limits: &Limits) -> Result<(), Limit> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let lines = self.lines.fetch_add(1, Ordering::Relaxed) + 1;
        let bytes = self.bytes.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        within(lines, bytes, seconds.saturating_add(1), limits)
    }
}

fn within(lines: u64, bytes: u64, seconds: u64, limits: &Limits) -> Result<(), Limit> {
    if lines > limits.log_lines_per_second.saturating_mul(seconds) {
        return Err(Limit::LogLines);
    }
    if bytes > limits.log_kb_per_second.saturating_mul(1 << 10).saturating_mul(seconds) {
        return Err(Limit::LogBytes);
    }
    Ok(())
}
