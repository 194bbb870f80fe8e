//! One branch of an invoke. A module that asks twice at the same time starts two branches.

use std::sync::Arc;

use crate::{
    call::{cancel::Cancel, invoke::Invoke},
    telemetry::scope::Scope,
};

/// One branch of an invoke: what a caller, a module and its inner share.
#[derive(Clone)]
pub(crate) struct Branch {
    /// The invoke of this branch.
    pub(crate) invoke: Arc<Invoke>,
    /// Fires when the answer is no longer wanted.
    pub(crate) cancel: Cancel,
    /// The span of the asker.
    pub(crate) span: Scope,
    /// The calls that led here. Absent if the caller asks.
    pub(crate) line: Option<Arc<Line>>,
}

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
