//! The attempts of a call, seen from outside while it runs.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use crate::{
    call::invoke::Invoke,
    chat::{note::Note, trail::Attempt},
};

/// Shows the attempts of a call while it runs, and those of a call whose future was dropped before its end. It is for one call.
///
/// ```no_run
/// use arcllm::{LiveTrail, Message, Model, Request};
///
/// # async fn agent(model: Model) {
/// let trail = LiveTrail::default();
/// let asking = model.invoke_watched(Request::new([Message::user("Hi")]), &trail, std::future::pending());
/// if tokio::time::timeout(std::time::Duration::from_secs(5), asking).await.is_err() {
///     println!("given up after {} attempts", trail.attempts().len());
/// }
/// # }
/// ```
#[derive(Clone, Default)]
pub struct LiveTrail(Arc<OnceLock<Arc<Invoke>>>);

impl LiveTrail {
    /// The attempts so far, until the call has ended: then its answer or its error has them.
    pub fn attempts(&self) -> Vec<Attempt> {
        self.0.get().map(|invoke| invoke.trail_so_far()).unwrap_or_default()
    }

    /// What modules have remarked so far, until the call has ended: then its answer or its error has it.
    pub fn notes(&self) -> Vec<Note> {
        self.0.get().map(|invoke| invoke.notes_so_far()).unwrap_or_default()
    }

    /// Shows the attempts of this call.
    pub(crate) fn show(&self, invoke: &Arc<Invoke>) {
        // It is for one call.
        let _ = self.0.set(invoke.clone());
    }
}

impl fmt::Debug for LiveTrail {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("LiveTrail").finish_non_exhaustive()
    }
}
