//! What the handles of a module refer to.
//!
//! `bindgen!` needs those of resources to be `pub`; the module that they are in is not.

#![expect(unreachable_pub, reason = "bindgen! re-exports them from a private module")]

use std::sync::Arc;

use crate::{
    adapter::answer::{Answer, EventStream},
    call::upstream::Upstream,
    chat::{error::ErrorKind, request::Request},
    runtime::{
        guest::{hop::Hop, writing::Writing},
        limits::memory::HostBytes,
    },
};

/// A `request` of the WIT.
#[derive(Clone)]
pub struct RequestHandle {
    pub(crate) request: Arc<Request>,
    pub(crate) hop: Arc<Hop>,
    /// What is known of the request, if the module made it. Kept for as long as anybody is asked with it.
    pub(crate) derived: Option<Arc<Derived>>,
}

/// What is known of a request that a module made.
pub(crate) struct Derived {
    /// The memory that it takes.
    _bytes: HostBytes,
    /// The request that the module was given.
    given: Arc<Request>,
    /// Why it may not be sent, if it may not.
    pub(crate) refused: Option<ErrorKind>,
}

impl RequestHandle {
    /// A request that the module made of this one, and that takes this much memory.
    pub(crate) fn derive(&self, request: Request, bytes: HostBytes) -> Self {
        // Compared with what the module was given. A refused request must not let the next one through.
        let given = self.derived.as_ref().map_or(&self.request, |derived| &derived.given).clone();
        let refused = self.hop.refusal(&given, &request);
        let derived = Derived { _bytes: bytes, given, refused };
        Self { request: Arc::new(request), hop: self.hop.clone(), derived: Some(Arc::new(derived)) }
    }
}

/// A `response` of the WIT.
pub struct ResponseHandle {
    pub(crate) answer: Answer,
    /// Set if it is the answer that the module writes.
    pub(crate) writing: Option<Arc<Writing>>,
    /// The memory that it takes, if the module made it.
    pub(crate) _bytes: Option<HostBytes>,
}

impl From<Answer> for ResponseHandle {
    fn from(answer: Answer) -> Self {
        Self { answer, writing: None, _bytes: None }
    }
}

/// A `model` of the WIT. The modules around it are those of the call that asks it.
pub struct ModelHandle {
    pub(crate) end: Arc<Upstream>,
}

/// A `reader` of the WIT.
pub struct ReaderHandle {
    /// Apart from the handle, so that a read that is given up loses nothing.
    pub(crate) reading: Arc<tokio::sync::Mutex<Reading>>,
    /// The call that reads.
    pub(crate) hop: Option<Arc<Hop>>,
}

/// How far an answer has been read.
pub(crate) struct Reading {
    /// Absent once the answer has ended.
    pub(crate) events: Option<EventStream>,
    /// The error that the next read returns, if it came right behind an event.
    pub(crate) failed: Option<ErrorKind>,
}
