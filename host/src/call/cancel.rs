//! Cancels an invoke, or the part of it that one module does.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

use tokio::sync::Notify;

/// Fires once, when the work under it is no longer wanted. Clones share one state.
#[derive(Clone, Default)]
pub(crate) struct Cancel(Arc<Node>);

#[derive(Default)]
struct Node {
    fired: AtomicBool,
    /// How many tasks wait for it or for a part of it.
    waiting: AtomicU32,
    /// The whole that it is a part of. It has fired if the whole has.
    within: Option<Cancel>,
    /// Wakes all tasks that wait for this or for a part of it. Each checks whether it was meant: a call has few
    /// waiters.
    woken: Notify,
}

impl Cancel {
    /// Makes a part of this, which fires with it or before it.
    pub(crate) fn part(&self) -> Self {
        Self(Arc::new(Node { within: Some(self.clone()), ..Node::default() }))
    }

    /// Fires.
    pub(crate) fn cancel(&self) {
        // In this order: a waiter first counts itself and then looks.
        if !self.0.fired.swap(true, Ordering::SeqCst) && self.0.waiting.load(Ordering::SeqCst) > 0 {
            self.root().woken.notify_waiters();
        }
    }

    /// Whether it has fired.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.nodes().any(|node| node.fired.load(Ordering::SeqCst))
    }

    /// Waits until it has fired.
    pub(crate) async fn cancelled(&self) {
        let _waiting = Waiter::begin(self);
        loop {
            let mut woken = std::pin::pin!(self.root().woken.notified());
            woken.as_mut().enable();
            if self.is_cancelled() {
                return;
            }
            woken.await;
        }
    }

    /// Returns a guard that fires this when it is dropped.
    pub(crate) fn on_drop(&self) -> CancelOnDrop {
        CancelOnDrop(self.clone())
    }

    fn root(&self) -> &Node {
        self.nodes().last().unwrap_or(&self.0)
    }

    /// This one, and every whole around it.
    fn nodes(&self) -> impl Iterator<Item = &Node> {
        std::iter::successors(Some(&*self.0), |node| node.within.as_ref().map(|within| &*within.0))
    }
}

/// Fires a [`Cancel`] when it is dropped.
pub(crate) struct CancelOnDrop(Cancel);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Counts a waiting task, until it is dropped.
struct Waiter<'a>(&'a Cancel);

impl<'a> Waiter<'a> {
    fn begin(cancel: &'a Cancel) -> Self {
        for node in cancel.nodes() {
            node.waiting.fetch_add(1, Ordering::SeqCst);
        }
        Self(cancel)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        for node in self.0.nodes() {
            node.waiting.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt as _, pin_mut, poll};

    use super::*;

    #[tokio::test]
    async fn a_part_fires_with_the_whole_and_not_the_other_way_round() {
        let whole = Cancel::default();
        let (one, other) = (whole.part(), whole.part());
        let inside = one.part();
        let (on_one, on_other, on_inside) = (one.cancelled(), other.cancelled(), inside.cancelled());
        pin_mut!(on_one, on_other, on_inside);
        assert!(poll!(&mut on_one).is_pending() && poll!(&mut on_other).is_pending());
        assert!(poll!(&mut on_inside).is_pending());
        one.cancel();
        assert!(poll!(&mut on_one).is_ready() && poll!(&mut on_inside).is_ready());
        assert!(poll!(&mut on_other).is_pending() && !whole.is_cancelled() && !other.is_cancelled());
        drop(whole.on_drop());
        assert!(poll!(&mut on_other).is_ready() && other.is_cancelled());
        assert!(other.cancelled().now_or_never().is_some());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_waiter_in_another_task_is_woken() {
        for turn in 0..1000 {
            let whole = Cancel::default();
            let part = whole.part();
            let waits = tokio::spawn(async move { part.cancelled().await });
            for _ in 0..turn % 4 {
                tokio::task::yield_now().await;
            }
            whole.cancel();
            waits.await.unwrap();
        }
    }
}
