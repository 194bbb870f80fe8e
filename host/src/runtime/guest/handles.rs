//! What the handles of a module refer to.
//!
//! `bindgen!` needs the types of resources to be `pub`, though their module is not.

#![expect(unreachable_pub, reason = "bindgen! re-exports them from a private module")]

use std::sync::Arc;

use crate::{
    adapter::answer::{Answer, EventStream},
    call::upstream::Upstream,
    chat::{error::ErrorKind, event::Event, request::Request},
    runtime::{
        guest::{ending::Ending, hop::Hop, read_originals::ReadingTurn, writing::Writing},
        limits::memory::HostBytes,
    },
};

/// A `request` of the WIT.
#[derive(Clone)]
pub struct RequestHandle {
    pub(crate) request: Arc<Request>,
    pub(crate) hop: Arc<Hop>,
    /// Set if the module made the request. Kept while anybody is asked with it.
    pub(crate) derived: Option<Arc<Derivation>>,
}

/// What the host knows of a request that a module made.
pub(crate) struct Derivation {
    /// The memory that it takes.
    _bytes: HostBytes,
    /// The request that the module was given.
    given: Arc<Request>,
    /// Why it may not be sent, if the sandbox forbids it.
    pub(crate) refused: Option<ErrorKind>,
}

impl RequestHandle {
    /// Makes the handle of a request that the module made from this one. `bytes` is the memory that it takes.
    pub(crate) fn derive(&self, request: Arc<Request>, bytes: HostBytes) -> Self {
        // Compared with what the module was given: a refused request must not permit the next one.
        let given = self.derived.as_ref().map_or(&self.request, |derived| &derived.given).clone();
        let refused = self.hop.refusal(&given, &request);
        let derived = Derivation { _bytes: bytes, given, refused };
        Self { request, hop: self.hop.clone(), derived: Some(Arc::new(derived)) }
    }
}

/// A `response` of the WIT.
pub struct ResponseHandle {
    pub(crate) answer: Answer,
    /// Set if the module writes the answer.
    pub(crate) writing: Option<Arc<Writing>>,
    /// Set if the module watches how it ends.
    pub(crate) ending: Option<Arc<Ending>>,
    /// The memory that it takes, if the module made it.
    pub(crate) _bytes: Option<HostBytes>,
}

impl From<Answer> for ResponseHandle {
    fn from(answer: Answer) -> Self {
        Self { answer, writing: None, ending: None, _bytes: None }
    }
}

/// A `model` of the WIT. The modules around it are those of the call that asks.
pub struct ModelHandle {
    pub(crate) end: Arc<Upstream>,
}

/// A `reader` of the WIT.
pub struct ReaderHandle {
    /// Shared with a read under way, so that a read that is given up loses nothing.
    pub(crate) reading: Arc<tokio::sync::Mutex<Reading>>,
    /// The call that reads.
    pub(crate) hop: Option<Arc<Hop>>,
    /// Held while the module may read.
    pub(crate) _turn: Option<ReadingTurn>,
}

/// How far an answer has been read.
pub(crate) struct Reading {
    /// Absent once the answer has ended.
    pub(crate) events: Option<EventStream>,
    /// Events that no read has returned.
    pub(crate) ready: Vec<Event>,
    /// The error that the next read returns, if it came with the events before it.
    pub(crate) failed: Option<ErrorKind>,
}
