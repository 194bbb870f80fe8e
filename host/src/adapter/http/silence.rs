//! The limit for silence in a streamed answer.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep};

/// How long to wait once more after the limit. A thread that was busy learns of its timers and of what has arrived at the
/// same moment, and may look at the timers first.
const SECOND_LOOK: Duration = Duration::from_millis(10);

/// Measures how long the reader of an answer waits for its next bytes.
pub(crate) struct Silence {
    limit: Duration,
    timer: Pin<Box<Sleep>>,
    /// How often the timer was set since bytes last came.
    looks: u8,
}

impl Silence {
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit, timer: Box::pin(sleep(limit)), looks: 0 }
    }

    /// Bytes have come.
    pub(crate) fn end(&mut self) {
        self.looks = 0;
    }

    /// Waits. Ready once no bytes have come for longer than the limit.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.looks == 0 {
            self.set(self.limit);
        }
        ready!(self.timer.as_mut().poll(context));
        if self.looks == 1 {
            self.set(SECOND_LOOK);
            ready!(self.timer.as_mut().poll(context));
        }
        Poll::Ready(())
    }

    fn set(&mut self, wait: Duration) {
        self.timer.as_mut().reset(Instant::now() + wait);
        self.looks += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_starts_anew_whenever_bytes_come() {
        let started = Instant::now();
        let mut silence = Silence::new(Duration::from_secs(10));
        for _ in 0..3 {
            let waiting = tokio::time::timeout(Duration::from_secs(9), poll_fn(|context| silence.poll(context)));
            waiting.await.unwrap_err();
            silence.end();
        }
        poll_fn(|context| silence.poll(context)).await;
        assert_eq!(started.elapsed(), Duration::from_secs(3 * 9 + 10) + SECOND_LOOK);
    }
}
