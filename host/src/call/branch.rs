//! One branch of an invoke. A module that asks twice at once has two inside of its own.

use std::sync::Arc;

use crate::{
    call::{cancel::Cancel, invoke::Invoke},
    telemetry::scope::Scope,
};

/// One branch of an invoke: what the caller, a module and its inner have in common.
#[derive(Clone)]
pub(crate) struct Branch {
    /// The invoke that it belongs to.
    pub(crate) invoke: Arc<Invoke>,
    /// Fires when nobody wants the answer any more.
    pub(crate) cancel: Cancel,
    /// The span of whoever asks.
    pub(crate) span: Scope,
}
