//! What a simulator's connections share: the replies to give and the requests seen.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::watch;

use crate::delivery::Sent;
use crate::format::Format;
use crate::queue::Queue;
use crate::record::Recorded;
use crate::refusal::refusal;
use crate::reply::Reply;
use crate::request::Request;
use crate::script::Script;

/// Wakes those who wait.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Progress {
    pub(crate) connections: u64,
    pub(crate) stopped: bool,
}

#[derive(Debug)]
pub(crate) struct State {
    ledger: Mutex<Ledger>,
    progress: watch::Sender<Progress>,
    started: Instant,
}

/// Under one lock, so that the order of the records is the order in which replies were handed out.
#[derive(Debug)]
struct Ledger {
    queue: Queue,
    /// By ascending number.
    records: Vec<Recorded>,
    /// The number of the latest record, kept or not.
    latest: u64,
}

/// A request that was recorded, and what to do with it.
#[derive(Debug)]
pub(crate) struct Assignment {
    pub(crate) number: u64,
    pub(crate) at: Instant,
    pub(crate) format: Format,
    pub(crate) model: Option<String>,
    /// Whether the client asks for a stream.
    pub(crate) stream: bool,
    /// Whether the client asks for the usage in a stream.
    pub(crate) include_usage: bool,
    pub(crate) reply: Reply,
}

impl State {
    pub(crate) fn new(script: Script) -> Arc<State> {
        let ledger = Ledger { queue: Queue::new(script), records: Vec::new(), latest: 0 };
        Arc::new(State {
            ledger: Mutex::new(ledger),
            progress: watch::Sender::new(Progress::default()),
            started: Instant::now(),
        })
    }

    /// Nothing that can panic runs under the lock, so a poisoned lock is safe to use.
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(&self, reply: Reply) {
        self.ledger().queue.push(reply);
    }

    /// Records a request and takes the reply for it.
    pub(crate) fn assign(&self, connection: u64, request: Request) -> Assignment {
        let mut recorded = Recorded::of(request, connection, self.started);
        let model = recorded.body.get("model").and_then(Value::as_str).map(str::to_owned);
        let is_true = |pointer| recorded.body.pointer(pointer) == Some(&Value::Bool(true));
        let (stream, include_usage) = (is_true("/stream"), is_true("/stream_options/include_usage"));
        let format = Format::of_client(&recorded.path, &recorded.headers);

        let mut ledger = self.ledger();
        let refusal = refusal(&recorded, &ledger.queue.peek());
        let reply = refusal.unwrap_or_else(|| ledger.queue.take());
        ledger.latest += 1;
        recorded.number = ledger.latest;
        recorded.reply = reply.to_string();
        let (number, at, format) = (recorded.number, recorded.at, recorded.format.unwrap_or(format));
        ledger.records.push(recorded);
        drop(ledger);
        self.progress.send_modify(|_| ());
        Assignment { number, at, format, model, stream, include_usage, reply }
    }

    /// Notes what was sent of a reply, and when the client went away if it did so before the reply was whole.
    pub(crate) fn ended(&self, number: u64, sent: Sent, closed_after: Option<Duration>) {
        let mut ledger = self.ledger();
        if let Some(recorded) = ledger.records.iter_mut().rev().find(|recorded| recorded.number == number) {
            recorded.sent_bytes = sent.bytes;
            recorded.sent_events = sent.events;
            recorded.closed_after = closed_after;
        }
        drop(ledger);
        self.progress.send_modify(|_| ());
    }

    /// Counts a connection, and numbers it.
    pub(crate) fn connected(&self) -> u64 {
        let mut number = 0;
        self.progress.send_modify(|progress| {
            progress.connections += 1;
            number = progress.connections;
        });
        number
    }

    pub(crate) fn connections(&self) -> u64 {
        self.progress.borrow().connections
    }

    pub(crate) fn stop(&self) {
        self.progress.send_modify(|progress| progress.stopped = true);
    }

    pub(crate) fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Shows the kept records to `read`.
    pub(crate) fn records<T>(&self, read: impl FnOnce(&[Recorded]) -> T) -> T {
        read(&self.ledger().records)
    }

    pub(crate) fn forget(&self) {
        self.ledger().records.clear();
    }

    /// The first kept record after this number.
    pub(crate) fn after(&self, number: u64) -> Option<Recorded> {
        self.records(|records| {
            let start = records.partition_point(|recorded| recorded.number <= number);
            records.get(start).cloned()
        })
    }
}
