//! How fast the events of a streamed answer come, shown below its timeline.

use std::{
    fmt,
    time::{Duration, Instant},
};

use crate::timeline::{clock, length};

/// Events within this time came together, and a rate would say nothing.
const TOGETHER: Duration = Duration::from_millis(1);

/// When the first event came, and how many have come since.
pub(crate) struct EventRate {
    asked: Instant,
    /// When the first event came, and the last one so far.
    came: Option<(Instant, Instant)>,
    others: u32,
}

impl EventRate {
    /// Begins with a call that is sent now.
    pub(crate) fn begin() -> Self {
        Self { asked: Instant::now(), came: None, others: 0 }
    }

    /// Counts an event that comes now.
    pub(crate) fn event(&mut self) {
        let now = Instant::now();
        if let Some((_, last)) = &mut self.came {
            *last = now;
            self.others = self.others.saturating_add(1);
        } else {
            self.came = Some((now, now));
        }
    }
}

impl fmt::Display for EventRate {
    /// Writes one line, or nothing if no event has come.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((first, last)) = self.came else { return Ok(()) };
        write!(formatter, "{:>8}  to the first event", clock(first.saturating_duration_since(self.asked)))?;
        let took = last.saturating_duration_since(first);
        match self.others {
            0 => writeln!(formatter, "; no other came"),
            others if took < TOGETHER => writeln!(formatter, "; {others} more at once"),
            others => {
                // The first event only starts the time in which the others came.
                let rate = f64::from(others) / took.as_secs_f64();
                writeln!(formatter, "; {others} more in {}: {rate:.1} events per second", length(took))
            }
        }
    }
}
