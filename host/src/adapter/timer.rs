//! A timer for whoever is polled far more often than it fires.

use std::{
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use tokio::{
    task::unconstrained,
    time::{Instant, Sleep, sleep_until},
};

/// Fires at a time. To be asked whether it has fired costs next to nothing.
pub(crate) struct Timer {
    sleep: Pin<Box<Sleep>>,
    /// Whom it wakes.
    waker: Option<Waker>,
}

impl Timer {
    /// Fires at this time.
    pub(crate) fn at(time: Instant) -> Self {
        Self { sleep: Box::pin(sleep_until(time)), waker: None }
    }

    /// Fires at this time, and no more at that before.
    pub(crate) fn reset(&mut self, time: Instant) {
        self.sleep.as_mut().reset(time);
        self.waker = None;
    }

    /// Ready once it has fired.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let knows = self.waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker()));
        if knows && !self.sleep.is_elapsed() {
            return Poll::Pending;
        }
        self.waker = Some(context.waker().clone());
        // A task that has used up its turn would be told to come back, and the timer not whom to wake.
        pin!(unconstrained(self.sleep.as_mut())).poll(context)
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, time::Duration};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_can_be_put_off() {
        let started = Instant::now();
        let mut timer = Timer::at(started + Duration::from_secs(1));
        assert!(poll_fn(|context| Poll::Ready(timer.poll(context))).await.is_pending());
        timer.reset(started + Duration::from_secs(5));
        poll_fn(|context| timer.poll(context)).await;
        assert_eq!(started.elapsed().as_secs(), 5);
    }
}
