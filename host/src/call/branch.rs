//! One branch of an invoke. A module that asks twice at the same time starts two branches.

use std::sync::Arc;

use crate::{
    call::{cancel::Cancel, invoke::Invoke, line::Line},
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
