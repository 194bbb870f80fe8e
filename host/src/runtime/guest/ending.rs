//! How an answer ends that a module hands on, for the module that watches it.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use futures::{FutureExt as _, Stream, StreamExt as _, future::BoxFuture};
use tokio::{sync::watch, time::Instant};

use crate::{
    adapter::answer::{Answer, EventStream, without_end},
    call::invoke::Invoke,
    chat::{
        allowance::Allowances,
        error::ErrorKind,
        event::Event,
        original::KeptOriginal,
        response::{OF_MESSAGE, Response},
    },
    runtime::guest::noting::AFTERWARDS,
};

/// How long before the deadline an end waits no more to be noted: the answer is whole, and must not fail for that.
const BEFORE_DEADLINE: Duration = Duration::from_millis(50);

/// How an answer ended, as soon as it is known.
pub(crate) struct Ending {
    state: watch::Sender<Option<Ended>>,
    /// How many watches the module has.
    watches: AtomicU32,
}

/// How an answer ended.
#[derive(Clone)]
struct Ended {
    /// The answer without its content, or why it broke off.
    how: Result<Arc<Response>, ErrorKind>,
    at: Instant,
}

impl Ending {
    /// Watches this answer. `invoke` says why its reader went away before the end. With `holds_end`, the reader gets the end when
    /// the module has noted it.
    pub(crate) fn of(answer: Answer, invoke: &Arc<Invoke>, holds_end: bool) -> (Answer, Arc<Self>) {
        let ending = Arc::new(Self { state: watch::Sender::new(None), watches: AtomicU32::new(0) });
        let answer = match answer {
            Answer::Whole(response) => {
                ending.settle(Ok(&response));
                Answer::Whole(response)
            }
            Answer::Stream { head, events } => {
                let (provider, invoke) = (head.provider.clone(), invoke.clone());
                let watched =
                    WatchedEvents { events, ending: Some(ending.clone()), invoke, provider, holds_end, held: None };
                Answer::Stream { head, events: watched.boxed() }
            }
        };
        (answer, ending)
    }

    /// Waits until the answer has ended.
    pub(crate) async fn ended(&self) -> Result<Arc<Response>, ErrorKind> {
        let mut state = self.state.subscribe();
        // It fails only without a sender, which is here.
        match state.wait_for(Option::is_some).await.ok().and_then(|ended| ended.clone()) {
            Some(ended) => ended.how,
            None => Err(ErrorKind::Cancelled),
        }
    }

    /// Whether a module watches, and the answer goes on or has just ended.
    pub(crate) fn is_watched(&self) -> bool {
        let is_recent = || self.state.borrow().as_ref().is_none_or(|ended| ended.at.elapsed() < AFTERWARDS);
        self.watches.load(Ordering::Acquire) > 0 && is_recent()
    }

    /// Waits until nobody watches, or until the time after the end is over.
    pub(crate) async fn unwatched(&self) {
        let mut state = self.state.subscribe();
        while self.is_watched() {
            let ended = state.borrow_and_update().as_ref().map(|ended| ended.at);
            match ended {
                Some(at) => tokio::select! {
                    _ = state.changed() => {}
                    () = tokio::time::sleep_until(at + AFTERWARDS) => {}
                },
                // A sender is here, so it waits for a change.
                None => drop(state.changed().await),
            }
        }
    }

    fn settle(&self, how: Result<&Response, ErrorKind>) {
        let how = how.map(|response| Arc::new(without_content(response)));
        self.state.send_if_modified(|state| {
            let is_new = state.is_none();
            state.get_or_insert_with(|| Ended { how, at: Instant::now() });
            is_new
        });
    }
}

/// The response without its content, what else stands in its message, and its trail: an ending may be kept for long.
fn without_content(response: &Response) -> Response {
    let extensions = response.extensions.iter().filter(|(key, _)| !key.starts_with(OF_MESSAGE));
    Response {
        content: Vec::new(),
        usage: response.usage.clone(),
        stop_reason: response.stop_reason.clone(),
        model: response.model.clone(),
        provider: response.provider.clone(),
        request_id: response.request_id.clone(),
        trail: Vec::new(),
        notes: Vec::new(),
        extensions: extensions.map(|(key, value)| (key.clone(), value.clone())).collect(),
        original: KeptOriginal::default(),
        allowances: Allowances::new(),
    }
}

/// A `watch` of the WIT.
#[expect(unreachable_pub, reason = "bindgen! re-exports it from a private module")]
pub struct WatchHandle(Arc<Ending>);

impl WatchHandle {
    pub(crate) fn new(ending: Arc<Ending>) -> Self {
        ending.watches.fetch_add(1, Ordering::AcqRel);
        Self(ending)
    }

    pub(crate) fn ending(&self) -> Arc<Ending> {
        self.0.clone()
    }
}

impl Drop for WatchHandle {
    fn drop(&mut self) {
        if self.0.watches.fetch_sub(1, Ordering::AcqRel) == 1 {
            // Wakes those that wait until nobody watches.
            self.0.state.send_modify(|_| {});
        }
    }
}

/// The events of an answer that is watched.
struct WatchedEvents {
    events: EventStream,
    /// Absent once the answer has ended.
    ending: Option<Arc<Ending>>,
    invoke: Arc<Invoke>,
    provider: String,
    /// Whether the end waits until it is noted.
    holds_end: bool,
    /// The end, and what it waits for.
    held: Option<HeldEnd>,
}

/// The last event, and what it waits for.
type HeldEnd = (Option<Result<Event, ErrorKind>>, BoxFuture<'static, ()>);

impl WatchedEvents {
    /// Waits until the module has noted how the answer ended: for as long as it may work for that, and not past the deadline.
    fn noted(&self, ending: Arc<Ending>) -> BoxFuture<'static, ()> {
        let deadline = self.invoke.deadline().and_then(|deadline| deadline.checked_sub(BEFORE_DEADLINE));
        async move {
            match deadline {
                Some(deadline) => drop(tokio::time::timeout_at(deadline, ending.unwatched()).await),
                None => ending.unwatched().await,
            }
        }
        .boxed()
    }
}

impl Stream for WatchedEvents {
    type Item = Result<Event, ErrorKind>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some((event, noted)) = &mut self.held {
            ready!(noted.poll_unpin(context));
            let event = event.take();
            self.held = None;
            return Poll::Ready(event);
        }
        let event = ready!(self.events.poll_next_unpin(context));
        let how = match &event {
            Some(Ok(Event::End(response))) => Ok(&**response),
            Some(Ok(_)) => return Poll::Ready(event),
            Some(Err(error)) => Err(error.clone()),
            None => Err(without_end(&self.provider)),
        };
        if let Some(ending) = self.ending.take() {
            ending.settle(how);
            if self.holds_end {
                self.held = Some((event, self.noted(ending)));
                return self.poll_next(context);
            }
        }
        Poll::Ready(event)
    }
}

impl Drop for WatchedEvents {
    fn drop(&mut self) {
        if let Some(ending) = &self.ending {
            ending.settle(Err(self.invoke.why_over()));
        }
    }
}
