//! Which calls at modules led to an attempt.

use std::sync::Arc;

/// A call at a module, and the calls that led to it. An attempt belongs to all calls of its line.
pub(crate) struct Line {
    parent: Option<Arc<Line>>,
}

impl Line {
    /// A call that these have led to.
    pub(crate) fn after(parent: Option<Arc<Line>>) -> Arc<Self> {
        Arc::new(Self { parent })
    }

    /// Whether `call` is this call, or led to it.
    pub(crate) fn has(self: &Arc<Self>, call: &Arc<Line>) -> bool {
        std::iter::successors(Some(self), |line| line.parent.as_ref()).any(|line| Arc::ptr_eq(line, call))
    }
}
