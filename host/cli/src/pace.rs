//! How fast a streamed answer comes, told beside its trail.

use std::{
    fmt,
    time::{Duration, Instant},
};

use crate::timeline::{clock, length};

/// Events that come faster are there at once, and how many there are in a second says nothing.
const AT_ONCE: Duration = Duration::from_millis(1);

/// When the first event came, and how many came since.
pub(crate) struct Pace {
    asked: Instant,
    /// When the first one came, and the last one so far.
    came: Option<(Instant, Instant)>,
    others: u32,
}

impl Pace {
    /// That of an answer that is asked for now.
    pub(crate) fn begin() -> Self {
        Self { asked: Instant::now(), came: None, others: 0 }
    }

    /// Takes note of an event that has come now.
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

impl fmt::Display for Pace {
    /// A line under those of a trail; none if no event has come.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((first, last)) = self.came else { return Ok(()) };
        write!(formatter, "{:>8}  to the first event", clock(first.saturating_duration_since(self.asked)))?;
        let took = last.saturating_duration_since(first);
        match self.others {
            0 => writeln!(formatter, "; no other came"),
            others if took < AT_ONCE => writeln!(formatter, "; {others} more at once"),
            others => {
                // The first one only begins the time in which the others came.
                let rate = f64::from(others) / took.as_secs_f64();
                writeln!(formatter, "; {others} more in {}: {rate:.1} events per second", length(took))
            }
        }
    }
}
